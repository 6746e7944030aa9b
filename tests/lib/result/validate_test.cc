#include "lib/result/validate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lib/measure/fairness.h"
#include "lib/measure/median.h"
#include "lib/result/result.h"

namespace shmark::result {
namespace {

using nlohmann::json;

constexpr auto name = "Lock/lock:robust_rw/mode:exclusive/procs:2";

entry repetition(int index, double rate) {
  const std::vector<double> rates{rate, 2 * rate};
  return {.name = name,
          .run_name = name,
          .repetitions = 3,
          .repetition_index = index,
          .iterations = 1'000'000,
          .real_time = 1e9 / (3 * rate),
          .cpu_time = 2e9 / (3 * rate),
          .counters = {{"ops_per_s", 3 * rate},
                       {"p50_ns", 14},
                       {"p99_ns", 100},
                       {"p999_ns", 100},
                       {"p9999_ns", 120},
                       {"max_ns", 1500},
                       {"wait_p50_ns", 3},
                       {"wait_max_ns", 3},
                       {"bypassed_p99", 2},
                       {"bypassed_max", 9},
                       {"probe_percent", 1.5},
                       {"jain", jain_index(rates)},
                       {"min_max_ratio", 0.5}},
          .worker_ops_per_s = rates,
          .durations = histogram{.time_every = 64, .buckets = {{8, 14'000}, {16, 20}, {1024, 1}}}};
}

// As Google Benchmark makes them of these repetitions.
entry aggregate(const std::string& what, const std::vector<entry>& of) {
  entry made{.name = name + ("_" + what),
             .run_name = name,
             .aggregate_name = what,
             .repetitions = 3,
             .iterations = 3};
  const auto value = [&](auto get) {
    std::vector<double> values;
    for (const entry& each : of) values.push_back(get(each));
    double sum = 0;
    double squares = 0;
    for (const double each : values) {
      sum += each;
      squares += each * each;
    }
    const auto size = static_cast<double>(values.size());
    const double mean = sum / size;
    const double deviation =
        std::sqrt(std::max(0.0, size / (size - 1) * (squares / size - mean * mean)));
    return what == "mean"     ? mean
           : what == "median" ? median(values)
           : what == "cv"     ? deviation / mean
                              : deviation;
  };
  made.real_time = value([](const entry& each) { return each.real_time; });
  made.cpu_time = value([](const entry& each) { return each.cpu_time; });
  for (const auto& [key, unused] : of.front().counters) {
    made.counters[key] = value([&](const entry& each) { return *each.counter(key); });
  }
  return made;
}

context about(run_kind kind) {
  return {.date = "2030-01-02T03:04:05+00:00",
          .host_name = "host",
          .executable = "/bin/bench",
          .num_cpus = 4,
          .mhz_per_cpu = 2300,
          .caches = {{"Data", 1, 49152, 1}},
          .load_avg = {0.5, 0.25, 0.125},
          .library_build_type = "release",
          .given = {{"branch", "main"}},
          .kind = kind,
          .command = "bench --out='a b'",
          .commit = "0123456789abcdef0123456789abcdef01234567+dirty",
          .build = {build_mode::opt, "gcc 12.2.0", sanitizer_kind::none},
          .machine = {"A processor", 2, "6.1.0", "0123456789abcdef"},
          .seed = 7,
          .probe_ns = 10.25,
          .missing = {{"Store/store:lmdb", "tools/setup --peers installs it"}},
          .calibration = calibration_info{.clock_ns = 20, .warnings = {"the load is 7"}}};
}

json bench_document() {
  run made{.about = about(run_kind::bench), .entries = {}};
  for (int i = 0; i < 3; ++i) made.entries.push_back(repetition(i, 1e6 * (i + 4)));
  const auto repetitions = made.entries;
  for (const char* what : {"mean", "median", "stddev", "cv"}) {
    made.entries.push_back(aggregate(what, repetitions));
  }
  entry failed{.name = "Codec/codec:direct/shape:flat/op:encode",
               .time_unit = "ns",
               .error_message = "worker 3 died"};
  made.entries.push_back(failed);
  return json::parse(to_json(made));
}

json stress_document() {
  run made{.about = about(run_kind::stress), .entries = {}};
  made.entries = {
      {.name = "Stress/scenario:transfer/workers:8",
       .iterations = 1000,
       .real_time = 812,
       .counters = {{"kills", 42}, {"lost", 0}, {"recovery_p50_ns", 2}, {"recovery_max_ns", 7}},
       .stress = stress_outcome{.verdict = verdict_kind::passed, .command = "stress"}},
      {.name = "Explore/operation:exclusive/fault:kill",
       .counters = {{"points", 12}, {"absent", 1}, {"torn", 1}},
       .stress = stress_outcome{.verdict = verdict_kind::failed,
                                .command = "explorer",
                                .findings = {"peers read a torn value"}}}};
  return json::parse(to_json(made));
}

// "benchmarks[0].jain: is 2, ...", with "warning: " before it.
std::vector<std::string> problems_of(std::string_view text) {
  std::vector<std::string> lines;
  for (const problem& each : validate(text).problems) {
    const std::string warning = each.kind == severity::warning ? "warning: " : "";
    lines.push_back(warning + each.where + ": " + each.what);
  }
  return lines;
}

void expect_problem(const json& document, const std::string& expected) {
  const auto found = problems_of(document.dump());
  EXPECT_TRUE(std::ranges::any_of(
      found, [&](const std::string& each) { return each.starts_with(expected); }))
      << expected << "\nbut found " << testing::PrintToString(found);
}

// Puts the value where the pointer says (or takes away what is there), and expects just that
// problem.
constexpr json::value_t gone = json::value_t::discarded;
void expect_with(json document, const char* pointer, const json& value,
                 const std::string& expected) {
  SCOPED_TRACE(pointer);
  const json::json_pointer at(pointer);
  if (value.is_discarded()) {
    document[at.parent_pointer()].erase(at.back());
  } else {
    document[at] = value;
  }
  expect_problem(document, expected);
  EXPECT_LE(problems_of(document.dump()).size(), 4u)
      << testing::PrintToString(problems_of(document.dump()));
}

TEST(Validate, FindsNothingInGoodFiles) {
  for (const json& good : {bench_document(), stress_document()}) {
    EXPECT_EQ(problems_of(good.dump()), std::vector<std::string>{});
    EXPECT_EQ(validate(good.dump()).schema, 1);
    EXPECT_EQ(validate(good.dump()).errors(), 0u);
  }
}

TEST(Validate, RefusesWhatIsNoStrictJson) {
  const auto expect = [](std::string_view text, const std::string& expected) {
    const auto found = problems_of(text);
    EXPECT_EQ(found, std::vector{expected}) << text;
  };
  expect("", "1:1: is not JSON from there on");
  expect("{\"context\": {},\n \"benchmarks\": [NaN]}", "2:17: is not JSON from there on");
  expect("{\"context\": {}, \"benchmarks\": []} x", "1:35: is not JSON from there on");
  expect("{\"context\": {}, // why\n \"benchmarks\": []}", "1:17: is not JSON from there on");
  expect("{\"context\": {\"date\": \"\xff\"}, \"benchmarks\": []}",
         "1:23: is not JSON from there on");
  expect("[1]", ": its outermost value is no object");
  expect("{\"context\": {\"num_cpus\": 1e999}}", ": it holds a number that no double can hold");
  expect("\xEF\xBB\xBF{\"context\": {}, \"benchmarks\": []}",
         "1:1: is a byte order mark, which JSON has not");
}

TEST(Validate, RefusesAKeyThatIsThereTwice) {
  EXPECT_EQ(problems_of(R"({"context": {"date": "a", "date": "b"}, "benchmarks": [
      {"name": "a", "error_occurred": true, "error_message": "x"},
      {"name": "b", "error_occurred": true, "error_message": "x",
       "x": [{}, {"a b": 1, "a b": 1}], "x": 2}]})"),
            (std::vector<std::string>{"context.date: is there twice",
                                      "benchmarks[1].x[1][\"a b\"]: is there twice",
                                      "benchmarks[1].x: is there twice"}));
}

TEST(Validate, RefusesAContextThatLacksAKeyOrHasAWrongOne) {
  const json good = bench_document();
  const auto expect = [&](const char* pointer, const json& value, const char* expected) {
    expect_with(good, pointer, value, expected);
  };
  expect("/context", gone, "context: is missing");
  expect("/benchmarks", gone, "benchmarks: is missing");
  expect("/benchmarks", 3, "benchmarks: is 3, not a list");
  for (const char* key : {"date", "host_name", "executable", "num_cpus", "mhz_per_cpu",
                          "cpu_scaling_enabled", "caches", "load_avg", "library_build_type"}) {
    const std::string pointer = std::string("/context/") + key;
    expect(pointer.c_str(), gone, (std::string("context.") + key + ": is missing").c_str());
  }
  for (const char* key : {"kind", "command", "commit", "build", "machine", "workers_are", "seed",
                          "probe_ns", "schema"}) {
    const std::string pointer = std::string("/context/shmark/") + key;
    expect(pointer.c_str(), gone, (std::string("context.shmark.") + key + ": is missing").c_str());
  }
  expect("/context/date", "yesterday", "context.date: is not ISO 8601");
  expect("/context/num_cpus", 0, "context.num_cpus: is 0, not a whole number from 1 up");
  expect("/context/num_cpus", 1.5, "context.num_cpus: is 1.5, not a whole");
  expect("/context/load_avg/1", -1, "context.load_avg[1]: is -1, not a number from 0 up");
  expect("/context/caches/0/type", "Victim", "context.caches[0].type: is \"Victim\", not one of");
  expect("/context/given", 3, "warning: context.given: is not known, and no text");
  expect("/context/shmark/schema", 2, "context.shmark.schema: is 2: this program knows 1");
  expect("/context/shmark/kind", "party", "context.shmark.kind: is none of bench, stress");
  expect("/context/shmark/commit", "abc", "context.shmark.commit: is not 40 hexadecimal digits");
  expect("/context/shmark/machine/fingerprint", "0123456789ABCDEF",
         "context.shmark.machine.fingerprint: is not 16 hexadecimal");
  expect("/context/shmark/build/mode", "fast", "context.shmark.build.mode: is none of");
  expect("/context/shmark/probe_ns", -1, "context.shmark.probe_ns: is -1");
  expect("/context/shmark/colour", "red", "warning: context.shmark.colour: is not known");
  expect("/context/shmark/missing/0/why", gone, "context.shmark.missing[0].why: is missing");
  expect("/context/shmark/missing/0/name", "", "context.shmark.missing[0].name: is empty");
  expect("/context/shmark/calibration/clock_ns", gone,
         "context.shmark.calibration.clock_ns: is missing");
  expect("/context/shmark/calibration/aa_spread_percent/single", -1,
         "context.shmark.calibration.aa_spread_percent.single: is -1");
  expect("/context/shmark/calibration/warnings/0", 5,
         "context.shmark.calibration.warnings[0]: is 5, not a text");
}

TEST(Validate, RefusesAnEntryThatLacksAKeyOrHasAWrongOne) {
  const json good = bench_document();
  const auto expect = [&](const char* pointer, const json& value, const char* expected) {
    expect_with(good, pointer, value, expected);
  };
  for (const char* key :
       {"name", "run_name", "family_index", "per_family_instance_index", "run_type", "repetitions",
        "repetition_index", "threads", "iterations", "real_time", "cpu_time", "time_unit"}) {
    const std::string pointer = std::string("/benchmarks/0/") + key;
    expect_problem(
        [&] {
          json bad = good;
          bad["benchmarks"][0].erase(key);
          return bad;
        }(),
        std::string("benchmarks[0].") + key + ": is missing");
  }
  expect("/benchmarks/7", "x", "benchmarks[7]: is a text, not an object");
  expect("/benchmarks/0/name", "Lock/other", "benchmarks[0].name: is not run_name");
  expect("/benchmarks/3/name", "Lock/other", "benchmarks[3].name: is not run_name, _ and");
  expect("/benchmarks/3/aggregate_name", gone, "benchmarks[3].aggregate_name: is missing");
  expect("/benchmarks/0/threads", 2, "benchmarks[0].threads: is not 1");
  expect("/benchmarks/0/time_unit", "us", "benchmarks[0].time_unit: is \"us\", not \"ns\"");
  expect("/benchmarks/0/iterations", 0, "benchmarks[0].iterations: is 0, without an error");
  expect("/benchmarks/0/iterations", -1, "benchmarks[0].iterations: is -1, not a whole number");
  expect("/benchmarks/0/repetition_index", 3, "benchmarks[0].repetition_index: is 3 of only 3");
  expect("/benchmarks/0/repetition_index", 1, "benchmarks[1]: is the same benchmark and repet");
  expect("/benchmarks/0/error_message", "x", "benchmarks[0].error_message: is there without");
  expect("/benchmarks/7/error_message", gone, "benchmarks[7].error_message: is missing");
  expect("/benchmarks/0/verdict", "passed", "benchmarks[0].verdict: is there, but the file is of");
  expect("/benchmarks/7/run_type", "other", "benchmarks[7].run_type: is \"other\", not one of");
}

TEST(Validate, RefusesNumbersThatCannotBe) {
  const json good = bench_document();
  const auto expect = [&](const char* pointer, const json& value, const char* expected) {
    expect_with(good, pointer, value, expected);
  };
  expect("/benchmarks/0/jain", 1.1, "benchmarks[0].jain: is 1.1, not a number above 0 and up to 1");
  expect("/benchmarks/0/jain", 0, "benchmarks[0].jain: is 0, not a number above 0 and up to 1");
  expect("/benchmarks/0/jain", "1", "benchmarks[0].jain: is a text, not a number");
  expect("/benchmarks/0/hit_rate", 1.01, "benchmarks[0].hit_rate: is 1.01, not a number from 0");
  expect("/benchmarks/0/simulated_hit_rate", -0.1, "benchmarks[0].simulated_hit_rate: is -0.1");
  auto replayed = good;
  replayed["benchmarks"][0]["simulated_hit_rate"] = 0.5;
  expect_with(replayed, "/benchmarks/0/replayed_share", 0.75,
              "benchmarks[0].simulated_hit_rate: is there, but replayed_share is 0.75");
  expect("/benchmarks/0/probe_percent", 101, "benchmarks[0].probe_percent: is 101");
  expect("/benchmarks/0/bytes", -4, "benchmarks[0].bytes: is -4, not a number from 0 up");
  expect("/benchmarks/0/real_time", -1, "benchmarks[0].real_time: is -1, not a number from 0 up");
  expect("/benchmarks/0/bytes", nullptr, "benchmarks[0].bytes: is null, not a number");
}

TEST(Validate, TellsAWrongNumberOnce) {
  for (const std::size_t index : {0u, 4u}) {  // a repetition, and an aggregate of it
    json document = bench_document();
    document["benchmarks"][index]["min_max_ratio"] = "half";
    const auto found = problems_of(document.dump());
    EXPECT_EQ(found.size(), 1u) << testing::PrintToString(found);
  }
}

TEST(Validate, RefusesQuantilesThatFall) {
  const json good = bench_document();
  const auto expect = [&](const char* pointer, const json& value, const char* expected) {
    expect_with(good, pointer, value, expected);
  };
  expect("/benchmarks/0/p50_ns", 101, "benchmarks[0].p99_ns: is 100, below p50_ns, which is 101");
  expect("/benchmarks/0/p9999_ns", 99, "benchmarks[0].p9999_ns: is 99, below p999_ns");
  expect("/benchmarks/0/wait_max_ns", 2, "benchmarks[0].wait_max_ns: is 2, below wait_p50_ns");
  expect("/benchmarks/0/bypassed_max", 1, "benchmarks[0].bypassed_max: is 1, below bypassed_p99");
  expect_with(stress_document(), "/benchmarks/0/recovery_max_ns", 1,
              "benchmarks[0].recovery_max_ns: is 1, below recovery_p50_ns");
}

// One repetition had enough operations for a quantile, the others had not.
TEST(Validate, TakesAggregatesOfQuantilesThatSomeRepetitionsHave) {
  json document = bench_document();
  json& entries = document["benchmarks"];
  entries[2]["wait_p99_ns"] = 8;
  entries[2]["wait_max_ns"] = 9;
  entries[3]["wait_p99_ns"] = entries[4]["wait_p99_ns"] = 8;
  entries[5]["wait_p99_ns"] = entries[6]["wait_p99_ns"] = 0;
  entries[3]["wait_max_ns"] = 5;
  entries[5]["wait_max_ns"] = std::sqrt(12);
  entries[6]["wait_max_ns"] = std::sqrt(12) / 5;
  EXPECT_EQ(problems_of(document.dump()), std::vector<std::string>{});
}

TEST(Validate, RefusesWhatWorkersContradict) {
  const json good = bench_document();
  const auto expect = [&](const char* pointer, const json& value, const char* expected) {
    expect_with(good, pointer, value, expected);
  };
  expect("/benchmarks/0/shmark/worker_ops_per_s/0", 4.5e6,
         "benchmarks[0].ops_per_s: is 12000000, and the sum of worker_ops_per_s is 12500000");
  expect("/benchmarks/0/shmark/worker_ops_per_s/0", 4.5e6,
         "benchmarks[0].jain: is 0.9, and Jain's");
  expect("/benchmarks/0/min_max_ratio", 0.6, "benchmarks[0].min_max_ratio: is 0.6, and that of");
  expect("/benchmarks/0/real_time", 84, "benchmarks[0].real_time: is 84, and 1e9 / ops_per_s is");
  expect("/benchmarks/0/shmark/worker_ops_per_s", json::array(),
         "benchmarks[0].shmark.worker_ops_per_s: is empty");
  expect("/benchmarks/0/shmark/worker_ops_per_s/0", "fast",
         "benchmarks[0].shmark.worker_ops_per_s[0]: is a text, not a number");
  expect("/benchmarks/0/shmark/other", 1, "warning: benchmarks[0].shmark.other: is not known");
  json three = good;
  three["benchmarks"][0]["shmark"]["worker_ops_per_s"] = {4e6, 4e6, 4e6};
  expect_problem(three, "benchmarks[0].shmark.worker_ops_per_s: has 3 workers, and the name has 2");
}

TEST(Validate, RefusesHistogramsThatContradict) {
  const json good = bench_document();
  const auto expect = [&](const char* pointer, const json& value, const char* expected) {
    expect_with(good, pointer, value, expected);
  };
  const std::string histogram = "/benchmarks/0/shmark/histogram";
  const std::string where = "benchmarks[0].shmark.histogram";
  const auto expect_in = [&](const char* pointer, const json& value, const char* expected) {
    expect((histogram + pointer).c_str(), value, (where + expected).c_str());
  };
  expect_in("/unit", "us", ".unit: is \"us\", not \"ns\"");
  expect_in("/time_every", gone, ".time_every: is missing");
  expect_in("/buckets/1/0", 8, ".buckets[1][0]: is not above the bucket before");
  expect_in("/buckets/1/1", 0, ".buckets[1][1]: is 0, not a whole number from 1 up");
  expect_in("/buckets/1", {1, 2, 3}, ".buckets[1]: is not a lower bound and a count");
  expect_in("/buckets/0/1", 1'000'000, ": has 1000021 operations, and there were 1000000");
  expect((histogram + "/buckets/2/0").c_str(), 2000,
         "benchmarks[0].max_ns: is below the histogram's last bucket");
  expect((histogram + "/buckets/0/1").c_str(), 9978,
         "benchmarks[0].p9999_ns: is there, with 9999 timed operations of 10000 that it takes");
  expect((histogram + "/buckets/0/1").c_str(), 900, "benchmarks[0].p999_ns: is there, with 921");
}

TEST(Validate, RefusesAggregatesThatTheirRepetitionsDoNotGive) {
  const json good = bench_document();
  for (const int index : {3, 4, 5, 6}) {
    const auto& of = good["benchmarks"][static_cast<std::size_t>(index)];
    for (const char* key : {"real_time", "cpu_time", "ops_per_s"}) {
      const std::string pointer = "/benchmarks/" + std::to_string(index) + "/" + key;
      const double value = of[key].get<double>();
      const double scale = index == 5 ? good["benchmarks"][0][key].get<double>() : value;
      json rounded = good;
      rounded[json::json_pointer(pointer)] = value + 1e-7 * scale;
      EXPECT_EQ(problems_of(rounded.dump()), std::vector<std::string>{});
      expect_with(good, pointer.c_str(), value + 1e-4 * scale,
                  "benchmarks[" + std::to_string(index) + "]." + key + ": is ");
    }
  }
  expect_with(good, "/benchmarks/4/bytes", 12,
              "benchmarks[4].bytes: is there, but none of its repetitions has it");
}

TEST(Validate, LeavesRepetitionsThatFailedOutOfAggregates) {
  json document = bench_document();
  json failed = document["benchmarks"][7];
  for (const char* key : {"name", "run_name"}) failed[key] = name;
  failed["repetition_index"] = 3;
  for (json& each : document["benchmarks"]) each["repetitions"] = 4;
  failed["repetitions"] = 4;
  document["benchmarks"].push_back(failed);
  EXPECT_EQ(problems_of(document.dump()), std::vector<std::string>{});
}

TEST(Validate, SaysOnceThatAggregatesCannotBeChecked) {
  json document = bench_document();
  document["benchmarks"].erase(document["benchmarks"].begin(), document["benchmarks"].begin() + 3);
  EXPECT_EQ(problems_of(document.dump()),
            std::vector<std::string>{
                "warning: benchmarks[0]: cannot be checked: its repetitions are not in the file"});
}

TEST(Validate, WarnsOnceOfEachFamilyAndCounterThatIsNotKnown) {
  json document = bench_document();
  for (const char* key : {"name", "run_name"}) document["benchmarks"][7][key] = "Queue/x";
  document["benchmarks"][0]["colour"] = 3;
  document["benchmarks"][1]["colour"] = 3;
  EXPECT_EQ(
      problems_of(document.dump()),
      (std::vector<std::string>{"warning: benchmarks[0].colour: is not known",
                                "warning: benchmarks[7].name: is of a family that is not known"}));
  EXPECT_EQ(validate(document.dump()).errors(), 0u);
}

TEST(Validate, RefusesStressEntriesThatContradict) {
  const json good = stress_document();
  const auto expect = [&](const char* pointer, const json& value, const char* expected) {
    expect_with(good, pointer, value, expected);
  };
  expect("/benchmarks/0/verdict", gone, "benchmarks[0].verdict: is missing");
  expect("/benchmarks/0/verdict", "fine", "benchmarks[0].verdict: is \"fine\", not one of");
  expect("/benchmarks/0/seed", gone, "benchmarks[0].seed: is missing");
  expect("/benchmarks/0/command", gone, "benchmarks[0].command: is missing");
  expect("/benchmarks/0/findings", {"torn"}, "benchmarks[0].findings: are there, but the verdict");
  expect("/benchmarks/0/lost", 1, "benchmarks[0].lost: is not 0, but the verdict is passed");
  expect("/benchmarks/1/findings/0", 3, "benchmarks[1].findings[0]: is 3, not a text");
}

TEST(Validate, ChecksOfGoogleBenchmarksOwnFilesWhatAppliesToThem) {
  const json good = json::parse(R"({
    "context": {"date": "2016-08-02 17:44:46", "num_cpus": 4, "mhz_per_cpu": 4228,
                "cpu_scaling_enabled": false, "library_build_type": "release",
                "json_schema_version": 1},
    "benchmarks": [
      {"name": "BM_Sort/64", "run_name": "BM_Sort/64", "run_type": "iteration",
       "iterations": 1000, "real_time": 1.5, "cpu_time": 1,
       "time_unit": "us", "bytes_per_second": 12, "delta": -5, "label": "x"},
      {"name": "BM_Sort/64_median", "run_name": "BM_Sort/64", "run_type": "aggregate",
       "aggregate_name": "median", "aggregate_unit": "time", "iterations": 1, "real_time": 1.5,
       "cpu_time": 1, "time_unit": "us", "bytes_per_second": 12, "delta": -5},
      {"name": "BM_Sort_BigO", "run_name": "BM_Sort", "run_type": "aggregate",
       "aggregate_name": "BigO", "cpu_coefficient": 1, "real_coefficient": 2, "big_o": "N",
       "time_unit": "ns"},
      {"name": "BM_Fails", "error_occurred": true, "error_message": "no disk"}]})");
  EXPECT_EQ(problems_of(good.dump()), std::vector<std::string>{});
  EXPECT_EQ(validate(good.dump()).schema, 0);
  expect_with(good, "/benchmarks/0/real_time", gone, "benchmarks[0].real_time: is missing");
  expect_with(good, "/benchmarks/0/time_unit", "h", "benchmarks[0].time_unit: is \"h\", not one");
  expect_with(good, "/benchmarks/1/bytes_per_second", 13, "benchmarks[1].bytes_per_second: is 13");
  expect_with(good, "/benchmarks/3/name", "BM_Sort/64", "warning: benchmarks[3]: is the same");
}

TEST(Validate, SurvivesEveryDamagedByte) {
  json small = bench_document();
  small["benchmarks"].erase(small["benchmarks"].begin() + 1, small["benchmarks"].end());
  const std::string text = small.dump();
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = "\"9\xff"[i % 3];
    for (const std::string& each : problems_of(damaged)) {
      EXPECT_EQ(each.find('\n'), std::string::npos);
    }
  }
}

TEST(ValidateFile, SaysWhatCannotBeRead) {
  const auto done = validate_file(std::filesystem::path(testing::TempDir()) / "no such file");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::not_found);
}

TEST(ValidateFile, ChecksWhatIsInTheFile) {
  const auto path = std::filesystem::path(testing::TempDir()) / "validate_test.json";
  std::ofstream(path) << bench_document();
  const auto done = validate_file(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->problems.empty());
  EXPECT_EQ(done->schema, 1);
}

}  // namespace
}  // namespace shmark::result

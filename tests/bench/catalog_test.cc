// Every benchmark runs, small: what nobody runs rots.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/program.h"
#include "tests/support/watchdog.h"

namespace shmark::bench {
namespace {

using support::contents;
using support::folder;
using support::lines;
using support::result_in;
using ::testing::Contains;
using ::testing::SizeIs;

support::outcome run_bench(const folder& at, const std::vector<std::string>& arguments) {
  return run_program(at, "bench/bench", arguments);
}

std::vector<std::string> names_of(std::vector<std::string> arguments) {
  const folder at;
  arguments.emplace_back("--benchmark_list_tests");
  const auto listed = run_bench(at, arguments);
  EXPECT_EQ(listed.how, support::exited(0));
  return lines(listed.out);
}
// Without arguments.
std::vector<std::string> all_names() { return names_of({}); }

TEST(Catalog, GrowsFromPresetToPreset) {
  const auto quick = names_of({"--preset=quick"});
  const auto standard = names_of({"--preset=standard"});
  const auto full = names_of({"--preset=full"});
  EXPECT_EQ(quick, all_names());
  const std::set<std::string> in_standard(standard.begin(), standard.end());
  const std::set<std::string> in_full(full.begin(), full.end());
  for (const auto& name : quick) EXPECT_TRUE(in_standard.contains(name)) << name;
  for (const auto& name : standard) EXPECT_TRUE(in_full.contains(name)) << name;
  EXPECT_LT(quick.size(), standard.size());
  EXPECT_LT(standard.size(), full.size());
  EXPECT_EQ(names_of({"--benchmark_filter=."}), quick) << "no filter";
  EXPECT_THAT(names_of({"--benchmark_filter=think_ns"}), ::testing::Not(::testing::IsEmpty()));
}

TEST(Catalog, MeasuresAtThePointsThatAreAskedFor) {
  const auto names = names_of({"--procs=3,5", "--cs_ns=70", "--think_ns=0,900", "--reads=0,30",
                               "--benchmark_filter=Lock/lock:robust_rw/"});
  std::vector<std::string> expected;
  for (const std::string workers : {"3", "5"}) {
    for (const std::string think : {"", "/think_ns:900"}) {
      expected.push_back("Lock/lock:robust_rw/mode:exclusive/procs:" + workers + "/cs_ns:70" +
                         think);
      expected.push_back("Lock/lock:robust_rw/mode:mixed/procs:" + workers + "/cs_ns:70" + think +
                         "/reads:30");
    }
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAreArray(expected));
}

TEST(Catalog, MeasuresThePayloadsThatAreAskedFor) {
  const auto names =
      names_of({"--payload=16,4k", "--procs=2", "--write_percent=5", "--benchmark_filter=^Cache"});
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("Cache/write_percent:5/payload:16/procs:2",
                                                     "Cache/write_percent:5/payload:4k/procs:2",
                                                     "Cache/read:uncached/payload:16/procs:2",
                                                     "Cache/read:uncached/payload:4k/procs:2"));
}

// Whatever the presets have: what was asked for must not be left out without a word.
TEST(Catalog, DropsNothingThatIsAskedFor) {
  const auto of_64k = names_of({"--payload=64k"});
  EXPECT_THAT(of_64k, Contains("Store/store:variable/op:read/payload:64k/procs:1"));
  EXPECT_THAT(of_64k, Contains("Cache/write_percent:5/payload:64k/procs:1"));
  EXPECT_THAT(of_64k, Contains("Cache/read:uncached/payload:64k/procs:1"));
  EXPECT_THAT(names_of({"--reads=50"}),
              Contains("Store/store:variable/op:mixed/payload:256/procs:1/reads:50"));
  EXPECT_THAT(names_of({"--preset=standard", "--payload=4k"}),
              Contains("Lock/lock:robust_rw/mode:exclusive/procs:2/cs_ns:200"))
      << "locks have no payload";
}

TEST(Catalog, MeasuresAPointOnceThatIsAskedForTwice) {
  const auto locks = names_of(
      {"--procs=2,1,2", "--cs_ns=70,70", "--reads=0,0", "--benchmark_filter=^Lock/lock:robust_rw"});
  EXPECT_THAT(locks, ::testing::ElementsAre("Lock/lock:robust_rw/mode:exclusive/procs:1/cs_ns:70",
                                            "Lock/lock:robust_rw/mode:exclusive/procs:2/cs_ns:70"));
  EXPECT_THAT(names_of({"--payload=4k,4k", "--write_percent=5,5", "--procs=2",
                        "--benchmark_filter=^Cache/write"}),
              ::testing::ElementsAre("Cache/write_percent:5/payload:4k/procs:2"));
}

TEST(Catalog, NamesEachBenchmarkOnceAndInTheDocumentedForm) {
  const auto names = names_of({"--preset=full"});
  EXPECT_GT(names.size(), 80u);
  EXPECT_THAT(std::set<std::string>(names.begin(), names.end()), SizeIs(names.size()));
  const std::regex form(
      "Limit/[a-z_]+"
      "|Lock/lock:[a-z_]+/mode:(exclusive|shared|mixed)/procs:[1-9][0-9]*(/locks:[1-9][0-9]*)?"
      "(/cs_ns:[1-9][0-9]*)?(/think_ns:[1-9][0-9]*)?(/reads:[1-9][0-9]*)?"
      "(/rate_per_s:[1-9][0-9]*)?(/stop_ms:[1-9][0-9]*)?"
      "|Codec/codec:[a-z_]+/shape:[a-z0-9]+/op:(encode|decode)"
      "|Cache/(write_percent:[0-9]+|read:uncached)/payload:[a-z0-9]+/procs:[1-9][0-9]*"
      "|Store/store:[a-z_]+/op:(read|write|mixed)/payload:[a-z0-9]+/procs:[1-9][0-9]*"
      "(/reads:[1-9][0-9]*)?");
  for (const auto& name : names) EXPECT_TRUE(std::regex_match(name, form)) << name;
}

TEST(Catalog, HasOursPeersAndLimitsSideBySide) {
  const auto names = all_names();
  for (const std::string workers : {"1", "2", "4", "8"}) {
    for (const std::string lock : {"robust_rw", "sysv_semaphore", "pthread_mutex", "pthread_robust",
                                   "pthread_rwlock", "boost_mutex", "ofd_lock"}) {
      EXPECT_THAT(names, Contains("Lock/lock:" + lock + "/mode:exclusive/procs:" + workers));
    }
    EXPECT_THAT(names, Contains("Lock/lock:robust_rw/mode:shared/procs:" + workers));
    EXPECT_THAT(names, Contains("Lock/lock:pthread_rwlock/mode:shared/procs:" + workers));
    EXPECT_THAT(names, Contains("Cache/write_percent:5/payload:map100/procs:" + workers));
  }
  for (const std::string op : {"encode", "decode"}) {
    EXPECT_THAT(names, Contains("Codec/codec:direct/shape:map100/op:" + op));
    EXPECT_THAT(names, Contains("Codec/codec:by_hand/shape:map100/op:" + op));
    EXPECT_THAT(names, Contains("Codec/codec:boost_binary/shape:map100/op:" + op));
    EXPECT_THAT(names, Contains("Codec/codec:boost_text/shape:map100/op:" + op));
  }
  EXPECT_THAT(names, Contains("Lock/lock:robust_rw/mode:shared/procs:2/locks:1"));
  EXPECT_THAT(names, Contains("Lock/lock:robust_rw/mode:shared/procs:2/locks:2"));
  EXPECT_THAT(names, Contains("Limit/acquire_load"));
  EXPECT_THAT(names, Contains("Lock/lock:no_lock/mode:exclusive/procs:1"));
}

void expect_measured(const result::entry& entry) {
  SCOPED_TRACE(entry.name);
  EXPECT_FALSE(entry.error_message) << *entry.error_message;
  EXPECT_TRUE(std::isfinite(entry.real_time) && entry.real_time > 0) << entry.real_time;
  // No processor does anything in a twentieth of a nanosecond: that would be somebody else's time.
  EXPECT_EQ(entry.time_unit, "ns");
  EXPECT_GT(entry.cpu_time, 0.05);
  EXPECT_GT(entry.iterations, 0u);
  for (const auto* counter : {"ops_per_s", "p50_ns", "max_ns", "jain", "min_max_ratio"}) {
    EXPECT_GT(entry.counter(counter).value_or(-1), 0) << counter;
  }
  EXPECT_TRUE(entry.durations && !entry.durations->buckets.empty());
  const auto count = entry.name.find("/procs:");
  const auto workers = count == std::string::npos ? 1 : std::stoul(entry.name.substr(count + 7));
  EXPECT_THAT(entry.worker_ops_per_s, SizeIs(workers));
  if (entry.name.starts_with("Codec/")) {
    EXPECT_GT(entry.counter("bytes").value_or(0), 0);
  }
  if (entry.name.starts_with("Cache/write_percent")) {
    const auto hit_rate = entry.counter("hit_rate");
    // None, where a window was so short that only writes were drawn.
    EXPECT_TRUE(hit_rate || entry.iterations < 64) << entry.iterations;
    EXPECT_TRUE(!hit_rate || (*hit_rate >= 0 && *hit_rate <= 1)) << *hit_rate;
    EXPECT_EQ(hit_rate.has_value(), entry.counter("model_hit_rate").value_or(0) > 0);
  }
}

TEST(Catalog, RunsWholeAndSmall) {
  const support::watchdog guard("every benchmark for 2 ms", std::chrono::minutes(4));
  const folder at;
  const auto done = run_bench(at, {"--benchmark_min_time=0.002", "--out=all.json"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  const auto results = result_in(at.file("all.json"));
  std::vector<std::string> measured;
  for (const auto& entry : results.entries) {
    measured.push_back(entry.name);
    expect_measured(entry);
  }
  EXPECT_EQ(measured, all_names());
  EXPECT_GT(results.about.probe_ns, 0);
  ASSERT_TRUE(results.about.calibration);
  EXPECT_GT(results.about.calibration->null_lock_ns, 0);
  EXPECT_GT(results.about.calibration->aa_spread_percent_single, 0);
  EXPECT_GT(results.about.calibration->aa_spread_percent_contended, 0);
  EXPECT_EQ(results.about.workers_are, result::worker_kind::processes);
}

TEST(Catalog, TellsWaitsOfLocksAndLatenciesOfOpenLoops) {
  const folder at;
  const auto done =
      run_bench(at, {"--benchmark_min_time=0.02", "--out=x.json",
                     "--benchmark_filter=robust_rw/mode:exclusive/procs:4(/rate_per_s:20000)?$"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  const auto results = result_in(at.file("x.json"));
  ASSERT_EQ(results.entries.size(), 2u);
  for (const auto& entry : results.entries) {
    for (const auto* counter : {"wait_p50_ns", "hold_p50_ns", "wait_max_ns", "hold_max_ns"}) {
      EXPECT_TRUE(entry.counter(counter)) << entry.name << ' ' << counter;
    }
    EXPECT_GE(entry.counter("probe_percent").value_or(-1), 0);
    EXPECT_GE(entry.counter("voluntary_switches_per_op").value_or(-1), 0);
  }
  EXPECT_FALSE(results.entries.front().counter("intended_p50_ns"));
  EXPECT_TRUE(results.entries.back().counter("intended_p50_ns"));
  EXPECT_TRUE(results.entries.back().counter("behind_percent"));
}

// However low the rate: else the window would show nothing but when workers began.
TEST(Catalog, MeasuresOpenLoopsForLongEnough) {
  const folder at;
  const auto done = run_bench(at, {"--procs=2", "--rate_per_s=40", "--reads=0", "--out=x.json",
                                   "--benchmark_min_time=0.002", "--skip_calibration",
                                   "--benchmark_filter=^Lock/lock:robust_rw/"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  const auto results = result_in(at.file("x.json"));
  ASSERT_EQ(results.entries.size(), 1u);
  EXPECT_GE(results.entries[0].iterations, 18u) << "10 of each worker, less those due at the end";
  EXPECT_LE(results.entries[0].iterations, 22u);
}

TEST(Catalog, TimesNothingIfAskedTo) {
  const folder at;
  const auto done = run_bench(at, {"--time_every=0", "--benchmark_min_time=0.002", "--out=x.json",
                                   "--benchmark_filter=robust_rw/mode:exclusive/procs:1$"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  const auto results = result_in(at.file("x.json"));
  ASSERT_EQ(results.entries.size(), 1u);
  EXPECT_FALSE(results.entries.front().counter("p50_ns"));
  EXPECT_FALSE(results.entries.front().durations);
  EXPECT_EQ(results.entries.front().counter("probe_percent"), 0);
}

TEST(Catalog, HasWorkersOfTheUsersOwn) {
  const folder at;
  const auto done = run_bench(
      at, {"--worker=mine=python3 " + std::filesystem::absolute("examples/worker.py").string(),
           "--worker=gone=/no/such/program", "--benchmark_min_time=0.01", "--procs=2",
           "--benchmark_filter=External", "--out=x.json"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  EXPECT_THAT(done.out, ::testing::HasSubstr("External/worker:gone: "));
  const auto results = result_in(at.file("x.json"));
  ASSERT_FALSE(results.about.missing.empty());
  if (results.about.missing[0].name == "External/worker:mine") GTEST_SKIP() << "no python3";
  ASSERT_EQ(results.about.missing.size(), 1u);
  EXPECT_EQ(results.about.missing[0].name, "External/worker:gone");
  ASSERT_EQ(results.entries.size(), 1u);
  EXPECT_EQ(results.entries[0].name, "External/worker:mine/op:count/procs:2");
  EXPECT_GT(results.entries[0].iterations, 0u);
}

TEST(Catalog, RunsWithThreadsAsWorkers) {
  const folder at;
  const auto done = run_bench(at, {"--workers_are=threads", "--benchmark_min_time=0.002",
                                   "--out=threads.json", "--benchmark_filter=Limit|procs:2"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  const auto results = result_in(at.file("threads.json"));
  EXPECT_EQ(results.about.workers_are, result::worker_kind::threads);
  EXPECT_GT(results.entries.size(), 20u);
  for (const auto& entry : results.entries) expect_measured(entry);
}

TEST(Catalog, RunsWithoutPinningAndWithEveryOperationTimed) {
  const folder at;
  const auto done = run_bench(at, {"--pin=none", "--time_every=1", "--benchmark_min_time=0.002s",
                                   "--out=x.json", "--benchmark_filter=Limit|robust_rw.*procs:4"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  for (const auto& entry : result_in(at.file("x.json")).entries) {
    expect_measured(entry);
    std::uint64_t timed = 0;
    for (const auto& [lower_ns, count] : entry.durations->buckets) timed += count;
    EXPECT_EQ(timed, entry.iterations) << entry.name;
  }
}

TEST(Catalog, GivesAggregatesOfRepetitions) {
  const folder at;
  const auto done =
      run_bench(at, {"--benchmark_repetitions=3", "--benchmark_min_time=0.002", "--out=three.json",
                     "--benchmark_filter=Limit/clock|robust_rw/mode:exclusive/procs:2",
                     "--benchmark_enable_random_interleaving=true"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  const auto results = result_in(at.file("three.json"));
  for (const std::string name : {"Limit/clock", "Lock/lock:robust_rw/mode:exclusive/procs:2"}) {
    std::set<int> repetitions;
    std::map<std::string, double> aggregates;
    std::map<std::string, double> cpu_aggregates;
    double cpu_time = 0;
    for (const auto& entry : results.entries) {
      if (entry.run_name != name) continue;
      if (entry.is_aggregate()) {
        EXPECT_EQ(entry.name, name + "_" + entry.aggregate_name);
        aggregates[entry.aggregate_name] = entry.real_time;
        cpu_aggregates[entry.aggregate_name] = entry.cpu_time;
      } else {
        expect_measured(entry);
        EXPECT_EQ(entry.repetitions, 3);
        repetitions.insert(entry.repetition_index);
        cpu_time += entry.cpu_time;
      }
    }
    EXPECT_EQ(repetitions, (std::set{0, 1, 2}));
    for (const auto* key : {"mean", "median", "stddev", "cv"}) {
      EXPECT_TRUE(aggregates.contains(key)) << key;
    }
    EXPECT_DOUBLE_EQ(cpu_aggregates["mean"], cpu_time / 3);
    EXPECT_DOUBLE_EQ(cpu_aggregates["cv"], cpu_aggregates["stddev"] / cpu_aggregates["mean"]);
    EXPECT_NEAR(aggregates["cv"], aggregates["stddev"] / aggregates["mean"], 1e-6);
  }
}

TEST(Catalog, IsJsonOnStandardOutputIfAskedFor) {
  const folder at;
  const auto done = run_bench(at, {"--benchmark_format=json", "--benchmark_filter=Limit",
                                   "--benchmark_min_time=0.002", "--out=file.json"});
  EXPECT_EQ(done.how, support::exited(0)) << done.err;
  EXPECT_EQ(done.out, contents(at.file("file.json")));
  EXPECT_EQ(result_in(at.file("stdout")).entries.size(), 4u);
}

}  // namespace
}  // namespace shmark::bench

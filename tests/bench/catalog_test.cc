// Every benchmark runs, small: what nobody runs rots.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
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

std::vector<std::string> all_names() {
  const folder at;
  const auto listed = run_bench(at, {"--benchmark_list_tests"});
  EXPECT_EQ(listed.how, support::exited(0));
  EXPECT_EQ(listed.err, "");
  return lines(listed.out);
}

TEST(Catalog, NamesEachBenchmarkOnceAndInTheDocumentedForm) {
  const auto names = all_names();
  EXPECT_GT(names.size(), 80u);
  EXPECT_THAT(std::set<std::string>(names.begin(), names.end()), SizeIs(names.size()));
  const std::regex form(
      "Limit/[a-z_]+"
      "|Lock/lock:[a-z_]+/mode:(exclusive|shared)/procs:[1-9][0-9]*(/locks:[1-9][0-9]*)?"
      "|Codec/codec:[a-z_]+/shape:[a-z0-9]+/op:(encode|decode)"
      "|Cache/write_percent:[0-9]+/payload:[a-z0-9]+/procs:[1-9][0-9]*");
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
  for (const auto* counter : {"ops_per_s", "p50_ns", "p99_ns", "max_ns", "jain"}) {
    EXPECT_GT(entry.counter(counter).value_or(-1), 0) << counter;
  }
  EXPECT_TRUE(entry.durations && !entry.durations->buckets.empty());
  const auto count = entry.name.find("/procs:");
  const auto workers = count == std::string::npos ? 1 : std::stoul(entry.name.substr(count + 7));
  EXPECT_THAT(entry.worker_ops_per_s, SizeIs(workers));
  if (entry.name.starts_with("Codec/")) {
    EXPECT_GT(entry.counter("bytes").value_or(0), 0);
  }
  if (entry.name.starts_with("Cache/")) {
    const double hit_rate = entry.counter("hit_rate").value_or(-1);
    EXPECT_TRUE(hit_rate >= 0 && hit_rate <= 1) << hit_rate;
    EXPECT_GT(entry.counter("model_hit_rate").value_or(0), 0);
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
  EXPECT_EQ(results.about.workers_are, result::worker_kind::processes);
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

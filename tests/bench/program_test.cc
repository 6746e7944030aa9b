// The benchmark program under bad input, interrupts and deaths.

#include "tests/support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/base/process.h"

namespace shmark::bench {
namespace {

using support::contents;
using support::exited;
using support::folder;
using support::has_begun;
using support::has_objects;
using support::lines;
using support::program;
using support::result_in;
using support::traces;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* path = "bench/bench";

support::outcome run_bench(const folder& at, const std::vector<std::string>& arguments) {
  return run_program(at, path, arguments);
}

// --- Bad input: exit status 2, a message that names it, and nothing measured.

struct mistake {
  std::vector<std::string> arguments;
  std::vector<std::string> told;
};

void expect_complaint(const mistake& made) {
  const folder at;
  SCOPED_TRACE(made.arguments.back());
  support::expect_complaint(run_bench(at, made.arguments), made.told);
}

TEST(BenchProgram, EndsWith2AndAMessageOnBadInput) {
  const std::vector<mistake> mistakes{
      {{"--frobnicate"}, {"--frobnicate: there is nothing of that name; ", "--help"}},
      {{"frobnicate"}, {"frobnicate", "--help"}},
      {{"--benchmark_frobnicate=1"}, {"--benchmark_frobnicate=1"}},
      {{"--benchmark_filter=no such name"},
       {"no such name: there is nothing of that name; ", "--benchmark_list_tests"}},
      {{"--benchmark_filter=("},
       {"--benchmark_filter (: it is not a valid value; ", "regular expression"}},
      {{"--benchmark_min_time=soon"}, {"--benchmark_min_time", "soon"}},
      {{"--benchmark_min_time=-1"}, {"--benchmark_min_time", "-1"}},
      {{"--benchmark_min_time=nan"}, {"--benchmark_min_time", "nan"}},
      {{"--benchmark_repetitions=many"}, {"--benchmark_repetitions", "many"}},
      {{"--benchmark_repetitions=-1"}, {"--benchmark_repetitions", "-1"}},
      {{"--benchmark_format=xml"}, {"--benchmark_format", "xml"}},
      {{"--benchmark_out_format=csv"}, {"--benchmark_out_format", "csv"}},
      {{"--benchmark_time_unit=eons"}, {"--benchmark_time_unit", "eons"}},
      {{"--benchmark_context=x"}, {"--benchmark_context=x"}},
      {{"--benchmark_context=a=1,date=today"}, {"a=1,date=today", "another key"}},
      {{"--time_every=-1"}, {"--time_every", "-1"}},
      {{"--preset=huge"}, {"--preset", "huge", "quick"}},
      {{"--procs=0"}, {"--procs", "0"}},
      {{"--procs=2,many"}, {"--procs", "many"}},
      {{"--reads=101"}, {"--reads", "101"}},
      {{"--worker=python3 worker.py"}, {"--worker", "NAME=COMMAND"}},
      {{"--worker=mine="}, {"--worker", "NAME=COMMAND"}},
      {{"--worker=mine=true", "--worker=mine=false"}, {"--worker", "'mine' is given twice"}},
      {{"--time_every=often"}, {"--time_every", "often"}},
      {{"--seed=apple"}, {"--seed", "apple"}},
      {{"--seed=-1"}, {"--seed", "'-1' is not a whole number from 0 to 18446744073709551615"}},
      {{"--seed=18446744073709551616"}, {"--seed", "'18446744073709551616' is not"}},
      {{"--workers_are=cats"}, {"--workers_are", "cats", "processes", "threads"}},
      {{"--pin=up"}, {"--pin", "up", "spread"}},
      {{"--out"}, {"--out"}},
      {{"--out=", "--benchmark_list_tests"}, {"--out", "'--benchmark_list_tests' is a flag"}},
      {{"--out", ""}, {"--out", "empty"}},
  };
  for (const auto& each : mistakes) expect_complaint(each);
}

TEST(BenchProgram, SaysBeforeItMeasuresThatItsResultCannotBeWritten) {
  expect_complaint(
      {{"--out=no/such/folder/x.json"}, {"no/such/folder/x.json", "create its folder first"}});
  expect_complaint({{"--out=/"}, {"folder"}});
  expect_complaint({{"--benchmark_out=no/such/folder/x.json"}, {"no/such/folder/x.json"}});
}

TEST(BenchProgram, KeepsAnEarlierResultUntilItHasANewOne) {
  const folder at;
  std::ofstream(at.file("x.json")) << "earlier";
  EXPECT_EQ(run_bench(at, {"--out=x.json", "--frobnicate"}).how, exited(2));
  EXPECT_EQ(run_bench(at, {"--out=x.json", "--benchmark_list_tests"}).how, exited(0));
  EXPECT_EQ(contents(at.file("x.json")), "earlier");
  EXPECT_EQ(run_bench(at, {"--out=x.json", "--benchmark_filter=Limit/nothing",
                           "--benchmark_min_time=0.002"})
                .how,
            exited(0));
  EXPECT_EQ(result_in(at.file("x.json")).entries.size(), 1u);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(at.file(""))) {
    files.push_back(entry.path().filename());
  }
  EXPECT_THAT(files, ::testing::UnorderedElementsAre("x.json", "stdout", "stderr"));
}

TEST(BenchProgram, PutsTheContextThatItIsGivenIntoItsResult) {
  const folder at;
  const auto done = run_bench(
      at, {"--benchmark_context=branch=main,cooling=,branch=other", "--benchmark_context=rack=7",
           "--benchmark_filter=Limit/nothing", "--benchmark_min_time=0.002", "--out=x.json"});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  const std::map<std::string, std::string, std::less<>> expected{
      {"branch", "main"}, {"cooling", ""}, {"rack", "7"}};
  EXPECT_EQ(result_in(at.file("x.json")).about.given, expected);
}

// Whatever the form of its output: who reads JSON must know, too.
TEST(BenchProgram, WarnsOfABuildWhoseTimesSayNothing) {
  const folder at;
  const auto ended = run_bench(at, {"--benchmark_filter=Limit/nothing",
                                    "--benchmark_min_time=0.002", "--benchmark_format=json"});
  EXPECT_EQ(ended.how, exited(0));
  const auto about = result::this_context(result::run_kind::bench, "");
  const bool is_for_measuring = about.build.mode == result::build_mode::opt &&
                                about.build.sanitizer == result::sanitizer_kind::none;
  const bool warns = ended.err.find("not for measuring") != std::string::npos;
  EXPECT_EQ(warns, !is_for_measuring) << ended.err;
}

TEST(BenchProgram, ExplainsItselfOnDemand) {
  const folder at;
  const auto done = run_bench(at, {"--help"});
  EXPECT_EQ(done.how, exited(0));
  EXPECT_THAT(done.out,
              AllOf(HasSubstr("--workers_are"), HasSubstr("--benchmark_filter"),
                    HasSubstr("Lock/lock:robust_rw/mode:mixed/procs:8/cs_ns:200/reads:90")));
}

TEST(BenchProgram, EndsWith2WhenItsOutputIsLost) {
  const folder at;
  for (const auto* flag : {"--benchmark_list_tests", "--help"}) {
    const auto done = run_program(at, path, {flag}, "/dev/full");
    EXPECT_EQ(done.how, exited(2)) << flag;
    EXPECT_THAT(done.err, HasSubstr("bench: cannot write to standard output"));
  }
}

TEST(BenchProgram, ListsTheNamesThatTheFilterMatches) {
  const folder at;
  const auto done =
      run_bench(at, {"--benchmark_list_tests", "--benchmark_filter=boost_text/shape:flat"});
  EXPECT_EQ(done.how, exited(0));
  EXPECT_EQ(done.out,
            "Codec/codec:boost_text/shape:flat/op:encode\n"
            "Codec/codec:boost_text/shape:flat/op:decode\n");
}

TEST(BenchProgram, MatchesTheFilterWithTheNameAsItIsShown) {
  const folder at;
  const auto done = run_bench(
      at, {"--benchmark_list_tests", "--benchmark_filter=^Lock/lock:boost_mutex.*/procs:[14]$"});
  EXPECT_EQ(done.out,
            "Lock/lock:boost_mutex/mode:exclusive/procs:1\n"
            "Lock/lock:boost_mutex/mode:exclusive/procs:4\n");
  const auto others =
      run_bench(at, {"--benchmark_list_tests", "--benchmark_filter=-^(Lock|Codec|Cache|Store)/"});
  EXPECT_THAT(lines(others.out), ::testing::Each(::testing::StartsWith("Limit/")));
}

// --- Interrupts and deaths.

// One benchmark of 8 workers on System V semaphores, in a window longer than the test may take.
const std::vector<std::string> endless{"--benchmark_filter=sysv_semaphore/mode:exclusive/procs:8$",
                                       "--benchmark_min_time=3600"};

bool has_semaphores(const traces& seen) { return seen.semaphore_key != 0; }
bool has_all_workers(const traces& seen) { return seen.workers.size() == 8; }

TEST(BenchProgram, LeavesNothingWhenItIsInterrupted) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    for (const auto far_enough : {has_begun, has_semaphores, has_all_workers}) {
      const folder at;
      auto arguments = endless;
      arguments.push_back("--out=x.json");
      program bench(at, path, arguments);
      const auto seen = bench.await(far_enough);
      bench.process().send(number);
      const auto done = bench.finish();
      EXPECT_EQ(done.how, exited(128 + number));
      EXPECT_THAT(lines(done.err).back(), HasSubstr("interrupted"));
      EXPECT_THAT(done.out, Not(HasSubstr("FAILED")));
      EXPECT_TRUE(seen.gone()) << "objects or semaphores of " << seen.domain;
      for (const pid_t worker : seen.workers) {
        EXPECT_EQ(process_state(worker), '\0') << "a worker is left";
      }
      EXPECT_FALSE(exists(at.file("x.json")));
    }
  }
}

TEST(BenchProgram, LeavesNothingWhenItEnds) {
  const folder at;
  program bench(at, path,
                {"--benchmark_filter=Cache/write_percent:20/payload:u64/procs:2",
                 "--benchmark_min_time=0.5"});
  const auto seen = bench.await(has_objects);
  const auto done = bench.finish();
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_TRUE(seen.gone()) << "objects of " << seen.domain;
}

TEST(BenchProgram, RemovesWhatABenchmarkMadeBeforeTheNextOneBegins) {
  std::set<int> keys;
  while (keys.size() < 2) {  // a look may take longer than a benchmark
    const folder at;
    program bench(
        at, path,
        {"--benchmark_filter=sysv_semaphore/mode:exclusive/procs:1$", "--benchmark_repetitions=20",
         "--benchmark_min_time=0.02", "--skip_calibration"});
    std::size_t most = 0;
    while (process_state(bench.process().pid()) != 'Z') {
      const auto now = bench.look();
      most = std::max(most, now.objects.size());
      if (has_semaphores(now)) keys.insert(now.semaphore_key);
    }
    EXPECT_EQ(bench.finish().how, exited(0));
    ASSERT_LE(most, 1u);
  }
}

// Other tests run at the same time, and may sweep before this one does: then another try.
TEST(BenchProgram, RemovesWhatAKilledRunLeftAndSaysSo) {
  bool told = false;
  for (int attempt = 0; attempt < 50 && !told; ++attempt) {
    const auto seen = support::run_and_kill(path, endless, has_all_workers);
    const folder at;
    const auto next = run_bench(
        at, {"--benchmark_filter=Limit/nothing", "--benchmark_min_time=0.002", "--out=x.json"});
    EXPECT_EQ(next.how, exited(0));
    EXPECT_EQ(result_in(at.file("x.json")).entries.size(), 1u);
    for (const auto& line : lines(next.err)) {
      if (line.find(seen.domain) == std::string::npos) continue;
      told = true;
      EXPECT_THAT(line, AllOf(HasSubstr("was killed"), HasSubstr("removed 1 object ")));
      EXPECT_TRUE(seen.gone());
    }
    seen.sweep();
  }
  EXPECT_TRUE(told);
}

TEST(BenchProgram, CanBeCleanedUpAfterWhereverItWasKilled) {
  for (const auto far_enough : {has_begun, has_semaphores, has_all_workers}) {
    const auto seen = support::run_and_kill(path, endless, far_enough);
    const folder at;
    EXPECT_EQ(run_bench(at, {"--benchmark_filter=Limit/nothing", "--benchmark_min_time=0.002"}).how,
              exited(0));
    seen.sweep();
  }
}

TEST(BenchProgram, ReportsAWorkersDeathAndGoesOn) {
  const folder at;
  program bench(at, path,
                {"--benchmark_filter=Lock/lock:(robust_rw|boost_mutex)/mode:exclusive/procs:2$",
                 "--benchmark_min_time=2", "--out=x.json", "--skip_calibration"});
  const auto seen = bench.await([](const traces& now) { return now.workers.size() == 2; });
  kill(seen.workers.back(), SIGKILL);
  const auto done = bench.finish();
  EXPECT_EQ(done.how, exited(1)) << done.err;
  EXPECT_TRUE(seen.gone());
  const auto results = result_in(at.file("x.json"));
  ASSERT_EQ(results.entries.size(), 2u);
  // Which of the two it was does not matter; the first, unless the machine is very slow.
  const std::size_t failed = results.entries[0].error_message ? 0 : 1;
  ASSERT_TRUE(results.entries[failed].error_message);
  EXPECT_THAT(*results.entries[failed].error_message,
              AllOf(HasSubstr("process " + std::to_string(seen.workers.back())),
                    HasSubstr("was killed by signal 9")));
  EXPECT_THAT(done.out, HasSubstr("FAILED: " + *results.entries[failed].error_message));
  EXPECT_FALSE(results.entries[1 - failed].error_message);
  EXPECT_GT(results.entries[1 - failed].real_time, 0);
}

// A benchmark of three repetitions, one of which lost a worker: the first, or a later one.
result::run with_a_death_in_repetition(bool is_first, const folder& at) {
  program bench(at, path,
                {"--benchmark_filter=Lock/lock:robust_rw/mode:exclusive/procs:2$",
                 "--benchmark_repetitions=3", "--benchmark_min_time=0.5", "--out=x.json",
                 "--skip_calibration"});
  auto seen = bench.await([](const traces& now) { return now.workers.size() == 2; });
  if (!is_first) {
    seen = bench.await([before = seen.workers](const traces& now) {
      return now.workers.size() == 2 &&
             std::ranges::find_first_of(now.workers, before) == now.workers.end();
    });
  }
  kill(seen.workers.front(), SIGKILL);
  const auto done = bench.finish();
  EXPECT_EQ(done.how, exited(1)) << done.err;
  EXPECT_TRUE(seen.gone());
  return result_in(at.file("x.json"));
}

TEST(BenchProgram, GivesEachRepetitionItsOwnMeasurementsWhenOneFailed) {
  const folder at;
  const auto results = with_a_death_in_repetition(false, at);
  ASSERT_GT(results.entries.size(), 3u) << "no aggregates";
  // The second, unless the machine is very slow.
  const std::size_t failed = results.entries[1].error_message ? 1 : 2;
  for (std::size_t index = 0; index < 3; ++index) {
    const auto& entry = results.entries[index];
    EXPECT_EQ(entry.error_message.has_value(), index == failed) << index;
    EXPECT_EQ(entry.durations && !entry.durations->buckets.empty(), index != failed) << index;
    if (index != failed) {
      EXPECT_EQ(entry.worker_ops_per_s.size(), 2u) << index;
    }
  }
}

// A regression: Google Benchmark crashed, and with it went all that had been measured.
TEST(BenchProgram, LeavesOutABenchmarkWhoseFirstRepetitionFailed) {
  const folder at;
  const auto results = with_a_death_in_repetition(true, at);
  ASSERT_EQ(results.entries.size(), 3u);
  EXPECT_THAT(results.entries[0].error_message.value_or(""), HasSubstr("was killed by signal 9"));
  for (const auto& entry : {results.entries[1], results.entries[2]}) {
    EXPECT_EQ(entry.error_message, "left out, since the first repetition failed");
    EXPECT_FALSE(entry.durations);
  }
}

#ifndef SHMARK_ASAN  // which needs descriptors to check for undefined behaviour
// No fault of what is measured: as when its arguments cannot be used.
TEST(BenchProgram, EndsWith2WhenTheSystemHasTooLittleForABenchmark) {
  const folder at;
  rlimit usual{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  constexpr rlim_t one_for_each_worker_is_too_much = 11;
  const rlimit few{.rlim_cur = one_for_each_worker_is_too_much, .rlim_max = usual.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto done =
      run_bench(at, {"--benchmark_filter=Limit/nothing|robust_rw/mode:exclusive/procs:8$",
                     "--benchmark_min_time=0.002"});
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  EXPECT_EQ(done.how, exited(2));
  EXPECT_THAT(done.out, AllOf(HasSubstr("FAILED: cannot start worker"), HasSubstr("ulimit")));
}
#endif

TEST(BenchProgram, MayRunTwiceAtOnce) {
  const folder one;
  const folder other;
  program first(one, path, endless);
  const auto seen = first.await(has_all_workers);
  const auto second = run_bench(
      other, {"--benchmark_filter=sysv_semaphore/mode:exclusive", "--benchmark_min_time=0.002"});
  EXPECT_EQ(second.how, exited(0)) << second.err;
  EXPECT_THAT(second.err, Not(HasSubstr(seen.domain)));
  EXPECT_FALSE(seen.gone());
  first.process().send(SIGINT);
  EXPECT_EQ(first.finish().how, exited(130));
  EXPECT_TRUE(seen.gone());
}

}  // namespace
}  // namespace shmark::bench

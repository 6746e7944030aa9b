// The tour as a user starts it and interrupts it.

#include "tests/support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "lib/base/process.h"
#include "lib/result/result.h"

namespace shmark {
namespace {

using support::contents;
using support::exited;
using support::folder;
using support::has_begun;
using support::has_workers;
using support::traces;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr const char* path = "tools/tour/tour";
constexpr const char* usual_folder = "shmark-tour";

support::outcome run_tour(const folder& at, const std::vector<std::string>& arguments) {
  return run_program(at, path, arguments);
}

void expect_complaint(const folder& at, const std::vector<std::string>& arguments,
                      const std::string& about) {
  SCOPED_TRACE(testing::PrintToString(arguments));
  support::expect_complaint(run_tour(at, arguments), {about});
  EXPECT_FALSE(exists(at.file(usual_folder)));
}

TEST(TourProgram, EndsWith2AndAMessageOnBadInput) {
  const folder at;
  expect_complaint(at, {"--frobnicate"}, "--frobnicate");
  expect_complaint(at, {"frobnicate"}, "frobnicate");
  expect_complaint(at, {"--seconds=0"}, "--seconds");
  expect_complaint(at, {"--seconds=soon"}, "soon");
  expect_complaint(at, {"--seconds=4000"}, "--seconds");
  expect_complaint(at, {"--seconds=nan"}, "'nan' is not a number from 1 to 3600");
  expect_complaint(at, {"--seed=-1"}, "'-1' is not a whole number from 0 to 18446744073709551615");
  expect_complaint(at, {"--seed=18446744073709551616"}, "'18446744073709551616' is not");
  expect_complaint(at, {"--benchmark_filter=("}, "regular expression");
  expect_complaint(at, {"--benchmark_filter=no such name"}, "no such name");
  expect_complaint(at, {"--benchmark_min_time=0"}, "--benchmark_min_time");
  expect_complaint(at, {"--out"}, "--out");
  expect_complaint(at, {"--out=", "--seconds=1"}, "--out: '--seconds=1' is a flag");
}

TEST(TourProgram, SaysBeforeItMeasuresThatItsFolderCannotBeUsed) {
  const folder at;
  std::ofstream(at.file("file")) << "mine";
  expect_complaint(at, {"--out=" + at.file("file").string()}, "file");
  expect_complaint(at, {"--out=file/below"}, "file/below");
  EXPECT_EQ(contents(at.file("file")), "mine");
  for (const std::string name : {"page.html", "bench.json", "stress.json"}) {
    create_directories(at.file("taken by " + name) / name);
    expect_complaint(at, {"--out=taken by " + name}, name);
  }
}

TEST(TourProgram, MeasuresKillsAndWritesAPageWhosePathItPrintsLast) {
  const folder at;
  support::program tour(at, path,
                        {"--benchmark_filter=Limit|procs:2$|shape:map100",
                         "--benchmark_min_time=0.002", "--seconds=3", "--seed=7", "--out=deep/er"});
  const auto seen = tour.await(has_workers);
  const auto done = tour.finish();
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_TRUE(seen.gone()) << "objects of " << seen.domain;

  const auto made = at.file("deep/er");
  const auto said = support::lines(done.out);
  EXPECT_EQ(std::filesystem::path(said.back()), made / "page.html");
  EXPECT_THAT(said, Contains(HasSubstr("nothing was lost")));
  EXPECT_THAT(contents(made / "page.html"),
              AllOf(HasSubstr("<h1>shmark: the tour</h1>"), HasSubstr("badge passed"),
                    HasSubstr("<h2>Locks</h2>"), EndsWith("</html>\n")));
  const auto measured = support::result_in(made / "bench.json");
  EXPECT_THAT(measured.about.command, HasSubstr("--benchmark_min_time=0.002"));
  std::map<std::string, int> repetitions;
  for (const auto& entry : measured.entries) {
    if (!entry.is_aggregate()) ++repetitions[entry.name];
  }
  EXPECT_EQ(repetitions["Limit/acquire_load"], 3);
  EXPECT_EQ(repetitions["Lock/lock:robust_rw/mode:exclusive/procs:2"], 3);
  EXPECT_FALSE(repetitions.contains("Lock/lock:robust_rw/mode:exclusive/procs:1"));
  const auto attacked = support::result_in(made / "stress.json");
  ASSERT_EQ(attacked.entries.size(), 1u);
  EXPECT_EQ(attacked.entries[0].stress.value().verdict, result::verdict_kind::passed);
  EXPECT_EQ(attacked.entries[0].stress.value().seed, 7u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(made), {}), 3);
}

TEST(TourProgram, EndsWith1AndLeavesNothingWhenABenchmarkFails) {
  const folder at;
  support::program tour(
      at, path,
      {"--benchmark_filter=robust_rw/mode:exclusive/procs:2$", "--benchmark_min_time=3600"});
  // One that dies in the calibration costs only that: until one does in the benchmark.
  auto seen = tour.await(has_workers);
  while (process_state(tour.process().pid()) != 'Z') {
    if (auto now = tour.look(); has_workers(now)) {
      seen = std::move(now);
      kill(seen.workers.back(), SIGKILL);
    }
  }
  const auto done = tour.finish();
  EXPECT_EQ(done.how, exited(1)) << done.err;
  EXPECT_THAT(done.err, HasSubstr("was killed by signal 9"));
  EXPECT_TRUE(seen.gone()) << "objects of " << seen.domain;
  EXPECT_FALSE(exists(at.file(usual_folder)));
}

TEST(TourProgram, ExplainsItselfOnDemand) {
  const folder at;
  const auto done = run_tour(at, {"--help"});
  EXPECT_EQ(done.how, exited(0));
  EXPECT_EQ(done.err, "");
  EXPECT_THAT(done.out, AllOf(HasSubstr("--out"), HasSubstr("--seconds"), HasSubstr("--seed")));
  EXPECT_FALSE(exists(at.file(usual_folder)));
}

TEST(TourProgram, EndsWith2WhenItsOutputIsLost) {
  const folder at;
  const auto done = run_program(at, path, {"--help"}, "/dev/full");
  EXPECT_EQ(done.how, exited(2));
  EXPECT_THAT(done.err, HasSubstr("standard output"));
}

// Interrupts it as soon as it is so far.
void expect_nothing_left(const folder& at, const std::vector<std::string>& arguments, int number,
                         const std::function<bool(const traces&)>& far_enough) {
  support::program tour(at, path, arguments);
  const auto seen = tour.await(far_enough);
  tour.process().send(number);
  const auto done = tour.finish();
  EXPECT_EQ(done.how, exited(128 + number)) << done.err;
  EXPECT_THAT(done.err, HasSubstr("interrupted; nothing is left behind"));
  EXPECT_THAT(done.out, HasSubstr("seconds"));
  EXPECT_TRUE(seen.gone()) << "objects of " << seen.domain;
  for (const pid_t worker : seen.workers) {
    EXPECT_EQ(process_state(worker), '\0') << "a worker is left";
  }
}

TEST(TourProgram, LeavesNothingWhenItIsInterrupted) {
  for (const int number : {SIGINT, SIGTERM}) {
    for (const auto far_enough : {has_begun, has_workers}) {
      const folder at;
      expect_nothing_left(at, {}, number, far_enough);
      EXPECT_FALSE(exists(at.file(usual_folder)));
    }
  }
}

TEST(TourProgram, RemovesTheFoldersThatItMadeAndNoOthersWhenItIsInterrupted) {
  const folder at;
  create_directories(at.file("mine"));
  create_directories(at.file("deep"));
  expect_nothing_left(at, {"--out=mine"}, SIGINT, has_workers);
  EXPECT_TRUE(exists(at.file("mine")));
  expect_nothing_left(at, {"--out=deep/er/est"}, SIGINT, has_workers);
  EXPECT_TRUE(exists(at.file("deep")));
  EXPECT_FALSE(exists(at.file("deep/er")));
}

TEST(TourProgram, KeepsAnEarlierPageWhenItIsInterrupted) {
  const folder at;
  create_directories(at.file("mine"));
  std::ofstream(at.file("mine") / "page.html") << "earlier";
  expect_nothing_left(at, {"--out=mine", "--seconds=1"}, SIGINT, has_workers);
  EXPECT_EQ(contents(at.file("mine") / "page.html"), "earlier");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(at.file("mine")), {}), 1);
}

}  // namespace
}  // namespace shmark

// The tour as a user starts it and interrupts it. A whole one takes too long for a test; what it
// consists of has tests of its own.

#include "tests/support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "lib/base/process.h"

namespace shmark {
namespace {

using support::contents;
using support::exited;
using support::folder;
using support::has_begun;
using support::has_workers;
using support::traces;
using ::testing::AllOf;
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

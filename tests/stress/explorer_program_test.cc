// The explorer's program as a user starts it, interrupts it, and kills it.

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "lib/result/result.h"
#include "tests/support/program.h"

namespace shmark {
namespace {

using support::contains;
using support::exited;
using support::folder;

constexpr const char* path = "stress/explorer/explorer";

support::outcome run_explorer(const folder& at, const std::vector<std::string>& arguments) {
  return run_program(at, path, arguments);
}

void expect_complaint(const std::vector<std::string>& arguments, const std::string& about) {
  SCOPED_TRACE(about);
  const folder at;
  const auto done = run_explorer(at, arguments);
  support::expect_complaint(done, {about});
  support::expect_one_line(done.err, "explorer: ");
}

TEST(ExplorerProgram, NamesItsOperationsAndFlags) {
  const folder at;
  const auto listed = run_explorer(at, {"--list"});
  EXPECT_EQ(listed.how, exited(0));
  for (const char* name :
       {"exclusive ", "shared ", "downgrade ", "upgrade ", "write ", "write_growing ", "remove "}) {
    EXPECT_TRUE(contains(listed.out, name)) << name;
  }
  const auto help = run_explorer(at, {"--help"});
  EXPECT_EQ(help.how, exited(0));
  EXPECT_TRUE(contains(help.out, "--operation") && contains(help.out, "--every")) << help.out;
}

TEST(ExplorerProgram, NamesTheOperationsOfABackend) {
  const folder at;
  const auto on_one = run_explorer(at, {"--list", "--backend=sysv+sysv_semaphore"});
  EXPECT_EQ(on_one.how, exited(0));
  EXPECT_TRUE(contains(on_one.out, "write@sysv+sysv_semaphore ")) << on_one.out;
  const auto of_one = run_explorer(at, {"--list", "--backend=all", "--operation=write"});
  for (const char* name : {"write ", "write@posix+sysv_semaphore ", "write@sysv+robust_rw "}) {
    EXPECT_TRUE(contains(of_one.out, name)) << of_one.out;
  }
  EXPECT_FALSE(contains(of_one.out, "write_growing")) << of_one.out;
}

TEST(ExplorerProgram, SaysWhatIsMissingWhenItsTimeIsOver) {
  const folder at;
  const auto done = run_explorer(at, {"--operation=write@sysv+sysv_semaphore", "--minutes=0.001",
                                      "--seed=7", "--out=result.json"});
  EXPECT_EQ(done.how, exited(0)) << "nothing was found: " << done.out << done.err;
  EXPECT_TRUE(contains(done.out, "cut: write@sysv+sysv_semaphore")) << done.out;
  const auto results = support::result_in(at.file("result.json"));
  ASSERT_EQ(results.entries.size(), 1U);
  ASSERT_TRUE(results.entries[0].stress);
  EXPECT_EQ(results.entries[0].stress->verdict, result::verdict_kind::undecided);
  EXPECT_EQ(results.entries[0].stress->seed, 7U);
  EXPECT_LT(results.entries[0].counter("share"), 1);
}

TEST(ExplorerProgram, EndsWith2AndAMessageOnBadInput) {
  expect_complaint({"--frobnicate"}, "--frobnicate");
  expect_complaint({"--operation=nope"}, "nope");
  expect_complaint({"--out=/no/such/folder/x.json"}, "/no/such/folder");
  expect_complaint({"--out=", "--list"}, "--out");
  expect_complaint({"--backend=floppy"}, "floppy");
  expect_complaint({"--minutes=0"}, "--minutes");
  expect_complaint({"--operation=exclusive", "--backend=sysv+robust_rw"}, "exclusive");
}

TEST(ExplorerProgram, SaysWhatHappenedAndHowToRepeatIt) {
  const folder at;
  const auto done =
      run_explorer(at, {"--operation=shared", "--kill", "--kill_in_recovery", "--out=result.json"});
  ASSERT_EQ(done.how, exited(0)) << done.out << done.err;
  EXPECT_TRUE(contains(done.out, "shared") && contains(done.out, "nothing")) << done.out;
  EXPECT_TRUE(contains(done.out, "source lines")) << done.out;
  EXPECT_EQ(done.err, "") << "progress, though no terminal shows it";

  const auto results = support::result_in(at.file("result.json"));
  EXPECT_EQ(results.about.kind, result::run_kind::stress);
  ASSERT_EQ(results.entries.size(), 2U);
  EXPECT_EQ(results.entries[0].name, "Explore/operation:shared/fault:kill");
  EXPECT_EQ(results.entries[1].name, "Explore/operation:shared/fault:kill_in_recovery");
  for (const auto& entry : results.entries) {
    ASSERT_TRUE(entry.stress);
    EXPECT_EQ(entry.stress->verdict, result::verdict_kind::passed);
    EXPECT_TRUE(contains(entry.stress->command, "--operation=shared"));
    for (const char* name : {"points", "states", "deaths", "outcomes_old"}) {
      EXPECT_GT(entry.counter(name).value_or(0), 0) << name;
    }
    for (const char* name : {"stuck", "lost", "torn", "leaked", "broken", "missed"}) {
      EXPECT_EQ(entry.counter(name), 0) << name;
    }
  }
}

TEST(ExplorerProgram, CleansUpAndWritesItsResultWhenInterrupted) {
  const folder at;
  support::program running(at, path, {"--every", "--out=result.json"});
  const auto seen = running.await(support::has_objects);
  running.process().send(SIGINT);
  const auto done = running.finish();
  EXPECT_EQ(done.how, exited(130));
  EXPECT_TRUE(contains(done.out, "interrupted")) << done.out;
  EXPECT_TRUE(seen.gone()) << "objects of " << seen.domain;
  const auto results = support::result_in(at.file("result.json"));
  ASSERT_FALSE(results.entries.empty());
  ASSERT_TRUE(results.entries.back().stress);
  EXPECT_EQ(results.entries.back().stress->verdict, result::verdict_kind::undecided);
}

TEST(ExplorerProgram, ThatWasKilledIsCleanedUpAfterByTheNext) {
  const auto seen = support::run_and_kill(path, {"--every"}, support::has_objects);
  const folder at;
  const auto next = run_explorer(at, {"--operation=shared"});
  EXPECT_EQ(next.how, exited(0)) << next.out << next.err;
  EXPECT_TRUE(seen.gone()) << "objects of " << seen.domain;
}

}  // namespace
}  // namespace shmark

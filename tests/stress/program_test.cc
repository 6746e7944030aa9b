// The program as a user starts it, interrupts it, and kills it.

#include "tests/support/program.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <string>
#include <vector>

#include "lib/result/result.h"

namespace shmark {
namespace {

using support::contains;
using support::exited;
using support::folder;

constexpr const char* path = "stress/stress";

support::outcome run_stress(const folder& at, const std::vector<std::string>& arguments) {
  return run_program(at, path, arguments);
}

void expect_complaint(const std::vector<std::string>& arguments, const std::string& about) {
  SCOPED_TRACE(about);
  const folder at;
  const auto done = run_stress(at, arguments);
  support::expect_complaint(done, {about});
  support::expect_one_line(done.err, "stress: ");
}

TEST(StressProgram, NamesItsScenariosAndFlags) {
  const folder at;
  const auto listed = run_stress(at, {"--list"});
  EXPECT_EQ(listed.how, exited(0));
  EXPECT_TRUE(contains(listed.out, "transfer") && contains(listed.out, "register_store "));
  const auto help = run_stress(at, {"--help"});
  EXPECT_EQ(help.how, exited(0));
  EXPECT_TRUE(contains(help.out, "--scenario") && contains(help.out, "--seed")) << help.out;
}

TEST(StressProgram, EndsWith2AndAMessageOnBadInput) {
  expect_complaint({"--frobnicate"}, "--frobnicate");
  expect_complaint({"--scenario=nope"}, "nope");
  expect_complaint({"--workers=5000"}, "5000");
  expect_complaint({"--workers=0"}, "--workers");
  expect_complaint({"--seconds=0"}, "--seconds");
  expect_complaint({"--seconds=nan"}, "nan");
  expect_complaint({"--seed=-1"}, "--seed: '-1' is not a whole number from 0 to ");
  expect_complaint({"--seed=18446744073709551616"}, "--seed: '18446744073709551616' is not");
  expect_complaint({"--kill_gap_ms=-1"}, "--kill_gap_ms");
  expect_complaint({"--stop_gap_ms=-1"}, "--stop_gap_ms");
  expect_complaint({"--signal_gap_ms=nan"}, "--signal_gap_ms");
  expect_complaint({"--lock=nope"}, "nope");
  expect_complaint({"--out=", "--list"}, "--out: '--list' is a flag");
  expect_complaint({"--out=/no/such/folder/x.json"}, "/no/such/folder");
}

TEST(StressProgram, EndsWith2WhenItsOutputIsLost) {
  const folder at;
  const auto done = run_program(at, path, {"--list"}, "/dev/full");
  EXPECT_EQ(done.how, exited(2));
  EXPECT_TRUE(contains(done.err, "standard output")) << done.err;
}

TEST(StressProgram, SaysWhatHappenedAndHowToRepeatIt) {
  const folder at;
  const auto done = run_stress(
      at, {"--workers=3", "--seconds=1", "--seed=18446744073709551615", "--out=result.json"});
  ASSERT_EQ(done.how, exited(0)) << done.out << done.err;
  const std::string command =
      "bazel run -c opt //stress -- --scenario=transfer --workers=3 --seconds=1 "
      "--seed=18446744073709551615";
  EXPECT_TRUE(contains(done.out, "verdict: passed")) << done.out;
  EXPECT_TRUE(contains(done.out, "that a kill inside an operation does harm, at most: "))
      << done.out;
  EXPECT_TRUE(contains(done.out, command)) << done.out;
  EXPECT_FALSE(contains(done.err, "left")) << "progress, though no terminal shows it: " << done.err;

  const auto results = support::result_in(at.file("result.json"));
  EXPECT_EQ(results.about.kind, result::run_kind::stress);
  ASSERT_EQ(results.entries.size(), 1U);
  const auto& entry = results.entries.front();
  EXPECT_EQ(entry.name, "Stress/scenario:transfer/workers:3");
  ASSERT_TRUE(entry.stress);
  EXPECT_EQ(entry.stress->verdict, result::verdict_kind::passed);
  EXPECT_EQ(entry.stress->seed, UINT64_MAX);
  EXPECT_EQ(entry.stress->command, command);
  for (const char* name :
       {"operations", "changes", "reads", "overlapped", "kills", "kills_in_operation"}) {
    EXPECT_GT(entry.counter(name).value_or(0), 0) << name;
  }
  for (const char* name : {"lost", "torn", "stuck", "died", "leaked"}) {
    EXPECT_EQ(entry.counter(name), 0) << name;
  }
  EXPECT_TRUE(entry.counter("kills_holding") && entry.counter("recoveries"));
}

TEST(StressProgram, JudgesAHistoryThatWasSaved) {
  const folder at;
  const auto judge = [&at](const std::string& last) {
    std::ofstream(at.file("x.history"))
        << R"({"history":1,"first_value":0,"first_serial":1})" << '\n'
        << R"([0,"write",100,200,7,2])" << '\n'
        << last << '\n';
    return run_stress(at, {"--check_history=" + at.file("x.history").string()});
  };
  const auto good = judge(R"([1,"read",150,250,7,2])");
  EXPECT_EQ(good.how, exited(0)) << good.out << good.err;
  EXPECT_EQ(good.out, "2 operations, 2 overlapped: linearizable\n");
  const auto bad = judge(R"([1,"read",201,250,0,1])");
  EXPECT_EQ(bad.how, exited(1));
  EXPECT_TRUE(contains(bad.out, "2 operations, 0 overlapped: not linearizable\nfound: worker 0"))
      << bad.out;
  EXPECT_EQ(judge("[1]").how, exited(2));
  expect_complaint({"--check_history=/no/such/file"}, "/no/such/file");
}

TEST(StressProgram, LooksForASmallerRunThatFails) {
  const folder at;
  const auto done = run_program(at, "stress/mutants/stress",
                                {"--scenario=lets_go_to_upgrade", "--workers=6", "--seconds=100",
                                 "--stop_gap_ms=50", "--seed=1", "--minimise_s=2"});
  EXPECT_EQ(done.how, exited(1)) << done.out << done.err;
  EXPECT_TRUE(contains(done.out, "verdict: failed")) << done.out;
  EXPECT_TRUE(contains(done.out,
                       "\nsmaller: bazel run -c opt //stress/mutants:stress -- "
                       "--scenario=lets_go_to_upgrade --workers="))
      << done.out;
  EXPECT_FALSE(contains(done.err, "looking for")) << "progress, though no terminal shows it";
}

void expect_vacuous(const std::vector<std::string>& arguments, const std::string& why) {
  const folder at;
  const auto done = run_stress(at, arguments);
  EXPECT_EQ(done.how, exited(1));
  EXPECT_TRUE(contains(done.out, "verdict: vacuous (" + why + ')')) << done.out;
  EXPECT_TRUE(contains(done.out, arguments.back())) << done.out;
}

TEST(StressProgram, EndsWith1WhenNoKillCouldLand) {
  expect_vacuous({"--workers=2", "--seconds=0.2", "--kill_gap_ms=0"},
                 "no fault landed inside an operation");
}

TEST(StressProgram, EndsWith1WhenNoTwoOperationsOverlapped) {
  expect_vacuous({"--workers=1", "--seconds=1"}, "no two operations overlapped");
  expect_vacuous({"--workers=1", "--seconds=0.2", "--kill_gap_ms=0"},
                 "no fault landed inside an operation, and no two operations overlapped");
}

TEST(StressProgram, CleansUpAndWritesItsResultWhenInterrupted) {
  const folder at;
  support::program running(at, path, {"--seconds=1000", "--out=result.json"});
  const auto seen = running.await(support::has_workers);
  running.process().send(SIGINT);
  const auto done = running.finish();
  EXPECT_EQ(done.how, exited(130));
  EXPECT_TRUE(contains(done.out, "verdict: undecided (interrupted)")) << done.out;
  EXPECT_TRUE(seen.gone()) << "objects of " << seen.domain;
  const auto results = support::result_in(at.file("result.json"));
  ASSERT_TRUE(results.entries.at(0).stress);
  EXPECT_EQ(results.entries[0].stress->verdict, result::verdict_kind::undecided);
}

TEST(StressProgram, ThatWasKilledIsCleanedUpAfterByTheNext) {
  const auto seen = support::run_and_kill(path, {"--seconds=1000"}, support::has_workers);
  const folder at;
  const auto next = run_stress(at, {"--seconds=0.5", "--workers=6"});
  EXPECT_EQ(next.how, exited(0)) << next.out << next.err;
  EXPECT_TRUE(seen.gone()) << "objects of " << seen.domain;
}

}  // namespace
}  // namespace shmark

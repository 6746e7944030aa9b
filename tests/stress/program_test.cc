// The program as a user starts it, interrupts it, and kills it.

#include "tests/stress/program.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "lib/base/process.h"
#include "lib/result/result.h"
#include "tests/support/child.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::killed_by;

// The run whose objects the process has mapped: "run-…"; empty before it has any.
std::string run_of(pid_t process) {
  const std::string maps = contents("/proc/" + std::to_string(process) + "/maps");
  const auto at = maps.find("run-");
  constexpr std::size_t length = 20;
  return at == std::string::npos ? "" : maps.substr(at, length);
}

class StressProgram : public program_test {
 protected:
  StressProgram() : program_test("stress", "stress/stress") {}

  // Waits until the program is in the midst of it: has a domain, and workers. Returns its run;
  // nothing if it has ended.
  [[nodiscard]] static std::string await_work(const child& of) {
    const auto pid = std::to_string(of.pid());
    for (;;) {
      const auto id = run_of(of.pid());
      if (!id.empty() && !contents("/proc/" + pid + "/task/" + pid + "/children").empty())
        return id;
      if (process_state(of.pid()) == 'Z') return "";
    }
  }
};

TEST_F(StressProgram, NamesItsScenariosAndFlags) {
  EXPECT_EQ(run({"--list"}), exited(0));
  EXPECT_TRUE(contains(out(), "transfer"));
  EXPECT_EQ(run({"--help"}), exited(0));
  EXPECT_TRUE(contains(out(), "--scenario") && contains(out(), "--seed")) << out();
}

TEST_F(StressProgram, EndsWith2AndAMessageOnBadInput) {
  expect_complaint({"--frobnicate"}, "--frobnicate");
  expect_complaint({"--scenario=nope"}, "nope");
  expect_complaint({"--workers=5000"}, "5000");
  expect_complaint({"--workers=0"}, "--workers");
  expect_complaint({"--seconds=0"}, "--seconds");
  expect_complaint({"--seconds=nan"}, "nan");
  expect_complaint({"--seed=-1"}, "--seed");
  expect_complaint({"--kill_gap_ms=-1"}, "--kill_gap_ms");
  expect_complaint({"--out=/no/such/folder/x.json"}, "/no/such/folder");
}

TEST_F(StressProgram, SaysWhatHappenedAndHowToRepeatIt) {
  const auto file = (folder() / "result.json").string();
  ASSERT_EQ(run({"--workers=3", "--seconds=1", "--seed=7", "--out=" + file}), exited(0))
      << out() << err();
  const std::string command =
      "bazel run -c opt //stress -- --scenario=transfer --workers=3 --seconds=1 --seed=7";
  EXPECT_TRUE(contains(out(), "verdict: passed")) << out();
  EXPECT_TRUE(contains(out(), command)) << out();
  EXPECT_FALSE(contains(err(), "left")) << "progress, though no terminal shows it: " << err();

  const auto results = result::read(file);
  ASSERT_TRUE(results) << results.error().message();
  EXPECT_EQ(results->about.kind, result::run_kind::stress);
  ASSERT_EQ(results->entries.size(), 1U);
  const auto& entry = results->entries.front();
  EXPECT_EQ(entry.name, "Stress/scenario:transfer/workers:3");
  ASSERT_TRUE(entry.stress);
  EXPECT_EQ(entry.stress->verdict, result::verdict_kind::passed);
  EXPECT_EQ(entry.stress->seed, 7U);
  EXPECT_EQ(entry.stress->command, command);
  for (const char* name :
       {"operations", "transfers", "reads", "overlapped", "kills", "kills_in_operation"}) {
    EXPECT_GT(entry.counter(name).value_or(0), 0) << name;
  }
  for (const char* name : {"lost", "torn", "stuck", "died", "leaked"}) {
    EXPECT_EQ(entry.counter(name), 0) << name;
  }
  EXPECT_TRUE(entry.counter("kills_holding") && entry.counter("recoveries"));
}

TEST_F(StressProgram, EndsWith1WhenNoKillCouldLand) {
  EXPECT_EQ(run({"--workers=2", "--seconds=0.2", "--kill_gap_ms=0"}), exited(1));
  EXPECT_TRUE(contains(out(), "verdict: vacuous (no kill landed inside an operation)")) << out();
  EXPECT_TRUE(contains(out(), "--kill_gap_ms=0")) << out();
}

TEST_F(StressProgram, EndsWith1WhenNoTwoOperationsOverlapped) {
  EXPECT_EQ(run({"--workers=1", "--seconds=1"}), exited(1));
  EXPECT_TRUE(contains(out(), "verdict: vacuous (no two operations overlapped)")) << out();
  EXPECT_EQ(run({"--workers=1", "--seconds=0.2", "--kill_gap_ms=0"}), exited(1));
  EXPECT_TRUE(contains(out(), "(no kill landed inside an operation, and no two operations "))
      << out();
}

TEST_F(StressProgram, CleansUpAndWritesItsResultWhenInterrupted) {
  const auto file = (folder() / "result.json").string();
  auto program_run = start({"--seconds=1000", "--out=" + file});
  const auto id = await_work(program_run);
  ASSERT_FALSE(id.empty()) << err();
  program_run.send(SIGINT);
  EXPECT_EQ(program_run.wait(), exited(130));
  EXPECT_TRUE(contains(out(), "verdict: undecided (interrupted)")) << out();
  EXPECT_EQ(objects_of(id), std::set<std::string>{});
  const auto results = result::read(file);
  ASSERT_TRUE(results) << results.error().message();
  ASSERT_TRUE(results->entries.at(0).stress);
  EXPECT_EQ(results->entries[0].stress->verdict, result::verdict_kind::undecided);
}

TEST_F(StressProgram, ThatWasKilledIsCleanedUpAfterByTheNext) {
  auto program_run = start({"--seconds=1000"});
  const auto id = await_work(program_run);
  ASSERT_FALSE(id.empty()) << err();
  EXPECT_EQ(program_run.kill(), killed_by(SIGKILL));
  // Its workers end by themselves. They are ours now, to wait for: see main.cc of the support.
  while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
  EXPECT_EQ(run({"--seconds=0.5", "--workers=2"}), exited(0)) << out() << err();
  EXPECT_EQ(objects_of(id), std::set<std::string>{});
}

}  // namespace
}  // namespace shmark

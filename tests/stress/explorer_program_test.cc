// The explorer's program as a user starts it, interrupts it, and kills it.

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
#include "tests/stress/program.h"
#include "tests/support/child.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::killed_by;

// The runs whose lock the process has open: "run-…".
std::string run_of(pid_t process) {
  std::error_code none;
  const auto folder = "/proc/" + std::to_string(process) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    const std::string path = std::filesystem::read_symlink(entry.path(), none);
    constexpr std::size_t length = 20;
    if (const auto at = path.find("run-"); at != std::string::npos) return path.substr(at, length);
  }
  return "";
}

class ExplorerProgram : public program_test {
 protected:
  ExplorerProgram() : program_test("explorer", "stress/explorer/explorer") {}

  // Waits until it explores: something of it lies in /dev/shm besides its lock. Returns its run.
  [[nodiscard]] static std::string await_work(const child& of) {
    for (;;) {
      const auto id = run_of(of.pid());
      if (!id.empty() && objects_of(id).size() > 1) return id;
      if (process_state(of.pid()) == 'Z') return "";
    }
  }
};

TEST_F(ExplorerProgram, NamesItsOperationsAndFlags) {
  EXPECT_EQ(run({"--list"}), exited(0));
  for (const char* name :
       {"exclusive ", "shared ", "downgrade ", "upgrade ", "write ", "write_growing ", "remove "}) {
    EXPECT_TRUE(contains(out(), name)) << name;
  }
  EXPECT_EQ(run({"--help"}), exited(0));
  EXPECT_TRUE(contains(out(), "--operation") && contains(out(), "--every")) << out();
}

TEST_F(ExplorerProgram, EndsWith2AndAMessageOnBadInput) {
  expect_complaint({"--frobnicate"}, "--frobnicate");
  expect_complaint({"--operation=nope"}, "nope");
  expect_complaint({"--out=/no/such/folder/x.json"}, "/no/such/folder");
}

TEST_F(ExplorerProgram, SaysWhatHappenedAndHowToRepeatIt) {
  const auto file = (folder() / "result.json").string();
  ASSERT_EQ(run({"--operation=shared", "--kill", "--kill_in_recovery", "--out=" + file}), exited(0))
      << out() << err();
  EXPECT_TRUE(contains(out(), "shared") && contains(out(), "nothing")) << out();
  EXPECT_TRUE(contains(out(), "source lines")) << out();
  EXPECT_EQ(err(), "") << "progress, though no terminal shows it";

  const auto results = result::read(file);
  ASSERT_TRUE(results) << results.error().message();
  EXPECT_EQ(results->about.kind, result::run_kind::stress);
  ASSERT_EQ(results->entries.size(), 2U);
  EXPECT_EQ(results->entries[0].name, "Explore/operation:shared/fault:kill");
  EXPECT_EQ(results->entries[1].name, "Explore/operation:shared/fault:kill_in_recovery");
  for (const auto& entry : results->entries) {
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

TEST_F(ExplorerProgram, CleansUpAndWritesItsResultWhenInterrupted) {
  const auto file = (folder() / "result.json").string();
  auto program_run = start({"--every", "--out=" + file});
  const auto id = await_work(program_run);
  ASSERT_FALSE(id.empty()) << err();
  program_run.send(SIGINT);
  EXPECT_EQ(program_run.wait(), exited(130));
  EXPECT_TRUE(contains(out(), "interrupted")) << out();
  EXPECT_EQ(objects_of(id), std::set<std::string>{});
  const auto results = result::read(file);
  ASSERT_TRUE(results) << results.error().message();
  ASSERT_FALSE(results->entries.empty());
  ASSERT_TRUE(results->entries.back().stress);
  EXPECT_EQ(results->entries.back().stress->verdict, result::verdict_kind::undecided);
}

TEST_F(ExplorerProgram, ThatWasKilledIsCleanedUpAfterByTheNext) {
  auto program_run = start({"--every"});
  const auto id = await_work(program_run);
  ASSERT_FALSE(id.empty()) << err();
  EXPECT_EQ(program_run.kill(), killed_by(SIGKILL));
  // Its processes end with it. They are ours now, to wait for: see main.cc of the support.
  while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
  EXPECT_EQ(run({"--operation=shared"}), exited(0)) << out() << err();
  EXPECT_EQ(objects_of(id), std::set<std::string>{});
}

}  // namespace
}  // namespace shmark

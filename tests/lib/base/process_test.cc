#include "lib/base/process.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::steps;

[[noreturn]] void hang() {
  for (;;) pause();
}

TEST(Process, StartedAtATimeThatStaysTheSame) {
  const auto ours = start_ticks(getpid());
  ASSERT_TRUE(ours);
  EXPECT_GT(*ours, 0u);
  EXPECT_EQ(start_ticks(getpid()), ours);
}

TEST(Process, StartedNotBeforeItsParent) {
  const auto running = child::start(hang);
  ASSERT_TRUE(start_ticks(running.pid()));
  EXPECT_GE(*start_ticks(running.pid()), *start_ticks(getpid()));
}

TEST(Process, StartTimeIsFoundBehindAnyName) {
  auto oddly_named = child::start([] {
    const auto before = start_ticks(getpid());
    for (const char* name : {") 1 (", "a b c d", "((((", ")))) ) )"}) {
      prctl(PR_SET_NAME, name);
      EXPECT_EQ(start_ticks(getpid()), before) << name;
      EXPECT_FALSE(has_ended(getpid())) << name;
    }
  });
  EXPECT_EQ(oddly_named.wait(), exited(0));
}

TEST(Process, HasEndedWhenItIsDeadAndWhenItIsReaped) {
  auto process = child::start(hang);
  const pid_t number = process.pid();
  EXPECT_FALSE(has_ended(number));
  process.kill_without_reaping();
  EXPECT_TRUE(has_ended(number));
  EXPECT_TRUE(start_ticks(number)) << "a zombie is still there";
  process.wait();
  EXPECT_TRUE(has_ended(number));
  EXPECT_FALSE(start_ticks(number));
}

TEST(Process, IsInAStateUntilItIsReaped) {
  auto process = child::start(hang);
  const pid_t number = process.pid();
  EXPECT_EQ(process_state(getpid()), 'R');
  process.stop();
  EXPECT_EQ(process_state(number), 'T');
  process.kill_without_reaping();
  EXPECT_EQ(process_state(number), 'Z');
  process.wait();
  EXPECT_EQ(process_state(number), '\0');
}

TEST(Process, HasNotEndedWhenItIsStopped) {
  auto process = child::start(hang);
  process.stop();
  EXPECT_FALSE(has_ended(process.pid()));
}

TEST(Process, HasNotEndedWithItsFirstThread) {
  steps step;
  auto process = child::start([&] {
    std::thread([&] {
      while (process_state(getpid()) != 'Z') {
      }
      step.reach(1);
      hang();
    }).detach();
    syscall(SYS_exit, 0);  // this thread only, and without unwinding
  });
  step.await(1);
  EXPECT_FALSE(has_ended(process.pid()));
}

TEST(ForkDepth, ChangesInEveryChildAndOnlyThere) {
  const auto ours = fork_depth();
  auto worker = child::start([&] {
    const auto childs = fork_depth();
    EXPECT_NE(childs, ours);
    EXPECT_EQ(child::start([&] {
                EXPECT_NE(fork_depth(), ours);
                EXPECT_NE(fork_depth(), childs);
              }).wait(),
              exited(0));
    EXPECT_EQ(fork_depth(), childs);
  });
  EXPECT_EQ(worker.wait(), exited(0));
  EXPECT_EQ(fork_depth(), ours);
}

}  // namespace
}  // namespace shmark

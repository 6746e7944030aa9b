#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "lib/base/descriptor.h"
#include "lib/base/process.h"
#include "tests/support/child.h"
#include "tests/support/leftovers.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"
#include "tests/support/unique_space.h"
#include "tests/support/watchdog.h"

namespace shmark::support {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::KilledBySignal;
using ::testing::SizeIs;

[[noreturn]] void hang() {
  for (;;) pause();
}

TEST(Watchdog, EndsWhatHangsAndNamesIt) {
  EXPECT_EXIT(
      {
        watchdog guard("the long walk", 1ms);
        hang();
      },
      KilledBySignal(SIGABRT), "it hangs: the long walk");
}

TEST(Watchdog, GuardsForkedChildrenOfItsScopeToo) {
  EXPECT_EXIT(
      {
        watchdog guard("a family", 50ms);
        if (fork() == 0) {
          hang();
        }
        // Without a guard of its own the child would keep this waiting until the test's own.
        signal(SIGRTMAX, SIG_IGN);
        int status = 0;
        wait(&status);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) std::abort();
        std::exit(1);
      },
      KilledBySignal(SIGABRT), "it hangs: a family");
}

TEST(Watchdog, LeavesAloneWhatEndsInTime) {
  {
    watchdog guard("a short walk", 1ms);
  }
  watchdog other("something else");
  EXPECT_EQ(child::start([] {}).wait(), exited(0));
}

TEST(Child, TellsHowItEnded) {
  EXPECT_EQ(child::start([] {}).wait(), exited(0));
  EXPECT_EQ(child::start([] { _exit(7); }).wait(), exited(7));
  EXPECT_EQ(child::start([] { raise(SIGKILL); }).wait(), killed_by(SIGKILL));
  EXPECT_EQ(child::start(hang).kill(), killed_by(SIGKILL));
}

// A regression: it went on as the test that had started it, and then with the other tests.
TEST(Child, EndsWithWhatItThrows) {
  try {
    auto thrower = child::start([] { throw std::runtime_error("on purpose: no failure"); });
    EXPECT_EQ(thrower.wait(), exited(1));
  } catch (const std::runtime_error&) {
    _exit(2);  // in the child
  }
}

TEST(Child, EndsWithStatusOneWhenAnAssertionFails) {
  EXPECT_EQ(child::start([] { EXPECT_TRUE(false) << "on purpose: no failure of the test"; }).wait(),
            exited(1));
}

TEST(Child, IsKilledWithItsObject) {
  pid_t number = 0;
  {
    const auto forgotten = child::start(hang);
    number = forgotten.pid();
    EXPECT_NE(process_state(number), '\0');
  }
  EXPECT_EQ(process_state(number), '\0');
}

TEST(Child, DiesWithItsParent) {
  const shared<pid_t> grandchild;
  steps step;
  auto parent = child::start([&] {
    const auto survivor = child::start([&] {
      step.reach(1);
      hang();
    });
    *grandchild = survivor.pid();
    step.await(1);
    raise(SIGKILL);
  });
  EXPECT_EQ(parent.wait(), killed_by(SIGKILL));
  // It is our child now (see main.cc), and ends without anybody's doing.
  int status = 0;
  ASSERT_EQ(waitpid(*grandchild, &status, 0), *grandchild);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(Child, StopsAndGoesOn) {
  steps step;
  auto worker = child::start([&] {
    step.await(1);
    step.reach(2);
  });
  worker.stop();
  EXPECT_EQ(process_state(worker.pid()), 'T');
  step.reach(1);
  EXPECT_EQ(step.now(), 1u);
  worker.resume();
  step.await(2);
  EXPECT_EQ(worker.wait(), exited(0));
}

TEST(Child, KilledWithoutReapingIsAZombie) {
  auto dead = child::start(hang);
  dead.kill_without_reaping();
  EXPECT_EQ(process_state(dead.pid()), 'Z');
}

TEST(Steps, MakeProcessesWaitForEachOther) {
  steps step;
  const shared<int> value;
  auto worker = child::start([&] {
    *value = 1;
    step.reach(1);
    step.await(2);
    EXPECT_EQ(*value, 2);
  });
  step.await(1);
  EXPECT_EQ(*value, 1);
  *value = 2;
  step.reach(2);
  EXPECT_EQ(worker.wait(), exited(0));
}

TEST(UniqueSpace, IsAnotherOneInEveryProcess) {
  const shared<std::array<char, 64>> childs;
  EXPECT_EQ(child::start([&] { unique_space().copy(childs->data(), childs->size() - 1); }).wait(),
            exited(0));
  const auto ours = unique_space();
  EXPECT_NE(ours, unique_space());
  EXPECT_NE(ours, childs->data());
  EXPECT_THAT(std::string(childs->data()), ::testing::StartsWith(program_space()));
}

TEST(Leftovers, AreNoneAfterWhatHasBeenRemoved) {
  const leftovers before;
  const int segment = shmget(IPC_PRIVATE, 1, 0600);
  const int semaphores = semget(IPC_PRIVATE, 1, 0600);
  ASSERT_GE(segment, 0);
  ASSERT_GE(semaphores, 0);
  shmctl(segment, IPC_RMID, nullptr);
  semctl(semaphores, 0, IPC_RMID);
  EXPECT_EQ(child::start([] {}).wait(), exited(0));
  EXPECT_THAT(before.find(), IsEmpty());
}

TEST(Leftovers, NameWhatAChildMadeAndDidNotRemove) {
  const leftovers before;
  const auto ours = unique_space();
  const std::string other = "/another-" + ours.substr(5, 8);
  EXPECT_EQ(child::start([&] {
              EXPECT_GE(shmget(IPC_PRIVATE, 1, 0600), 0);
              EXPECT_GE(semget(IPC_PRIVATE, 1, 0600), 0);
              for (const auto& name : {"/shmark." + ours, other}) {
                EXPECT_GE(shm_open(name.c_str(), O_RDWR | O_CREAT, 0600), 0);
              }
              EXPECT_EQ(linkat(AT_FDCWD, ("/dev/shm" + other).c_str(), AT_FDCWD,
                               ("/dev/shm" + other + "-too").c_str(), 0),
                        0);
            }).wait(),
            exited(0));
  EXPECT_THAT(before.find(),
              AllOf(SizeIs(5), Contains(HasSubstr("segment")), Contains(HasSubstr("semaphore")),
                    Contains("shared memory object /dev/shm/shmark." + ours),
                    Contains("shared memory object /dev/shm" + other),
                    Contains("shared memory object /dev/shm" + other + "-too")));
  before.remove();
  EXPECT_THAT(before.find(), IsEmpty());
}

TEST(Leftovers, NameOpenDescriptorsAndRunningChildren) {
  const leftovers before;
  const descriptor known(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto running = fork();
  if (running == 0) hang();
  EXPECT_THAT(before.find(0s),
              AllOf(SizeIs(2), Contains(HasSubstr("/dev/null")),
                    Contains(HasSubstr("child process " + std::to_string(running)))));
  kill(running, SIGKILL);
  waitpid(running, nullptr, 0);
}

}  // namespace
}  // namespace shmark::support

#include "lib/crew/crew.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/descriptor.h"
#include "lib/base/interrupt.h"
#include "lib/base/process.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::killed_by;
using support::shared;
using support::steps;
using ::testing::KilledBySignal;

[[noreturn]] void hang() {
  for (;;) pause();
}

// The next worker that ends, whoever it is.
crew::death next_death(crew& workers) {
  for (;;) {
    const auto event = workers.wait(deadline::never(), {});
    if (event.ended) return *event.ended;
  }
}

crew one_worker() { return crew({.size = 1}); }

// --- Both kinds of workers.

class CrewOf : public ::testing::TestWithParam<workers_are> {
 protected:
  [[nodiscard]] static crew_options of(int size) { return {.size = size, .kind = GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(, CrewOf, ::testing::Values(workers_are::processes, workers_are::threads),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(CrewOf, RunsEveryWorkerAndReportsEachEndOnce) {
  constexpr int size = 5;
  const shared<std::array<std::atomic<int>, size>> ran;
  crew workers(of(size));
  for (int i = 0; i < size; ++i) {
    ASSERT_TRUE(workers.start(i, [&, i] { return ++(*ran)[static_cast<std::size_t>(i)], 0; }));
  }
  std::array<int, size> ended{};
  for (int i = 0; i < size; ++i) {
    const auto death = next_death(workers);
    EXPECT_TRUE(death.clean());
    ++ended[static_cast<std::size_t>(death.index)];
  }
  for (std::size_t i = 0; i < size; ++i) {
    EXPECT_EQ((*ran)[i], 1);
    EXPECT_EQ(ended[i], 1);
    EXPECT_FALSE(workers.running(static_cast<int>(i)));
  }
}

TEST_P(CrewOf, NamesTheWorkerAndItsStatus) {
  crew workers(of(3));
  ASSERT_TRUE(workers.start(2, [] { return 7; }));
  const auto death = next_death(workers);
  EXPECT_EQ(death.index, 2);
  EXPECT_FALSE(death.clean());
  EXPECT_EQ(WEXITSTATUS(death.status), 7);
  EXPECT_THAT(death.text(), ::testing::StartsWith("worker 2 ("));
  EXPECT_THAT(death.text(), ::testing::EndsWith(" ended with status 7"));
}

TEST_P(CrewOf, TakesAnExceptionForAnEndWithStatus1) {
  crew workers(of(2));
  ASSERT_TRUE(workers.start(0, []() -> int { throw std::runtime_error("on purpose"); }));
  ASSERT_TRUE(workers.start(1, []() -> int { throw 4711; }));
  EXPECT_EQ(WEXITSTATUS(next_death(workers).status), 1);
  EXPECT_EQ(WEXITSTATUS(next_death(workers).status), 1);
}

TEST_P(CrewOf, StartsAWorkerAgainInThePlaceOfOneThatEnded) {
  const shared<std::atomic<int>> starts;
  crew workers(of(1));
  for (int i = 1; i <= 20; ++i) {
    ASSERT_TRUE(workers.start(0, [&] { return ++*starts; }));
    EXPECT_TRUE(workers.running(0));
    EXPECT_EQ(WEXITSTATUS(next_death(workers).status), i);
    EXPECT_FALSE(workers.running(0));
  }
}

TEST_P(CrewOf, SaysWhichDescriptorIsReadable) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const descriptor reading(ends[0]);
  const descriptor writing(ends[1]);
  steps step;
  crew workers(of(1));
  ASSERT_TRUE(workers.start(0, [&] {
    step.await(1);
    return 0;
  }));
  EXPECT_EQ(workers.wait(deadline::none(), {reading.number()}).descriptor, -1);
  ASSERT_EQ(write(writing.number(), "x", 1), 1);
  const auto event = workers.wait(deadline::never(), {reading.number()});
  EXPECT_EQ(event.descriptor, reading.number());
  EXPECT_FALSE(event.ended || event.interrupted);
  step.reach(1);
  const auto end = workers.wait(deadline::never(), {reading.number(), -1});
  EXPECT_TRUE(end.ended || end.descriptor == reading.number());
}

TEST_P(CrewOf, WaitsNoLongerThanTheDeadline) {
  steps step;
  crew workers(of(1));
  ASSERT_TRUE(workers.start(0, [&] {
    step.await(1);
    return 0;
  }));
  for (const auto until : {deadline::none(), deadline::after(0ns), deadline::after(5ms)}) {
    const auto event = workers.wait(until, {});
    EXPECT_FALSE(event.ended || event.interrupted);
    EXPECT_EQ(event.descriptor, -1);
  }
  EXPECT_TRUE(workers.running(0));
  step.reach(1);
  EXPECT_TRUE(next_death(workers).clean());
}

TEST_P(CrewOf, PinsWorkersRoundAndRoundTheAllowedProcessors) {
  const auto allowed = allowed_processors();
  const auto size = static_cast<int>(allowed.size()) + 1;
  crew workers(of(size));
  for (int i = 0; i < size; ++i) {
    const int expected = allowed[static_cast<std::size_t>(i) % allowed.size()];
    ASSERT_TRUE(workers.start(i, [=] {
      return allowed_processors() == std::vector{expected} && sched_getcpu() == expected ? 0 : 1;
    }));
  }
  for (int i = 0; i < size; ++i) EXPECT_TRUE(next_death(workers).clean());
  EXPECT_EQ(allowed_processors(), allowed) << "the supervisor stays where it was";
}

TEST_P(CrewOf, LeavesWorkersWhereTheyAreWithoutPinning) {
  const auto allowed = allowed_processors();
  crew workers({.size = 1, .kind = GetParam(), .pin = pinning::none});
  ASSERT_TRUE(workers.start(0, [&] { return allowed_processors() == allowed ? 0 : 1; }));
  EXPECT_TRUE(next_death(workers).clean());
}

TEST(CrewOfThreads, SaysSo) {
  crew workers({.size = 1, .kind = workers_are::threads});
  ASSERT_TRUE(workers.start(0, [] { return 3; }));
  EXPECT_EQ(next_death(workers).text(), "worker 0 (a thread) ended with status 3");
}

TEST(CrewOfThreads, IsWaitedForByItsDestructor) {
  std::atomic<bool> finished = false;
  steps step;
  {
    crew workers({.size = 1, .kind = workers_are::threads});
    ASSERT_TRUE(workers.start(0, [&] {
      step.await(1);
      finished = true;
      return 0;
    }));
    step.reach(1);
  }
  EXPECT_TRUE(finished);
}

// --- Processes only.

TEST(Crew, NamesTheSignalThatKilledAWorker) {
  crew workers({.size = 4});
  ASSERT_TRUE(workers.start(3, [] { return hang(), 0; }));
  const pid_t victim = workers.process(3);
  workers.signal(3, SIGKILL);
  const auto death = next_death(workers);
  EXPECT_EQ(death.index, 3);
  EXPECT_EQ(death.process, victim);
  EXPECT_TRUE(WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGKILL);
  EXPECT_EQ(death.text(),
            "worker 3 (process " + std::to_string(victim) + ") was killed by signal 9 (Killed)");
}

TEST(Crew, SeesAWorkersDeathWhileItWaits) {
  steps step;
  auto supervisor = child::start([&] {
    crew workers = one_worker();
    ASSERT_TRUE(workers.start(0, [&] {
      step.await(1);
      raise(SIGABRT);
      return 0;
    }));
    const auto death = next_death(workers);
    EXPECT_TRUE(WIFSIGNALED(death.status));
  });
  supervisor.await_asleep();
  step.reach(1);
  EXPECT_EQ(supervisor.wait(), exited(0));
}

TEST(Crew, SignalsAWorker) {
  crew workers = one_worker();
  ASSERT_TRUE(workers.start(0, [] { return hang(), 0; }));
  workers.signal(0, SIGSTOP);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(workers.process(0)), &info, WSTOPPED | WNOWAIT), 0);
  EXPECT_TRUE(workers.running(0)) << "a stopped worker is no dead one";
  EXPECT_FALSE(workers.wait(deadline::none(), {}).ended);
  // Its destructor ends stopped ones, too.
}

TEST(Crew, KillsAndReapsItsWorkersAtItsEnd) {
  pid_t first = 0;
  {
    crew workers({.size = 2});
    ASSERT_TRUE(workers.start(0, [] { return hang(), 0; }));
    ASSERT_TRUE(workers.start(1, [] { return 0; }));
    first = workers.process(0);
    EXPECT_NE(process_state(first), '\0');
  }
  EXPECT_EQ(process_state(first), '\0');
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no child is left to wait for";
}

TEST(Crew, DiesWithItsSupervisorHoweverThatDies) {
  for (const int number : {SIGKILL, SIGABRT, SIGTERM}) {
    steps step;
    const shared<std::array<pid_t, 2>> started;
    auto supervisor = child::start([&] {
      crew workers({.size = 2});
      for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(workers.start(i, [&] {
          step.add();
          return hang(), 0;
        }));
        (*started)[static_cast<std::size_t>(i)] = workers.process(i);
      }
      step.add();
      hang();
    });
    step.await(3);
    supervisor.send(number);
    EXPECT_EQ(supervisor.wait(), killed_by(number));
    for (const pid_t worker : *started) {
      // It is our child now (see tests/support/main.cc).
      int status = 0;
      ASSERT_EQ(waitpid(worker, &status, 0), worker);
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
  }
}

TEST(Crew, EndsWorkersByExitWithoutDestructorsOfTheSupervisor) {
  struct announcing {
    std::atomic<int>& destroyed;
    ~announcing() { ++destroyed; }
  };
  const shared<std::atomic<int>> destroyed;
  {
    const announcing in_the_supervisor{*destroyed};
    crew workers = one_worker();
    ASSERT_TRUE(workers.start(0, [] { return 0; }));
    EXPECT_TRUE(next_death(workers).clean());
    EXPECT_EQ(*destroyed, 0);
  }
  EXPECT_EQ(*destroyed, 1);
}

TEST(Crew, SeesAnInterruptWhileItWaits) {
  steps step;
  auto supervisor = child::start([&] {
    catch_interrupts();
    crew workers = one_worker();
    ASSERT_TRUE(workers.start(0, [&] {
      raise(SIGINT);  // as from a terminal, which sends it to all
      step.reach(1);
      return hang(), 0;
    }));
    const auto event = workers.wait(deadline::never(), {});
    EXPECT_TRUE(event.interrupted);
    EXPECT_FALSE(event.ended) << event.ended->text();
    EXPECT_TRUE(workers.running(0)) << "Ctrl-C is the supervisor's business";
  });
  step.await(1);
  supervisor.await_asleep();
  supervisor.send(SIGINT);
  EXPECT_EQ(supervisor.wait(), exited(0));
}

TEST(Crew, TellsOfAnInterruptThatCameBefore) {
  auto supervisor = child::start([] {
    catch_interrupts();
    crew workers = one_worker();
    raise(SIGINT);
    for (const auto until : {deadline::none(), deadline::never()}) {
      EXPECT_TRUE(workers.wait(until, {}).interrupted);
    }
  });
  EXPECT_EQ(supervisor.wait(), exited(0));
}

TEST(Crew, IsAsLargeAsItsLimit) {
  crew workers({.size = crew_size_max, .pin = pinning::none});
  EXPECT_EQ(workers.size(), crew_size_max);
  ASSERT_TRUE(workers.start(crew_size_max - 1, [] { return 0; }));
  EXPECT_EQ(next_death(workers).index, crew_size_max - 1);
}

#ifndef SHMARK_ASAN  // which needs descriptors to check for undefined behaviour
TEST(Crew, SaysWhatToDoWhenNoDescriptorIsLeft) {
  auto supervisor = child::start([] {
    crew workers = one_worker();
    const rlimit none{.rlim_cur = 3, .rlim_max = 3};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto started = workers.start(0, [] { return hang(), 0; });
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, errc::no_space);
    EXPECT_THAT(started.error().message(), ::testing::HasSubstr("worker 0"));
    EXPECT_THAT(started.error().message(), ::testing::HasSubstr("ulimit"));
    EXPECT_FALSE(workers.running(0));
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "the worker is gone";
  });
  EXPECT_EQ(supervisor.wait(), exited(0));
}
#endif

TEST(CrewDeathTest, HasOneToItsLimitOfWorkers) {
  for (const int size : {-1, 0, crew_size_max + 1}) {
    EXPECT_EXIT(crew({.size = size}), KilledBySignal(SIGABRT), "1 to 1024 workers");
  }
}

TEST(CrewDeathTest, StartsNoWorkerTwice) {
  EXPECT_EXIT(
      {
        crew workers = one_worker();
        static_cast<void>(workers.start(0, [] { return hang(), 0; }));
        static_cast<void>(workers.start(0, [] { return hang(), 0; }));
      },
      KilledBySignal(SIGABRT), "started a worker that is running");
}

TEST(CrewDeathTest, SignalsNoWorkerThatDoesNotRun) {
  EXPECT_EXIT(one_worker().signal(0, SIGKILL), KilledBySignal(SIGABRT), "not a running process");
}

TEST(AllowedProcessors, AreThoseOfTheScheduler) {
  const auto allowed = allowed_processors();
  ASSERT_FALSE(allowed.empty());
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  EXPECT_EQ(static_cast<int>(allowed.size()), CPU_COUNT(&set));
  for (const int each : allowed) EXPECT_TRUE(CPU_ISSET(static_cast<unsigned>(each), &set));
}

}  // namespace
}  // namespace shmark

#include "lib/crew/window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/interrupt.h"
#include "lib/measure/clock.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"
#include "tests/support/watchdog.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::shared;
using support::steps;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

// Longer than any test may take (see tests/support/main.cc): only what ends it early passes.
constexpr auto very_long = 1h;
constexpr int size = 3;
using counts = std::array<std::atomic<std::uint64_t>, size>;

error on_purpose(const char* object) {
  return {.code = errc::corrupt, .attempted = "please", .object = object};
}

class Window : public ::testing::TestWithParam<workers_are> {
 protected:
  [[nodiscard]] static window_options options() {
    return {.workers = {.size = size, .kind = GetParam()}};
  }
  // Started, or the test stops here.
  [[nodiscard]] static std::unique_ptr<window_crew> start(const window_options& how,
                                                          const window_crew::body& work) {
    auto started = window_crew::start(how, work);
    if (!started) throw std::runtime_error(started.error().message());
    return *std::move(started);
  }
  [[nodiscard]] static std::unique_ptr<window_crew> start(const window_crew::body& work) {
    return start(options(), work);
  }
};
INSTANTIATE_TEST_SUITE_P(, Window, ::testing::Values(workers_are::processes, workers_are::threads),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(Window, AddsUpWhatAllWorkersDid) {
  const shared<counts> done;
  const auto windows = start([&](window_worker& self) {
    auto& own = (*done)[static_cast<std::size_t>(self.index())];
    while (self.next()) {
      self.run([&] { own.fetch_add(1, std::memory_order_relaxed); });
      self.counters() = {own.load(), 1, static_cast<std::uint64_t>(self.index()), 0};
    }
  });
  const auto result = windows->run(5ms);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->operations, (*done)[0] + (*done)[1] + (*done)[2]);
  EXPECT_EQ(result->sum(0), result->operations);
  EXPECT_EQ(result->sum(1), 3u);
  EXPECT_EQ(result->sum(2), 0u + 1 + 2);
  ASSERT_EQ(result->counters.size(), 3u);
  ASSERT_EQ(result->worker_ops_per_s.size(), 3u);
  for (std::size_t i = 0; i < size; ++i) {
    EXPECT_GT((*done)[i], 0u) << "worker " << i << " did nothing";
    EXPECT_EQ(result->counters[i][0], (*done)[i]);
    EXPECT_EQ(result->counters[i][2], i) << "in the order of the workers";
    EXPECT_GT(result->worker_ops_per_s[i], 0);
    // A window of 5 ms is never charged for as a shorter one.
    EXPECT_LE(result->worker_ops_per_s[i], static_cast<double>((*done)[i]) / 5e-3);
  }
  const double sum =
      std::accumulate(result->worker_ops_per_s.begin(), result->worker_ops_per_s.end(), 0.0);
  EXPECT_DOUBLE_EQ(result->ops_per_s, sum);
  EXPECT_DOUBLE_EQ(result->ns_per_operation(), 1e9 / sum);
}

TEST_P(Window, BeginsWhenAllWorkersHavePrepared) {
  const shared<std::atomic<int>> prepared;
  const shared<std::atomic<int>> too_early;
  const auto windows = start([&](window_worker& self) {
    for (int all = size; self.next(); all += size) {
      ++*prepared;
      self.run([&] { *too_early += *prepared == all ? 0 : 1; });
    }
  });
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(windows->run(1ms));
  EXPECT_EQ(*prepared, 5 * size);
  EXPECT_EQ(*too_early, 0);
}

TEST_P(Window, HasNothingOfTheOneBefore) {
  const shared<counts> done;
  const shared<std::atomic<std::uint64_t>> stale;
  const auto windows = start([&](window_worker& self) {
    auto& own = (*done)[static_cast<std::size_t>(self.index())];
    while (self.next()) {
      for (const auto counter : self.counters()) *stale += counter;
      own = 0;
      self.run([&] { ++own; });
      if (own % 2 == 0) self.counters()[3] = 1;
    }
  });
  for (int i = 0; i < 4; ++i) {
    const auto result = windows->run(2ms);
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(result->operations, (*done)[0] + (*done)[1] + (*done)[2]);
    std::uint64_t even = 0;
    for (const auto& each : *done) even += each % 2 == 0 ? 1U : 0U;
    EXPECT_EQ(result->sum(3), even);
    EXPECT_LE(result->times.latency.total(), result->operations);
    EXPECT_GE(result->times.latency.total(), result->operations / result->timed_every);
  }
  EXPECT_EQ(*stale, 0u);
}

TEST_P(Window, LastsAtLeastAsLongAsItIsToLast) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) self.run([] {});
  });
  const std::int64_t from_ns = monotonic_ns();
  ASSERT_TRUE(windows->run(20ms));
  EXPECT_GE(monotonic_ns() - from_ns, 20'000'000);
}

TEST_P(Window, HasEveryWorkerDoSomethingHoweverShortItIs) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) self.run([] {});
  });
  for (int i = 0; i < 20; ++i) {
    const auto result = windows->run(0ns);
    ASSERT_TRUE(result);
    for (const double rate : result->worker_ops_per_s) EXPECT_GT(rate, 0);
  }
}

TEST_P(Window, CountsTheProcessorTimeOfItsWorkers) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) {
      self.run([] {
        const std::int64_t from_ns = thread_cpu_ns();
        while (thread_cpu_ns() - from_ns < 1'000'000) {
        }
      });
    }
  });
  const auto result = windows->run(5ms);
  ASSERT_TRUE(result);
  EXPECT_GE(result->cpu_ns_per_operation(), 1e6);
}

TEST_P(Window, CountsNoProcessorTimeWhileItsWorkersSleep) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) self.run([] { std::this_thread::sleep_for(5ms); });
  });
  const auto result = windows->run(5ms);
  ASSERT_TRUE(result);
  EXPECT_LT(result->cpu_ns_per_operation(), 5e6);
}

TEST_P(Window, TimesEveryOperationIfAskedTo) {
  auto how = options();
  how.time_every = 1;
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) self.run([] {});
  });
  const auto result = windows->run(2ms);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->times.latency.total(), result->operations);
}

TEST_P(Window, TimesNoneIfAskedTo) {
  auto how = options();
  how.time_every = 0;
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) self.run([] {});
  });
  const auto result = windows->run(2ms);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->times.latency.total(), 0u);
  EXPECT_GT(result->operations, 0u);
}

// Computes for so long, and does not sleep: lest it is charged for being woken late.
void work_for(std::chrono::nanoseconds span) {
  const auto until = deadline::after(span);
  while (!until.passed()) {
  }
}

TEST_P(Window, TellsTheWaitFromTheHold) {
  auto how = options();
  how.time_every = 1;
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) {
      self.run([](auto& probe) {
        work_for(1ms);
        probe.acquired();
        work_for(2ms);
        probe.released();
        work_for(4ms);
      });
    }
  });
  // Each of the few operations of a window may be interrupted; so until one was not; or the
  // watchdog.
  for (bool ends_with_release = false; !ends_with_release;) {
    const auto result = windows->run(10ms);
    ASSERT_TRUE(result);
    const auto& times = result->times;
    EXPECT_EQ(times.wait.total(), result->operations);
    EXPECT_EQ(times.hold.total(), result->operations);
    // Within what a measured tick may be off.
    EXPECT_GE(times.wait.quantile(0), 900'000u);
    EXPECT_GE(times.hold.quantile(0), 1'800'000u);
    EXPECT_GE(times.latency.quantile(0), 2'700'000u);
    // What comes after the release is no part of it.
    ends_with_release =
        times.hold.quantile(0) < 5'400'000u && times.latency.quantile(0) < 6'300'000u;
  }
}

TEST_P(Window, LetsTheNextHolderTellHowLongTheHandoffTook) {
  const shared<lock_trace> trace;
  const shared<std::atomic<int>> turn;
  auto how = options();
  how.workers.size = 2;
  how.time_every = 1;
  const auto windows = start(how, [&](window_worker& self) {
    while (self.next()) {
      self.run([&](auto& probe) {
        probe.asks(*trace);
        // Each in turn, so that it is always another who comes next; the last one comes alone.
        const auto give_up = deadline::after(20ms);
        while (*turn != self.index() && !give_up.passed()) sched_yield();
        probe.acquired(*trace);
        if (*turn != self.index()) return;
        trace->count();
        probe.releases(*trace);
        *turn = 1 - self.index();
        probe.released();
      });
    }
  });
  std::uint64_t handoffs = 0;
  std::uint64_t bypassed = 0;
  while (handoffs == 0) {  // until both ran at once; or the watchdog
    const auto result = windows->run(5ms);
    ASSERT_TRUE(result);
    handoffs = result->times.handoff.total();
    bypassed += result->times.bypassed.total();
    EXPECT_LE(handoffs, result->operations);
  }
  EXPECT_GT(bypassed, 0u);
}

// --- Open loops.

TEST_P(Window, BeginsOperationsWhenTheyAreDue) {
  auto how = options();
  how.rate_per_s = 3000;  // a thousand for each
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) self.run([] { work_for(50us); });
  });
  const auto result = windows->run(100ms);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->times.latency.total(), result->operations) << "all are timed";
  EXPECT_EQ(result->times.intended.total(), result->operations);
  EXPECT_GE(result->planned, 297u) << "of a window of 100 ms, or longer";
  EXPECT_LE(result->operations, result->planned);
  // None began before its time: what it took is part of what it took since then.
  EXPECT_GE(result->times.intended.quantile(0), 45'000u);
}

TEST_P(Window, SaysNothingOfOperationsThatWereNotDue) {
  auto how = options();
  how.workers.size = 2;
  how.rate_per_s = 0.01;  // the second worker's first is due after 100 s
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) self.run([] {});
  });
  const auto result = windows->run(10ms);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->operations, 2u) << "no worker is without a result";
  EXPECT_EQ(result->times.intended.total(), 1u);
}

TEST_P(Window, CountsAStallForAllThatWereDueMeanwhile) {
  auto how = options();
  how.workers.size = 1;
  how.rate_per_s = 1000;
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) {
      bool is_first = true;
      self.run([&] {
        if (std::exchange(is_first, false)) work_for(50ms);
      });
    }
  });
  const auto at_least_10ms = [](const histogram& of) {
    std::uint64_t count = 0;
    of.for_each([&](std::uint64_t lower_ns, std::uint64_t n) {
      if (lower_ns >= 10'000'000) count += n;
    });
    return count;
  };
  std::uint64_t delayed = 0;
  while (delayed < 35) {  // due 1, 2, ... 40 ms after it began; until the worker ran in time
    const auto result = windows->run(120ms);
    ASSERT_TRUE(result);
    delayed = at_least_10ms(result->times.intended);
    EXPECT_GE(at_least_10ms(result->times.latency), 1u);
    EXPECT_LE(at_least_10ms(result->times.latency), delayed);
  }
}

// Of a process, by proc_pid_stat(5): 'T' if it is stopped.
char state_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string line(std::istreambuf_iterator<char>(file), {});
  const auto name_end = line.rfind(')');
  return name_end == std::string::npos ? '?' : line.at(name_end + 2);
}

TEST(WindowOfProcesses, StopsOneWorkerInTheMiddleIfAskedTo) {
  const support::watchdog guard("a stopped worker");
  const shared<std::atomic<pid_t>> first;
  const shared<std::atomic<bool>> was_stopped;
  const auto windows = window_crew::start({.workers = {.size = 2}, .time_every = 1, .stop = 50ms},
                                          [&](window_worker& self) {
                                            if (self.index() == 0) *first = getpid();
                                            while (self.next()) {
                                              self.run([&] {
                                                if (self.index() == 0) return work_for(1us);
                                                if (state_of(*first) == 'T') *was_stopped = true;
                                              });
                                            }
                                          });
  ASSERT_TRUE(windows);
  ASSERT_TRUE((*windows)->run_undisturbed(20ms));
  EXPECT_FALSE(*was_stopped);
  // Until the other ran while it was stopped, and it was in an operation then; or the watchdog.
  for (bool is_seen = false; !is_seen;) {
    const auto result = (*windows)->run(100ms);
    ASSERT_TRUE(result);
    is_seen = *was_stopped && result->times.latency.max() >= 45'000'000;
  }
}

TEST_P(Window, CountsSwitchesToOthers) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) self.run([] { std::this_thread::sleep_for(1ms); });
  });
  const auto result = windows->run(10ms);
  ASSERT_TRUE(result);
  EXPECT_GE(result->voluntary_switches, result->operations);
}

TEST_P(Window, LooksForItsEndOnlyWhenItTimesIfAskedTo) {
  auto how = options();
  how.time_every = 100;
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) self.run<stop_check::every_sample>([] {});
  });
  const auto result = windows->run(2ms);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->operations % 100, 0u);
  EXPECT_EQ(result->timed_every, 100u);
  EXPECT_EQ(result->times.latency.total(), result->operations / 100);
}

TEST_P(Window, TimesFewerOfWhatIsDoneOften) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) self.run([] {});
  });
  ASSERT_TRUE(windows->run(2ms));
  const auto result = windows->run(2ms);
  ASSERT_TRUE(result);
  // Once in 10 us, of what takes a few ns.
  EXPECT_GT(result->timed_every, 64u);
  EXPECT_EQ(result->timed_every % 64, 0u);
  EXPECT_GE(result->times.latency.total(), result->operations / result->timed_every);
  EXPECT_LE(result->times.latency.total(), result->operations / result->timed_every + size);
}

TEST_P(Window, TimesAsManyAsAskedForOfWhatTakesLong) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) self.run([] { work_for(1us); });
  });
  ASSERT_TRUE(windows->run(2ms));
  const auto result = windows->run(2ms);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->timed_every, 64u);
}

TEST_P(Window, TimesWhatAnOperationTakes) {
  auto how = options();
  how.time_every = 1;
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) {
      self.run([] {
        const auto until = deadline::after(1ms);
        while (!until.passed()) {
        }
      });
    }
  });
  const auto result = windows->run(5ms);
  ASSERT_TRUE(result);
  // Within what a measured tick may be off.
  EXPECT_GE(result->times.latency.quantile(0), 900'000u);
  EXPECT_GE(result->times.latency.max(), result->times.latency.quantile(0));
}

TEST_P(Window, TakesOverWhatWasDoneElsewhere) {
  const shared<std::atomic<int>> prepared;
  const shared<std::atomic<int>> too_early;
  const shared<std::atomic<std::int64_t>> told_ns;
  const auto windows = start([&](window_worker& self) {
    for (int all = size; self.next(); all += size) {
      ++*prepared;
      self.run_elsewhere(
          [&](std::int64_t from_ns, std::chrono::nanoseconds length, worker_result& result) {
            *too_early += *prepared == all && from_ns <= monotonic_ns() ? 0 : 1;
            *told_ns = length.count();
            result.operations = 500;
            result.elapsed_ns = 1'000'000;
            result.cpu_ns = 1000;
            result.latency.add(30, 7);
          });
      self.counters()[0] = 4;
    }
  });
  for (int i = 0; i < 2; ++i) {
    const auto result = windows->run(1ms);
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(*told_ns, 1'000'000);
    EXPECT_EQ(*too_early, 0);
    EXPECT_EQ(result->operations, 500u * size);
    EXPECT_DOUBLE_EQ(result->ops_per_s, 500e3 * size);
    EXPECT_EQ(result->cpu_ns, 1000 * size);
    EXPECT_EQ(result->times.latency.total(), 7u * size);
    EXPECT_EQ(result->times.latency.max(), 30u);
    EXPECT_EQ(result->sum(0), 4u * size);
  }
}

TEST_P(Window, EndsAtOnceWithTheErrorOfAWorker) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) {
      if (self.index() == 1) {
        self.run([] {});
        return self.fail(on_purpose("a worker's object"));
      }
      self.run([] {});
    }
  });
  const auto result = windows->run(50ms);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::corrupt);
  EXPECT_EQ(result.error().object.view(), "a worker's object");
  EXPECT_THAT(result.error().message(), HasSubstr("please"));
}

TEST_P(Window, DoesNotBeginWhenAWorkerCannotPrepare) {
  const shared<std::atomic<int>> operations;
  const auto windows = start([&](window_worker& self) {
    if (self.index() == 2) return self.fail(on_purpose("preparing"));
    while (self.next()) self.run([&] { ++*operations; });
  });
  const auto result = windows->run(very_long);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().object.view(), "preparing");
  EXPECT_EQ(*operations, 0);
}

TEST_P(Window, EndsWhenAWorkerWalksOff) {
  const auto windows = start([](window_worker& self) {
    while (self.next() && self.index() != 0) self.run([] {});
  });
  const auto result = windows->run(very_long);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::worker_died);
  EXPECT_THAT(result.error().message(), HasSubstr("worker 0"));
  EXPECT_THAT(result.error().message(), HasSubstr("ended with status 0"));
}

TEST_P(Window, EndsWhenAWorkerThrows) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) {
      self.run([&] {
        if (self.index() == 1) throw std::runtime_error("on purpose");
      });
    }
  });
  const auto result = windows->run(very_long);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::worker_died);
  EXPECT_THAT(result.error().message(), HasSubstr("worker 1"));
}

TEST_P(Window, IsNotNeededToEndACrew) {
  const auto windows = start([](window_worker& self) {
    while (self.next()) self.run([] {});
  });
}

TEST_P(Window, CanBeLeftInTheMiddle) {
  const shared<std::atomic<bool>> running;
  auto windows = start([&](window_worker& self) {
    while (self.next()) {
      self.run([&] {
        if (self.index() == 0) {
          while (!*running) {
          }
          throw std::runtime_error("on purpose");  // so that run() returns while others work
        }
        *running = true;
      });
    }
  });
  EXPECT_FALSE(windows->run(very_long));
  windows.reset();
}

TEST(WindowOfProcesses, EndsAtOnceWhenAWorkerIsKilledAndNamesIt) {
  const shared<std::atomic<pid_t>> victim;
  const auto windows = window_crew::start({.workers = {.size = size}}, [&](window_worker& self) {
    if (self.index() == 1) *victim = getpid();
    while (self.next()) {
      int operations = 0;
      self.run([&] {
        if (self.index() == 1 && ++operations == 1000) raise(SIGKILL);
      });
    }
  });
  ASSERT_TRUE(windows);
  const auto result = (*windows)->run(very_long);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::worker_died);
  EXPECT_THAT(result.error().message(), HasSubstr("worker 1 (process " + std::to_string(*victim) +
                                                  ") was killed by signal 9 (Killed)"));
}

TEST(WindowOfProcesses, EndsAtOnceWhenAWorkerIsKilledFromOutside) {
  const shared<std::atomic<pid_t>> victim;
  steps step;
  auto killer = child::start([&] {
    step.await(1);
    kill(*victim, SIGKILL);
  });
  const auto windows = window_crew::start({.workers = {.size = size}}, [&](window_worker& self) {
    while (self.next()) {
      self.run([&] {
        if (self.index() != 2 || step.now() != 0) return;
        *victim = getpid();
        step.reach(1);
      });
    }
  });
  ASSERT_TRUE(windows);
  const auto result = (*windows)->run(very_long);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::worker_died);
  EXPECT_THAT(result.error().message(), HasSubstr("worker 2"));
  EXPECT_EQ(killer.wait(), exited(0));
}

TEST(WindowOfProcesses, DoesNotBeginWhenAWorkerIsKilledWhileItPrepares) {
  const auto windows = window_crew::start({.workers = {.size = size}}, [](window_worker& self) {
    while (self.next()) {
      if (self.index() == 0) raise(SIGKILL);
      self.run([] {});
    }
  });
  ASSERT_TRUE(windows);
  const auto result = (*windows)->run(very_long);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message(), HasSubstr("worker 0"));
}

// In its second window, so that what was told in the first is seen not to count.
TEST(WindowOfProcesses, NamesThoseThatDoNotEnd) {
  const shared<std::atomic<pid_t>> stuck;
  const shared<std::atomic<bool>> hangs;
  const auto windows =
      window_crew::start({.workers = {.size = size}, .patience = 1s}, [&](window_worker& self) {
        if (self.index() == 1) *stuck = getpid();
        while (self.next()) {
          self.run([&] {
            while (self.index() == 1 && *hangs) pause();
          });
        }
      });
  ASSERT_TRUE(windows);
  ASSERT_TRUE((*windows)->run(1ms));
  *hangs = true;
  const auto result = (*windows)->run(1ms);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::timed_out);
  EXPECT_THAT(result.error().message(), HasSubstr("cannot end a window with worker 1 (process " +
                                                  std::to_string(*stuck) + "): "));
}

TEST(WindowOfProcesses, NamesThoseThatDoNotPrepareUpToTwo) {
  for (const int workers : {2, 3}) {
    const auto windows = window_crew::start({.workers = {.size = workers}, .patience = 10ms},
                                            [](window_worker& self) {
                                              while (self.next()) pause();
                                            });
    ASSERT_TRUE(windows);
    const auto result = (*windows)->run(1ms);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, errc::timed_out);
    EXPECT_THAT(result.error().message(), ContainsRegex("worker 0 .*, worker 1 "));
    EXPECT_EQ(result.error().message().find(" and 1 more: ") != std::string::npos, workers == 3);
  }
}

TEST(WindowOfProcesses, EndsAtOnceWhenItIsInterrupted) {
  auto supervisor = child::start([] {
    catch_interrupts();
    const auto windows = window_crew::start({.workers = {.size = size}}, [](window_worker& self) {
      while (self.next()) {
        bool sent = self.index() != 0;
        self.run([&] {
          if (!std::exchange(sent, true)) kill(getppid(), SIGINT);
        });
      }
    });
    ASSERT_TRUE(windows);
    const auto result = (*windows)->run(very_long);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, errc::interrupted);
  });
  EXPECT_EQ(supervisor.wait(), exited(0));
}

TEST(WindowOfProcesses, DiesWithItsSupervisor) {
  const shared<std::atomic<pid_t>> worker;
  auto supervisor = child::start([&] {
    const auto windows = window_crew::start({}, [&](window_worker& self) {
      while (self.next()) {
        bool sent = false;
        self.run([&] {
          *worker = getpid();
          if (!std::exchange(sent, true)) kill(getppid(), SIGKILL);
        });
      }
    });
    ASSERT_TRUE(windows);
    static_cast<void>((*windows)->run(very_long));
  });
  EXPECT_EQ(supervisor.wait(), support::killed_by(SIGKILL));
  int status = 0;
  const pid_t orphan = *worker;  // 0: it was killed before it could say its number
  ASSERT_GT(waitpid(orphan == 0 ? -1 : orphan, &status, 0), 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

}  // namespace
}  // namespace shmark

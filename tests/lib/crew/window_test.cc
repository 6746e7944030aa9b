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
    EXPECT_LE(result->latency.total(), result->operations);
    EXPECT_GE(result->latency.total(), result->operations / 64);
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
  EXPECT_EQ(result->latency.total(), result->operations);
}

TEST_P(Window, LooksForItsEndOnlyWhenItTimesIfAskedTo) {
  auto how = options();
  how.time_every = 100;
  const auto windows = start(how, [](window_worker& self) {
    while (self.next()) self.run<stop_check::every_sample>([] {});
  });
  const auto result = windows->run(2ms);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->operations, 100 * result->latency.total());
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
  EXPECT_GE(result->latency.quantile(0), 900'000u);
  EXPECT_GE(result->latency.max(), result->latency.quantile(0));
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

// What every lock promises while nobody dies (see lib/lock/lock.h), and what some promise beyond.

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/lock/lock.h"
#include "tests/lib/lock/fixture.h"
#include "tests/lib/lock/locks.h"
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

// --- All locks.

template <class L>
class LockConformance : public ::testing::Test {};
TYPED_TEST_SUITE(LockConformance, locks_that_exclude, name_of_lock);

TYPED_TEST(LockConformance, IsHeldByNobodyWhenCreated) {
  for (const mode how : both_modes) {
    const shared_lock<TypeParam> lock;
    EXPECT_EQ(take_and_release(lock, how), "ok");
  }
}

TYPED_TEST(LockConformance, IsAcquiredAgainAfterEachRelease) {
  const shared_lock<TypeParam> lock;
  auto handle = lock.open();
  for (int i = 0; i < 100; ++i) {
    const mode how = both_modes[static_cast<std::size_t>(i) % 2];
    ASSERT_EQ(outcome(handle.acquire(how, deadline::never())), "ok");
    handle.release(how);
  }
}

// Finds two inside, and increments that got lost.
struct guarded {
  std::atomic<int> inside;
  std::atomic<int> overlaps;
  std::uint64_t count;
};

void increment(guarded& what, bool yields) {
  if (what.inside.fetch_add(1) != 0) ++what.overlaps;
  const std::uint64_t before = what.count;
  if (yields) sched_yield();
  what.count = before + 1;
  what.inside.fetch_sub(1);
}

template <lock L>
void increment_often(const shared_lock<L>& lock, guarded& what, int times) {
  auto handle = lock.open();
  for (int i = 0; i < times; ++i) {
    EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
    increment(what, i % 16 == 0);
    handle.release(mode::exclusive);
  }
}

TYPED_TEST(LockConformance, LetsOneProcessInAtATime) {
  constexpr int processes = 4;
  constexpr int times = 2500;
  const shared_lock<TypeParam> lock;
  const shared<guarded> what;
  steps start;
  std::vector<child> workers;
  for (int i = 0; i < processes; ++i) {
    workers.push_back(child::start([&] {
      start.meet(processes);
      increment_often(lock, *what, times);
    }));
  }
  for (auto& worker : workers) EXPECT_EQ(worker.wait(), exited(0));
  EXPECT_EQ(what->overlaps, 0);
  EXPECT_EQ(what->count, processes * times);
}

TYPED_TEST(LockConformance, WouldBlockWhileAnotherProcessHolds) {
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  for (const mode how : both_modes) {
    EXPECT_EQ(take_and_release(lock, how), "would_block") << name_of(how);
  }
  EXPECT_EQ(other.release(), exited(0));
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(LockConformance, HandsOverToOneThatWaits) {
  for (const mode how : both_modes) {
    const shared_lock<TypeParam> lock;
    const shared<int> value;
    auto handle = lock.open();
    ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
    waiter next(lock, how, deadline::never(),
                [&] { EXPECT_EQ(*value, 1) << "acquired before the release"; });
    *value = 1;
    handle.release(mode::exclusive);
    EXPECT_EQ(next.finish(), "ok");
  }
}

TYPED_TEST(LockConformance, LetsAllThatWaitInOneAfterTheOther) {
  constexpr int processes = 4;
  const shared_lock<TypeParam> lock;
  const shared<guarded> what;
  std::deque<waiter<TypeParam>> waiters;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  for (int i = 0; i < processes; ++i) {
    waiters.emplace_back(lock, mode::exclusive, deadline::never(), [&] { increment(*what, true); });
  }
  handle.release(mode::exclusive);
  for (auto& each : waiters) EXPECT_EQ(each.finish(), "ok");
  EXPECT_EQ(what->count, processes);
  EXPECT_EQ(what->overlaps, 0);
}

TYPED_TEST(LockConformance, AChildOfForkHoldsNothing) {
  for (const mode how : both_modes) {
    const shared_lock<TypeParam> lock;
    auto handle = lock.open();
    ASSERT_EQ(outcome(handle.acquire(how, deadline::never())), "ok");
    auto by_inherited_handle = child::start([&] {
      EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::none())), "would_block");
    });
    EXPECT_EQ(by_inherited_handle.wait(), exited(0));
    auto by_own_handle = child::start([&] { EXPECT_FALSE(is_free(lock)); });
    EXPECT_EQ(by_own_handle.wait(), exited(0)) << "the first child's end has freed it";
    handle.release(how);
    EXPECT_TRUE(is_free(lock));
  }
}

TYPED_TEST(LockConformance, AChildOfForkAcquiresByAnInheritedHandle) {
  const shared_lock<TypeParam> lock;
  auto handle = lock.open();
  EXPECT_EQ(child::start([&] {
              EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
              handle.release(mode::exclusive);
            }).wait(),
            exited(0));
  EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::none())), "ok");
  handle.release(mode::exclusive);
}

TYPED_TEST(LockConformance, AStoppedHolderKeepsIt) {
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  other.process().stop();
  auto handle = lock.open();
  EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::none())), "would_block");
  if constexpr (TypeParam::can.timed) {
    EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::after(20ms))), "timed_out");
  }
  other.process().resume();
  EXPECT_EQ(other.release(), exited(0));
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(LockConformance, StaysHeldWhenItsHandleMoves) {
  const shared_lock<TypeParam> lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  auto moved = std::move(handle);
  EXPECT_EQ(child::start([&] { EXPECT_FALSE(is_free(lock)); }).wait(), exited(0));
  moved.release(mode::exclusive);
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(LockConformance, IsReleasedByHeldAtTheEndOfItsScope) {
  const shared_lock<TypeParam> lock;
  auto handle = lock.open();
  {
    std::optional<held<TypeParam>> outer;
    {
      ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
      held<TypeParam> inner(handle, mode::exclusive);
      outer.emplace(std::move(inner));
    }
    EXPECT_EQ(child::start([&] { EXPECT_FALSE(is_free(lock)); }).wait(), exited(0))
        << "released by what had been moved from";
  }
  EXPECT_TRUE(is_free(lock));
}

// A handler that does not restart what it interrupts, and counts.
steps* signals_seen = nullptr;
void count_signal(int) { signals_seen->add(); }
void count_signals(steps& into) {
  signals_seen = &into;
  struct sigaction action = {};
  action.sa_handler = count_signal;
  sigaction(SIGUSR1, &action, nullptr);
}

TYPED_TEST(LockConformance, ASignalDoesNotEndTheWait) {
#if defined(SHMARK_TSAN)
  GTEST_SKIP() << "ThreadSanitizer holds signals back until the wait is over";
#endif
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  steps step;
  steps seen;
  auto waiter = child::start([&] {
    count_signals(seen);
    auto own = lock.open();
    step.reach(1);
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
    step.reach(2);
    own.release(mode::exclusive);
  });
  step.await(1);
  for (std::uint32_t sent = 1; sent <= 10; ++sent) {
    waiter.await_asleep();
    waiter.send(SIGUSR1);
    seen.await(sent);
  }
  waiter.await_asleep();
  EXPECT_EQ(step.now(), 1u) << "acquired while another holds";
  EXPECT_EQ(other.release(), exited(0));
  EXPECT_EQ(waiter.wait(), exited(0));
}

TYPED_TEST(LockConformance, IsDestroyedTwiceAndMadeAgain) {
  const shared_lock<TypeParam> lock;
  TypeParam::destroy(lock.state());
  TypeParam::destroy(lock.state());
  lock.state().~state();
  new (&lock.state()) typename TypeParam::state{};
  TypeParam::destroy(lock.state());  // as when its maker died before it had begun
  ASSERT_TRUE(TypeParam::create(lock.state(), lock.home()));
  EXPECT_TRUE(is_free(lock));
}

// --- Those with deadlines.

template <class L>
class TimedLock : public ::testing::Test {};
TYPED_TEST_SUITE(TimedLock, locks_with<&lock_traits::timed>, name_of_lock);

TYPED_TEST(TimedLock, TimesOutWhileAnotherProcessHoldsAndNotBefore) {
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  auto handle = lock.open();
  for (const mode how : both_modes) {
    const auto began_ns = monotonic_ns();
    EXPECT_EQ(outcome(handle.acquire(how, deadline::after(20ms))), "timed_out") << name_of(how);
    EXPECT_GE(monotonic_ns() - began_ns, 20'000'000) << name_of(how);
  }
  EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::after(0ms))), "timed_out");
  EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::after(-1h))), "timed_out");
  EXPECT_EQ(other.release(), exited(0));
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(TimedLock, IsAcquiredWhenFreeEvenIfTheDeadlineHasPassed) {
  const shared_lock<TypeParam> lock;
  for (const mode how : both_modes) {
    EXPECT_EQ(take_and_release(lock, how, deadline::after(0ms)), "ok") << name_of(how);
  }
}

TYPED_TEST(TimedLock, IsAcquiredWhenReleasedBeforeTheDeadline) {
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  waiter next(lock, mode::exclusive, deadline::after(1h));
  EXPECT_EQ(other.release(), exited(0));
  EXPECT_EQ(next.finish(), "ok");
}

TYPED_TEST(TimedLock, SignalsNeitherEndNorProlongTheWait) {
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  steps step;
  steps seen;
  auto waiter = child::start([&] {
    count_signals(seen);
    auto own = lock.open();
    step.reach(1);
    const auto began_ns = monotonic_ns();
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::after(30ms))), "timed_out");
    EXPECT_GE(monotonic_ns() - began_ns, 30'000'000);
    step.reach(2);
    step.await(3);
  });
  step.await(1);
  // If each of them began the wait anew, it would never end.
  for (std::uint32_t sent = 1; step.now() < 2; ++sent) {
    waiter.send(SIGUSR1);
    seen.await(sent);
  }
  step.reach(3);
  EXPECT_EQ(waiter.wait(), exited(0));
  EXPECT_EQ(other.release(), exited(0));
}

// --- Those with a shared mode.

template <class L>
class SharedLock : public ::testing::Test {};
TYPED_TEST_SUITE(SharedLock, locks_with<&lock_traits::shared>, name_of_lock);

TYPED_TEST(SharedLock, SharedHoldersAreThereTogether) {
  const shared_lock<TypeParam> lock;
  holder first(lock, mode::shared);
  holder second(lock, mode::shared);
  EXPECT_EQ(take_and_release(lock, mode::shared), "ok");
  EXPECT_EQ(first.release(), exited(0));
  EXPECT_EQ(second.release(), exited(0));
}

TYPED_TEST(SharedLock, AnExclusiveHolderWaitsForTheLastSharedOne) {
  const shared_lock<TypeParam> lock;
  holder first(lock, mode::shared);
  holder second(lock, mode::shared);
  EXPECT_EQ(take_and_release(lock), "would_block");
  EXPECT_EQ(second.release(), exited(0));
  EXPECT_EQ(take_and_release(lock), "would_block");
  EXPECT_EQ(first.release(), exited(0));
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(SharedLock, AWaitingExclusiveOneGetsInAfterTheSharedOnes) {
  const shared_lock<TypeParam> lock;
  holder reader(lock, mode::shared);
  waiter writer(lock);
  EXPECT_EQ(reader.release(), exited(0));
  EXPECT_EQ(writer.finish(), "ok");
}

TYPED_TEST(SharedLock, ReadersSeeNoHalfOfAWrite) {
  struct pair {
    std::uint64_t first, second;
  };
  const shared_lock<TypeParam> lock;
  const shared<pair> value;
  steps start;
  auto writer = child::start([&] {
    auto own = lock.open();
    start.meet(3);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
      ++value->first;
      if (i % 8 == 0) sched_yield();
      ++value->second;
      own.release(mode::exclusive);
    }
  });
  const auto read = [&] {
    auto own = lock.open();
    start.meet(3);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(outcome(own.acquire(mode::shared, deadline::never())), "ok");
      EXPECT_EQ(value->first, value->second);
      own.release(mode::shared);
    }
  };
  auto first = child::start(read);
  auto second = child::start(read);
  EXPECT_EQ(writer.wait(), exited(0));
  EXPECT_EQ(first.wait(), exited(0));
  EXPECT_EQ(second.wait(), exited(0));
}

// --- Those that are held by threads.

template <class L>
class PerThreadLock : public ::testing::Test {};
TYPED_TEST_SUITE(PerThreadLock, locks_with<&lock_traits::per_thread>, name_of_lock);

TYPED_TEST(PerThreadLock, LetsOneThreadInAtATime) {
  constexpr int threads = 4;
  constexpr int times = 2500;
  const shared_lock<TypeParam> lock;
  guarded what{};
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < threads; ++i)
      workers.emplace_back([&] { increment_often(lock, what, times); });
  }
  EXPECT_EQ(what.overlaps, 0);
  EXPECT_EQ(what.count, threads * times);
}

TYPED_TEST(PerThreadLock, WouldBlockWhileAnotherThreadHolds) {
  const shared_lock<TypeParam> lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  std::jthread([&] { EXPECT_FALSE(is_free(lock)); }).join();
  handle.release(mode::exclusive);
  std::jthread([&] { EXPECT_TRUE(is_free(lock)); }).join();
}

// --- Those that notice when their holder asks again.

template <class L>
class RelockedLock : public ::testing::Test {};
TYPED_TEST_SUITE(RelockedLock, locks_that_notice_relocking, name_of_lock);

TYPED_TEST(RelockedLock, WouldDeadlockWhenItsHolderAsksAgain) {
  for (const mode how : both_modes) {
    const shared_lock<TypeParam> lock;
    auto handle = lock.open();
    ASSERT_EQ(outcome(handle.acquire(how, deadline::never())), "ok");
    EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "would_deadlock");
    EXPECT_EQ(outcome(handle.acquire(mode::shared, deadline::never())), "would_deadlock");
    if constexpr (TypeParam::can.timed) {
      EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::after(1h))), "would_deadlock");
    }
    EXPECT_FALSE(handle.acquire(mode::exclusive, deadline::none()));
    EXPECT_EQ(child::start([&] { EXPECT_FALSE(is_free(lock)); }).wait(), exited(0));
    handle.release(how);
    EXPECT_TRUE(is_free(lock)) << "a refused acquire has counted";
  }
}

// --- Those that notice when one releases what one does not hold.

template <class L>
class MisusedLockDeathTest : public ::testing::Test {};
TYPED_TEST_SUITE(MisusedLockDeathTest, locks_that_notice_misuse, name_of_lock);

constexpr const char* complaint = "released a lock that is not held";

TYPED_TEST(MisusedLockDeathTest, ReleasingWhatNobodyHoldsStopsTheProgram) {
  for (const mode how : both_modes) {
    const shared_lock<TypeParam> lock;
    auto handle = lock.open();
    EXPECT_DEATH(handle.release(how), complaint);
    EXPECT_TRUE(is_free(lock));
  }
}

TYPED_TEST(MisusedLockDeathTest, ReleasingTwiceStopsTheProgram) {
  const shared_lock<TypeParam> lock;
  EXPECT_DEATH(
      {
        auto handle = lock.open();
        if (handle.acquire(mode::exclusive, deadline::never())) handle.release(mode::exclusive);
        handle.release(mode::exclusive);
      },
      complaint);
}

TYPED_TEST(MisusedLockDeathTest, ReleasingAfterARefusalStopsTheProgram) {
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::none())), "would_block");
  EXPECT_DEATH(handle.release(mode::exclusive), complaint);
  EXPECT_EQ(other.release(), exited(0));
}

TYPED_TEST(MisusedLockDeathTest, AChildOfForkThatReleasesItsParentsStopsAndChangesNothing) {
  for (const mode how : both_modes) {
    const shared_lock<TypeParam> lock;
    auto handle = lock.open();
    ASSERT_EQ(outcome(handle.acquire(how, deadline::never())), "ok");
    EXPECT_DEATH(handle.release(how), complaint);  // runs in a child
    EXPECT_EQ(child::start([&] { EXPECT_FALSE(is_free(lock)); }).wait(), exited(0));
    handle.release(how);
    EXPECT_TRUE(is_free(lock));
  }
}

TYPED_TEST(MisusedLockDeathTest, ReleasingWhatAnotherHoldsStopsOneAndNotTheOther) {
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  auto handle = lock.open();
  EXPECT_DEATH(handle.release(mode::exclusive), complaint);
  EXPECT_FALSE(is_free(lock));
  EXPECT_EQ(other.release(), exited(0));
  EXPECT_TRUE(is_free(lock));
}

}  // namespace
}  // namespace shmark

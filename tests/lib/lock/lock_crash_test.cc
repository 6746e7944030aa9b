// What locks promise when their holders die (see lib/lock/lock.h).

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/random.h"
#include "lib/lock/lock.h"
#include "tests/lib/lock/fixture.h"
#include "tests/lib/lock/locks.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::shared;
using support::steps;

// What the next to acquire hears after an exclusive holder's death.
template <lock L>
constexpr const char* after_a_death = L::can.reports_owner_death ? "owner_died" : "ok";

// --- Those that a holder's death frees.

template <class L>
class CrashSafeLock : public ::testing::Test {};
TYPED_TEST_SUITE(CrashSafeLock, locks_with<&lock_traits::crash_safe>, name_of_lock);

TYPED_TEST(CrashSafeLock, IsFreedWhenItsHolderIsKilled) {
  for (const mode how : both_modes) {
    const shared_lock<TypeParam> lock;
    holder dead(lock, how);
    dead.kill();
    auto handle = lock.open();
    ASSERT_TRUE(handle.acquire(mode::exclusive, deadline::never())) << name_of(how);
    handle.release(mode::exclusive);
    EXPECT_TRUE(is_free(lock));
  }
}

TYPED_TEST(CrashSafeLock, IsFreedWhenItsHolderEndsWithoutReleasing) {
  const shared_lock<TypeParam> lock;
  holder careless(lock, mode::exclusive);
  EXPECT_EQ(careless.exit_holding(), exited(0));
  EXPECT_EQ(take_and_release(lock), after_a_death<TypeParam>);
}

TYPED_TEST(CrashSafeLock, WakesTheOneThatWaitsWhenItsHolderIsKilled) {
  const shared_lock<TypeParam> lock;
  holder dead(lock, mode::exclusive);
  waiter next(lock);
  dead.kill();
  EXPECT_EQ(next.finish(), after_a_death<TypeParam>);
}

TYPED_TEST(CrashSafeLock, WakesAllThatWaitOneAfterTheOther) {
  const shared_lock<TypeParam> lock;
  holder dead(lock, mode::exclusive);
  std::deque<waiter<TypeParam>> waiters;
  for (int i = 0; i < 3; ++i) waiters.emplace_back(lock);
  dead.kill();
  std::map<std::string, int> outcomes;
  for (auto& each : waiters) ++outcomes[each.finish()];
  EXPECT_EQ(outcomes["owner_died"], TypeParam::can.reports_owner_death ? 1 : 0);
  EXPECT_EQ(outcomes["ok"], TypeParam::can.reports_owner_death ? 2 : 3);
}

TYPED_TEST(CrashSafeLock, TheDeathOfOneThatWaitsChangesNothing) {
  const shared_lock<TypeParam> lock;
  holder other(lock, mode::exclusive);
  waiter dead(lock);
  dead.process().kill();
  EXPECT_EQ(take_and_release(lock), "would_block");
  EXPECT_EQ(other.release(), exited(0));
  EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "ok");
}

TYPED_TEST(CrashSafeLock, TheDeathOfOneThatHasReleasedIsNobodysConcern) {
  const shared_lock<TypeParam> lock;
  steps step;
  auto past_holder = child::start([&] {
    auto own = lock.open();
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
    own.release(mode::exclusive);
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  past_holder.kill();
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(CrashSafeLock, ADeadSharedHolderLeavesTheOthersTheirs) {
  if constexpr (TypeParam::can.shared) {
    const shared_lock<TypeParam> lock;
    holder dead(lock, mode::shared);
    holder alive(lock, mode::shared);
    dead.kill();
    EXPECT_EQ(take_and_release(lock), "would_block");
    EXPECT_EQ(alive.release(), exited(0));
    EXPECT_TRUE(is_free(lock));
  }
}

// Two numbers that are equal whenever nobody is inside, unless somebody died there.
struct pair {
  std::atomic<std::uint64_t> first, second;
  std::atomic<int> torn, two_inside, refused;
  std::atomic<pid_t> inside;
};

template <lock L>
void change_forever(const shared_lock<L>& lock, pair& value, steps& done) {
  auto handle = lock.open();
  for (std::uint64_t i = 0;; ++i) {
    const auto got = handle.acquire(mode::exclusive, deadline::never());
    if (!got) ++value.refused;
    const bool may_be_damaged = !L::can.reports_owner_death || *got == acquired::owner_died;
    if (may_be_damaged) value.second = value.first.load();
    if (value.first != value.second) ++value.torn;
    value.inside = getpid();
    ++value.first;
    if (i % 4 == 0) sched_yield();
    ++value.second;
    if (value.inside != getpid()) ++value.two_inside;
    handle.release(mode::exclusive);
    done.add();
  }
}

TYPED_TEST(CrashSafeLock, ExcludesAndGoesOnWhoeverIsKilledWhenever) {
  constexpr std::uint64_t seed = 20;
  random_source random(seed);
  const shared_lock<TypeParam> lock;
  const shared<pair> value;
  steps done;
  const std::function<void()> body = [&] { change_forever(lock, *value, done); };
  std::vector<child> workers;
  for (int i = 0; i < 3; ++i) workers.push_back(child::start(body));
  for (int kills = 0; kills < 200; ++kills) {
    // If the lock were lost with one of the dead, this would wait forever.
    done.await(done.now() + 1 + random.below(8));
    auto& victim = workers[random.below(workers.size())];
    victim.kill();
    victim = child::start(body);
  }
  workers.clear();
  auto handle = lock.open();
  ASSERT_TRUE(handle.acquire(mode::exclusive, deadline::never()));
  handle.release(mode::exclusive);
  EXPECT_EQ(value->torn, 0) << "nobody was told that an owner died";
  EXPECT_EQ(value->two_inside, 0);
  EXPECT_EQ(value->refused, 0);
}

// --- Those that tell the next.

template <class L>
class ReportingLock : public ::testing::Test {};
TYPED_TEST_SUITE(ReportingLock, locks_with<&lock_traits::reports_owner_death>, name_of_lock);

TYPED_TEST(ReportingLock, TellsTheNextAndOnlyTheNext) {
  const shared_lock<TypeParam> lock;
  holder dead(lock, mode::exclusive);
  dead.kill();
  EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "owner_died");
  EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "ok");
}

TYPED_TEST(ReportingLock, TellsInEitherModeAndWithEveryDeadline) {
  for (const mode how : both_modes) {
    for (const auto until :
         {deadline::never(), deadline::none(), deadline::after(std::chrono::hours(1))}) {
      const shared_lock<TypeParam> lock;
      holder dead(lock, mode::exclusive);
      dead.kill();
      EXPECT_EQ(take_and_release(lock, how, until), "owner_died") << name_of(how);
      // A reader cannot have repaired what the dead has left.
      const bool may_repair = how == mode::exclusive || !TypeParam::can.shared;
      EXPECT_EQ(take_and_release(lock, how, until), may_repair ? "ok" : "owner_died");
    }
  }
}

TYPED_TEST(ReportingLock, TheOneWhoWasToldHoldsIt) {
  const shared_lock<TypeParam> lock;
  holder dead(lock, mode::exclusive);
  dead.kill();
  holder told(lock, mode::exclusive);
  EXPECT_EQ(told.told(), acquired::owner_died);
  EXPECT_EQ(take_and_release(lock), "would_block");
  EXPECT_EQ(told.release(), exited(0));
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(ReportingLock, TellsAgainWhenTheOneWhoWasToldDiesToo) {
  const shared_lock<TypeParam> lock;
  for (int deaths = 0; deaths < 3; ++deaths) {
    holder dead(lock, mode::exclusive);
    EXPECT_EQ(dead.told(), deaths == 0 ? acquired::ok : acquired::owner_died);
    dead.kill();
  }
  EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "owner_died");
}

TYPED_TEST(ReportingLock, TellsAlsoAfterAStrangersMisuse) {
  const shared_lock<TypeParam> lock;
  holder dead(lock, mode::exclusive);
  EXPECT_EQ(child::start([&] { lock.open().release(mode::exclusive); }).wait(),
            support::killed_by(SIGABRT));
  dead.kill();
  EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "owner_died");
}

// --- Those that are held by threads.

template <class L>
class DyingThreadsLock : public ::testing::Test {};
using locks_of_mortal_threads = locks_with<&lock_traits::per_thread, &lock_traits::crash_safe>;
TYPED_TEST_SUITE(DyingThreadsLock, locks_of_mortal_threads, name_of_lock);

TYPED_TEST(DyingThreadsLock, IsFreedWhenItsThreadEndsWithoutReleasing) {
  const shared_lock<TypeParam> lock;
  std::jthread([&] {
    auto own = lock.open();
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
  }).join();
  EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), after_a_death<TypeParam>);
}

}  // namespace
}  // namespace shmark

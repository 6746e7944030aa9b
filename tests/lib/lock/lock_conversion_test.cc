// What locks promise whose holders go from one mode to the other (see convertible_lock in
// lib/lock/lock.h), while nobody dies and when somebody does.

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
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

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::shared;
using support::steps;

// A handle that holds the lock.
template <lock L>
L held_by_us(const shared_lock<L>& lock, mode how) {
  auto handle = lock.open();
  EXPECT_EQ(outcome(handle.acquire(how, deadline::never())), "ok");
  return handle;
}

// What somebody else would get, at once.
template <lock L>
std::string of_others(const shared_lock<L>& lock, mode how) {
  const shared<short_text> told;
  EXPECT_EQ(child::start([&] { *told = take_and_release(lock, how); }).wait(), exited(0));
  return std::string(told->view());
}

// A child that holds the lock shared, and from the end of the constructor on waits to have it
// exclusively. When it has, or is refused, it ends.
template <lock L>
class upgrader {
 public:
  explicit upgrader(const shared_lock<L>& lock, deadline until = deadline::never())
      : process_(child::start([&] { ask(lock, until); })) {
    step_.await(1);
    process_.await_asleep();
  }
  [[nodiscard]] child& process() noexcept { return process_; }
  // Returns the outcome of its waiting, when it has ended.
  [[nodiscard]] std::string finish() {
    EXPECT_EQ(process_.wait(), exited(0));
    return std::string(told_->view());
  }

 private:
  void ask(const shared_lock<L>& lock, deadline until) {
    auto handle = held_by_us(lock, mode::shared);
    step_.reach(1);
    const auto got = handle.upgrade(until);
    *told_ = outcome(got);
    handle.release(got ? mode::exclusive : mode::shared);
  }

  steps step_;
  shared<short_text> told_;
  child process_;
};

// All that the lock honours.
template <lock L>
std::vector<deadline> deadlines_of(deadline timed) {
  std::vector all{deadline::none(), deadline::never()};
  if constexpr (L::can.timed) all.push_back(timed);
  return all;
}

template <class L>
class ConvertibleLock : public ::testing::Test {
  static_assert(convertible_lock<L>);
};
TYPED_TEST_SUITE(ConvertibleLock, locks_with<&lock_traits::convertible>, name_of_lock);

// --- Downgrade.

TYPED_TEST(ConvertibleLock, ADowngradeLetsReadersInAndKeepsWritersOut) {
  const shared_lock<TypeParam> lock;
  auto handle = held_by_us(lock, mode::exclusive);
  ASSERT_TRUE(handle.downgrade());
  holder reader(lock, mode::shared);
  EXPECT_EQ(of_others(lock, mode::exclusive), "would_block");
  handle.release(mode::shared);
  EXPECT_EQ(of_others(lock, mode::exclusive), "would_block");
  EXPECT_EQ(reader.release(), exited(0));
  EXPECT_EQ(of_others(lock, mode::exclusive), "ok");
}

TYPED_TEST(ConvertibleLock, ADowngradeWakesTheReaderThatWaitsAndNotTheWriter) {
  const shared_lock<TypeParam> lock;
  auto handle = held_by_us(lock, mode::exclusive);
  waiter reader(lock, mode::shared);
  ASSERT_TRUE(handle.downgrade());
  EXPECT_EQ(reader.finish(), "ok");
  handle.release(mode::shared);
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  steps step;
  waiter writer(lock, mode::exclusive, deadline::never(), [&] { EXPECT_EQ(step.now(), 1u); });
  ASSERT_TRUE(handle.downgrade());
  step.reach(1);
  handle.release(mode::shared);
  EXPECT_EQ(writer.finish(), "ok");
}

TYPED_TEST(ConvertibleLock, IsConvertedAsOftenAsOneLikesAndIsFreeThen) {
  const shared_lock<TypeParam> lock;
  auto handle = held_by_us(lock, mode::exclusive);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(handle.downgrade());
    ASSERT_EQ(outcome(handle.upgrade(i % 2 == 0 ? deadline::none() : deadline::never())), "ok");
  }
  EXPECT_EQ(of_others(lock, mode::shared), "would_block");
  handle.release(mode::exclusive);
  EXPECT_TRUE(is_free(lock));
}

// --- Upgrade.

TYPED_TEST(ConvertibleLock, AnUpgradeOfTheOnlyReaderIsExclusive) {
  const shared_lock<TypeParam> lock;
  for (const auto until : deadlines_of<TypeParam>(deadline::after(0ms))) {
    auto handle = held_by_us(lock, mode::shared);
    ASSERT_EQ(outcome(handle.upgrade(until)), "ok");
    for (const mode how : both_modes) EXPECT_EQ(of_others(lock, how), "would_block");
    handle.release(mode::exclusive);
    for (const mode how : both_modes) EXPECT_EQ(of_others(lock, how), "ok");
  }
}

TYPED_TEST(ConvertibleLock, AnUpgradeThatCannotBeLeavesItShared) {
  const shared_lock<TypeParam> lock;
  holder reader(lock, mode::shared);
  auto handle = held_by_us(lock, mode::shared);
  EXPECT_EQ(outcome(handle.upgrade(deadline::none())), "would_block");
  if constexpr (TypeParam::can.timed) {
    const auto began_ns = monotonic_ns();
    EXPECT_EQ(outcome(handle.upgrade(deadline::after(20ms))), "timed_out");
    EXPECT_GE(monotonic_ns() - began_ns, 20'000'000);
  }
  holder another(lock, mode::shared);
  EXPECT_EQ(reader.release(), exited(0));
  EXPECT_EQ(another.release(), exited(0));
  EXPECT_EQ(of_others(lock, mode::exclusive), "would_block");
  EXPECT_EQ(outcome(handle.upgrade(deadline::none())), "ok");
  handle.release(mode::exclusive);
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(ConvertibleLock, AnUpgradeThatWasGivenUpIsNotInTheWayOfAnothers) {
  const shared_lock<TypeParam> lock;
  holder reader(lock, mode::shared);
  {
    auto handle = held_by_us(lock, mode::shared);
    EXPECT_EQ(outcome(handle.upgrade(deadline::none())), "would_block");
    if constexpr (TypeParam::can.timed) {
      EXPECT_EQ(outcome(handle.upgrade(deadline::after(1ms))), "timed_out");
    }
    handle.release(mode::shared);
  }
  upgrader next(lock);
  EXPECT_EQ(reader.release(), exited(0));
  EXPECT_EQ(next.finish(), "ok");
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(ConvertibleLock, AnUpgradeWaitsForTheLastOfTheOtherReaders) {
  const shared_lock<TypeParam> lock;
  holder first(lock, mode::shared);
  holder second(lock, mode::shared);
  upgrader waits(lock);
  EXPECT_EQ(first.release(), exited(0));
  waits.process().await_asleep();
  EXPECT_EQ(of_others(lock, mode::exclusive), "would_block");
  EXPECT_EQ(second.release(), exited(0));
  EXPECT_EQ(waits.finish(), "ok");
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(ConvertibleLock, OfTwoThatUpgradeTheSecondIsRefusedAndKeepsItShared) {
  const shared_lock<TypeParam> lock;
  auto handle = held_by_us(lock, mode::shared);
  upgrader first(lock);
  for (const auto until : deadlines_of<TypeParam>(deadline::after(1h))) {
    ASSERT_EQ(outcome(handle.upgrade(until)), "would_deadlock");
  }
  first.process().await_asleep();
  EXPECT_EQ(of_others(lock, mode::exclusive), "would_block") << "a refusal has counted";
  handle.release(mode::shared);
  EXPECT_EQ(first.finish(), "ok");
  EXPECT_TRUE(is_free(lock));
}

void ignore_signal(int) {}

TYPED_TEST(ConvertibleLock, ASignalDoesNotEndTheWaitToUpgrade) {
#if defined(SHMARK_TSAN)
  GTEST_SKIP() << "ThreadSanitizer holds signals back until the wait is over";
#endif
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = ignore_signal;
  sigaction(SIGUSR1, &action, &before);
  const shared_lock<TypeParam> lock;
  holder reader(lock, mode::shared);
  upgrader waits(lock);
  for (int i = 0; i < 10; ++i) {
    waits.process().send(SIGUSR1);
    waits.process().await_asleep();
  }
  EXPECT_EQ(reader.release(), exited(0));
  EXPECT_EQ(waits.finish(), "ok");
  sigaction(SIGUSR1, &before, nullptr);
}

// --- Nobody in between, with or without deaths.

// Two numbers that are equal whenever nobody is inside exclusively, unless somebody died there.
struct pair {
  std::atomic<std::uint64_t> first, second;
  std::atomic<std::uint64_t> lost, torn, refused;
};

// Changes what it has read, if nobody else does so before it; then reads again what it has written.
template <lock L>
void read_and_change(L& handle, pair& value) {
  const auto shared_got = handle.acquire(mode::shared, deadline::never());
  if (!shared_got) ++value.refused;
  const std::uint64_t read = value.first;
  sched_yield();
  if (const auto got = handle.upgrade(deadline::never()); !got) {
    if (got.error().code != errc::would_deadlock) ++value.refused;
    handle.release(mode::shared);
    return;
  }
  if (value.first != read) ++value.lost;
  value.first = read + 1;
  sched_yield();
  value.second = read + 1;
  if (!handle.downgrade()) ++value.refused;
  sched_yield();
  if (value.first != read + 1 || value.second != read + 1) ++value.torn;
  handle.release(mode::shared);
}

template <lock L>
void change(L& handle, pair& value) {
  if (!handle.acquire(mode::exclusive, deadline::never())) ++value.refused;
  ++value.first;
  sched_yield();
  value.second = value.first.load();
  handle.release(mode::exclusive);
}

TYPED_TEST(ConvertibleLock, LetsNobodyInBetweenItsModes) {
  constexpr std::uint32_t processes = 4;
  const shared_lock<TypeParam> lock;
  const shared<pair> value;
  steps start;
  std::vector<child> all;
  for (std::uint32_t i = 0; i < processes; ++i) {
    all.push_back(child::start([&, i] {
      auto handle = lock.open();
      start.meet(processes);
      for (int n = 0; n < 500; ++n) {
        if (i == 0) {
          change(handle, *value);
        } else {
          read_and_change(handle, *value);
        }
      }
    }));
  }
  for (auto& one : all) EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(value->lost, 0u) << "changed between reading it shared and having it exclusively";
  EXPECT_EQ(value->torn, 0u) << "changed between having it exclusively and reading it shared";
  EXPECT_EQ(value->refused, 0u);
  EXPECT_GT(value->first, 0u);
  EXPECT_TRUE(is_free(lock));
}

// --- Deaths. Those that a holder's death frees.

template <class L>
class MortalConversion : public ::testing::Test {};
using convertible_and_crash_safe = locks_with<&lock_traits::convertible, &lock_traits::crash_safe>;
TYPED_TEST_SUITE(MortalConversion, convertible_and_crash_safe, name_of_lock);

TYPED_TEST(MortalConversion, AnUpgradeGetsItWhenTheOtherReaderIsKilled) {
  const shared_lock<TypeParam> lock;
  holder reader(lock, mode::shared);
  upgrader waits(lock);
  reader.kill();
  EXPECT_EQ(waits.finish(), "ok");
}

TYPED_TEST(MortalConversion, TheDeathOfOneThatWaitsToUpgradeFreesWhatItHadAndTheWay) {
  const shared_lock<TypeParam> lock;
  holder reader(lock, mode::shared);
  upgrader dead(lock);
  dead.process().kill();
  upgrader next(lock);
  EXPECT_EQ(reader.release(), exited(0));
  EXPECT_EQ(next.finish(), "ok");
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(MortalConversion, IsFreedWhenItsHolderDiesInTheModeItHasChangedTo) {
  for (const mode how : both_modes) {
    const shared_lock<TypeParam> lock;
    steps step;
    auto dead = child::start([&] {
      auto handle = held_by_us(lock, how);
      if (how == mode::exclusive) {
        EXPECT_TRUE(handle.downgrade());
      } else {
        EXPECT_TRUE(handle.upgrade(deadline::none()));
      }
      step.reach(1);
      step.await(2);
    });
    step.await(1);
    dead.kill();
    const bool is_reported = how == mode::shared && TypeParam::can.reports_owner_death;
    EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()),
              is_reported ? "owner_died" : "ok");
    EXPECT_TRUE(is_free(lock));
  }
}

TYPED_TEST(MortalConversion, ExcludesAndGoesOnWhoeverIsKilledWhenever) {
  constexpr std::uint64_t seed = 22;
  random_source random(seed);
  const shared_lock<TypeParam> lock;
  const shared<pair> value;
  steps done;
  const std::function<void()> body = [&] {
    auto handle = lock.open();
    for (;;) {
      read_and_change(handle, *value);
      done.add();
    }
  };
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
  EXPECT_TRUE(is_free(lock)) << "the dead have left counts";
  EXPECT_EQ(value->lost, 0u);
  EXPECT_EQ(value->torn, 0u);
  EXPECT_EQ(value->refused, 0u);
}

// --- Misuse.

template <class L>
class MisusedConversionDeathTest : public ::testing::Test {};
TYPED_TEST_SUITE(MisusedConversionDeathTest, convertible_locks_that_notice_misuse, name_of_lock);

TYPED_TEST(MisusedConversionDeathTest, ConvertingWhatIsNotHeldInThatModeStopsTheProgram) {
  const shared_lock<TypeParam> lock;
  auto handle = lock.open();
  const auto upgrade = [&] { static_cast<void>(handle.upgrade(deadline::none())); };
  const auto downgrade = [&] { static_cast<void>(handle.downgrade()); };
  EXPECT_DEATH(upgrade(), "upgraded a lock that is not held shared");
  EXPECT_DEATH(downgrade(), "downgraded a lock that is not held exclusively");
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  EXPECT_DEATH(upgrade(), "upgraded a lock that is not held shared");
  EXPECT_DEATH(downgrade(), "downgraded a lock that is not held exclusively");  // by a child
  ASSERT_TRUE(handle.downgrade());
  EXPECT_DEATH(upgrade(), "upgraded a lock that is not held shared");  // by a child
  EXPECT_DEATH(downgrade(), "downgraded a lock that is not held exclusively");
  handle.release(mode::shared);
  EXPECT_TRUE(is_free(lock));
}

}  // namespace
}  // namespace shmark

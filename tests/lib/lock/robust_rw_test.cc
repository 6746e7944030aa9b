// What robust_rw promises beyond other locks (see lib/lock/robust_rw.h).

#include "lib/lock/robust_rw.h"

#include <gtest/gtest.h>
#include <linux/futex.h>

#include <array>
#include <atomic>

#include "tests/lib/lock/fixture.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::exited;
using lock_under_test = shared_lock<robust_rw>;

constexpr std::array both_modes{mode::exclusive, mode::shared};

TEST(RobustRw, DoesNotReportADeadSharedHolder) {
  for (const mode how : both_modes) {
    const lock_under_test lock;
    holder dead(lock, mode::shared);
    dead.kill();
    auto handle = lock.open();
    EXPECT_EQ(outcome(handle.acquire(how, deadline::never())), "ok");
    handle.release(how);
  }
}

TEST(RobustRw, StaysDamagedWhileThoseWhoAreToldDieInWhateverMode) {
  for (const mode how : both_modes) {
    const lock_under_test lock;
    holder first(lock, mode::exclusive);
    first.kill();
    for (int i = 0; i < 3; ++i) {
      holder told(lock, how);
      EXPECT_EQ(told.told(), acquired::owner_died);
      told.kill();
    }
    auto handle = lock.open();
    EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "owner_died");
    handle.release(mode::exclusive);
    EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
    handle.release(mode::exclusive);
  }
}

TEST(RobustRw, IsWholeAgainOnceOneWhoWasToldHasReleasedInWhateverMode) {
  for (const mode how : both_modes) {
    const lock_under_test lock;
    holder first(lock, mode::exclusive);
    first.kill();
    holder told(lock, how);
    EXPECT_EQ(told.told(), acquired::owner_died);
    EXPECT_EQ(told.release(), exited(0));
    holder next(lock, how);
    EXPECT_EQ(next.told(), acquired::ok);
    EXPECT_EQ(next.release(), exited(0));
  }
}

TEST(RobustRw, AnUntoldSharedHoldersDeathAfterAnUneventfulWriteIsNotReported) {
  const lock_under_test lock;
  holder writer(lock, mode::exclusive);
  EXPECT_EQ(writer.release(), exited(0));
  holder reader(lock, mode::shared);
  reader.kill();
  auto handle = lock.open();
  EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  handle.release(mode::exclusive);
}

// What is left when a waiter was woken and killed before it took the lock, and another took it in
// passing: somebody sleeps, and the word does not say so.
TEST(RobustRw, AWaiterOfWhomTheLockDoesNotKnowAnyMoreGoesOn) {
  const lock_under_test lock;
  support::steps step;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  auto waiter = support::child::start([&] {
    auto own = lock.open();
    step.reach(1);
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
    own.release(mode::exclusive);
  });
  step.await(1);
  waiter.await_asleep();
  auto& word = reinterpret_cast<unsigned&>(lock.state().mutex.__data.__lock);
  std::atomic_ref(word).fetch_and(~static_cast<unsigned>(FUTEX_WAITERS));
  handle.release(mode::exclusive);
  EXPECT_EQ(waiter.wait(), exited(0));
}

TEST(RobustRwDeathTest, ReleasingInTheOtherModeStopsTheProgram) {
  const lock_under_test lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  EXPECT_DEATH(handle.release(mode::shared), "not held in this mode");
  handle.release(mode::exclusive);
}

}  // namespace
}  // namespace shmark

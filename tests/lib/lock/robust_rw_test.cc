// What robust_rw promises beyond other locks (see lib/lock/robust_rw.h).

#include "lib/lock/robust_rw.h"

#include <gtest/gtest.h>
#include <linux/futex.h>

#include <atomic>

#include "tests/lib/lock/fixture.h"
#include "tests/support/child.h"

namespace shmark {
namespace {

using support::exited;
using lock_under_test = shared_lock<robust_rw>;

TEST(RobustRw, DoesNotReportADeadSharedHolder) {
  for (const mode how : both_modes) {
    const lock_under_test lock;
    holder dead(lock, mode::shared);
    dead.kill();
    EXPECT_EQ(take_and_release(lock, how, deadline::never()), "ok");
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
    EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "owner_died");
    EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "ok");
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
  EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "ok");
}

// What is left when a waiter was woken and killed before it took the lock, and another took it in
// passing: somebody sleeps, and the word does not say so.
TEST(RobustRw, AWaiterOfWhomTheLockDoesNotKnowAnyMoreGoesOn) {
  const lock_under_test lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  waiter forgotten(lock);
  auto& word = reinterpret_cast<unsigned&>(lock.state().mutex.__data.__lock);
  std::atomic_ref(word).fetch_and(~static_cast<unsigned>(FUTEX_WAITERS));
  handle.release(mode::exclusive);
  EXPECT_EQ(forgotten.finish(), "ok");
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

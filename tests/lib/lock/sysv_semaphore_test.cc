// What sysv_semaphore promises beyond other locks (see lib/lock/sysv_semaphore.h).

#include "lib/lock/sysv_semaphore.h"

#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include <cerrno>

#include "tests/lib/lock/fixture.h"
#include "tests/support/shared.h"

namespace shmark {
namespace {

using support::exited;
using support::shared;
using lock_under_test = shared_lock<sysv_semaphore>;

TEST(SysvSemaphore, IsCorruptBeforeItIsMade) {
  const shared<sysv_semaphore::state> state;
  const auto handle = sysv_semaphore::attach(*state);
  ASSERT_FALSE(handle);
  EXPECT_EQ(handle.error().code, errc::corrupt);
}

TEST(SysvSemaphore, IsNotFoundAfterItsSemaphoresWereRemoved) {
  const lock_under_test lock;
  auto handle = lock.open();
  const int id = semget(lock.state().key, 0, 0);
  ASSERT_EQ(semctl(id, 0, IPC_RMID), 0);
  EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "not_found");
  const auto again = sysv_semaphore::attach(lock.state());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, errc::not_found);
}

TEST(SysvSemaphore, IsNotFoundByOneThatWaitsWhenItIsDestroyed) {
  const lock_under_test lock;
  holder other(lock, mode::exclusive);
  waiter next(lock);
  sysv_semaphore::destroy(lock.state());
  EXPECT_EQ(next.finish(), "not_found");
  EXPECT_EQ(other.release(), exited(0)) << "the holder must not suffer";
}

TEST(SysvSemaphore, DestroyTakesItsSemaphoresFromTheSystem) {
  const lock_under_test lock;
  const key_t key = lock.state().key;
  ASSERT_GE(semget(key, 0, 0), 0);
  sysv_semaphore::destroy(lock.state());
  EXPECT_EQ(semget(key, 0, 0), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(lock.state().key, 0);
}

TEST(SysvSemaphore, OnlyItsOwnerMayUseIt) {
  const lock_under_test lock;
  semid_ds status;
  ASSERT_EQ(semctl(semget(lock.state().key, 0, 0), 0, IPC_STAT, &status), 0);
  EXPECT_EQ(status.sem_perm.mode & 0777, 0600);
}

TEST(SysvSemaphore, IsHeldByHandlesAndNotByProcesses) {
  const lock_under_test lock;
  auto first = lock.open();
  auto second = lock.open();
  ASSERT_EQ(outcome(first.acquire(mode::exclusive, deadline::never())), "ok");
  EXPECT_EQ(outcome(second.acquire(mode::exclusive, deadline::none())), "would_block");
  first.release(mode::exclusive);
  ASSERT_EQ(outcome(first.acquire(mode::shared, deadline::never())), "ok");
  ASSERT_EQ(outcome(second.acquire(mode::shared, deadline::never())), "ok");
  first.release(mode::shared);
  EXPECT_EQ(outcome(first.acquire(mode::exclusive, deadline::none())), "would_block");
  second.release(mode::shared);
}

TEST(SysvSemaphoreDeathTest, ReleasingInTheOtherModeStopsTheProgram) {
  const lock_under_test lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::shared, deadline::never())), "ok");
  EXPECT_DEATH(handle.release(mode::exclusive), "not held in this mode");
  handle.release(mode::shared);
}

}  // namespace
}  // namespace shmark

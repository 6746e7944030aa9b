// What sysv_semaphore promises beyond other locks (see lib/lock/sysv_semaphore.h).

#include "lib/lock/sysv_semaphore.h"

#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include <cerrno>

#include "lib/base/random.h"
#include "tests/lib/lock/fixture.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::shared;
using support::steps;
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

TEST(SysvSemaphore, OfAVersionWithFewerSemaphoresIsRefusedAndCanBeDestroyed) {
  const lock_under_test lock;
  sysv_semaphore::destroy(lock.state());
  const auto key = static_cast<key_t>(unpredictable_number() & 0x7fffffff);
  ASSERT_GE(semget(key, 2, IPC_CREAT | IPC_EXCL | 0600), 0);
  lock.state().key = key;
  const auto handle = sysv_semaphore::attach(lock.state());
  ASSERT_FALSE(handle);
  EXPECT_EQ(handle.error().code, errc::mismatch);
  sysv_semaphore::destroy(lock.state());
  EXPECT_EQ(semget(key, 0, 0), -1);
}

TEST(SysvSemaphore, AnUpgradeGoesBeforeAWriterThatWaits) {
  const lock_under_test lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::shared, deadline::never())), "ok");
  const shared<int> value;
  waiter writer(lock, mode::exclusive, deadline::never(), [&] { EXPECT_EQ(*value, 1); });
  ASSERT_EQ(outcome(handle.upgrade(deadline::never())), "ok");
  *value = 1;
  handle.release(mode::exclusive);
  EXPECT_EQ(writer.finish(), "ok");
}

TEST(SysvSemaphore, IsNotFoundByOneThatWaitsToUpgradeWhenItIsDestroyed) {
  const lock_under_test lock;
  auto reader = lock.open();
  ASSERT_EQ(outcome(reader.acquire(mode::shared, deadline::never())), "ok");
  steps step;
  auto upgrades = child::start([&] {
    auto own = lock.open();
    EXPECT_EQ(outcome(own.acquire(mode::shared, deadline::never())), "ok");
    step.reach(1);
    EXPECT_EQ(outcome(own.upgrade(deadline::never())), "not_found");
    own.release(mode::shared);
  });
  step.await(1);
  upgrades.await_asleep();
  sysv_semaphore::destroy(lock.state());
  EXPECT_EQ(upgrades.wait(), exited(0));
  const auto refused = reader.upgrade(deadline::none());
  EXPECT_EQ(outcome(refused), "not_found");
  reader.release(mode::shared);
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

TEST(SysvSemaphore, CanBeLookedAtWithoutBeingTouched) {
  const lock_under_test lock;
  const auto look = [&] { return sysv_semaphore::look(lock.state().key).value(); };
  EXPECT_EQ(look().writers + look().readers + look().waiting, 0U);
  EXPECT_EQ(look().since, 0);
  {
    holder writer(lock, mode::exclusive);
    waiter next(lock);
    EXPECT_EQ(look().writers, 1U);
    EXPECT_EQ(look().last_writer, writer.process().pid());
    EXPECT_EQ(look().waiting, 1U);
    EXPECT_NE(look().since, 0);
    EXPECT_EQ(writer.release(), exited(0));
    EXPECT_EQ(next.finish(), "ok");
  }
  holder reader(lock, mode::shared);
  EXPECT_EQ(look().readers, 1U);
  EXPECT_EQ(look().last_reader, reader.process().pid());
  EXPECT_EQ(look().writers, 0U);
  EXPECT_EQ(reader.release(), exited(0));
  const auto key = lock.state().key.load();
  sysv_semaphore::destroy(lock.state());
  EXPECT_EQ(sysv_semaphore::look(key).error().code, errc::not_found);
  EXPECT_EQ(sysv_semaphore::look(0).error().code, errc::not_found);
}

}  // namespace
}  // namespace shmark

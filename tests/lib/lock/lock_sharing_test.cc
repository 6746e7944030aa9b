// What locks promise that users may share (see lib/lock/lock.h).

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "lib/base/deadline.h"
#include "lib/lock/lock.h"
#include "tests/lib/lock/fixture.h"
#include "tests/lib/lock/locks.h"
#include "tests/support/another_user.h"
#include "tests/support/child.h"

namespace shmark {
namespace {

using support::become_another_user;
using support::child;
using support::exited;

// glibc and the kernel follow pointers that lie in these, and a roster is full of them.
static_assert(!robust_rw::can.shared_between_users && !pthread_robust::can.shared_between_users);

template <class L>
class LockOfTwoUsers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!support::can_become_another_user()) GTEST_SKIP() << "cannot become another user";
  }
  static child as_another(const std::function<void()>& body) {
    return child::start([&] {
      become_another_user();
      body();
    });
  }
};
TYPED_TEST_SUITE(LockOfTwoUsers, locks_with<&lock_traits::shared_between_users>, name_of_lock);

TYPED_TEST(LockOfTwoUsers, ExcludesEitherUserIfItsModeLetsBothUseIt) {
  const mode_t mask = umask(0077);
  const shared_lock<TypeParam> lock(0666);
  umask(mask);
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  auto refused = this->as_another([&] { EXPECT_EQ(take_and_release(lock), "would_block"); });
  EXPECT_EQ(refused.wait(), exited(0));
  auto waits = this->as_another(
      [&] { EXPECT_EQ(take_and_release(lock, mode::exclusive, deadline::never()), "ok"); });
  handle.release(mode::exclusive);
  EXPECT_EQ(waits.wait(), exited(0));
  support::steps step;
  auto other = this->as_another([&] {
    auto own = lock.open();
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_FALSE(is_free(lock));
  other.kill();
  EXPECT_TRUE(lock.open().acquire(mode::exclusive, deadline::never()));
}

TYPED_TEST(LockOfTwoUsers, IsDeniedToAnotherUnlessAskedFor) {
  const shared_lock<TypeParam> lock;
  auto refused = this->as_another([&] {
    for (const mode how : both_modes) EXPECT_EQ(take_and_release(lock, how), "denied");
  });
  EXPECT_EQ(refused.wait(), exited(0));
  EXPECT_TRUE(is_free(lock));
}

TYPED_TEST(LockOfTwoUsers, IsDestroyedByItsOwnerOnly) {
  const shared_lock<TypeParam> lock(0666);
  auto other = this->as_another([&] { TypeParam::destroy(lock.state()); });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_TRUE(is_free(lock));
}

}  // namespace
}  // namespace shmark

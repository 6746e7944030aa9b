// Stores that several users share (see store_options::mode and store_key in lib/store/store.h).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "tests/lib/store/stores.h"
#include "tests/support/another_user.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::another_user;
using support::become_another_user;
using support::child;
using support::exited;
using support::steps;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr mode_t everybody = 0666;

template <class T>
std::string message_of(const std::expected<T, error>& refused) {
  return refused ? "" : refused.error().message();
}

template <class Kind>
class StoreMode : public store_test<Kind> {};
TYPED_TEST_SUITE(StoreMode, all_stores, name_of_store);

TYPED_TEST(StoreMode, IsRefusedIfReadersCouldNotLock) {
  for (const mode_t mode : {0644U, 0640U, 0400U, 0606U, 0777U, 0U}) {
    const auto made = TypeParam::store::create(this->key(), {.mode = mode});
    EXPECT_EQ(outcome(made), "invalid") << std::oct << mode;
    EXPECT_THAT(message_of(made), HasSubstr("use 0600, 0660 or 0666"));
  }
}

TYPED_TEST(StoreMode, LetsOthersWriteOnlyIfItsLockCanBeShared) {
  constexpr bool can = TypeParam::lock::can.shared_between_users;
  for (const mode_t mode : {0660U, 0666U}) {
    const auto made = TypeParam::store::create(this->key(), {.mode = mode});
    EXPECT_EQ(outcome(made), can ? "ok" : "invalid");
    if (!can) {
      EXPECT_THAT(message_of(made), HasSubstr("use a backend with semaphores"));
      continue;
    }
    const store_key key{this->key(), owners::of(geteuid())};
    EXPECT_EQ(outcome(TypeParam::store::remove(key, deadline::none())), "ok");
  }
}

TYPED_TEST(StoreMode, WhoseLockCannotBeSharedIsOpenedByItsOwnUserOnly) {
  auto made = this->create();
  const store_key mine{this->key(), owners::of(geteuid())};
  EXPECT_EQ(outcome(TypeParam::store::attach(mine)), "ok");
  EXPECT_EQ(outcome(TypeParam::store::open_or_create(mine, {})), "ok");
  const auto refused =
      TypeParam::store::attach({this->key(), owners::of(static_cast<uid_t>(geteuid() + 1))});
  if (TypeParam::lock::can.shared_between_users) {
    EXPECT_EQ(outcome(refused), "denied") << "it is not his";
  } else {
    EXPECT_EQ(outcome(refused), "invalid");
    EXPECT_THAT(message_of(refused), HasSubstr("cannot be shared between users"));
  }
}

TYPED_TEST(StoreMode, WhoseLockCannotBeSharedIsRefusedOnceOthersCanWriteIt) {
  if constexpr (TypeParam::lock::can.shared_between_users ||
                TypeParam::segment::kind != posix_segment::kind) {
    GTEST_SKIP() << "it can be shared, or has no file whose mode could be changed";
  } else {
    const auto made = this->create();
    const auto file = "/dev/shm/" + std::string(this->key().text().view());
    ASSERT_EQ(chmod(file.c_str(), everybody), 0);
    const store_key mine{this->key(), owners::of(geteuid())};
    EXPECT_EQ(outcome(TypeParam::store::attach(mine)), "denied");
    EXPECT_EQ(outcome(TypeParam::store::open_or_create(mine, {})), "denied");
    ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  }
}

// --- By two users.

using shared_stores = ::testing::Types<store_of<posix_segment, sysv_semaphore>,
                                       store_of<sysv_segment, sysv_semaphore>>;

template <class Kind>
class StoreOfTwoUsers : public ::testing::Test {
 public:
  using store = typename Kind::store;

  void SetUp() override {
    if (!support::can_become_another_user()) GTEST_SKIP() << "cannot become another user";
  }
  ~StoreOfTwoUsers() override {
    static_cast<void>(store::remove(key_, deadline::none()));
    umask(mask_);
  }
  static child as_another(const std::function<void()>& body) {
    return child::start([&] {
      become_another_user();
      body();
    });
  }
  [[nodiscard]] store make(store_options options = {}) const {
    options.mode = everybody;
    return store::create(key_, options).value();
  }

  const store_key key_{segment_key::random_in(short_text(support::unique_space())),
                       owners::of(geteuid())};

 private:
  mode_t mask_ = umask(0077);
};
TYPED_TEST_SUITE(StoreOfTwoUsers, shared_stores, name_of_store);

TYPED_TEST(StoreOfTwoUsers, IsReadAndWrittenByBoth) {
  auto made = this->make();
  must_write(made, value_of(1, 4096));
  auto other = this->as_another([&] {
    auto own = TypeParam::store::attach(this->key_);
    ASSERT_TRUE(own) << own.error().message();
    EXPECT_EQ(own->access().mode, everybody);
    EXPECT_EQ(read_all(*own), value_of(1, 4096));
    must_write(*own, value_of(2, 4000));
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(read_all(made), value_of(2, 4000));
  EXPECT_EQ(outcome(TypeParam::store::open_or_create(this->key_, {.mode = everybody})), "ok");
}

TYPED_TEST(StoreOfTwoUsers, OfAGroupIsForItsMembersOnly) {
  const gid_t own_group = getegid();
  for (const bool is_his : {false, true}) {
    ASSERT_EQ(setegid(is_his ? another_user : own_group), 0);
    auto made = TypeParam::store::create(this->key_, {.mode = 0660});
    ASSERT_EQ(setegid(own_group), 0);
    ASSERT_TRUE(made) << made.error().message();
    auto other = this->as_another([&] {
      auto own = TypeParam::store::attach(this->key_);
      ASSERT_EQ(outcome(own), is_his ? "ok" : "denied");
      if (is_his) must_write(*own, value_of(1, 1000));
    });
    EXPECT_EQ(other.wait(), exited(0));
    if (is_his) {
      EXPECT_EQ(read_all(*made), value_of(1, 1000));
    }
    EXPECT_TRUE(TypeParam::store::remove(this->key_, deadline::none()));
  }
}

TYPED_TEST(StoreOfTwoUsers, IsRefusedByDefaultWithItsOwnerItsModeAndARemedy) {
  const auto made = this->make();
  const auto whose = "it belongs to user " + std::to_string(geteuid()) + " (mode 0666)";
  auto other = this->as_another([&] {
    const store_key key{segment_key(this->key_)};
    const auto attached = TypeParam::store::attach(key);
    EXPECT_EQ(outcome(attached), "denied");
    EXPECT_THAT(message_of(attached), AllOf(HasSubstr(whose), HasSubstr("run as that user")));
    EXPECT_EQ(outcome(TypeParam::store::open_or_create(key, {})), "denied");
  });
  EXPECT_EQ(other.wait(), exited(0));
  const auto by_owner = TypeParam::store::attach(store_key{segment_key(this->key_)});
  EXPECT_EQ(outcome(by_owner), "denied") << "its owner trusts no others unless he says so";
  EXPECT_THAT(message_of(by_owner), HasSubstr("mode 0666 lets other users write"));
}

TYPED_TEST(StoreOfTwoUsers, IsDeniedIfItsModeDoesNotAllowIt) {
  auto made = TypeParam::store::create(this->key_, {}).value();
  auto other = this->as_another([&] {
    EXPECT_EQ(outcome(TypeParam::store::attach(this->key_)), "denied");
    EXPECT_EQ(outcome(TypeParam::store::remove(this->key_, deadline::none())), "denied");
  });
  EXPECT_EQ(other.wait(), exited(0));
  must_write(made, value_of(1, 100));
}

TYPED_TEST(StoreOfTwoUsers, IsRefusedIfAThirdHasPutItThere) {
  auto other = this->as_another([&] {
    EXPECT_EQ(outcome(TypeParam::store::create({this->key_, owners::own}, {.mode = everybody})),
              "ok");
  });
  EXPECT_EQ(other.wait(), exited(0));
  for (const auto& refused : {TypeParam::store::attach(this->key_),
                              TypeParam::store::open_or_create(this->key_, {.mode = everybody})}) {
    EXPECT_EQ(outcome(refused), "denied");
    EXPECT_THAT(message_of(refused), HasSubstr("it belongs to user 65534 (mode 0666)"));
  }
  EXPECT_TRUE(TypeParam::store::remove({this->key_, owners::of(another_user)}, deadline::none()));
}

TYPED_TEST(StoreOfTwoUsers, DoesNotGrow) {
  auto made = this->make({.capacity = 1000});
  EXPECT_EQ(outcome(write_all(made, value_of(1, 1001))), "no_space");
  must_write(made, value_of(2, 1000));
  auto other = this->as_another([&] {
    auto own = TypeParam::store::attach(this->key_).value();
    const auto refused = write_all(own, value_of(3, 1001));
    EXPECT_EQ(outcome(refused), "no_space");
    EXPECT_THAT(message_of(refused), HasSubstr("capacity"));
    EXPECT_EQ(read_all(own), value_of(2, 1000));
  });
  EXPECT_EQ(other.wait(), exited(0));
  const auto unlimited = TypeParam::store::create(
      this->key_.sibling(7), {.capacity = 1000, .limit = 1001, .mode = everybody});
  EXPECT_EQ(outcome(unlimited), "invalid");
  EXPECT_THAT(message_of(unlimited), HasSubstr("does not grow"));
}

// A regression: what the one that leads says of the others took room that only its owner could use.
TYPED_TEST(StoreOfTwoUsers, DoesNotGrowAsTheOneThatLeadsAJointCommit) {
  using store_type = typename TypeParam::store;
  const std::array<store_key, 2> keys{this->key_, this->key_.sibling(this->key_.number + 1)};
  for (const auto& key : keys) {
    ASSERT_TRUE(store_type::create(key, {.capacity = 256, .mode = everybody}));
  }
  const auto write_together = [&](std::uint64_t seed, std::size_t size) {
    auto first = store_type::attach(keys[0]).value();
    auto second = store_type::attach(keys[1]).value();
    std::array changes{first.write().value(), second.write().value()};
    const auto value = value_of(seed, size);
    for (auto& change : changes) change.output().write(value.data(), value.size());
    return store_type::transaction::commit_together(
        std::array<typename store_type::transaction::part, 2>{
            {{&changes[0], {}}, {&changes[1], {}}}});
  };
  const auto read_first = [&] {
    auto first = store_type::attach(keys[0]).value();
    return read_all(first);
  };
  EXPECT_EQ(outcome(write_together(1, 248)), "ok") << "there is room for one number";
  auto other = this->as_another([&] {
    EXPECT_EQ(read_first(), value_of(1, 248));
    EXPECT_EQ(outcome(write_together(2, 248)), "ok");
    EXPECT_EQ(outcome(write_together(3, 249)), "no_space");
  });
  EXPECT_EQ(other.wait(), exited(0));
  const auto refused = write_together(3, 249);
  EXPECT_EQ(outcome(refused), "no_space");
  EXPECT_THAT(message_of(refused), HasSubstr("what users share does not grow"));
  other = this->as_another([&] { EXPECT_EQ(read_first(), value_of(2, 248)); });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_TRUE(store_type::remove(keys[1], deadline::none()));
}

// It would leave data segments behind that its owner cannot open.
TYPED_TEST(StoreOfTwoUsers, OfOneIsNotMadeToGrowByRoot) {
  auto other = this->as_another([&] {
    EXPECT_EQ(outcome(TypeParam::store::create({this->key_, owners::own}, {.capacity = 1000})),
              "ok");
  });
  EXPECT_EQ(other.wait(), exited(0));
  const store_key his{this->key_, owners::of(another_user)};
  auto own = TypeParam::store::attach(his).value();
  EXPECT_EQ(outcome(write_all(own, value_of(1, 1001))), "no_space");
  must_write(own, value_of(1, 1000));
  other = this->as_another([&] {
    auto its = TypeParam::store::attach(his).value();
    EXPECT_EQ(read_all(its), value_of(1, 1000));
    must_write(its, value_of(2, 100'000));
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(outcome(TypeParam::store::remove(his, deadline::none())), "ok");
}

TYPED_TEST(StoreOfTwoUsers, IsRemovedByItsOwnerOnlyAndWholeAfterTheAttempt) {
  auto made = this->make({.has_advisory_lock = true});
  must_write(made, value_of(1, 1000));
  auto other = this->as_another([&] {
    const auto refused = TypeParam::store::remove(this->key_, deadline::none());
    EXPECT_EQ(outcome(refused), "denied");
    EXPECT_THAT(message_of(refused), HasSubstr("it belongs to user"));
    auto own = TypeParam::store::attach(this->key_).value();
    auto change = own.write();
    EXPECT_EQ(outcome(change->remove()), "denied");
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(read_all(made), value_of(1, 1000));
  must_write(made, value_of(2, 1000));
  EXPECT_EQ(outcome(TypeParam::store::remove(this->key_, deadline::none())), "ok");
}

TYPED_TEST(StoreOfTwoUsers, BothLocksExcludeEitherUserAndAreFreedByADeath) {
  auto made = this->make({.has_advisory_lock = true});
  must_write(made, value_of(1, 1000));
  auto advisory = made.advisory_lock().value();
  steps step;
  auto other = this->as_another([&] {
    auto own = TypeParam::store::attach(this->key_).value();
    auto its = own.advisory_lock();
    ASSERT_TRUE(its) << its.error().message();
    EXPECT_TRUE(its->acquire(mode::exclusive, deadline::never()));
    auto change = own.write().value();
    const auto half = value_of(2, 500);
    change.output().write(half.data(), half.size());
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(outcome(made.read(deadline::none())), "would_block");
  EXPECT_EQ(outcome(advisory.acquire(mode::shared, deadline::none())), "would_block");
  other.kill();
  EXPECT_EQ(read_all(made), value_of(1, 1000));
  EXPECT_EQ(stats_of(made).recoveries, 1U);
  ASSERT_TRUE(advisory.acquire(mode::exclusive, deadline::none()));
  advisory.release(mode::exclusive);
  must_write(made, value_of(3, 1000));
}

// The other user repairs, too, what the owner has left.
TYPED_TEST(StoreOfTwoUsers, IsRepairedByEitherUser) {
  auto made = this->make();
  must_write(made, value_of(1, 1000));
  auto victim = child::start([&] {
    auto own = TypeParam::store::attach(this->key_).value();
    auto change = own.write().value();
    const auto half = value_of(2, 500);
    change.output().write(half.data(), half.size());
    _exit(7);
  });
  EXPECT_EQ(victim.wait(), exited(7));
  auto other = this->as_another([&] {
    auto own = TypeParam::store::attach(this->key_).value();
    EXPECT_EQ(read_all(own), value_of(1, 1000));
    must_write(own, value_of(3, 1000));
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(read_all(made), value_of(3, 1000));
}

}  // namespace
}  // namespace shmark

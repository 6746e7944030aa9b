// Shareables that several users share (see shareable_options::mode in lib/shareable/shareable.h).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <expected>
#include <functional>
#include <string>

#include "lib/segment/segment.h"
#include "lib/shareable/shareable.h"
#include "tests/lib/shareable/shareables.h"
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

template <class T>
std::string message_of(const std::expected<T, error>& refused) {
  return refused ? "" : refused.error().message();
}

template <class Backend>
class ShareableMode : public shareable_test<Backend> {};
TYPED_TEST_SUITE(ShareableMode, all_backends, name_of_backend);

TYPED_TEST(ShareableMode, LetsOthersWriteOnlyIfItsBackendsLockCanBeShared) {
  constexpr bool can = TypeParam::lock::can.shared_between_users;
  for (const mode_t mode : {0660U, 0666U}) {
    auto made = this->template try_open<int>(this->key(), {.create = true, .mode = mode});
    ASSERT_EQ(outcome(made), can ? "ok" : "invalid") << message_of(made);
    if (can) {
      EXPECT_TRUE(made->remove());
    } else {
      EXPECT_THAT(message_of(made), HasSubstr("use a backend with semaphores"));
    }
  }
  this->expect_gone();
}

TYPED_TEST(ShareableMode, OfAnotherUserIsNotMadeForHim) {
  const uid_t another = geteuid() + 1;
  const bool can = TypeParam::lock::can.shared_between_users;
  EXPECT_EQ(outcome(this->template try_open<int>(this->key(), {.create = true, .owner = another})),
            can ? "not_found" : "invalid");
  EXPECT_EQ(outcome(this->template try_open<int>(
                this->key(), {.create = true, .exclusive = true, .owner = another})),
            "invalid");
  EXPECT_EQ(outcome(this->template try_open<int>({}, {.owner = another})), "invalid");
}

// --- By two users.

using shared_backends = ::testing::Types<posix_semaphore_backend, sysv_semaphore_backend>;

template <class Backend>
class ShareableOfTwoUsers : public shareable_test<Backend> {
 public:
  using typename shareable_test<Backend>::tree_type;

  void SetUp() override {
    if (!support::can_become_another_user()) GTEST_SKIP() << "cannot become another user";
  }
  ~ShareableOfTwoUsers() override { umask(mask_); }
  static child as_another(const std::function<void()>& body) {
    return child::start([&] {
      become_another_user();
      body();
    });
  }
  template <class T>
  [[nodiscard]] auto mine() const {
    return this->template make<T>({.mode = 0666});
  }
  // By the other user.
  template <class T>
  [[nodiscard]] auto his(shareable_options options = {}) const {
    options.owner = owner_;
    auto opened = this->template try_open<T>(this->key(), options);
    if (!opened) throw std::runtime_error(opened.error().message());
    return *std::move(opened);
  }

  const uid_t owner_ = geteuid();

 private:
  mode_t mask_ = umask(0077);
};
TYPED_TEST_SUITE(ShareableOfTwoUsers, shared_backends, name_of_backend);

TYPED_TEST(ShareableOfTwoUsers, IsRefusedByDefaultWithItsOwnerItsModeAndARemedy) {
  auto own = this->template mine<int>();
  const auto whose = "it belongs to user " + std::to_string(this->owner_) + " (mode 0666)";
  auto other = this->as_another([&] {
    for (const auto& options : {shareable_options{}, shareable_options{.create = true},
                                shareable_options{.create = true, .mode = 0666}}) {
      const auto refused = this->template try_open<int>(this->key(), options);
      EXPECT_EQ(outcome(refused), "denied");
      EXPECT_THAT(message_of(refused), AllOf(HasSubstr(whose), HasSubstr("by the option owner")));
    }
  });
  EXPECT_EQ(other.wait(), exited(0));
  const auto by_owner = this->template try_open<int>(this->key(), {});
  EXPECT_EQ(outcome(by_owner), "denied") << "he trusts no others unless he says so";
  EXPECT_THAT(message_of(by_owner), HasSubstr("by the option owner"));
}

TYPED_TEST(ShareableOfTwoUsers, IsDeniedIfItsModeDoesNotAllowIt) {
  auto own = this->template make<int>();
  auto other = this->as_another([&] {
    const auto refused = this->template try_open<int>(this->key(), {.owner = this->owner_});
    EXPECT_EQ(outcome(refused), "denied");
    EXPECT_THAT(message_of(refused), HasSubstr("with the option mode"));
  });
  EXPECT_EQ(other.wait(), exited(0));
}

TYPED_TEST(ShareableOfTwoUsers, IsRefusedIfAThirdHasPutItThere) {
  auto other = this->as_another([&] {
    EXPECT_TRUE(this->template try_open<int>(this->key(), {.create = true, .mode = 0666}));
  });
  EXPECT_EQ(other.wait(), exited(0));
  const auto refused = this->template try_open<int>(this->key(), {.create = true, .mode = 0666});
  EXPECT_EQ(outcome(refused), "denied");
  EXPECT_THAT(message_of(refused), HasSubstr("it belongs to user 65534 (mode 0666)"));
  auto there = this->template try_open<int>(this->key(), {.owner = another_user});
  ASSERT_TRUE(there) << message_of(there);
  EXPECT_TRUE(there->remove());
}

TYPED_TEST(ShareableOfTwoUsers, BothUsersCountTogether) {
  auto own = this->template mine<int>();
  constexpr int rounds = 500;
  const auto count = [](auto& counter) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(counter.lock([&] { EXPECT_TRUE(counter.set(now_in(counter) + 1)); }));
    }
  };
  steps start;
  auto other = this->as_another([&] {
    auto its = this->template his<int>();
    start.meet(2);
    count(its);
  });
  start.meet(2);
  count(own);
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(now_in(own), 2 * rounds);
}

TYPED_TEST(ShareableOfTwoUsers, OfOneWhoIsKilledUnderALockNothingIsSeen) {
  auto own = this->template mine<int>();
  ASSERT_TRUE(own.set(1));
  steps step;
  auto other = this->as_another([&] {
    auto its = this->template his<int>();
    EXPECT_TRUE(its.lock());
    EXPECT_TRUE(its.set(2));
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(outcome(own.lock(mode::shared, deadline::none())), "would_block");
  EXPECT_EQ(now_in(own), 1);
  other.kill();
  EXPECT_TRUE(own.lock(mode::exclusive, deadline::none()));
  EXPECT_EQ(now_in(own), 1);
  EXPECT_TRUE(own.unlock());
}

TYPED_TEST(ShareableOfTwoUsers, ATreeIsLockedAndChangedByBoth) {
  using item = typename TestFixture::tree_type;
  auto own = this->template mine<item>();
  const auto leaf = own.make_ref(item{.number = 2}).value();
  ASSERT_TRUE(own.set({.number = 1, .below = {{"leaf", leaf}}}));
  auto other = this->as_another([&] {
    auto its = this->template his<item>();
    EXPECT_TRUE(its.lock());
    EXPECT_TRUE(its.update([](item& all) { all.number = 10; }));
    auto below = its.child(now_in(its).below.at("leaf")).value();
    EXPECT_TRUE(below.set({.number = 20}));
    EXPECT_TRUE(its.unlock());
    EXPECT_EQ(outcome(its.make_ref(item{})), "denied");
    EXPECT_EQ(its.segments()->size(), 2U);
    EXPECT_EQ(outcome(its.remove()), "denied");
    EXPECT_EQ(outcome(decltype(its)::clean_up_all()), "denied");
    EXPECT_TRUE(decltype(its)::clean_up()) << "it has made nothing";
    EXPECT_EQ(outcome(decltype(its)::reclaim(this->key(), {.owner = this->owner_})), "denied");
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(now_in(own).number, 10);
  EXPECT_EQ((*now_in(own).below.at("leaf")->read())->number, 20);
}

TYPED_TEST(ShareableOfTwoUsers, LocksAreEnforcedBetweenUsers) {
  auto own = this->template mine<int>();
  ASSERT_TRUE(own.lock());
  auto other = this->as_another([&] {
    auto its = this->template his<int>({.enforce = true});
    EXPECT_EQ(outcome(its.set(5)), "would_block");
    EXPECT_EQ(its.refused_writes(), 1U);
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_TRUE(own.unlock());
}

}  // namespace
}  // namespace shmark

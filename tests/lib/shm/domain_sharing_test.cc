// Domains that several users share (see domain_options in lib/shm/domain.h).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/shm/domain.h"
#include "tests/lib/shm/backends.h"
#include "tests/lib/shm/nodes.h"
#include "tests/support/another_user.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::another_user;
using support::become_another_user;
using support::child;
using support::exited;
using support::killed_by;
using support::steps;
using ::testing::AllOf;
using ::testing::HasSubstr;

template <class T>
std::string message_of(const std::expected<T, error>& refused) {
  return refused ? "" : refused.error().message();
}

template <class Backend>
class DomainMode : public domain_test<Backend> {};
TYPED_TEST_SUITE(DomainMode, all_backends, name_of_backend);

TYPED_TEST(DomainMode, LetsOthersWriteOnlyIfItsBackendsLockCanBeShared) {
  using domains = typename TestFixture::domain_type;
  constexpr bool can = TypeParam::lock::can.shared_between_users;
  for (const mode_t mode : {0660U, 0666U}) {
    auto opened = domains::open(this->name(), {.mode = mode});
    ASSERT_EQ(outcome(opened), can ? "ok" : "invalid") << message_of(opened);
    if (can) {
      EXPECT_TRUE(opened->cleanup());
    } else {
      EXPECT_THAT(message_of(opened), HasSubstr("use a backend with semaphores"));
    }
  }
  EXPECT_EQ(outcome(domains::open(this->name(), {.mode = 0644})), "invalid");
  EXPECT_EQ(outcome(domains::open_existing(this->name())), "not_found");
}

TYPED_TEST(DomainMode, OfADomainIsThatOfItsVariables) {
  auto own = this->open();
  const auto refused = own.template variable<int>("it", {.mode = 0666});
  EXPECT_EQ(outcome(refused), "invalid");
  EXPECT_THAT(message_of(refused), HasSubstr("give the mode to the domain"));
  EXPECT_TRUE(own.list()->empty());
}

TYPED_TEST(DomainMode, OfAnotherUserIsNotMadeForHim) {
  const auto refused =
      TestFixture::domain_type::open(this->name(), {.owner = static_cast<uid_t>(geteuid() + 1)});
  EXPECT_EQ(outcome(refused), TypeParam::lock::can.shared_between_users ? "not_found" : "invalid");
}

// --- By two users.

using shared_backends = ::testing::Types<posix_semaphore_backend, sysv_semaphore_backend>;

// The owner is the user who runs this; the other has a domain of the same name in vain.
template <class Real>
class DomainOfTwoUsers : public node_test<Real> {
 public:
  using typename node_test<Real>::backend;
  using typename node_test<Real>::domain_type;
  using typename node_test<Real>::item;
  using node_test<Real>::at;
  using node_test<Real>::make;
  using node_test<Real>::shape;

  void SetUp() override {
    if (!support::can_become_another_user()) GTEST_SKIP() << "cannot become another user";
  }
  ~DomainOfTwoUsers() override {
    umask(mask_);
    if (auto there = domain_type::open_existing(this->name(), his_)) {
      static_cast<void>(there->cleanup());
    }
  }
  static child as_another(const std::function<void()>& body) {
    return child::start([&] {
      become_another_user();
      body();
    });
  }
  [[nodiscard]] domain_type mine() const {
    return domain_type::open(this->name(), {.mode = 0666}).value();
  }
  // By the other user.
  [[nodiscard]] auto try_his() const { return domain_type::open(this->name(), his_); }
  [[nodiscard]] domain_type his() const { return try_his().value(); }

  const domain_options his_{.owner = geteuid()};

 private:
  mode_t mask_ = umask(0077);
};
TYPED_TEST_SUITE(DomainOfTwoUsers, shared_backends, name_of_backend);

TYPED_TEST(DomainOfTwoUsers, IsDeniedByDefaultWithItsOwnerAndARemedy) {
  auto own = TestFixture::domain_type::open(this->name()).value();
  ASSERT_TRUE(own.template variable<int>("it"));
  auto other = this->as_another([&] {
    const auto refused = this->try_his();
    EXPECT_EQ(outcome(refused), "denied");
    EXPECT_THAT(message_of(refused), HasSubstr("have him make it with the option mode"));
    if (TypeParam::segment::kind == "posix") {  // the system does not say whose a System V one is
      const auto whose = "it belongs to user " + std::to_string(*this->his_.owner);
      EXPECT_THAT(message_of(refused), HasSubstr(whose));
    }
  });
  EXPECT_EQ(other.wait(), exited(0));
}

TYPED_TEST(DomainOfTwoUsers, IsRefusedWhoeverDoesNotSayWhoseItIs) {
  const auto own = this->mine();
  const auto whose = "it belongs to user " + std::to_string(geteuid()) + " (mode 0666)";
  const auto space = detail::space_of(this->name());
  auto other = this->as_another([&] {
    const auto refused = TestFixture::domain_type::open_space(space);
    EXPECT_EQ(outcome(refused), "denied");
    EXPECT_THAT(message_of(refused), AllOf(HasSubstr(whose), HasSubstr("by the option owner")));
    EXPECT_EQ(outcome(TestFixture::domain_type::open_space(space, this->his_)), "ok");
  });
  EXPECT_EQ(other.wait(), exited(0));
  // Its owner, too, trusts no others unless he says so.
  for (const auto& refused : {TestFixture::domain_type::open(this->name()),
                              TestFixture::domain_type::open_existing(this->name())}) {
    EXPECT_EQ(outcome(refused), "denied");
    EXPECT_THAT(message_of(refused), AllOf(HasSubstr("mode 0666 lets other users write"),
                                           HasSubstr("by the option owner")));
  }
}

TYPED_TEST(DomainOfTwoUsers, IsRefusedIfAThirdHasPutItThere) {
  const segment_key key{detail::space_of(this->name()), 0};
  using store_type = store_on<TypeParam>;
  auto other =
      this->as_another([&] { EXPECT_EQ(outcome(store_type::create(key, {.mode = 0666})), "ok"); });
  EXPECT_EQ(other.wait(), exited(0));
  for (const auto& options : {domain_options{.mode = 0666}, this->his_, domain_options{}}) {
    const auto refused = TestFixture::domain_type::open(this->name(), options);
    EXPECT_EQ(outcome(refused), "denied");
    EXPECT_THAT(message_of(refused), HasSubstr("it belongs to user 65534 (mode 0666)"));
  }
  EXPECT_TRUE(store_type::remove({key, owners::of(another_user)}, deadline::none()));
}

TYPED_TEST(DomainOfTwoUsers, GoesOnWithTheModeItWasMadeWith) {
  auto own = this->mine();
  auto again = TestFixture::domain_type::open(this->name(), {.mode = 0660}).value();
  ASSERT_TRUE(again.template variable<int>("it"));
  auto other = this->as_another([&] {
    auto its = this->his().template variable<int>("it");
    ASSERT_TRUE(its) << its.error().message();
    EXPECT_TRUE(its->write(5));
  });
  EXPECT_EQ(other.wait(), exited(0));
  auto its = own.template variable<int>("it").value();
  EXPECT_EQ(value_of(its), 5);
}

TYPED_TEST(DomainOfTwoUsers, BothUsersCountTogether) {
  auto own = this->mine();
  auto here = own.template variable<int>("count").value();
  constexpr int rounds = 2000;
  const auto count = [](auto& counter) {
    for (int i = 0; i < rounds; ++i) EXPECT_TRUE(counter.update([](int& n) { ++n; }));
  };
  steps start;
  auto other = this->as_another([&] {
    auto its = this->his().template variable<int>("count").value();
    start.meet(2);
    count(its);
  });
  start.meet(2);
  count(here);
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(value_of(here), 2 * rounds);
}

TYPED_TEST(DomainOfTwoUsers, LocksExcludeEitherUserAndAreFreedByADeath) {
  auto own = this->mine();
  auto here = own.template variable<std::string>("it").value();
  ASSERT_TRUE(here.write("old"));
  steps step;
  auto other = this->as_another([&] {
    auto its = this->his().template variable<std::string>("it").value();
    {
      const auto reading = its.readlock();
      step.reach(1);
      step.await(2);
    }
    auto change = its.transact();
    ASSERT_TRUE(change) << change.error().message();
    change->value() = "half";
    step.reach(3);
    step.await(4);
  });
  step.await(1);
  EXPECT_EQ(outcome(here.write("new", deadline::none())), "would_block");
  EXPECT_EQ(outcome(here.readlock(deadline::none())), "ok");
  step.reach(2);
  step.await(3);
  EXPECT_EQ(outcome(here.readlock(deadline::none())), "would_block");
  other.kill();
  EXPECT_EQ(value_of(here), "old");
  EXPECT_TRUE(here.write("new", deadline::none()));
  EXPECT_EQ(here.stats()->recoveries, 1U);
}

TYPED_TEST(DomainOfTwoUsers, OnlyItsOwnerMakesAndRemovesVariables) {
  auto own = this->mine();
  auto here = own.template variable<int>("it").value();
  ASSERT_TRUE(here.write(1));
  const auto whose = "only user " + std::to_string(geteuid());
  auto other = this->as_another([&] {
    auto there = this->his();
    const auto refused = there.template variable<int>("another");
    EXPECT_EQ(outcome(refused), "denied");
    EXPECT_THAT(message_of(refused), AllOf(HasSubstr(whose), HasSubstr("have that user make it")));
    EXPECT_EQ(outcome(there.template unnamed<int>()), "denied");
    EXPECT_EQ(outcome(there.make_ref(1)), "denied");
    for (const auto& done : {there.remove("it"), there.cleanup()}) {
      EXPECT_EQ(outcome(done), "denied");
      EXPECT_THAT(message_of(done), HasSubstr(whose));
    }
    EXPECT_EQ(outcome(there.collect()), "denied");
    EXPECT_EQ(there.count().value(), 1U);
    EXPECT_EQ(there.list()->size(), 1U);
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(value_of(here), 1);
  EXPECT_TRUE(own.remove("it"));
}

TYPED_TEST(DomainOfTwoUsers, ReferencesAreFollowedAndStoredByBoth) {
  auto own = this->mine();
  auto top = this->at(own, "top");
  auto other_top = this->at(own, "other");
  ASSERT_TRUE(top.write({1, {this->make(own, 2, {this->make(own, 3)})}}));
  auto other = this->as_another([&] {
    auto there = this->his();
    auto from = this->at(there, "top");
    EXPECT_EQ(this->shape(from), "1(2(3))");
    const auto two = from.read().value()->to.front();
    EXPECT_TRUE(this->at(there, "other").write({5, {two}}));
    EXPECT_TRUE(two->read().value()->to.front()->write({30, {}})) << "through a reference";
    EXPECT_TRUE(from.write({1, {}}));
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(this->shape(top), "1");
  EXPECT_EQ(this->shape(other_top), "5(2(30))");
  EXPECT_EQ(own.count().value(), 4U);
  const auto found = own.collect().value();
  EXPECT_EQ(found.removed, 0U);
  EXPECT_EQ(found.corrected, 0U);
}

TYPED_TEST(DomainOfTwoUsers, WhatTheOtherLetsGoOfLastGoesWithTheOwnersCollect) {
  auto own = this->mine();
  ASSERT_TRUE(this->at(own, "top").write({1, {this->make(own, 2, {this->make(own, 3)})}}));
  auto registry =
      store_on<TypeParam>::attach({detail::space_of(this->name()), 0, owners::of(geteuid())});
  ASSERT_TRUE(registry) << registry.error().message();
  const auto serial = registry->stats()->serial;
  auto other = this->as_another([&] {
    auto there = this->his();
    EXPECT_TRUE(this->at(there, "top").write({1, {}}));
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(registry->stats()->serial, serial) << "the other does not try";
  EXPECT_EQ(own.count().value(), 3U) << "the other cannot remove it";
  const auto found = own.collect().value();
  EXPECT_EQ(found.removed, 2U);
  EXPECT_EQ(found.unreadable, 0U);
  EXPECT_EQ(own.count().value(), 1U);
}

TYPED_TEST(DomainOfTwoUsers, AtWhicheverStepTheOtherDiesTheValueIsTheOldOrTheNew) {
  auto own = this->mine();
  auto top = this->at(own, "top");
  auto spare = this->at(own, "spare");
  const auto begin = [&] {
    ASSERT_TRUE(top.write({1, {this->make(own, 2)}}));
    ASSERT_TRUE(spare.write({5, {this->make(own, 6)}}));
  };
  begin();
  const int deaths = mortal::dies_at_each_step(
      [&] {
        const auto steps_left = std::exchange(mortal::steps_left, 0);
        become_another_user();
        {
          auto there = this->his();
          auto to = this->at(there, "top");
          auto from = this->at(there, "spare");
          const auto six = from.read().value()->to;
          mortal::steps_left = steps_left;
          EXPECT_TRUE(to.write({1, six}));
        }
      },
      [&] {
        const auto now = this->shape(top);
        EXPECT_TRUE(now == "1(2)" || now == "1(6)") << now;
        ASSERT_TRUE(own.collect()) << "it holds no lock that it has died with";
        EXPECT_EQ(own.count().value(), now == "1(2)" ? 4U : 3U);
        EXPECT_EQ(own.collect().value().corrected, 0U);
        begin();
      });
  EXPECT_GT(deaths, 5);
}

TYPED_TEST(DomainOfTwoUsers, RootRemovesWhatIsAnothersAndMakesNothingThere) {
  auto other = this->as_another([&] {
    auto own = TestFixture::domain_type::open(this->name(), {.mode = 0666}).value();
    auto its = own.template variable<int>("it").value();
    EXPECT_TRUE(its.write(7));
  });
  EXPECT_EQ(other.wait(), exited(0));
  auto there = TestFixture::domain_type::open(this->name(), {.owner = another_user}).value();
  auto its = there.template variable<int>("it").value();
  EXPECT_EQ(value_of(its), 7);
  EXPECT_EQ(outcome(there.template variable<int>("another")), "denied");
  EXPECT_EQ(outcome(there.cleanup()), geteuid() == 0 ? "ok" : "denied");
}

// A regression: root could not publish what the registry of many variables says without them.
TYPED_TEST(DomainOfTwoUsers, RootRemovesAlsoWhatIsOneOfMany) {
  constexpr int many = 100;
  auto other = this->as_another([&] {
    auto own = TestFixture::domain_type::open(this->name()).value();
    for (int i = 0; i < many; ++i) {
      ASSERT_TRUE(own.template variable<int>(std::string(100, 'x') + std::to_string(i)));
    }
  });
  EXPECT_EQ(other.wait(), exited(0));
  const domain_options his{.owner = another_user};
  auto there = TestFixture::domain_type::open(this->name(), his).value();
  const auto removed = there.remove(std::string(100, 'x') + "7");
  EXPECT_EQ(outcome(removed), "ok") << message_of(removed);
  EXPECT_EQ(there.count().value(), many - 1U);
  other = this->as_another([&] {
    auto own = TestFixture::domain_type::open(this->name()).value();
    EXPECT_EQ(own.list()->size(), many - 1U) << "what root has published is its owner's to read";
    EXPECT_TRUE(own.template variable<int>("another"));
  });
  EXPECT_EQ(other.wait(), exited(0));
  const auto done = there.cleanup();
  EXPECT_EQ(outcome(done), "ok") << message_of(done);
  EXPECT_EQ(outcome(TestFixture::domain_type::open_existing(this->name(), his)), "not_found");
}

TYPED_TEST(DomainOfTwoUsers, WhoseRegistryIsFullSaysSoAndGoesOn) {
  auto own = TestFixture::domain_type::open(this->name(), {.mode = 0666, .registry_capacity = 256})
                 .value();
  ASSERT_TRUE(own.template variable<int>("it"));
  const auto full = own.template variable<int>(std::string(300, 'x'));
  EXPECT_EQ(outcome(full), "no_space");
  EXPECT_THAT(message_of(full), HasSubstr("capacity"));
  EXPECT_TRUE(own.template variable<int>("it")->write(1));
  EXPECT_EQ(own.count().value(), 1U);
}

}  // namespace
}  // namespace shmark

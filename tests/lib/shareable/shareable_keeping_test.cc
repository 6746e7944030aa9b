// What shareables offer beside the classic interface: starting once, protection, locks around a
// call, and a look at what there is (see lib/shareable/shareable.h).

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>

#include "lib/base/random.h"
#include "lib/shm/domain.h"
#include "tests/lib/shareable/shareables.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::killed_by;
using support::steps;

template <class Backend>
class ShareableKeeping : public shareable_test<Backend> {
 public:
  // In another process.
  template <class Body>
  static void elsewhere(const Body& body) {
    auto peer = child::start(body);
    EXPECT_EQ(peer.wait(), exited(0));
  }
};
TYPED_TEST_SUITE(ShareableKeeping, all_backends, name_of_backend);

// --- Starting.

TYPED_TEST(ShareableKeeping, WhoComesSecondIsToldWithoutAnError) {
  using numbers = shareable<int, TypeParam>;
  auto first = numbers::open_unless_there(this->key()).value();
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->set(5));
  const auto second = numbers::open_unless_there(this->key());
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_FALSE(*second);
  EXPECT_EQ(now_in(*first), 5);
  const auto other_type = shareable<std::string, TypeParam>::open_unless_there(this->key());
  EXPECT_EQ(outcome(other_type), "mismatch") << "which is one";
}

TYPED_TEST(ShareableKeeping, OneOfManyRunsUntilItsEndWhateverThatIs) {
  using numbers = shareable<int, TypeParam>;
  steps step;
  auto running = child::start([&] {
    const auto own = numbers::singleton(this->key()).value();
    EXPECT_TRUE(own);
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(numbers::singleton(this->key()).value()) << "somebody runs";
    if (i == 0) running.stop();  // nobody takes it from one that is stopped
  }
  EXPECT_EQ(running.kill(), killed_by(SIGKILL));
  {
    const auto own = numbers::singleton(this->key()).value();
    EXPECT_TRUE(own);
    this->elsewhere([&] { EXPECT_FALSE(numbers::singleton(this->key()).value()); });
  }
  this->elsewhere([&] { EXPECT_TRUE(numbers::singleton(this->key()).value()); });
}

// --- Locks around a call.

TYPED_TEST(ShareableKeeping, ACallUnderALockReleasesItsOwnLevelOnly) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.lock([&] {
    EXPECT_EQ(own.locked(), mode::exclusive);
    EXPECT_TRUE(own.set(1));
    EXPECT_TRUE(own.lock(mode::exclusive, [&] { EXPECT_TRUE(own.set(2)); }));
    EXPECT_EQ(own.locked(), mode::exclusive) << "as before the inner call";
    EXPECT_TRUE(own.lock(mode::shared, [&] { EXPECT_EQ(now_in(own), 2); }));
    EXPECT_EQ(own.locked(), mode::exclusive);
    this->elsewhere([&] {
      auto its = this->template make<int>();
      EXPECT_EQ(now_in(its), 0) << "nothing is published yet";
    });
  }));
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(now_in(own), 2);
}

TYPED_TEST(ShareableKeeping, ACallThatThrowsPublishesNothingAndReleases) {
  auto own = this->template make<int>();
  EXPECT_THROW(static_cast<void>(own.lock([&] {
                 EXPECT_TRUE(own.set(1));
                 throw std::runtime_error("no");
               })),
               std::runtime_error);
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(now_in(own), 0);
}

TYPED_TEST(ShareableKeeping, ACallIsNotMadeWithoutTheLock) {
  auto own = this->template make<int>();
  steps step;
  auto holder = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.lock());
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  const auto done = own.lock(mode::shared, [] { ADD_FAILURE(); }, deadline::none());
  EXPECT_EQ(outcome(done), "would_block");
  step.reach(2);
  EXPECT_EQ(holder.wait(), exited(0));
}

// --- Keeping and reclaiming.

TYPED_TEST(ShareableKeeping, WhatIsProtectedGoesOnlyByItsName) {
  using numbers = shareable<int, TypeParam>;
  {
    auto own = this->template make<int>({.destroy = true, .protect = true});
    ASSERT_TRUE(own.set(5));
    ASSERT_TRUE(numbers::clean_up());
    ASSERT_TRUE(numbers::clean_up_all());
    EXPECT_EQ(now_in(own), 5);
  }
  this->elsewhere([&] {
    auto its = this->template make<int>();
    ASSERT_TRUE(numbers::clean_up_all());
    EXPECT_EQ(now_in(its), 5);
  });
  auto own = this->template make<int>();
  EXPECT_EQ(now_in(own), 5);
  ASSERT_TRUE(own.remove());
  this->expect_gone();
}

TYPED_TEST(ShareableKeeping, WhatAKilledMakerLeftCanBeReclaimed) {
  using numbers = shareable<int, TypeParam>;
  EXPECT_EQ(outcome(numbers::reclaim(this->key())), "not_found");
  auto maker = child::start([&] {
    auto its = this->template make<tree_value<TypeParam>>({.destroy = true});
    const auto part = its.make_ref(tree_value<TypeParam>{.number = 2}).value();
    EXPECT_TRUE(its.set({.number = 1, .below = {{"a", part}}}));
    kill(getpid(), SIGKILL);
  });
  EXPECT_EQ(maker.wait(), killed_by(SIGKILL));
  {
    auto there = this->template make<tree_value<TypeParam>>();
    EXPECT_EQ(now_in(there).number, 1);
    this->elsewhere([&] {
      const auto used = numbers::reclaim(this->key());
      ASSERT_TRUE(used);
      EXPECT_FALSE(*used) << "somebody has it open";
    });
    EXPECT_TRUE(there.get());
  }
  const auto done = numbers::reclaim(this->key());
  ASSERT_TRUE(done);
  EXPECT_TRUE(*done);
  this->expect_gone();
}

TYPED_TEST(ShareableKeeping, WhatIsProtectedIsNotReclaimed) {
  using numbers = shareable<int, TypeParam>;
  ASSERT_TRUE(this->template make<int>({.protect = true}).set(5));
  const auto done = numbers::reclaim(this->key());
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_FALSE(*done);
  auto own = this->template make<int>();
  EXPECT_EQ(now_in(own), 5);
  EXPECT_TRUE(own.remove());
}

TYPED_TEST(ShareableKeeping, WhatLiesWhereAGlueLeadsAndIsAnothersIsNotReclaimed) {
  using numbers = shareable<int, TypeParam>;
  ASSERT_TRUE(numbers::open("plumless", {.create = true, .crc32 = true}).value().set(5));
  EXPECT_EQ(outcome(numbers::reclaim("buckeroo", {.crc32 = true})), "mismatch");
  auto own = numbers::open("plumless", {.crc32 = true});
  ASSERT_TRUE(own);
  EXPECT_EQ(now_in(*own), 5);
  EXPECT_TRUE(own->remove());

  const auto name = "d" + std::to_string(unpredictable_number());
  ASSERT_TRUE(domain<TypeParam>::open(name)->template variable<int>("number")->write(6));
  const auto home = glue::in_space(std::to_string(geteuid()) + "." + name);
  EXPECT_EQ(outcome(numbers::reclaim(home)), "mismatch");
  auto others = domain<TypeParam>::open(name).value();
  EXPECT_EQ(**others.template variable<int>("number")->read(), 6);
  EXPECT_TRUE(others.cleanup());
}

TYPED_TEST(ShareableKeeping, AllThatAGlueHasInMemoryCanBeListed) {
  auto own = this->template make<tree_value<TypeParam>>();
  const auto part = own.make_ref(tree_value<TypeParam>{.number = 2}).value();
  ASSERT_TRUE(own.set({.number = 1, .below = {{"a", part}, {"b", part}}}));
  const auto all = own.segments();
  ASSERT_TRUE(all) << all.error().message();
  ASSERT_EQ(all->size(), 2U);
  const auto& root = all->at(own.number());
  EXPECT_TRUE(root.is_root);
  EXPECT_TRUE(root.is_open);
  EXPECT_EQ(root.serial, 2U);
  EXPECT_EQ(root.referrers, 0U);
  EXPECT_GE(root.allocated, 2U * 65536);
  EXPECT_NE(root.type.find("tree_value"), std::string::npos) << root.type;
  const auto& below = all->at(part->number());
  EXPECT_FALSE(below.is_root);
  EXPECT_EQ(below.referrers, 1U) << "one value refers to it";
  EXPECT_GT(root.bytes, below.bytes);
}

}  // namespace
}  // namespace shmark

// What survives when processes are killed (see "What survives a crash" in
// lib/shareable/shareable.h, and A2 in tree.h).

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "tests/lib/shareable/shareables.h"
#include "tests/lib/store/deadly_memory.h"
#include "tests/lib/store/mortal.h"
#include "tests/support/child.h"

namespace shmark {
namespace {

using support::child;
using support::killed_by;

template <class Backend>
class ShareableCrash : public shareable_test<Backend> {
 public:
  using value_type = tree_value<Backend>;
  using tree = shareable<value_type, Backend>;

  [[nodiscard]] tree open() const { return this->template make<value_type>({.size = 1024}); }
  // Runs `body`, which ends by die(), in another process.
  template <class Body>
  static void elsewhere(const Body& body) {
    auto doomed = child::start(body);
    EXPECT_EQ(doomed.wait(), killed_by(SIGKILL));
  }
  static void die() { kill(getpid(), SIGKILL); }
  // A root and two children that all say 1, and one that says 5 and will be dropped.
  void prepare() const {
    auto root = open();
    value_type fresh{.number = 1};
    for (const char* name : {"a", "b"}) {
      fresh.below[name] = root.make_ref(value_type{.number = 1}).value();
    }
    fresh.below["old"] = root.make_ref(value_type{.number = 5}).value();
    ASSERT_TRUE(root.set(fresh));
  }
  // Under the lock: all say 2; one child goes, another comes.
  static void change(tree& root) {
    ASSERT_TRUE(root.lock());
    const auto all = now_in(root).below;
    for (const char* name : {"a", "b"}) {
      ASSERT_TRUE(all.at(name)->update([](value_type& it) { it.number = 2; }));
    }
    const auto fresh = root.make_ref(value_type{.number = 6}).value();
    ASSERT_TRUE(root.update([&](value_type& it) {
      it.number = 2;
      it.below.erase("old");
      it.below["new"] = fresh;
    }));
  }
  // What all say, if they agree; and that nobody is locked out, and nothing dangles.
  [[nodiscard]] int agreed() const {
    auto root = open();
    const auto free = root.lock(mode::exclusive, deadline::none());
    EXPECT_TRUE(free) << free.error().message();
    const auto top = now_in(root);
    for (const char* name : {"a", "b"}) {
      EXPECT_EQ((*top.below.at(name)->read())->number, top.number) << name;
    }
    EXPECT_EQ(top.below.contains("old"), top.number == 1);
    EXPECT_EQ(top.below.contains("new"), top.number == 2);
    for (const auto& [name, it] : top.below) EXPECT_TRUE(it->read()) << name;
    EXPECT_TRUE(root.unlock());
    auto all = detail::registry<Backend>::open(
                   store_on<Backend>::attach({this->key().space(false), 0}).value())
                   .value();
    const auto collected = all.collect(deadline::never());
    EXPECT_TRUE(collected);
    if (collected) {
      EXPECT_EQ(collected->dangling, 0U);
    }
    return top.number;
  }
};
using mortal_backends =
    ::testing::Types<mortal_backend<default_backend>, mortal_backend<posix_semaphore_backend>,
                     mortal_backend<sysv_backend>, mortal_backend<sysv_semaphore_backend>>;
TYPED_TEST_SUITE(ShareableCrash, mortal_backends, name_of_backend);

TYPED_TEST(ShareableCrash, OfATransactionWhoseProcessIsKilledNothingIsSeen) {
  this->prepare();
  this->elsewhere([&] {
    auto root = this->open();
    this->change(root);
    this->die();
  });
  EXPECT_EQ(this->agreed(), 1);
}

TYPED_TEST(ShareableCrash, AReaderThatIsKilledLeavesTheLockFree) {
  this->prepare();
  this->elsewhere([&] {
    auto root = this->open();
    EXPECT_TRUE(root.lock(mode::shared));
    this->die();
  });
  EXPECT_EQ(this->agreed(), 1);
}

TYPED_TEST(ShareableCrash, WhatWasPublishedBeforeADeathStays) {
  this->prepare();
  this->elsewhere([&] {
    auto root = this->open();
    this->change(root);
    EXPECT_TRUE(root.publish());
    EXPECT_TRUE(root.update([](auto& it) { it.number = 3; }));
    this->die();
  });
  EXPECT_EQ(this->agreed(), 2);
}

TYPED_TEST(ShareableCrash, AtWhicheverStoreOfAnUnlockOneDiesOthersSeeAllOfItOrNothing) {
  if (!deadly_memory::is_supported) GTEST_SKIP() << "not on this processor";
  this->prepare();
  std::array<int, 3> seen{};
  deadly_memory::dies_at_each_store(
      [&] {
        auto root = this->open();
        this->change(root);
        deadly_memory::begin();
        ASSERT_TRUE(root.unlock());
        deadly_memory::end();
      },
      [&] {
        ++seen.at(static_cast<std::size_t>(this->agreed()));
        this->prepare();
      });
  EXPECT_GT(seen[1], 10) << "hardly any death came before it was decided";
  EXPECT_GT(seen[2], 10) << "hardly any death came after";
}

TYPED_TEST(ShareableCrash, AtWhicheverStepALockIsTakenOrGivenBackOneDiesOthersGetOn) {
  this->prepare();
  const int deaths = mortal::dies_at_each_step(
      [&] {
        const int steps = std::exchange(mortal::steps_left, 0);
        auto root = this->open();
        mortal::steps_left = steps;  // it is the locks that are to be cut short
        EXPECT_TRUE(root.lock(mode::shared));
        EXPECT_TRUE(root.unlock());
        EXPECT_TRUE(root.lock(mode::exclusive));
        EXPECT_TRUE(root.update([](auto& it) { it.number = 1; }));
        EXPECT_TRUE(root.unlock());
      },
      [&] { EXPECT_EQ(this->agreed(), 1); });
  EXPECT_GT(deaths, 30);
}

TYPED_TEST(ShareableCrash, WhoeverDiesMakingOrRemovingOneOthersMakeIt) {
  // The semaphores of one that died between making them and finishing would stay: nobody can find
  // the key that was in the registry's first contents.
  if constexpr (TypeParam::lock::name == "sysv_semaphore") return;
  const int deaths = mortal::dies_at_each_step(
      [&] {
        auto own = this->template make<int>();
        EXPECT_TRUE(own.set(1));
        EXPECT_TRUE(own.remove());
      },
      [&] {
        auto own = this->template make<int>();
        EXPECT_TRUE(own.set(2));
        EXPECT_EQ(now_in(own), 2);
        ASSERT_TRUE(own.remove());
      });
  EXPECT_GT(deaths, 20);
}

TYPED_TEST(ShareableCrash, WhoeverDiesMakingOneThatIsToBeProtectedItIsOrIsNotThere) {
  // As above.
  if constexpr (TypeParam::lock::name == "sysv_semaphore") return;
  int protected_ones = 0;
  const int deaths = mortal::dies_at_each_step(
      [&] { static_cast<void>(this->template make<int>({.protect = true})); },
      [&] {
        auto left = this->template try_open<int>(this->key(), {});
        if (!left) return;
        ++protected_ones;
        ASSERT_TRUE((TestFixture::template shareable_of<int>::clean_up_all()));
        EXPECT_TRUE(left->get()) << "it was cleaned up";
        static_cast<void>(left->remove());
      });
  EXPECT_GT(deaths, 10);
  EXPECT_GT(protected_ones, 1);
}

TYPED_TEST(ShareableCrash, WhatOneDiedRemovingIsReclaimedWithoutARest) {
  this->prepare();
  const int deaths = mortal::dies_at_each_step(
      [&] {
        const int steps = std::exchange(mortal::steps_left, 0);
        auto root = this->open();
        mortal::steps_left = steps;  // it is the removal that is to be cut short
        EXPECT_TRUE(root.remove());
      },
      [&] {
        const auto done = TestFixture::tree::reclaim(this->key());
        if (done) {
          EXPECT_TRUE(*done) << "what only the dead had open counts as open";
        } else {
          EXPECT_EQ(done.error().code, errc::not_found);
        }
        this->expect_gone();
        this->prepare();
      });
  EXPECT_GT(deaths, 10);
}

}  // namespace
}  // namespace shmark

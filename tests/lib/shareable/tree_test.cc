// What shareables whose values refer to others promise as long as nobody dies (see
// lib/shareable/tree.h).

#include "lib/shareable/tree.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/serialization/vector.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/lib/shareable/shareables.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::steps;

template <class Backend>
class ShareableTree : public shareable_test<Backend> {
 public:
  using value_type = tree_value<Backend>;
  using tree = shareable<value_type, Backend>;
  using reference = ref<value_type, Backend>;

  [[nodiscard]] tree open() const { return this->template make<value_type>({.size = 1024}); }
  // root → "a" → "b", numbered 1, 2, 3.
  [[nodiscard]] tree make_line() const {
    auto root = open();
    auto b = root.make_ref(value_type{.number = 3}).value();
    auto a = root.make_ref(value_type{.number = 2, .below = {{"b", b}}}).value();
    EXPECT_TRUE(root.set({.number = 1, .below = {{"a", a}}}));
    return root;
  }
  // By a path of names, each a letter.
  static reference at(tree& root, std::string_view path) {
    auto it = root.get().value()->below.at(std::string(path.substr(0, 1)));
    for (const char name : path.substr(1)) it = (*it->read())->below.at(std::string(1, name));
    return it;
  }
  static int number_at(tree& root, std::string_view path) {
    return (*at(root, path)->read())->number;
  }
  static void set_number(tree& root, std::string_view path, int number) {
    EXPECT_TRUE(at(root, path)->update([=](value_type& it) { it.number = number; }));
  }
  // In another process.
  template <class Body>
  static void elsewhere(const Body& body) {
    auto peer = child::start(body);
    EXPECT_EQ(peer.wait(), exited(0));
  }
};
TYPED_TEST_SUITE(ShareableTree, all_backends, name_of_backend);

// --- One tree.

TYPED_TEST(ShareableTree, WhatIsStoredByReferenceIsOneForAll) {  // conformance case 3
  auto root = this->make_line();
  this->elsewhere([&] {
    auto own = this->open();
    EXPECT_EQ(this->number_at(own, "ab"), 3);
    this->set_number(own, "ab", 30);
  });
  EXPECT_EQ(this->number_at(root, "ab"), 30);
  this->set_number(root, "a", 20);
  this->elsewhere([&] {
    auto own = this->open();
    EXPECT_EQ(this->number_at(own, "a"), 20);
  });
}

TYPED_TEST(ShareableTree, TheLockOfTheRootLocksAllBelow) {  // conformance case 6
  auto root = this->make_line();
  for (const auto how : {mode::shared, mode::exclusive}) {
    ASSERT_TRUE(root.lock(how));
    this->elsewhere([&] {
      auto own = this->open();
      for (const char* path : {"a", "ab"}) {
        auto part = own.child(this->at(own, path)).value();
        EXPECT_EQ(outcome(part.lock(mode::exclusive, deadline::none())), "would_block");
        EXPECT_EQ(outcome(part.lock(mode::shared, deadline::none())),
                  how == mode::shared ? "ok" : "would_block");
        EXPECT_TRUE(part.unlock());
      }
    });
    ASSERT_TRUE(root.unlock());
  }
  this->elsewhere([&] {
    auto own = this->open();
    for (const char* path : {"a", "ab"}) {
      auto part = own.child(this->at(own, path)).value();
      EXPECT_TRUE(part.lock(mode::exclusive, deadline::none())) << "all was released";
      EXPECT_TRUE(part.unlock());
    }
  });
}

TYPED_TEST(ShareableTree, TheLockOfAChildLeavesItsRootFree) {
  auto root = this->make_line();
  auto part = root.child(this->at(root, "a")).value();
  ASSERT_TRUE(part.lock());
  EXPECT_EQ(part.locked(), mode::exclusive);
  EXPECT_FALSE(root.locked());
  this->elsewhere([&] {
    auto own = this->open();
    EXPECT_EQ(outcome(own.lock(mode::shared, deadline::none())), "would_block");
    auto low = own.child(this->at(own, "ab")).value();
    EXPECT_EQ(outcome(low.lock(mode::shared, deadline::none())), "would_block");
    EXPECT_TRUE(own.set({.number = 7})) << "which has let go of it";
    EXPECT_TRUE(own.lock(mode::exclusive, deadline::none()));
  });
}

TYPED_TEST(ShareableTree, UnderTheLockOfTheRootChildrensWritesAreDeferred) {
  auto root = this->make_line();
  ASSERT_TRUE(root.lock());
  this->set_number(root, "ab", 33);
  ASSERT_TRUE(root.update([](auto& it) { it.number = 11; }));
  EXPECT_EQ(this->number_at(root, "ab"), 33);
  const auto expect_others_to_see = [&](int top, int bottom) {
    this->elsewhere([&] {
      auto own = this->open();
      EXPECT_EQ(now_in(own).number, top);
      EXPECT_EQ(this->number_at(own, "ab"), bottom);
    });
  };
  expect_others_to_see(1, 3);
  ASSERT_TRUE(root.unlock());
  expect_others_to_see(11, 33);
}

TYPED_TEST(ShareableTree, UnderALockAllBelowIsReadOnce) {
  auto root = this->make_line();
  ASSERT_TRUE(root.lock(mode::shared));
  this->elsewhere([&] {
    auto own = this->open();
    this->set_number(own, "ab", 30);
  });
  EXPECT_EQ(this->number_at(root, "ab"), 3);
  ASSERT_TRUE(root.unlock());
  EXPECT_EQ(this->number_at(root, "ab"), 30);
}

TYPED_TEST(ShareableTree, WhatHasSeveralParentsIsOneCopy) {
  auto root = this->make_line();
  const auto b = this->at(root, "ab");
  ASSERT_TRUE(root.update([&](auto& it) { it.below["b"] = b; }));
  this->elsewhere([&] {
    auto own = this->open();
    ASSERT_TRUE(own.lock());
    this->set_number(own, "ab", 40);
    EXPECT_EQ(this->number_at(own, "b"), 40);
    this->set_number(own, "b", 50);
    EXPECT_EQ(this->number_at(own, "ab"), 50);
    ASSERT_TRUE(own.unlock());
  });
  EXPECT_EQ(this->number_at(root, "b"), 50);
}

TYPED_TEST(ShareableTree, ThoseWhoReferToEachOtherAreLockedTogether) {
  auto root = this->make_line();
  const auto a = this->at(root, "a");
  ASSERT_TRUE(this->at(root, "ab")->update([&](auto& it) { it.below["up"] = a; }));
  ASSERT_TRUE(root.lock());
  this->set_number(root, "ab", 5);
  ASSERT_TRUE(root.unlock());
  auto low = root.child(this->at(root, "ab")).value();
  ASSERT_TRUE(low.lock());
  this->elsewhere([&] {
    auto own = this->open();
    auto part = own.child(this->at(own, "a")).value();
    EXPECT_EQ(outcome(part.lock(mode::shared, deadline::none())), "would_block");
  });
  EXPECT_TRUE(low.unlock());
}

TYPED_TEST(ShareableTree, ALargeTreeIsLockedWhole) {
  constexpr int children = 40;  // more than a thread may read of one roster
  auto root = this->open();
  ASSERT_TRUE(root.lock());
  for (int i = 0; i < children; ++i) {
    const auto made = root.make_ref(typename TestFixture::value_type{.number = i}).value();
    ASSERT_TRUE(root.update([&](auto& it) { it.below[std::to_string(i)] = made; }));
  }
  ASSERT_TRUE(root.unlock());
  for (const auto how : {mode::shared, mode::exclusive}) {
    const auto done = root.lock(how);
    ASSERT_TRUE(done) << done.error().message();
    int sum = 0;
    for (const auto& [name, it] : now_in(root).below) sum += (*it->read())->number;
    EXPECT_EQ(sum, children * (children - 1) / 2);
    ASSERT_TRUE(root.unlock());
  }
}

// --- Children that come and go.

TYPED_TEST(ShareableTree, NoWriteThroughAReferenceThatIsBeingStoredIsLost) {
  auto root = this->open();
  const auto made = root.make_ref(typename TestFixture::value_type{.number = 1}).value();
  ASSERT_TRUE(made->update([](auto& it) { it.number = 2; }));
  ASSERT_TRUE(root.lock());
  ASSERT_TRUE(made->update([](auto& it) { it.number = 3; }));
  ASSERT_TRUE(root.update([&](auto& it) { it.below["a"] = made; }));
  ASSERT_TRUE(made->update([](auto& it) { it.number += 10; }));
  this->set_number(root, "a", this->number_at(root, "a") + 100);
  ASSERT_TRUE(root.unlock());
  EXPECT_EQ((*made->read())->number, 113);
  ASSERT_TRUE(made->update([](auto& it) { it.number += 1000; }));
  this->elsewhere([&] {
    auto own = this->open();
    EXPECT_EQ(this->number_at(own, "a"), 1113);
    this->set_number(own, "a", 7);
  });
  EXPECT_EQ((*made->read())->number, 7);
}

TYPED_TEST(ShareableTree, WhatIsErasedGoesWithAllBelowIt) {
  auto root = this->make_line();
  const segment_key home{this->key().space(false), 0};
  const auto count = [&] {
    auto all = detail::registry<TypeParam>::open(store_on<TypeParam>::attach(home).value()).value();
    return (*all.read())->variables.size();
  };
  EXPECT_EQ(count(), 3U);
  for (const bool is_locked : {false, true}) {
    if (is_locked) {
      ASSERT_TRUE(root.lock());
    }
    ASSERT_TRUE(root.set({.number = 5}));
    if (is_locked) {
      ASSERT_TRUE(root.unlock());
    }
    EXPECT_EQ(count(), 1U) << "its children, and theirs";
    const auto again = this->make_line();
    EXPECT_EQ(count(), 3U);
    EXPECT_TRUE(root.get());
  }
}

TYPED_TEST(ShareableTree, ChildrenStoredByManyAtOnceAreAllThere) {
  constexpr int crew = 20;
  constexpr int each = 4;
  auto root = this->open();
  steps start;
  std::vector<child> all;
  for (int who = 0; who < crew; ++who) {
    all.push_back(child::start([&, who] {
      auto own = this->open();
      start.meet(crew);
      for (int i = 0; i < each; ++i) {
        ASSERT_TRUE(own.lock());
        const int number = who * each + i;
        const auto made = own.make_ref(typename TestFixture::value_type{.number = number}).value();
        ASSERT_TRUE(own.update([&](auto& it) { it.below[std::to_string(number)] = made; }));
        ASSERT_TRUE(own.unlock());
      }
    }));
  }
  for (auto& one : all) EXPECT_EQ(one.wait(), exited(0));
  const auto now = now_in(root);
  EXPECT_EQ(now.below.size(), static_cast<std::size_t>(crew * each));
  for (const auto& [name, it] : now.below) {
    EXPECT_EQ((*it->read())->number, std::stoi(name));
  }
}

TYPED_TEST(ShareableTree, ALockTakesWhatIsBelowByThen) {
  auto root = this->make_line();
  steps step;
  auto holder = child::start([&] {
    auto own = this->open();
    EXPECT_TRUE(own.lock());
    step.reach(1);
    step.await(2);
    const auto fresh = own.make_ref(typename TestFixture::value_type{.number = 9}).value();
    EXPECT_TRUE(own.update([&](auto& it) { it.below = {{"z", fresh}}; }));
    EXPECT_TRUE(own.unlock());
  });
  step.await(1);
  auto waiter = child::start([&] {
    auto own = this->open();
    EXPECT_EQ(this->number_at(own, "ab"), 3) << "what was below when it began to wait";
    step.reach(2);
    EXPECT_TRUE(own.lock());
    EXPECT_EQ(this->number_at(own, "z"), 9);
    this->elsewhere([&] {
      auto its = this->open();
      auto part = its.child(this->at(its, "z")).value();
      EXPECT_EQ(outcome(part.lock(mode::shared, deadline::none())), "would_block");
    });
    this->set_number(own, "z", 10);
    EXPECT_TRUE(own.unlock());
  });
  EXPECT_EQ(holder.wait(), exited(0));
  EXPECT_EQ(waiter.wait(), exited(0));
  EXPECT_EQ(this->number_at(root, "z"), 10);
}

TYPED_TEST(ShareableTree, AnIterationEndsIfAnotherHandleReadsTheSame) {
  auto own = shareable<std::map<std::string, int>, TypeParam>::open().value();
  const auto table = own.make_ref(std::map<std::string, int>{{"a", 1}, {"b", 2}}).value();
  auto one = own.child(table).value();
  auto other = own.child(table).value();
  int visits = 0;
  const auto done = one.each([&](const std::string&, int) {
    ++visits;
    EXPECT_TRUE(other.set({{"c", 3}}));
  });
  ASSERT_TRUE(done);
  EXPECT_FALSE(*done);
  EXPECT_EQ(visits, 1);
}

TYPED_TEST(ShareableTree, UnderALockAnIterationEndsIfAnotherHandleChangesTheSame) {
  auto own = shareable<int, TypeParam>::open().value();
  const auto table = own.make_ref(std::vector<int>{}).value();
  auto one = own.child(table).value();
  auto other = own.child(table).value();
  ASSERT_TRUE(one.lock());
  ASSERT_TRUE(one.set({1, 2, 3}));
  int visits = 0;
  const auto done = one.each([&](std::size_t, int) {
    ++visits;
    EXPECT_TRUE(other.update([](auto& all) { all.at(0) = 4; }));
  });
  ASSERT_TRUE(done);
  EXPECT_FALSE(*done);
  EXPECT_EQ(visits, 1);
}

// --- Locks inside locks.

TYPED_TEST(ShareableTree, WhoHoldsAPartCannotLockTheWhole) {
  auto root = this->make_line();
  auto part = root.child(this->at(root, "ab")).value();
  for (const auto until : {deadline::none(), deadline::never()}) {
    ASSERT_TRUE(part.lock(mode::shared));
    EXPECT_EQ(outcome(root.lock(mode::exclusive, until)), "would_deadlock");
    EXPECT_EQ(outcome(root.lock(mode::shared, until)), "would_deadlock");
    EXPECT_FALSE(root.locked());
    EXPECT_EQ(part.locked(), mode::shared);
    ASSERT_TRUE(part.unlock());
  }
  auto other = this->open();
  ASSERT_TRUE(part.lock());
  EXPECT_EQ(outcome(other.lock()), "would_deadlock") << "by another handle of this thread";
  ASSERT_TRUE(part.unlock());
  EXPECT_TRUE(root.lock());
}

TYPED_TEST(ShareableTree, OneWhoHoldsAPartAndOneWhoWantsTheWholeGetOn) {
  auto root = this->make_line();
  steps step;
  auto first = child::start([&] {
    auto own = this->open();
    auto part = own.child(this->at(own, "ab")).value();
    EXPECT_TRUE(part.lock());
    step.reach(1);
    step.await(2);
    EXPECT_EQ(outcome(own.lock()), "would_deadlock") << "the other waits for what it holds";
    EXPECT_TRUE(part.set({.number = 77}));
    EXPECT_TRUE(part.unlock());
  });
  step.await(1);
  auto second = child::start([&] {
    auto own = this->open();
    step.reach(2);
    EXPECT_TRUE(own.lock());
    EXPECT_EQ(this->number_at(own, "ab"), 77);
  });
  EXPECT_EQ(first.wait(), exited(0));
  EXPECT_EQ(second.wait(), exited(0));
}

TYPED_TEST(ShareableTree, APartOfWhatIsHeldIsLockedAtOnceAndGivesBackNothing) {
  auto root = this->make_line();
  auto part = root.child(this->at(root, "a")).value();
  ASSERT_TRUE(root.lock());
  ASSERT_TRUE(part.lock(mode::shared, deadline::none()));
  ASSERT_TRUE(part.lock(mode::exclusive, deadline::none()));
  ASSERT_TRUE(part.unlock());
  EXPECT_EQ(part.locked(), mode::exclusive);
  EXPECT_EQ(root.locked(), mode::exclusive);
  ASSERT_TRUE(root.unlock());
  EXPECT_FALSE(part.locked());
  ASSERT_TRUE(root.lock(mode::shared));
  EXPECT_EQ(outcome(part.lock(mode::exclusive, deadline::none())), "would_deadlock");
  EXPECT_EQ(part.locked(), mode::shared);
}

TYPED_TEST(ShareableTree, AnUpgradeThatIsRefusedLeavesAllAsItWas) {
  auto root = this->make_line();
  for (const char* path : {"a", "ab"}) {
    ASSERT_TRUE(root.lock(mode::shared));
    steps step;
    auto reader = child::start([&] {
      auto own = this->open();
      auto part = own.child(this->at(own, path)).value();
      EXPECT_TRUE(part.lock(mode::shared));
      step.reach(1);
      step.await(2);
    });
    step.await(1);
    EXPECT_FALSE(root.lock(mode::exclusive, deadline::none()));
    EXPECT_EQ(root.locked(), mode::shared);
    this->elsewhere([&] {
      auto own = this->open();
      EXPECT_TRUE(own.lock(mode::shared, deadline::none())) << "all of it is held shared again";
    });
    step.reach(2);
    EXPECT_EQ(reader.wait(), exited(0));
    if constexpr (convertible_lock<typename TypeParam::lock>) {
      ASSERT_TRUE(root.lock(mode::exclusive, deadline::none()));
      this->set_number(root, "ab", 8);
      ASSERT_TRUE(root.lock(mode::shared, deadline::none()));
      EXPECT_EQ(this->number_at(root, "ab"), 8);
    }
    ASSERT_TRUE(root.unlock());
  }
}

TYPED_TEST(ShareableTree, ManyWhoLockPartsAndWholesGetOn) {
  constexpr int crew = 4;
  constexpr int rounds = 150;
  auto root = this->make_line();
  std::vector<child> all;
  for (std::uint64_t who = 0; who < crew; ++who) {
    all.push_back(child::start([&, who] {
      random_source random(who);
      auto own = this->open();
      for (int i = 0; i < rounds; ++i) {
        const auto a = own.child(this->at(own, "a")).value();
        std::array<std::optional<typename TestFixture::tree>, 3> parts;
        parts[0] = this->open();
        parts[1] = own.child(this->at(own, "a")).value();
        parts[2] = own.child(this->at(own, "ab")).value();
        // One, and then perhaps another inside it; what would deadlock is left.
        auto& first = *parts[random.below(3)];
        auto& second = *parts[random.below(3)];
        ASSERT_TRUE(first.lock(random.below(2) == 0 ? mode::shared : mode::exclusive));
        const auto also = second.lock();
        ASSERT_TRUE(also || also.error().code == errc::would_deadlock) << also.error().message();
        ASSERT_TRUE(second.unlock());
        ASSERT_TRUE(first.unlock());
        ASSERT_TRUE(own.lock());
        for (const char* path : {"a", "ab"}) {
          this->set_number(own, path, this->number_at(own, path) + 1);
        }
        ASSERT_TRUE(own.unlock());
      }
    }));
  }
  for (auto& one : all) EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(this->number_at(root, "a"), 2 + crew * rounds);
  EXPECT_EQ(this->number_at(root, "ab"), 3 + crew * rounds);
}

TYPED_TEST(ShareableTree, SeveralPartsAreHeldOneByOne) {
  auto root = this->open();
  std::vector<typename TestFixture::tree> parts;
  typename TestFixture::value_type whole;
  for (int i = 0; i < 3; ++i) {
    whole.below[std::to_string(i)] =
        root.make_ref(typename TestFixture::value_type{.number = i}).value();
  }
  ASSERT_TRUE(root.set(whole));
  for (const auto& [name, it] : whole.below) parts.push_back(root.child(it).value());
  for (auto& part : parts) ASSERT_TRUE(part.lock()) << "in whatever order, while nobody has them";
  for (auto& part : parts) ASSERT_TRUE(part.set({.number = 9}));
  this->elsewhere([&] {
    auto own = this->open();
    EXPECT_EQ(this->number_at(own, "2"), 2);
  });
  for (auto& part : parts) ASSERT_TRUE(part.unlock());
  EXPECT_EQ(this->number_at(root, "2"), 9);
}

TYPED_TEST(ShareableTree, AHandleReleasesOnlyWhatItHasTaken) {
  auto root = this->make_line();
  auto part = root.child(this->at(root, "a")).value();
  ASSERT_TRUE(part.lock());
  {
    auto same = root.child(this->at(root, "a")).value();
    EXPECT_TRUE(same.lock(mode::exclusive, deadline::none())) << "it is held";
  }
  EXPECT_EQ(part.locked(), mode::exclusive);
  this->elsewhere([&] {
    auto own = this->open();
    auto its = own.child(this->at(own, "a")).value();
    EXPECT_EQ(outcome(its.lock(mode::shared, deadline::none())), "would_block");
  });
}

TYPED_TEST(ShareableTree, WhoHoldsAVariablesOwnLockDoesNotWaitForTheWhole) {
  auto root = this->make_line();
  steps step;
  auto holder = child::start([&] {
    auto own = this->open();
    EXPECT_TRUE(own.lock());
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  const auto low = this->at(root, "ab");
  {
    const auto change = low->transact();
    EXPECT_EQ(outcome(root.lock(mode::exclusive, deadline::none())), "would_deadlock");
  }
  {
    const auto seen = low->readlock();
    EXPECT_EQ(outcome(root.lock(mode::exclusive, deadline::none())), "would_deadlock");
  }
  EXPECT_EQ(outcome(root.lock(mode::exclusive, deadline::none())), "would_block");
  step.reach(2);
  EXPECT_EQ(holder.wait(), exited(0));
}

// --- All or nothing.

TYPED_TEST(ShareableTree, WhatCannotBePublishedLeavesAllAsItWas) {
  using strings = std::map<std::string, ref<std::string, TypeParam>>;
  auto table = shareable<strings, TypeParam>::open({}).value();
  auto first = table.make_ref(std::string("one"), {.capacity = 256, .limit = 500}).value();
  auto second = table.make_ref(std::string("two"), {.capacity = 256, .limit = 500}).value();
  ASSERT_TRUE(table.set({{"a", first}, {"b", second}}));
  for (const auto& too_long : {first, second}) {
    ASSERT_TRUE(table.lock());
    ASSERT_TRUE(first->write("changed"));
    ASSERT_TRUE(second->write("changed"));
    ASSERT_TRUE(too_long->write(std::string(2000, 'x')));
    EXPECT_EQ(outcome(table.publish()), "no_space");
    EXPECT_EQ((*too_long->read())->size(), 2000U);
    EXPECT_EQ(outcome(table.unlock()), "no_space");
    EXPECT_EQ(**first->read(), "one");
    EXPECT_EQ(**second->read(), "two");
  }
}

TYPED_TEST(ShareableTree, OnlyWhatATransactionHasCommittedIsPublished) {
  auto root = this->make_line();
  const auto a = this->at(root, "a");
  const auto published = [&] {
    int seen = 0;
    auto own = this->open();  // by the same thread, and without a lock
    return seen + this->number_at(own, "a");
  };
  ASSERT_TRUE(root.lock());
  {
    auto change = a->transact().value();
    change.value().number = 20;
    ASSERT_TRUE(root.publish());
    EXPECT_EQ(published(), 2);
    ASSERT_TRUE(change.commit());
    change.value().number = 99;
    ASSERT_TRUE(root.publish());
    EXPECT_EQ(published(), 20);
    EXPECT_EQ(change.value().number, 99);
  }
  EXPECT_EQ(this->number_at(root, "a"), 20);
  ASSERT_TRUE(root.unlock());
  EXPECT_EQ(this->number_at(root, "a"), 20);
  EXPECT_EQ(published(), 20);
}

TYPED_TEST(ShareableTree, AmidATransactionALockIsNotDowngraded) {
  auto root = this->make_line();
  ASSERT_TRUE(root.lock());
  {
    auto change = this->at(root, "a")->transact().value();
    EXPECT_EQ(outcome(root.lock(mode::shared)), "would_deadlock");
    EXPECT_EQ(root.locked(), mode::exclusive);
    change.value().number = 5;
    EXPECT_TRUE(change.commit());
  }
  ASSERT_TRUE(root.unlock());
  EXPECT_EQ(this->number_at(root, "a"), 5);
}

TYPED_TEST(ShareableTree, AReferenceReadByAnotherHandleIsOneCopyToo) {
  auto root = this->make_line();
  auto other = this->open();
  const auto a = this->at(root, "a");
  const auto foreign = this->at(other, "a");
  ASSERT_TRUE(root.update([&](auto& it) { it.below["z"] = foreign; }));
  ASSERT_TRUE(root.lock());
  this->set_number(root, "z", 5);
  EXPECT_EQ(this->number_at(root, "a"), 5);
  this->set_number(root, "a", 6);
  EXPECT_EQ(this->number_at(root, "z"), 6);
  EXPECT_EQ((*foreign->read())->number, 2) << "the other handle's";
  ASSERT_TRUE(root.unlock());
  EXPECT_EQ((*foreign->read())->number, 6);
}

TYPED_TEST(ShareableTree, AReferenceReadByAnotherHandleIsOneCopyAlsoUnderTheLock) {
  auto root = this->make_line();
  auto other = this->open();
  const auto foreign = this->at(other, "a");
  ASSERT_TRUE(root.lock());
  ASSERT_TRUE(root.update([&](auto& it) { it.below["z"] = foreign; }));
  this->set_number(root, "a", 7);
  ASSERT_TRUE(root.unlock());
  ASSERT_TRUE(root.lock());
  EXPECT_EQ(this->number_at(root, "z"), 7);
  this->set_number(root, "z", 5);
  EXPECT_EQ(this->number_at(root, "a"), 5);
  ASSERT_TRUE(root.unlock());
  EXPECT_EQ(this->number_at(other, "a"), 5);
}

TYPED_TEST(ShareableTree, AReferenceThatOnlyAnotherHandleHasReadStaysThat) {
  using item = typename TestFixture::value_type;
  auto root = this->open();
  auto other = this->open();
  for (const bool is_stored : {false, true}) {
    const auto foreign = other.make_ref(item{.number = 1}).value();
    ASSERT_TRUE((is_stored ? root : other).update([&](auto& it) { it.below["a"] = foreign; }));
    auto part = root.child(is_stored ? now_in(root).below.at("a") : foreign).value();
    ASSERT_TRUE(part.lock());
    ASSERT_TRUE(part.set({.number = 2}));
    EXPECT_EQ((*foreign->read())->number, 1) << "the other handle's: it is not published";
    ASSERT_TRUE(part.unlock());
    EXPECT_EQ((*foreign->read())->number, 2);
  }
}

TYPED_TEST(ShareableTree, LocksAreEnforcedAlsoByAReferenceThatAnotherHandleHasRead) {
  using item = typename TestFixture::value_type;
  auto own = this->template make<item>({.enforce = true});
  auto other = this->open();
  const auto foreign = other.make_ref(item{.number = 1}).value();
  ASSERT_TRUE(own.update([&](auto& it) { it.below["a"] = foreign; }));
  auto part = own.child(now_in(own).below.at("a")).value();
  steps step;
  auto holder = child::start([&] {
    auto its = this->open();
    EXPECT_TRUE(its.lock());
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(outcome(part.set({.number = 2})), "would_block");
  step.reach(2);
  EXPECT_EQ(holder.wait(), exited(0));
}

TYPED_TEST(ShareableTree, ALockThatCannotReadAllHoldsNothing) {
  auto root = this->make_line();
  const auto b = this->at(root, "ab");
  auto peer = this->open();
  const segment_key low{this->key().space(false), b->number()};
  ASSERT_TRUE(store_on<TypeParam>::remove(low, deadline::never()));
  EXPECT_EQ(outcome(root.lock()), "not_found");
  EXPECT_FALSE(root.locked());
  this->elsewhere([&] {
    auto own = this->open();
    EXPECT_TRUE(own.set({.number = 1}));
    EXPECT_TRUE(own.lock(mode::exclusive, deadline::none())) << "what was taken is given back";
  });
}

TYPED_TEST(ShareableTree, AChildOfAnotherGlueIsRefused) {
  auto root = this->make_line();
  auto other = TestFixture::tree::open().value();
  const auto foreign = other.make_ref(typename TestFixture::value_type{}).value();
  EXPECT_EQ(outcome(root.update([&](auto& it) { it.below["x"] = foreign; })), "invalid");
  EXPECT_EQ(outcome(root.child(foreign)), "invalid");
  EXPECT_EQ(outcome(root.child(typename TestFixture::reference())), "invalid");
}

TYPED_TEST(ShareableTree, AChildIsNotRemovedButLetGoOf) {
  auto root = this->make_line();
  auto part = root.child(this->at(root, "a")).value();
  EXPECT_EQ(outcome(part.remove()), "invalid");
  ASSERT_TRUE(root.remove());
  EXPECT_EQ(outcome(part.get()), "not_found");
}

TYPED_TEST(ShareableTree, AForkedChildHoldsNothingOfTheTree) {
  auto root = this->make_line();
  ASSERT_TRUE(root.lock());
  this->set_number(root, "ab", 9);
  this->elsewhere([&] {
    EXPECT_FALSE(root.locked());
    EXPECT_EQ(this->number_at(root, "ab"), 3);
    EXPECT_EQ(outcome(root.lock(mode::shared, deadline::none())), "would_block");
    this->set_number(root, "ab", 4);
  });
  EXPECT_EQ(this->number_at(root, "ab"), 9);
  ASSERT_TRUE(root.unlock());
  EXPECT_EQ(this->number_at(root, "ab"), 9);
}

TYPED_TEST(ShareableTree, AForkedChildHoldsNothingOfATransactionUnderTheLock) {
  auto root = this->make_line();
  const auto a = this->at(root, "a");
  ASSERT_TRUE(root.lock());
  auto change = a->transact().value();
  change.value().number = 9;
  this->elsewhere([&] {
    EXPECT_EQ(this->number_at(root, "a"), 2);
    EXPECT_TRUE(a->update([](auto& it) { it.number = 4; }));
    this->elsewhere([&] {
      auto own = this->open();
      EXPECT_EQ(this->number_at(own, "a"), 4);
      EXPECT_TRUE(this->at(own, "a")->transact(deadline::none())) << "its own lock is free";
    });
    const auto ended = std::move(change);
  });
  EXPECT_EQ(this->number_at(root, "a"), 9);
  EXPECT_TRUE(change.commit());
}

}  // namespace
}  // namespace shmark

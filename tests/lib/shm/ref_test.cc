// What references promise as long as nobody dies (see lib/shm/ref.h).

#include "lib/shm/ref.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/lib/shm/backends.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::steps;

template <class Backend>
struct node {
  int value = 0;
  ref<node, Backend> next;
  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & value & next;
  }
};

template <class Backend>
using refs = std::map<std::string, ref<int, Backend>>;

// Runs `body` in a thread with a stack of so many bytes.
void on_a_stack_of(std::size_t bytes, const std::function<void()>& body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, bytes), 0);
  const auto run = [](void* what) -> void* {
    (*static_cast<const std::function<void()>*>(what))();
    return nullptr;
  };
  pthread_t thread;
  auto* what = const_cast<void*>(static_cast<const void*>(&body));
  ASSERT_EQ(pthread_create(&thread, &attributes, run, what), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

template <class Backend>
class Ref : public domain_test<Backend> {};
TYPED_TEST_SUITE(Ref, all_backends, name_of_backend);

TYPED_TEST(Ref, WhatIsWrittenThroughOneIsReadThroughAll) {
  using table_of = refs<TypeParam>;
  auto own = this->open();
  auto number = own.template unnamed<int>().value();
  ASSERT_TRUE(number.write(1));
  auto table = own.template variable<table_of>("table").value();
  ASSERT_TRUE(table.write({{"a", number.reference().value()}, {"b", number.reference().value()}}));
  ASSERT_TRUE(number.write(2));
  EXPECT_EQ(value_of(*value_of(table).at("a")), 2);
  ASSERT_TRUE(value_of(table).at("b")->write(3));
  EXPECT_EQ(value_of(number), 3);
  auto peer = child::start([&] {
    auto its = this->open().template variable<table_of>("table").value();
    const auto all = value_of(its);
    EXPECT_EQ(all.at("a"), all.at("b"));
    EXPECT_TRUE(all.at("a")->update([](int& n) { ++n; }));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(value_of(number), 4);
}

TYPED_TEST(Ref, AListIsFollowedAndGoesWithItsHead) {
  using item = node<TypeParam>;
  auto own = this->open();
  auto head = own.template variable<item>("head").value();
  {
    item first{.value = 0, .next = {}};
    for (int i = 1; i < 20; ++i) first = {.value = i, .next = own.make_ref(first).value()};
    ASSERT_TRUE(head.write(first));
  }
  EXPECT_EQ(own.count().value(), 20U);
  {
    const item* at = *head.read();
    for (int i = 19; i > 0; --i) {
      EXPECT_EQ(at->value, i);
      at = *at->next->read();
    }
    EXPECT_FALSE(at->next);
  }
  ASSERT_TRUE(head.write({.value = 5, .next = {}}));
  EXPECT_EQ(own.count().value(), 1U);
}

// A regression: each handle's copy ended the next handle, by a call within the last.
TYPED_TEST(Ref, AListThatWasFollowedEndsOnASmallStack) {
  using item = node<TypeParam>;
  constexpr int length = 1000;
  auto follower = child::start([&] {
    on_a_stack_of(256 * 1024, [&] {
      auto own = this->open();
      ref<item, TypeParam> all;
      for (int i = 0; i < length; ++i) {
        all = own.make_ref(item{.value = i, .next = std::exchange(all, {})}).value();
      }
      int met = 1;
      for (const item* at = *all->read(); at->next; at = *at->next->read()) ++met;
      EXPECT_EQ(met, length);
    });
  });
  EXPECT_EQ(follower.wait(), exited(0));
  EXPECT_EQ(this->open().count().value(), 0U);
}

TYPED_TEST(Ref, ALexicalGoesWithItsLastHandle) {
  auto own = this->open();
  {
    auto one = own.template unnamed<int>().value();
    auto other = one.copy().value();
    auto third = other.reference().value();
    EXPECT_EQ(own.count().value(), 1U);
    {
      const auto gone = std::move(one);
    }
    {
      const auto gone = std::move(other);
    }
    EXPECT_EQ(own.count().value(), 1U);
    EXPECT_TRUE(third->write(5));
  }
  EXPECT_EQ(own.count().value(), 0U);
}

// It ends after the thread's own objects, among them what robust_rw knows of the thread.
TYPED_TEST(Ref, ALexicalThatIsStaticIsLeftToCollect) {
  auto program = child::start([&] {
    static auto last = this->open().template unnamed<int>().value();
    EXPECT_TRUE(last.write(5));
    std::exit(::testing::Test::HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(program.wait(), exited(0));
  EXPECT_TRUE(this->open().collect());
  EXPECT_EQ(this->open().count().value(), 0U);
}

TYPED_TEST(Ref, AChildKeepsWhatItsParentLetsGo) {
  auto own = this->open();
  steps step;
  child peer = [&] {
    auto one = own.template unnamed<int>().value();
    EXPECT_TRUE(one.write(7));
    return child::start([&] {
      step.await(1);
      auto its = one.copy().value();
      EXPECT_EQ(value_of(its), 7);
      step.reach(2);
      step.await(3);
    });
  }();
  EXPECT_EQ(own.count().value(), 1U);
  step.reach(1);
  step.await(2);
  EXPECT_EQ(own.collect().value().removed, 0U);
  step.reach(3);
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(own.count().value(), 1U) << "a child of tests ends without destructors, as if killed";
  EXPECT_EQ(own.collect().value().removed, 1U);
  EXPECT_EQ(own.count().value(), 0U);
}

TYPED_TEST(Ref, CyclesAreCollected) {
  using item = node<TypeParam>;
  auto own = this->open();
  {
    auto one = own.make_ref(item{.value = 1, .next = {}}).value();
    auto other = own.make_ref(item{.value = 2, .next = one}).value();
    ASSERT_TRUE(one->write({.value = 1, .next = other}));
    EXPECT_EQ(own.collect().value().removed, 0U) << "somebody has it open";
  }
  EXPECT_EQ(own.count().value(), 2U);
  const auto done = own.collect().value();
  EXPECT_EQ(done.removed, 2U);
  EXPECT_EQ(done.dangling, 0U);
  EXPECT_EQ(own.count().value(), 0U);
}

// A regression: the handles' copies held each other's handles, until the process ended.
TYPED_TEST(Ref, CyclesMadeThroughReferencesAreClosedWithThem) {
  using item = node<TypeParam>;
  auto own = this->open();
  {
    const auto one = own.make_ref(item{.value = 1, .next = {}}).value();
    const auto other = own.make_ref(item{.value = 2, .next = {}}).value();
    ASSERT_TRUE(one->write({.value = 1, .next = other}));
    ASSERT_TRUE(other->update([&](item& it) { it.next = one; }));
    EXPECT_EQ(value_of(*value_of(*value_of(*one).next).next).value, 1);
    EXPECT_EQ(value_of(*one).next, other);
    const auto self = own.make_ref(item{.value = 3, .next = {}}).value();
    ASSERT_TRUE(self->write({.value = 3, .next = self}));
    EXPECT_EQ(own.collect()->removed, 0U);
  }
  EXPECT_EQ(own.count().value(), 3U);
  EXPECT_EQ(own.collect()->removed, 3U);
  EXPECT_EQ(own.count().value(), 0U);
}

TYPED_TEST(Ref, WhatIsReferredToOnlyLosesItsName) {
  using table_of = refs<TypeParam>;
  auto own = this->open();
  auto table = own.template variable<table_of>("table").value();
  {
    auto number = own.template variable<int>("number").value();
    ASSERT_TRUE(number.write(5));
    ASSERT_TRUE(table.write({{"it", number.reference().value()}}));
  }
  ASSERT_TRUE(own.remove("number"));
  EXPECT_EQ(own.list()->size(), 1U);
  EXPECT_EQ(value_of(*value_of(table).at("it")), 5);
  EXPECT_TRUE(own.template variable<std::string>("number")) << "the name is free";
  ASSERT_TRUE(table.write({}));
  EXPECT_EQ(own.count().value(), 2U);
}

// A regression: it was for callers to say, in the options.
TYPED_TEST(Ref, WhatHasANameIsNotGivenUpWhateverItsStoreSays) {
  auto own = this->open();
  const auto number =
      own.template variable<int>("number", store_options{.is_unnamed = true}).value().number();
  const auto key = segment_key{detail::space_of(this->name()), number};
  EXPECT_FALSE(store_on<TypeParam>::links_of(key)->is_unnamed);
  // As one leaves it who dies while he takes the name away.
  ASSERT_TRUE(store_on<TypeParam>::set_links(key, 0, true));
  ASSERT_TRUE(own.template variable<int>("number").value().write(5));
  EXPECT_EQ(own.list()->size(), 1U);
  EXPECT_EQ(own.collect()->corrected, 1U);
  EXPECT_FALSE(store_on<TypeParam>::links_of(key)->is_unnamed);
}

TYPED_TEST(Ref, NoTransactionRemovesWhatMayBeReferredTo) {
  auto own = this->open();
  auto number = own.template variable<int>("number").value();
  ASSERT_TRUE(number.write(5));
  EXPECT_EQ(outcome(number.transact()->remove()), "invalid");
  EXPECT_EQ(value_of(number), 5);
}

// A regression: it was counted up once, and down twice.
TYPED_TEST(Ref, OneThatAnotherProgramHasWrittenTwiceIsCountedOnce) {
  using table_of = refs<TypeParam>;
  auto own = this->open();
  auto one = own.template variable<table_of>("one").value();
  auto other = own.template variable<table_of>("other").value();
  {
    const auto number = own.make_ref(5).value();
    ASSERT_TRUE(one.write({{"it", number}}));
    ASSERT_TRUE(other.write({{"it", number}}));
    auto raw = store_on<TypeParam>::attach({detail::space_of(this->name()), other.number()});
    auto change = raw->write().value();
    const std::vector<std::uint64_t> twice{number->number(), number->number()};
    change.output().write(change.bytes().data(), change.bytes().size());
    ASSERT_TRUE(change.commit(twice));
  }
  ASSERT_TRUE(other.write({}));
  EXPECT_EQ(value_of(*value_of(one).at("it")), 5);
  EXPECT_EQ(own.collect()->corrected, 0U);
}

// A regression: it waited as long as if it had not been told how long.
TYPED_TEST(Ref, StoringOneWaitsForTheRegistryNoLongerThanItWasTold) {
  using table_of = refs<TypeParam>;
  auto own = this->open();
  auto table = own.template variable<table_of>("table").value();
  const auto number = own.make_ref(5).value();
  steps step;
  auto holder = child::start([&] {
    auto all = store_on<TypeParam>::attach({detail::space_of(this->name()), 0});
    const auto held = all->write();
    EXPECT_TRUE(held);
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(outcome(table.write({{"it", number}}, deadline::none())), "would_block");
  EXPECT_EQ(outcome(table.update([&](auto& all) { all["it"] = number; }, deadline::none())),
            "would_block");
  step.reach(2);
  EXPECT_EQ(holder.wait(), exited(0));
  EXPECT_TRUE(table.write({{"it", number}}, deadline::none()));
}

// A regression: what was held stayed, and referred to nothing for ever after.
TYPED_TEST(Ref, CleaningUpLeavesWhatItCannotRemoveWithAllThatItRefersTo) {
  using item = node<TypeParam>;
  auto own = this->open();
  auto held = own.template variable<item>("held").value();
  {
    const auto last = own.make_ref(item{.value = 3, .next = {}}).value();
    const auto circle = own.make_ref(item{.value = 4, .next = {}}).value();
    ASSERT_TRUE(circle->write({.value = 4, .next = own.make_ref(item{5, circle}).value()}));
    auto named = own.template variable<item>("named").value();
    ASSERT_TRUE(named.write({.value = 2, .next = last}));
    ASSERT_TRUE(held.write({.value = 1, .next = named.reference().value()}));
    ASSERT_TRUE(own.template variable<item>("other").value().write({6, circle}));
  }
  steps step;
  auto holder = child::start([&] {
    auto its = held.copy().value();
    const auto change = its.transact();
    EXPECT_TRUE(change);
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(outcome(own.cleanup(deadline::none())), "would_block");
  step.reach(2);
  EXPECT_EQ(holder.wait(), exited(0));
  EXPECT_EQ(value_of(*value_of(*value_of(held).next).next).value, 3);
  EXPECT_EQ(own.list()->count("other"), 0U) << "it carries on";
  EXPECT_EQ(own.collect()->dangling, 0U);
  EXPECT_TRUE(own.cleanup());
  EXPECT_EQ(outcome(TestFixture::domain_type::open_existing(this->name())), "not_found");
}

TYPED_TEST(Ref, CirclesAndWrongCountsAreCleanedUpAtOnce) {
  using item = node<TypeParam>;
  auto own = this->open();
  auto named = own.template variable<item>("named").value();
  ASSERT_TRUE(named.write({.value = 1, .next = named.reference().value()}));
  const auto circle = own.make_ref(item{.value = 2, .next = {}}).value();
  ASSERT_TRUE(circle->write({.value = 2, .next = own.make_ref(item{3, circle}).value()}));
  store_on<TypeParam>::attach({detail::space_of(this->name()), circle->number()})->add_referrer();
  EXPECT_EQ(outcome(own.cleanup(deadline::none())), "ok");
  EXPECT_EQ(outcome(TestFixture::domain_type::open_existing(this->name())), "not_found");
  EXPECT_EQ(outcome(circle->read()), "not_found");
}

TYPED_TEST(Ref, OfAnotherDomainIsRefused) {
  using table_of = refs<TypeParam>;
  auto own = this->open();
  auto others = TestFixture::domain_type::open(this->name() + "b").value();
  auto table = own.template variable<table_of>("table").value();
  auto number = others.template unnamed<int>().value();
  const auto done = table.write({{"it", number.reference().value()}});
  EXPECT_EQ(outcome(done), "invalid");
  EXPECT_TRUE(others.cleanup());
}

TYPED_TEST(Ref, ToWhatHasBeenRemovedIsRefused) {
  using table_of = refs<TypeParam>;
  auto own = this->open();
  auto table = own.template variable<table_of>("table").value();
  const auto number = own.template variable<int>("number").value().reference().value();
  ASSERT_TRUE(own.remove("number"));
  EXPECT_EQ(outcome(table.write({{"it", number}})), "not_found");
  EXPECT_TRUE(value_of(table).empty());
  EXPECT_EQ(own.collect().value().dangling, 0U);
}

}  // namespace
}  // namespace shmark

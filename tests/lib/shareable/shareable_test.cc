// How shareables are opened and how they end. What locks are for: shareable_lock_test.cc.

#include "lib/shareable/shareable.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/serialization/vector.hpp>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/lib/shareable/shareables.h"
#include "tests/lib/store/mortal.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::steps;

using words = std::map<std::string, int>;

template <class Backend>
class Shareable : public shareable_test<Backend> {};
TYPED_TEST_SUITE(Shareable, all_backends, name_of_backend);

// --- Glue.

TYPED_TEST(Shareable, UnrelatedProgramsMeetByGlue) {
  auto peer = child::start([&] {
    auto its = this->template make<words>();
    EXPECT_TRUE(its.set({{"a", 1}}));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  auto own = this->template make<words>();
  EXPECT_EQ(now_in(own), (words{{"a", 1}}));
}

TYPED_TEST(Shareable, OfATextTheFirstFourCharactersCount) {
  using numbers = typename TestFixture::template shareable_of<int>;
  const std::string beginning = std::to_string(unpredictable_number()).substr(0, 4);
  auto one = numbers::open(beginning + "one", {.create = true}).value();
  auto other = numbers::open(beginning + "other", {}).value();
  ASSERT_TRUE(one.set(5));
  EXPECT_EQ(now_in(other), 5);
  const auto whole = numbers::open(beginning + "one", {.crc32 = true});
  EXPECT_EQ(outcome(whole), "not_found");
}

TYPED_TEST(Shareable, TextsOfTheSameCrc32DoNotMeet) {
  using numbers = typename TestFixture::template shareable_of<int>;
  auto one = numbers::open("plumless", {.create = true, .crc32 = true}).value();
  ASSERT_TRUE(one.set(5));
  for (const bool create : {false, true}) {
    EXPECT_EQ(outcome(numbers::open("buckeroo", {.create = create, .crc32 = true})), "mismatch");
  }
  EXPECT_TRUE(numbers::open("plumless", {.crc32 = true}));
  ASSERT_TRUE(one.remove());
  auto other = numbers::open("buckeroo", {.create = true, .crc32 = true});
  ASSERT_TRUE(other) << "the place is free";
  EXPECT_EQ(now_in(*other), 0);
}

TYPED_TEST(Shareable, PrivateOnesDoNotMeet) {
  using numbers = typename TestFixture::template shareable_of<int>;
  auto one = numbers::open().value();
  auto other = numbers::open().value();
  ASSERT_TRUE(one.set(5));
  EXPECT_EQ(now_in(other), 0);
}

TYPED_TEST(Shareable, AForkedChildHasWhatIsPrivateToItsFamily) {
  using numbers = typename TestFixture::template shareable_of<int>;
  auto own = numbers::open().value();
  ASSERT_TRUE(own.set(5));
  auto peer = child::start([&] {
    EXPECT_EQ(now_in(own), 5);
    EXPECT_TRUE(own.update([](int& n) { ++n; }));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(now_in(own), 6);
}

TYPED_TEST(Shareable, TheLastOfAFamilyRemovesWhatIsPrivate) {
  using numbers = typename TestFixture::template shareable_of<int>;
  std::optional own(numbers::open().value());
  steps step;
  auto peer = child::start([&] {
    step.await(1);
    EXPECT_EQ(now_in(*own), 5) << "its parent was not the last";
    own.reset();
    step.reach(2);
  });
  ASSERT_TRUE(own->set(5));
  own.reset();
  step.reach(1);
  step.await(2);
  EXPECT_EQ(peer.wait(), exited(0));  // and nothing is left, as every test is asked
}

// --- Options.

TYPED_TEST(Shareable, IsNotThereUntilSomebodyMakesIt) {
  const auto missing = this->template try_open<int>(this->key(), {});
  ASSERT_EQ(outcome(missing), "not_found");
  EXPECT_NE(missing.error().message().find(this->key().text()), std::string::npos);
  EXPECT_EQ(outcome(this->template try_open<int>(this->key(), {.exclusive = true})), "not_found");
  auto made = this->template make<int>();
  EXPECT_TRUE(this->template try_open<int>(this->key(), {}));
}

TYPED_TEST(Shareable, ExclusiveRefusesWhatIsThere) {
  const shareable_options fresh{.create = true, .exclusive = true};
  auto made = this->template try_open<int>(this->key(), fresh);
  ASSERT_TRUE(made);
  ASSERT_TRUE(made->set(5));
  EXPECT_EQ(outcome(this->template try_open<int>(this->key(), fresh)), "exists");
  EXPECT_EQ(now_in(*made), 5);
}

TYPED_TEST(Shareable, HoweverManyWantToMakeItOneDoes) {
  constexpr std::uint32_t peers = 6;
  for (int round = 0; round < 5; ++round) {
    steps start;
    steps makers;
    std::vector<child> crew;
    for (std::uint32_t i = 0; i < peers; ++i) {
      crew.push_back(child::start([&] {
        start.meet(peers);
        const auto made =
            this->template try_open<int>(this->key(), {.create = true, .exclusive = true});
        if (made) makers.add();
        EXPECT_TRUE(made || made.error().code == errc::exists) << made.error().message();
      }));
    }
    for (auto& one : crew) EXPECT_EQ(one.wait(), exited(0));
    EXPECT_EQ(makers.now(), 1U);
    auto own = this->template make<int>();
    ASSERT_TRUE(own.remove());
  }
}

TYPED_TEST(Shareable, HasRoomForSixtyFourKilobytesAtFirst) {
  auto own = this->template make<std::string>();
  const auto before = own.stats()->allocated;
  EXPECT_GE(before, 2U * 65536);
  ASSERT_TRUE(own.set(std::string(65000, 'x')));
  ASSERT_TRUE(own.set(std::string(65000, 'y')));
  EXPECT_EQ(own.stats()->allocated, before);
}

TYPED_TEST(Shareable, IsForItsOwnersProcessesOnly) {
  EXPECT_EQ(shareable_options{}.mode, 0600U);
  for (const mode_t mode : {0606U, 0644U, 0640U, 0400U}) {
    EXPECT_EQ(outcome(this->template try_open<int>(this->key(), {.create = true, .mode = mode})),
              "invalid");
  }
  this->expect_gone();
}

TYPED_TEST(Shareable, OfAnotherTypeIsAMismatch) {
  auto own = this->template make<int>();
  EXPECT_EQ(outcome(this->template try_open<std::string>(this->key(), {})), "mismatch");
  EXPECT_EQ(outcome(this->template try_open<std::string>(this->key(), {.create = true})),
            "mismatch");
}

TYPED_TEST(Shareable, OneThatCannotBeMadeLeavesNothing) {  // conformance case 9
  using mortal_shareable = shareable<int, mortal_backend<TypeParam>>;
  for (const int locks : {0, 1, 2}) {  // the registry's, the value's, the advisory one
    mortal::locks_left = locks;
    const auto made = mortal_shareable::open(this->key(), {.create = true});
    mortal::locks_left = std::numeric_limits<int>::max();
    EXPECT_EQ(outcome(made), "no_space") << locks;
    EXPECT_EQ(outcome(store_on<TypeParam>::attach({this->key().space(false), 0})), "not_found")
        << "not even an empty registry, with " << locks << " locks";
  }
}

TYPED_TEST(Shareable, OneWhoCannotOpenItLeavesItWhereItIs) {  // conformance case 9
  using mortal_shareable = shareable<int, mortal_backend<TypeParam>>;
  auto own = this->template make<int>();
  ASSERT_TRUE(own.set(5));
  {
    const machine_without_locks machine(false, true);
    EXPECT_EQ(outcome(mortal_shareable::open(this->key(), {.create = true})), "no_space");
  }
  auto again = this->template make<int>();
  EXPECT_EQ(now_in(again), 5);
}

// --- Its end.

TYPED_TEST(Shareable, AnybodyMayRemoveIt) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.set(1));
  auto peer = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.remove());
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(outcome(own.get()), "not_found");
  EXPECT_EQ(outcome(own.set(2)), "not_found");
  EXPECT_EQ(outcome(own.update([](int& n) { ++n; })), "not_found");
  EXPECT_EQ(outcome(own.lock()), "not_found");
  EXPECT_EQ(outcome(own.remove()), "not_found");
  this->expect_gone();
}

TYPED_TEST(Shareable, WhoWritesIntoWhatHasBeenRemovedIsTold) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.lock());
  ASSERT_TRUE(own.set(1));
  auto peer = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.remove()) << "nobody is asked";
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(now_in(own), 1) << "the copy under the lock";
  EXPECT_EQ(outcome(own.unlock()), "not_found");
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(outcome(own.get()), "not_found");
  auto anew = this->template make<int>();
  EXPECT_EQ(now_in(anew), 0);
}

TYPED_TEST(Shareable, WhatWentByOtherMeansIsToldAndMadeAnew) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.set(1));
  // As ipcrm(1) and rm(1) do it: without asking anybody.
  {
    const segment_key root{this->key().space(false), own.number()};
    const auto raw = TypeParam::segment::attach(root).value();
    using state = typename TypeParam::lock::state;
    for (const std::size_t at : {offsetof(detail::control, lock_area), sizeof(detail::control)}) {
      TypeParam::lock::destroy(*reinterpret_cast<state*>(raw.bytes().data() + at));
    }
    ASSERT_TRUE(TypeParam::segment::remove(root));
  }
  EXPECT_EQ(outcome(this->template try_open<int>(this->key(), {})), "not_found");
  auto anew = this->template make<int>();
  EXPECT_EQ(now_in(anew), 0);
  ASSERT_TRUE(anew.set(7));
  EXPECT_EQ(now_in(own), 1) << "who has it mapped still has it";
}

TYPED_TEST(Shareable, CleanUpRemovesWhatThisProcessMade) {
  auto peer = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.set(3));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  auto met = this->template make<int>();
  auto own = TestFixture::template shareable_of<std::string>::open().value();
  ASSERT_TRUE((TestFixture::template shareable_of<int>::clean_up()));
  EXPECT_EQ(outcome(own.get()), "not_found");
  EXPECT_EQ(now_in(met), 3);
  ASSERT_TRUE((TestFixture::template shareable_of<int>::clean_up_all()));
  EXPECT_EQ(outcome(met.get()), "not_found");
}

TYPED_TEST(Shareable, AForkedChildCleansUpNothingOfItsParents) {
  auto own = this->template make<int>({.destroy = true});
  auto peer =
      child::start([&] { EXPECT_TRUE((TestFixture::template shareable_of<int>::clean_up())); });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(now_in(own), 0);
}

TYPED_TEST(Shareable, CleaningUpLeavesWhatOthersMadeInItsPlace) {
  auto own = this->template make<int>();
  auto peer = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.remove());
    auto anew = this->template make<int>();
    EXPECT_TRUE(anew.set(9));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  ASSERT_TRUE((TestFixture::template shareable_of<int>::clean_up()));
  auto theirs = this->template make<int>();
  EXPECT_EQ(now_in(theirs), 9);
}

TYPED_TEST(Shareable, WhatIsMadeWhileTheOldOneIsBeingRemovedStays) {
  using parts = std::map<std::string, ref<int, TypeParam>>;
  for (int round = 0; round < 30; ++round) {
    steps step;
    auto own = this->template make<parts>();
    parts some;  // so that it takes a while
    for (int i = 0; i < 20; ++i) some[std::to_string(i)] = own.make_ref(i).value();
    ASSERT_TRUE(own.set(some));
    auto peer = child::start([&] {
      const auto make_it = [&] {
        return this->template try_open<int>(this->key(), {.create = true, .exclusive = true});
      };
      step.reach(1);
      auto made = make_it();
      while (!made) made = make_it();
      ASSERT_TRUE(made->set(7));
      step.reach(2);
      step.await(3);
      EXPECT_EQ(now_in(*made), 7);
    });
    step.await(1);
    EXPECT_TRUE(own.remove());
    step.await(2);
    step.reach(3);
    ASSERT_EQ(peer.wait(), exited(0));
    auto theirs = this->template try_open<int>(this->key(), {});
    ASSERT_TRUE(theirs);
    ASSERT_TRUE(theirs->remove());
    this->expect_gone();
  }
}

TYPED_TEST(Shareable, ItsMakersEndRemovesItIfThatWasAsked) {
  for (const bool destroy : {false, true}) {
    auto maker = child::start([&] {
      auto its = this->template make<int>({.destroy = destroy});
      EXPECT_TRUE(its.set(1));
      std::exit(::testing::Test::HasFailure() ? 1 : 0);
    });
    EXPECT_EQ(maker.wait(), exited(0));
    const auto there = this->template try_open<int>(this->key(), {});
    EXPECT_EQ(outcome(there), destroy ? "not_found" : "ok");
    ASSERT_TRUE((TestFixture::template shareable_of<int>::clean_up_all()));
  }
}

TYPED_TEST(Shareable, TheEndOfOneWhoDidNotMakeItRemovesNothing) {
  auto own = this->template make<int>();
  auto peer = child::start([&] {
    auto its = this->template make<int>({.destroy = true});
    std::exit(0);
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(now_in(own), 0);
}

TYPED_TEST(Shareable, AForkedChildsEndNeitherDestroysNorPublishesItsParents) {
  auto own = this->template make<int>({.destroy = true});
  ASSERT_TRUE(own.set(1));
  ASSERT_TRUE(own.lock());
  ASSERT_TRUE(own.set(2));
  auto peer = child::start([&] {
    EXPECT_FALSE(own.locked());
    EXPECT_EQ(now_in(own), 1) << "what its parent has not published";
    EXPECT_EQ(outcome(own.lock(mode::shared, deadline::none())), "would_block");
    {
      const auto gone = std::move(own);
    }
    std::exit(::testing::Test::HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(own.locked(), mode::exclusive);
  auto other = this->template make<int>();
  EXPECT_EQ(now_in(other), 1);
  EXPECT_EQ(outcome(other.lock()), "would_deadlock") << "it is held";
  ASSERT_TRUE(own.unlock());
  EXPECT_EQ(now_in(other), 2);
}

TYPED_TEST(Shareable, AStaticHandleThatIsLockedPublishesAtItsProcessesEnd) {
  for (const bool is_known_first : {false, true}) {  // its end then comes after those of others
    auto peer = child::start([&] {
      if (is_known_first) {
        static std::optional<typename TestFixture::template shareable_of<int>> late;
        late.emplace(this->template make<int>());
        EXPECT_TRUE(late->lock());
        EXPECT_TRUE(late->set(8));
      } else {
        static auto its = this->template make<int>();
        EXPECT_TRUE(its.lock());
        EXPECT_TRUE(its.set(7));
      }
      std::exit(::testing::Test::HasFailure() ? 1 : 0);
    });
    EXPECT_EQ(peer.wait(), exited(0));
    auto own = this->template make<int>();
    EXPECT_EQ(now_in(own), is_known_first ? 8 : 7);
    EXPECT_TRUE(own.lock(mode::exclusive, deadline::none())) << "it is free";
  }
}

TYPED_TEST(Shareable, AHandleThatGoesUnlocks) {
  {
    auto own = this->template make<int>();
    ASSERT_TRUE(own.lock());
    ASSERT_TRUE(own.set(2));
    auto moved = std::move(own);
    EXPECT_EQ(moved.locked(), mode::exclusive);
  }
  auto own = this->template make<int>();
  EXPECT_EQ(now_in(own), 2);
  EXPECT_TRUE(own.lock(mode::exclusive, deadline::none()));
}

// --- Sizes.

TYPED_TEST(Shareable, AValueBeyondTheLimitIsRefusedAndTheOldOneStays) {
  auto own = this->template make<std::string>({.size = 256, .limit = 2000});
  ASSERT_TRUE(own.set(std::string(1000, 'a'))) << "it grows";
  EXPECT_EQ(outcome(own.set(std::string(3000, 'b'))), "no_space");
  EXPECT_EQ(now_in(own), std::string(1000, 'a'));
  ASSERT_TRUE(own.lock());
  ASSERT_TRUE(own.set(std::string(3000, 'b')));
  EXPECT_EQ(outcome(own.publish()), "no_space");
  EXPECT_EQ(now_in(own), std::string(3000, 'b')) << "it can be mended";
  ASSERT_TRUE(own.set(std::string(1500, 'c')));
  ASSERT_TRUE(own.unlock());
  EXPECT_EQ(now_in(own), std::string(1500, 'c'));
  ASSERT_TRUE(own.lock());
  ASSERT_TRUE(own.set(std::string(3000, 'b')));
  EXPECT_EQ(outcome(own.unlock()), "no_space");
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(now_in(own), std::string(1500, 'c'));
}

}  // namespace
}  // namespace shmark

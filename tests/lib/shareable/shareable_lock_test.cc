// What a shareable and its lock promise as long as nobody dies. Of children: tree_test.cc.

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

#include "lib/shareable/shareable.h"
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
class ShareableLock : public shareable_test<Backend> {};
TYPED_TEST_SUITE(ShareableLock, all_backends, name_of_backend);

// --- Locks.

TYPED_TEST(ShareableLock, WhatIsHeldIsLockedAtOnce) {
  auto own = this->template make<int>();
  for (const auto how : {mode::exclusive, mode::shared}) {
    EXPECT_FALSE(own.locked());
    ASSERT_TRUE(own.lock(how));
    ASSERT_TRUE(own.lock(how, deadline::none()));
    EXPECT_EQ(own.locked(), how);
    ASSERT_TRUE(own.unlock());
    EXPECT_TRUE(own.unlock()) << "what is not held";
  }
}

TYPED_TEST(ShareableLock, ALockWaitsForItsHolderAndSeesWhatHeWrote) {  // conformance case 5
  auto own = this->template make<int>();
  steps step;
  auto holder = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.lock());
    EXPECT_TRUE(its.set(7));
    step.reach(1);
    step.await(2);
    EXPECT_TRUE(its.unlock());
  });
  step.await(1);
  EXPECT_EQ(outcome(own.lock(mode::shared, deadline::none())), "would_block");
  EXPECT_EQ(outcome(own.lock(mode::shared, deadline::after(10ms))), "timed_out");
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(now_in(own), 0);
  auto waiter = child::start([&] {
    auto its = this->template make<int>();
    step.reach(2);
    EXPECT_TRUE(its.lock(mode::shared));
    EXPECT_EQ(now_in(its), 7);
    EXPECT_TRUE(its.unlock());
  });
  EXPECT_EQ(waiter.wait(), exited(0));
  EXPECT_EQ(holder.wait(), exited(0));
  EXPECT_EQ(now_in(own), 7);
}

TYPED_TEST(ShareableLock, ReadersLockTogether) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.lock(mode::shared));
  auto peer = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.lock(mode::shared, deadline::none()));
    EXPECT_TRUE(its.unlock());
    EXPECT_EQ(outcome(its.lock(mode::exclusive, deadline::none())), "would_block");
  });
  EXPECT_EQ(peer.wait(), exited(0));
}

TYPED_TEST(ShareableLock, AnUpgradeThatIsRefusedKeepsTheOldLock) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.lock(mode::shared));
  steps step;
  auto reader = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.lock(mode::shared));
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  const auto refused = own.lock(mode::exclusive, deadline::none());
  EXPECT_FALSE(refused);
  EXPECT_EQ(own.locked(), mode::shared);
  auto writer = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_EQ(outcome(its.lock(mode::exclusive, deadline::none())), "would_block");
  });
  EXPECT_EQ(writer.wait(), exited(0));
  step.reach(2);
  EXPECT_EQ(reader.wait(), exited(0));
  auto other = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_EQ(outcome(its.lock(mode::exclusive, deadline::none())), "would_block")
        << "the reader that is left still holds it";
  });
  EXPECT_EQ(other.wait(), exited(0));
  ASSERT_TRUE(own.lock(mode::exclusive, deadline::never())) << "nobody else holds it now";
  ASSERT_TRUE(own.set(1));
  ASSERT_TRUE(own.unlock());
}

TYPED_TEST(ShareableLock, ADowngradePublishesAndLetsReadersIn) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.lock());
  ASSERT_TRUE(own.set(3));
  ASSERT_TRUE(own.lock(mode::shared));
  EXPECT_EQ(own.locked(), mode::shared);
  auto peer = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_EQ(now_in(its), 3);
    EXPECT_EQ(outcome(its.lock(mode::exclusive, deadline::none())), "would_block");
    EXPECT_TRUE(its.lock(mode::shared, deadline::none()));
    EXPECT_EQ(now_in(its), 3);
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(now_in(own), 3);
}

TYPED_TEST(ShareableLock, TwoHandlesOfOneThreadDoNotWaitForEachOther) {
  auto one = this->template make<int>();
  auto other = this->template make<int>();
  ASSERT_TRUE(one.lock());
  EXPECT_EQ(outcome(other.lock()), "would_deadlock");
  ASSERT_TRUE(one.unlock());
  EXPECT_TRUE(other.lock());
}

TYPED_TEST(ShareableLock, NoIncrementIsLost) {  // conformance case 2
  constexpr int increments = 1000;
  auto own = this->template make<int>();
  ASSERT_TRUE(own.set(0));
  ASSERT_TRUE(own.set(0));
  ASSERT_TRUE(own.set(0));
  EXPECT_EQ(own.serial(), 4U);
  const auto increment = [&] {
    auto its = this->template make<int>();
    for (int i = 0; i < increments; ++i) {
      ASSERT_TRUE(its.lock());
      ASSERT_TRUE(its.update([](int& n) { ++n; }));
      ASSERT_TRUE(its.unlock());
    }
  };
  auto one = child::start(increment);
  auto other = child::start(increment);
  EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(now_in(own), 2 * increments);
  EXPECT_EQ(own.serial(), 2U * increments + 4);
}

// --- What locks are for.

TYPED_TEST(ShareableLock, UnderALockOneCopyIsUsed) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.set(1));
  ASSERT_TRUE(own.lock(mode::shared));
  auto peer = child::start([&] {
    auto its = this->template make<int>();
    EXPECT_TRUE(its.set(2)) << "nobody is forced to lock";
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(now_in(own), 1);
  ASSERT_TRUE(own.lock(mode::exclusive));
  EXPECT_EQ(now_in(own), 2) << "a lock taken is a value read";
  ASSERT_TRUE(own.unlock());
}

TYPED_TEST(ShareableLock, WhatIsWrittenUnderTheExclusiveLockIsSeenAfterIt) {  // conformance case 7
  auto own = this->template make<words>();
  ASSERT_TRUE(own.set({{"a", 1}, {"b", 1}}));
  const auto expect_others_to_see = [&](const words& expected) {
    auto peer = child::start([&] {
      auto its = this->template make<words>();
      EXPECT_EQ(now_in(its), expected);
    });
    EXPECT_EQ(peer.wait(), exited(0));
  };
  const std::vector<std::function<void()>> mutators{
      [&] { EXPECT_TRUE(own.set({{"c", 3}})); },
      [&] { EXPECT_TRUE(own.update([](words& all) { all["d"] = 4; })); },
      [&] { EXPECT_TRUE(own.update([](words& all) { return all.erase("d") != 0; })); },
      [&] { EXPECT_TRUE(own.update([](words& all) { all.clear(); })); },
      [&] { (**own.writable())["e"] = 5; },
  };
  for (const auto& mutate : mutators) {
    const words before = now_in(own);
    const auto serial = own.serial();
    ASSERT_TRUE(own.lock());
    mutate();
    const words after = now_in(own);
    EXPECT_NE(before, after);
    expect_others_to_see(before);
    ASSERT_TRUE(own.unlock());
    expect_others_to_see(after);
    EXPECT_EQ(own.serial(), serial + 1);
  }
}

TYPED_TEST(ShareableLock, ALockUnderWhichNothingIsWrittenPublishesNothing) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.set(1));
  ASSERT_TRUE(own.lock());
  EXPECT_EQ(now_in(own), 1);
  EXPECT_TRUE(own.update([](int&) { return false; }));
  ASSERT_TRUE(own.unlock());
  EXPECT_EQ(own.stats()->serial, 2U);
}

TYPED_TEST(ShareableLock, AnUpdateUnderALockThatFailsLeavesTheCopyAsItWas) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.lock());
  ASSERT_TRUE(own.set(1));
  EXPECT_TRUE(own.update([](int& n) {
    n = 2;
    return false;
  }));
  EXPECT_EQ(now_in(own), 1);
  EXPECT_THROW(static_cast<void>(own.update([](int& n) {
                 n = 3;
                 throw std::runtime_error("no");
               })),
               std::runtime_error);
  EXPECT_EQ(now_in(own), 1);
  ASSERT_TRUE(own.unlock());
  EXPECT_EQ(now_in(own), 1);
}

TYPED_TEST(ShareableLock, AnUpdateUnderTheSharedLockThatFailsLeavesTheCopyAsItWas) {
  auto own = this->template make<words>({.size = 256, .limit = 1000});
  ASSERT_TRUE(own.set({{"a", 1}}));
  ASSERT_TRUE(own.lock(mode::shared));
  EXPECT_THROW(static_cast<void>(own.update([](words& all) {
                 all["a"] = 2;
                 throw std::runtime_error("stop");
               })),
               std::runtime_error);
  EXPECT_EQ(now_in(own).at("a"), 1);
  EXPECT_TRUE(own.update([](words& all) {
    all["a"] = 3;
    return false;
  }));
  EXPECT_EQ(now_in(own).at("a"), 1);
  EXPECT_EQ(outcome(own.set({{std::string(2000, 'x'), 4}})), "no_space");
  EXPECT_EQ(now_in(own), (words{{"a", 1}}));
  ASSERT_TRUE(own.unlock());
  EXPECT_EQ(now_in(own), (words{{"a", 1}}));
}

// Two numbers, of which, on demand, the second cannot be read.
struct half_readable {
  static inline bool is_refused = false;
  int first = 0;
  int second = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & first;
    if (Archive::is_loading::value && is_refused) throw std::runtime_error("no");
    archive & second;
  }
};

TYPED_TEST(ShareableLock, AnUpgradeThatCannotReadLeavesTheCopyAsItWas) {
  auto own = this->template make<half_readable>();
  ASSERT_TRUE(own.set({1, 1}));
  ASSERT_TRUE(own.lock(mode::shared));
  auto peer = child::start([&] {
    auto its = this->template make<half_readable>();
    EXPECT_TRUE(its.set({2, 2}));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  half_readable::is_refused = true;
  EXPECT_EQ(outcome(own.lock(mode::exclusive)), "corrupt");
  half_readable::is_refused = false;
  EXPECT_EQ(own.locked(), mode::shared);
  EXPECT_EQ(now_in(own).first, 1);
  EXPECT_EQ(now_in(own).second, 1);
  ASSERT_TRUE(own.lock(mode::exclusive));
  EXPECT_EQ(now_in(own).first, 2);
  EXPECT_EQ(now_in(own).second, 2);
}

TYPED_TEST(ShareableLock, WhatIsAbandonedIsNotPublished) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.set(1));
  ASSERT_TRUE(own.lock());
  ASSERT_TRUE(own.set(2));
  own.abandon();
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(now_in(own), 1);
}

TYPED_TEST(ShareableLock, WithoutALockEachWriteIsPublishedAndEachReadLooks) {
  auto own = this->template make<int>();
  auto other = this->template make<int>();
  for (int i = 1; i < 5; ++i) {
    ASSERT_TRUE(own.set(i));
    EXPECT_EQ(now_in(other), i);
    EXPECT_EQ(own.serial(), static_cast<std::uint64_t>(i) + 1);
  }
}

// --- Locks as objects.

TYPED_TEST(ShareableLock, AWritingPublishesAtItsEnd) {
  auto own = this->template make<words>();
  auto other = this->template make<words>();
  {
    auto change = own.writable();
    ASSERT_TRUE(change);
    (**change)["a"] = 1;
    (*change)->emplace("b", 2);
    EXPECT_TRUE(now_in(other).empty());
    {
      auto inner = own.writable();
      ASSERT_TRUE(inner);
      (**inner)["c"] = 3;
    }
    EXPECT_EQ(own.locked(), mode::exclusive) << "each ends its own level";
    EXPECT_TRUE(now_in(other).empty());
  }
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(now_in(other).size(), 3U);
  EXPECT_FALSE(own.failure());
}

TYPED_TEST(ShareableLock, AWritingThatAnExceptionEndsPublishesNothing) {
  auto own = this->template make<int>();
  ASSERT_TRUE(own.set(1));
  const auto throws = [&own] {
    auto change = own.writable();
    **change = 2;
    throw std::runtime_error("no");
  };
  EXPECT_THROW(throws(), std::runtime_error);
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(now_in(own), 1);
}

TYPED_TEST(ShareableLock, AWritingInsideAReadingGoesBackToIt) {
  auto own = this->template make<int>();
  {
    auto seen = own.readable();
    ASSERT_TRUE(seen);
    {
      auto change = own.writable();
      ASSERT_TRUE(change);
      **change = 4;
    }
    EXPECT_EQ(own.locked(), mode::shared);
    EXPECT_EQ(**seen, 4);
    {
      auto change = own.writable();
      ASSERT_TRUE(change);
      auto inner = own.readable();
      EXPECT_EQ(own.locked(), mode::exclusive);
    }
    EXPECT_EQ(own.locked(), mode::shared);
  }
  EXPECT_FALSE(own.locked());
}

TYPED_TEST(ShareableLock, AWritingInsideAReadingOfWhatIsRemovedMeanwhileIsTold) {
  if constexpr (convertible_lock<typename TypeParam::lock>) {
    auto own = this->template make<int>();
    {
      auto seen = own.readable().value();
      {
        auto change = own.writable().value();
        *change = 5;
        auto remover = child::start([&] {
          auto its = this->template make<int>();
          EXPECT_TRUE(its.remove());
        });
        EXPECT_EQ(remover.wait(), exited(0));
      }
      ASSERT_TRUE(own.failure());
      EXPECT_EQ(own.failure()->code, errc::not_found);
    }
    EXPECT_FALSE(own.locked());
    EXPECT_EQ(outcome(own.get()), "not_found");
  }
}

TYPED_TEST(ShareableLock, ADowngradeOfWhatHasBeenRemovedIsTold) {
  if constexpr (convertible_lock<typename TypeParam::lock>) {
    auto own = this->template make<int>();
    ASSERT_TRUE(own.lock());
    auto remover = child::start([&] {
      auto its = this->template make<int>();
      EXPECT_TRUE(its.remove());
    });
    EXPECT_EQ(remover.wait(), exited(0));
    // Where the lock has gone, too; else there is one still, of nothing.
    const bool has_lock = TypeParam::lock::name != "sysv_semaphore";
    EXPECT_EQ(outcome(own.lock(mode::shared, deadline::none())), has_lock ? "ok" : "not_found");
    EXPECT_EQ(own.locked(), has_lock ? std::optional(mode::shared) : std::nullopt);
    EXPECT_TRUE(own.unlock());
    EXPECT_EQ(outcome(own.lock()), "not_found");
    EXPECT_EQ(outcome(own.get()), "not_found");
  }
}

TYPED_TEST(ShareableLock, AWritingSaysWhyItCouldNotPublish) {
  auto own = this->template make<std::string>({.limit = 100});
  ASSERT_TRUE(own.set("old"));
  {
    auto change = own.writable();
    **change = std::string(1000, 'x');
  }
  ASSERT_TRUE(own.failure());
  EXPECT_EQ(own.failure()->code, errc::no_space);
  EXPECT_FALSE(own.locked());
  EXPECT_EQ(now_in(own), "old");
  auto change = own.writable();
  **change = std::string(1000, 'x');
  EXPECT_EQ(outcome(change->unlock()), "no_space");
  EXPECT_EQ(now_in(own), "old");
}

TYPED_TEST(ShareableLock, AWritingThatCouldPublishSaysSo) {
  auto own = this->template make<std::string>({.limit = 100});
  {
    auto change = own.writable();
    **change = std::string(1000, 'x');
  }
  ASSERT_TRUE(own.failure());
  {
    auto change = own.writable();
    **change = "short";
  }
  EXPECT_FALSE(own.failure()) << own.failure()->message();
  EXPECT_EQ(now_in(own), "short");
}

// --- Iterating.

TYPED_TEST(ShareableLock, OneThatIteratesReadsOnce) {
  auto own = this->template make<words>();
  ASSERT_TRUE(own.set({{"a", 1}, {"b", 2}, {"c", 3}}));
  auto other = this->template make<words>();
  words seen;
  const auto done = own.each([&](const std::string& key, int value) {
    if (key == "a") {
      EXPECT_TRUE(other.set({{"b", 20}, {"d", 40}}));
    }
    EXPECT_EQ(**own.at(key), value) << "the element that it is at";
    seen[key] = value;
  });
  ASSERT_TRUE(done);
  EXPECT_TRUE(*done) << "it got to the end";
  EXPECT_EQ(seen, (words{{"a", 1}, {"b", 2}, {"c", 3}}));
  EXPECT_EQ(now_in(own), (words{{"b", 20}, {"d", 40}}));
}

TYPED_TEST(ShareableLock, AnAssignmentOrAnotherElementEndsAnIteration) {
  auto own = this->template make<words>();
  auto other = this->template make<words>();
  const std::vector<std::function<void()>> ends{
      [&] { EXPECT_TRUE(own.set({{"x", 1}})); },
      [&] { EXPECT_TRUE(own.update([](words& all) { all["y"] = 1; })); },
      [&] {
        EXPECT_TRUE(other.update([](words& all) { all["b"] = 20; }));
        EXPECT_EQ(**own.at("b"), 20) << "which is read as of now";
      },
      [&] { EXPECT_EQ(now_in(own).size(), 3U); },
      [&] { EXPECT_EQ(*own.at("z"), nullptr); },
      [&] { EXPECT_TRUE(own.lock(mode::shared)); },
  };
  for (const auto& end : ends) {
    ASSERT_TRUE(own.set({{"a", 1}, {"b", 2}, {"c", 3}}));
    int visits = 0;
    const auto done = own.each([&](const std::string&, int) {
      ++visits;
      end();
    });
    ASSERT_TRUE(done);
    EXPECT_FALSE(*done);
    EXPECT_EQ(visits, 1);
    ASSERT_TRUE(own.unlock());
  }
}

TYPED_TEST(ShareableLock, UnderALockReadingDoesNotEndAnIteration) {
  auto own = this->template make<words>();
  ASSERT_TRUE(own.set({{"a", 1}, {"b", 2}}));
  ASSERT_TRUE(own.lock(mode::shared));
  int visits = 0;
  EXPECT_TRUE(*own.each([&](const std::string&, int) {
    ++visits;
    EXPECT_EQ(**own.at("b"), 2);
    EXPECT_EQ(now_in(own).size(), 2U);
  }));
  EXPECT_EQ(visits, 2);
}

TYPED_TEST(ShareableLock, SequencesAreIteratedByIndex) {
  auto own = this->template make<std::vector<int>>();
  ASSERT_TRUE(own.set({10, 20, 30}));
  std::size_t expected = 0;
  EXPECT_TRUE(*own.each([&](std::size_t index, int value) {
    EXPECT_EQ(index, expected++);
    EXPECT_EQ(**own.at(index), value);
  }));
  EXPECT_EQ(expected, 3U);
  EXPECT_EQ(*own.at(3), nullptr);
}

TYPED_TEST(ShareableLock, WhatIsChangedThroughAWritingEndsAnIteration) {
  auto own = this->template make<std::vector<int>>();
  auto change = own.writable().value();
  *change = {1, 2, 3};
  int visits = 0;
  const auto done = own.each([&](std::size_t, int) {
    ++visits;
    change->at(0) = 9;
  });
  ASSERT_TRUE(done);
  EXPECT_FALSE(*done);
  EXPECT_EQ(visits, 1);
}

// --- Who does not lock.

TYPED_TEST(ShareableLock, NobodyIsForcedToLock) {
  auto own = this->template make<int>();
  for (const auto how : {mode::exclusive, mode::shared}) {
    ASSERT_TRUE(own.set(1));
    ASSERT_TRUE(own.lock(how));
    auto peer = child::start([&] {
      auto its = this->template make<int>();
      EXPECT_EQ(now_in(its), 1);
      EXPECT_TRUE(its.set(2));
      EXPECT_EQ(now_in(its), 2);
    });
    EXPECT_EQ(peer.wait(), exited(0));
    ASSERT_TRUE(own.unlock());
    EXPECT_EQ(now_in(own), 2);
  }
}

TYPED_TEST(ShareableLock, EnforcedLocksRefuseWritesOfOthers) {  // conformance case 8
  auto own = this->template make<int>();
  auto other = this->template make<int>({.enforce = true});
  ASSERT_TRUE(own.set(1));
  for (const auto how : {mode::exclusive, mode::shared}) {
    ASSERT_TRUE(own.lock(how));
    const auto refused_before = other.refused_writes();
    EXPECT_EQ(outcome(other.set(2)), "would_block");
    EXPECT_EQ(outcome(other.update([](int& n) { ++n; })), "would_block");
    EXPECT_EQ(other.refused_writes(), refused_before + 2);
    ASSERT_TRUE(own.unlock());
    EXPECT_EQ(now_in(other), 1);
  }
  EXPECT_TRUE(other.set(2)) << "after the release";
  EXPECT_EQ(now_in(own), 2);
  EXPECT_EQ(other.refused_writes(), 4U) << "each was reported once";
}

TYPED_TEST(ShareableLock, EnforcedLocksRefuseWritesUnderOnesOwnSharedLock) {  // conformance case 8
  auto own = this->template make<int>({.enforce = true});
  ASSERT_TRUE(own.set(1));
  ASSERT_TRUE(own.lock(mode::shared));
  EXPECT_EQ(outcome(own.set(2)), "would_block");
  EXPECT_EQ(now_in(own), 1);
  ASSERT_TRUE(own.unlock());
  EXPECT_EQ(now_in(own), 1);
  EXPECT_EQ(own.refused_writes(), 1U);
  EXPECT_TRUE(own.set(2));
  ASSERT_TRUE(own.lock(mode::exclusive));
  EXPECT_TRUE(own.set(3));
  ASSERT_TRUE(own.unlock());
  EXPECT_EQ(now_in(own), 3);
}

TYPED_TEST(ShareableLock, WhereLocksAreEnforcedUnlockedReadsAreCounted) {
  auto own = this->template make<int>();
  auto other = this->template make<int>({.enforce = true});
  EXPECT_EQ(now_in(other), 0);
  ASSERT_TRUE(own.lock());
  EXPECT_EQ(now_in(other), 0) << "it is read all the same";
  EXPECT_EQ(other.unlocked_reads(), 1U);
  ASSERT_TRUE(own.lock(mode::shared));
  EXPECT_EQ(now_in(other), 0);
  EXPECT_EQ(other.unlocked_reads(), 1U) << "readers do not disturb each other";
  EXPECT_EQ(own.unlocked_reads(), 0U);
}

TYPED_TEST(ShareableLock, WhereLocksAreEnforcedWhoOnlyReadsHoldsNobodyUp) {
  constexpr int rounds = 20000;
  auto own = this->template make<int>({.enforce = true});
  auto locking = this->template make<int>();
  steps step;
  auto reader = child::start([&] {
    auto its = this->template make<int>({.enforce = true});
    step.reach(1);
    while (step.now() < 2) ASSERT_TRUE(its.get());
  });
  step.await(1);
  int refused = 0;
  int busy = 0;
  for (int i = 0; i < rounds; ++i) {
    if (!own.set(i)) ++refused;
    const auto locked = locking.lock(mode::exclusive, deadline::none());
    if (!locked) ++busy;
    ASSERT_TRUE(locking.unlock());
  }
  step.reach(2);
  EXPECT_EQ(reader.wait(), exited(0));
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(own.refused_writes(), 0U);
  EXPECT_EQ(busy, 0);
}

TYPED_TEST(ShareableLock, AWriteUnderTheSharedLockIsPublishedAtOnce) {
  auto own = this->template make<int>();
  auto other = this->template make<int>();
  ASSERT_TRUE(own.lock(mode::shared));
  ASSERT_TRUE(own.set(5));
  EXPECT_EQ(now_in(other), 5);
  EXPECT_EQ(now_in(own), 5);
}

}  // namespace
}  // namespace shmark

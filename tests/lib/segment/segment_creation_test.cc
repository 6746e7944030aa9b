// First creation (open_or_create): once, whole, and whoever dies meanwhile.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <vector>

#include "lib/base/random.h"
#include "lib/segment/segment.h"
#include "tests/lib/segment/segments.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::killed_by;
using support::steps;

constexpr mode_t owner_only = 0600;
constexpr std::size_t size = 16384;
constexpr std::uint32_t how_many = size / sizeof(std::uint32_t);
constexpr std::uint32_t content = 0x5eed;

// Fills it number by number, and counts: calls, and numbers written in all of them.
struct filling {
  steps begun;
  steps written;

  std::expected<void, error> operator()(std::span<std::byte> fresh) {
    begun.add();
    EXPECT_TRUE(std::ranges::all_of(fresh, [](std::byte b) { return b == std::byte{0}; }))
        << "not zero-filled";
    const std::span values(reinterpret_cast<std::uint32_t*>(fresh.data()), how_many);
    for (auto& value : values) {
      value = content;
      written.add();
    }
    return {};
  }
};

template <class S>
class SegmentCreation : public ::testing::Test {
 protected:
  // Attaches or makes it, and looks at what is in it.
  void expect_whole(std::function<std::expected<void, error>(std::span<std::byte>)> init) {
    const auto opened = S::open_or_create(key_, size, owner_only, init);
    ASSERT_TRUE(opened) << opened.error().message();
    const auto found = numbers(*opened);
    EXPECT_EQ(found.size(), how_many);
    EXPECT_EQ(std::ranges::count(found, content), std::ptrdiff_t{how_many}) << "unfinished";
  }
  void expect_whole() { expect_whole(std::ref(init_)); }

  // A process that is making it, and will not get further.
  child start_stuck_maker() {
    steps inside;
    auto maker = child::start([&] {
      [[maybe_unused]] const auto never =
          S::open_or_create(key_, size, owner_only, [&](auto fresh) -> std::expected<void, error> {
            std::ranges::fill(fresh.first(100), std::byte{1});
            inside.reach(1);
            for (;;) pause();
          });
    });
    inside.await(1);
    return maker;
  }

  own_key<S> key_;
  filling init_;
};
TYPED_TEST_SUITE(SegmentCreation, named_segments, name_of_segment);

TYPED_TEST(SegmentCreation, MakesItOnceAndAttachesItThen) {
  this->expect_whole();
  this->expect_whole();
  EXPECT_EQ(this->init_.begun.now(), 1u);
  const auto attached = TypeParam::attach(this->key_);
  ASSERT_TRUE(attached);
  EXPECT_EQ(numbers(*attached)[0], content);
}

TYPED_TEST(SegmentCreation, KeepsTheSizeOfTheOneThatIsThere) {
  this->expect_whole();
  const auto opened =
      TypeParam::open_or_create(this->key_, 16 * size, owner_only, std::ref(this->init_));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->bytes().size(), size);
}

TYPED_TEST(SegmentCreation, OfManyAtOnceOneMakesItAndAllSeeItWhole) {
  constexpr int processes = 6;
  constexpr int rounds = 20;
  for (int round = 0; round < rounds; ++round) {
    own_key<TypeParam> key;
    filling init;
    steps start;
    std::vector<child> all;
    for (int i = 0; i < processes; ++i) {
      all.push_back(child::start([&] {
        start.meet(processes);
        const auto opened = TypeParam::open_or_create(key, size, owner_only, std::ref(init));
        ASSERT_TRUE(opened) << opened.error().message();
        EXPECT_EQ(std::ranges::count(numbers(*opened), content), std::ptrdiff_t{how_many});
      }));
    }
    for (auto& one : all) ASSERT_EQ(one.wait(), exited(0));
    ASSERT_EQ(init.begun.now(), 1u);
  }
}

TYPED_TEST(SegmentCreation, CannotBeAttachedBeforeItIsWhole) {
  auto maker = this->start_stuck_maker();
  EXPECT_EQ(outcome(TypeParam::attach(this->key_)), "not_found");
  EXPECT_EQ(outcome(TypeParam::create(this->key_, size, owner_only)), "exists");
  maker.kill();
  EXPECT_EQ(outcome(TypeParam::attach(this->key_)), "not_found");
}

TYPED_TEST(SegmentCreation, BeginsAnewAfterAMakerWasKilled) {
  this->start_stuck_maker().kill();
  this->expect_whole();
  EXPECT_EQ(this->init_.begun.now(), 1u);
}

TYPED_TEST(SegmentCreation, BeginsAnewAfterAMakerWasKilledAndNotReaped) {
  auto maker = this->start_stuck_maker();
  maker.kill_without_reaping();
  this->expect_whole();
}

TYPED_TEST(SegmentCreation, IsTakenOverByOneThatWaitsWhenTheMakerIsKilled) {
  auto maker = this->start_stuck_maker();
  steps step;
  auto waiter = child::start([&] {
    step.reach(1);
    this->expect_whole();
  });
  step.await(1);
  waiter.await_asleep();
  EXPECT_EQ(this->init_.begun.now(), 0u) << "did not wait for the maker";
  maker.kill();
  EXPECT_EQ(waiter.wait(), exited(0));
  EXPECT_EQ(this->init_.begun.now(), 1u);
}

TYPED_TEST(SegmentCreation, WaitsForAStoppedMaker) {
  steps inside;
  steps go_on;
  auto maker = child::start([&] {
    this->expect_whole([&](auto fresh) {
      inside.reach(1);
      go_on.await(1);
      return this->init_(fresh);
    });
  });
  inside.await(1);
  maker.stop();
  steps step;
  auto waiter = child::start([&] {
    step.reach(1);
    this->expect_whole();
  });
  step.await(1);
  waiter.await_asleep();
  maker.resume();
  go_on.reach(1);
  EXPECT_EQ(maker.wait(), exited(0));
  EXPECT_EQ(waiter.wait(), exited(0));
  EXPECT_EQ(this->init_.begun.now(), 1u);
}

TYPED_TEST(SegmentCreation, LeavesNothingWhenInitFails) {
  const auto opened =
      TypeParam::open_or_create(this->key_, size, owner_only, [](std::span<std::byte> fresh) {
        fresh[0] = std::byte{1};
        return std::expected<void, error>(failure(errc::corrupt, "test", "on purpose"));
      });
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, errc::corrupt);
  EXPECT_EQ(opened.error().object.view(), "on purpose");
  EXPECT_EQ(outcome(TypeParam::remove(this->key_)), "not_found");
  this->expect_whole();
}

TYPED_TEST(SegmentCreation, AnotherTriesWhenInitFailsWhileItWaits) {
  steps inside;
  steps go_on;
  auto failing = child::start([&] {
    const auto opened = TypeParam::open_or_create(
        this->key_, size, owner_only, [&](auto) -> std::expected<void, error> {
          inside.reach(1);
          go_on.await(1);
          return failure(errc::corrupt, "test", "on purpose");
        });
    EXPECT_EQ(outcome(opened), "corrupt");
  });
  inside.await(1);
  steps step;
  auto waiter = child::start([&] {
    step.reach(1);
    this->expect_whole();
  });
  step.await(1);
  waiter.await_asleep();
  go_on.reach(1);
  EXPECT_EQ(failing.wait(), exited(0));
  EXPECT_EQ(waiter.wait(), exited(0));
  EXPECT_EQ(outcome(TypeParam::attach(this->key_)), "ok") << "what it made has no name";
}

TYPED_TEST(SegmentCreation, LeavesNothingWhenItDoesNotFit) {
  const auto opened = TypeParam::open_or_create(
      this->key_, 0, owner_only, [](auto) -> std::expected<void, error> { return {}; });
  EXPECT_EQ(outcome(opened), "invalid");
  EXPECT_EQ(outcome(TypeParam::remove(this->key_)), "not_found");
}

TYPED_TEST(SegmentCreation, IsWholeWhicheverMakerIsKilledWhenever) {
  constexpr std::uint64_t seed = 21;
  random_source random(seed);
  for (int round = 0; round < 30; ++round) {
    own_key<TypeParam> key;
    filling init;
    const auto body = [&] {
      const auto opened = TypeParam::open_or_create(key, size, owner_only, std::ref(init));
      ASSERT_TRUE(opened) << opened.error().message();
      EXPECT_EQ(std::ranges::count(numbers(*opened), content), std::ptrdiff_t{how_many});
    };
    auto victim = child::start(body);
    auto second = child::start(body);
    auto third = child::start(body);
    init.written.await(1 + random.below(how_many));
    victim.kill();
    ASSERT_EQ(second.wait(), exited(0)) << "round " << round;
    ASSERT_EQ(third.wait(), exited(0)) << "round " << round;
  }
}

}  // namespace
}  // namespace shmark

// What stores promise as long as nobody dies (see lib/store/store.h).

#include "lib/store/store.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "tests/lib/store/stores.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::killed_by;
using support::shared;
using support::steps;

constexpr std::size_t capacity = store_options{}.capacity;

template <class Kind>
class Store : public store_test<Kind> {};
TYPED_TEST_SUITE(Store, all_stores, name_of_store);

// --- One value.

TYPED_TEST(Store, IsEmptyUntilSomebodyHasWritten) {
  auto made = this->create();
  EXPECT_EQ(read_all(made), bytes());
  const auto now = stats_of(made);
  EXPECT_EQ(now.serial, 1U);
  EXPECT_EQ(now.length, 0U);
  EXPECT_EQ(now.recoveries, 0U);
}

TYPED_TEST(Store, GivesBackWhatWasWrittenWhateverItsSize) {
  auto writer = this->create();
  auto reader = this->open();
  std::uint64_t seed = 0;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{0}, std::size_t{255}, capacity - 1, capacity, capacity + 1,
        2 * capacity - 64, 2 * capacity, std::size_t{1} << 20, std::size_t{3}, capacity + 7}) {
    const auto value = value_of(++seed, size);
    must_write(writer, value);
    EXPECT_EQ(read_all(reader), value) << size << " bytes";
    EXPECT_EQ(stats_of(reader).length, size);
  }
}

TYPED_TEST(Store, TakesAValueInPieces) {
  auto made = this->create();
  const auto value = value_of(1, 100'000);
  auto change = made.write();
  ASSERT_TRUE(change);
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t piece = std::min(at % 1000 + 1, value.size() - at);
    change->output().write(value.data() + at, piece);
    at += piece;
  }
  ASSERT_TRUE(change->commit());
  EXPECT_TRUE(std::ranges::equal(change->bytes(), value));
  change = std::unexpected(error{});
  EXPECT_EQ(read_all(made), value);
}

TYPED_TEST(Store, IsThereForAnotherProcess) {
  auto made = this->create();
  must_write(made, value_of(1, 20'000));
  auto peer = child::start([&] {
    auto own = this->open();
    EXPECT_EQ(seed_of(read_all(own)), 1U);
    must_write(own, value_of(2, 30'000));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(read_all(made), value_of(2, 30'000));
}

TYPED_TEST(Store, AValueUpToTheCapacityNeedsNoSegmentOfItsOwn) {
  auto made = this->create({.capacity = 100'000});
  const auto before = stats_of(made).allocated;
  must_write(made, value_of(1, 100'000));
  must_write(made, value_of(2, 100'000));
  EXPECT_EQ(stats_of(made).allocated, before);
  EXPECT_EQ(read_all(made), value_of(2, 100'000));
}

TYPED_TEST(Store, AValueBeyondTheLimitLeavesTheOldOne) {
  auto made = this->create({.capacity = 256, .limit = 1000});
  must_write(made, value_of(1, 1000));
  EXPECT_EQ(outcome(write_all(made, value_of(2, 1001))), "no_space");
  EXPECT_EQ(read_all(made), value_of(1, 1000));
  auto small = TypeParam::store::attach(this->key()).value();
  EXPECT_EQ(outcome(write_all(small, value_of(2, 5000))), "no_space") << "for whoever opens it";
  auto change = made.write().value();
  change.output().write(value_of(3, 993).data(), 993);
  const std::array<std::uint64_t, 1> one{5};
  EXPECT_EQ(outcome(change.commit(one)), "no_space") << "references count";
  change.output().write(value_of(3, 992).data(), 992);
  EXPECT_TRUE(change.commit(one));
}

TYPED_TEST(Store, ALimitBelowTheCapacityHolds) {
  auto made = this->create({.capacity = 4096, .limit = 100});
  EXPECT_EQ(outcome(write_all(made, value_of(2, 101))), "no_space");
  must_write(made, value_of(1, 100));
}

// --- References.

// Publishes a value that refers to these.
template <class Store>
void must_refer(Store& from, std::size_t size, const std::vector<std::uint64_t>& to) {
  auto change = from.write().value();
  const auto value = value_of(1, size);
  change.output().write(value.data(), value.size());
  const auto done = change.commit(to);
  if (!done) ADD_FAILURE() << done.error().message();
  EXPECT_EQ(change.references().copy(), to);
  EXPECT_TRUE(std::ranges::equal(change.bytes(), value));
}

TYPED_TEST(Store, ReferencesArePublishedWithTheValue) {
  auto made = this->create({.capacity = 256});
  for (const std::size_t size : {0U, 1U, 239U, 240U, 241U, 256U, 5000U, 10U}) {
    must_refer(made, size, {7, 9});
    EXPECT_EQ(made.read()->references().copy(), (std::vector<std::uint64_t>{7, 9})) << size;
    EXPECT_EQ(read_all(made), value_of(1, size));
    EXPECT_EQ(stats_of(made).length, size);
    EXPECT_EQ(stats_of(made).references, 2U);
    EXPECT_EQ(TypeParam::store::links_of(this->key())->references.size(), 2U);
  }
  must_write(made, value_of(2, 10));
  EXPECT_TRUE(made.read()->references().empty());
  EXPECT_TRUE(TypeParam::store::links_of(this->key())->references.empty());
}

TYPED_TEST(Store, ManyReferencesNeedRoomAsAValueDoes) {
  auto made = this->create({.capacity = 256});
  std::vector<std::uint64_t> many(1000);
  std::iota(many.begin(), many.end(), 1);
  must_refer(made, 10, many);
  must_refer(made, 20, many);
  EXPECT_EQ(made.read()->references().copy(), many);
  must_write(made, value_of(2, 10));
  must_write(made, value_of(2, 10));
  EXPECT_LT(stats_of(made).allocated, 10'000U) << "the room was given back";
}

TYPED_TEST(Store, ReferencesThatDoNotFitTheirSegmentAreCorrupt) {
  auto made = this->create({.capacity = 256});
  must_refer(made, 10, {1, 2});
  const auto raw = TypeParam::segment::attach(this->key()).value();
  auto* block = reinterpret_cast<detail::control*>(raw.bytes().data());
  for (const std::uint64_t count :
       {std::uint64_t{31}, ~std::uint64_t{0}, std::uint64_t{1} << 61U}) {
    block->sides[0].references = count;
    EXPECT_EQ(outcome(made.read()), "corrupt") << count;
    EXPECT_EQ(outcome(TypeParam::store::links_of(this->key())), "corrupt") << count;
  }
  block->sides[0].references = 1;
  EXPECT_EQ(outcome(made.read()), "corrupt") << "the checksum is of all of them";
}

TYPED_TEST(Store, CountsItsReferrers) {
  auto made = this->create();
  made.add_referrer();
  made.add_referrer();
  EXPECT_EQ(stats_of(made).referrers, 2U);
  EXPECT_EQ(TypeParam::store::drop_referrer(this->key()), 1U);
  EXPECT_EQ(TypeParam::store::drop_referrer(this->key()), 0U);
  EXPECT_EQ(TypeParam::store::drop_referrer(this->key()), 0U) << "never below none";
  EXPECT_TRUE(TypeParam::store::set_links(this->key(), 5, true));
  EXPECT_EQ(TypeParam::store::links_of(this->key())->referrers, 5U);
  EXPECT_TRUE(made.is_unnamed());
}

TYPED_TEST(Store, TellsWhetherItHasBeenOpenedSinceItWasWatched) {
  using store_type = typename TypeParam::store;
  auto made = this->create();
  must_refer(made, 10, {4});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(store_type::watch(this->key())->references, std::vector<std::uint64_t>{4});
    must_write(made, value_of(1, 10));
    must_refer(made, 10, {4});
    EXPECT_EQ(store_type::links_of(this->key())->referrers, 0U);
    EXPECT_FALSE(store_type::was_opened(this->key()).value());
    EXPECT_TRUE(store_type::attach(this->key()));
    EXPECT_TRUE(store_type::was_opened(this->key()).value());
  }
}

TYPED_TEST(Store, ARemovalIsDecidedUponWithTheLockHeld) {
  using store_type = typename TypeParam::store;
  auto made = this->create({.tag = 9});
  EXPECT_EQ(made.tag(), 9U);
  must_refer(made, 10, {4});
  bool is_to_go = false;
  const auto decide = [&](const typename store_type::candidate& it) -> std::expected<bool, error> {
    EXPECT_EQ(it.references().copy(), std::vector<std::uint64_t>{4});
    EXPECT_EQ(it.referrers(), 0U);
    made.add_referrer();
    EXPECT_EQ(it.referrers(), 1U) << "as of now";
    EXPECT_TRUE(store_type::drop_referrer(this->key()));
    EXPECT_FALSE(made.is_unnamed());
    it.set_unnamed();
    EXPECT_TRUE(made.is_unnamed());
    EXPECT_TRUE(store_type::set_links(this->key(), 0, false));
    auto peer = this->open();
    EXPECT_FALSE(peer.read(deadline::none())) << "the lock is held";
    return is_to_go;
  };
  EXPECT_TRUE(store_type::remove(this->key(), deadline::none(), decide));
  EXPECT_EQ(read_all(made), value_of(1, 10));
  is_to_go = true;
  EXPECT_TRUE(store_type::remove(this->key(), deadline::none(), decide));
  EXPECT_EQ(outcome(made.read()), "not_found");
}

// --- The serial number.

TYPED_TEST(Store, CountsEachCommitAndNothingElse) {
  auto made = this->create();
  for (std::uint64_t serial = 1; serial < 10; ++serial) {
    EXPECT_EQ(stats_of(made).serial, serial);
    {
      auto abandoned = made.write();
      ASSERT_TRUE(abandoned);
      const auto value = value_of(99, 300 * serial);
      abandoned->output().write(value.data(), value.size());
    }
    EXPECT_EQ(stats_of(made).serial, serial);
    must_write(made, value_of(serial, 100));
  }
}

TYPED_TEST(Store, AnAbandonedTransactionChangesNothing) {
  auto made = this->create();
  for (const std::size_t size : {std::size_t{100}, std::size_t{20'000}}) {
    must_write(made, value_of(1, size));
    const auto word = made.word();
    for (const std::size_t other : {std::size_t{50}, capacity, std::size_t{50'000}}) {
      auto abandoned = made.write();
      ASSERT_TRUE(abandoned);
      const auto value = value_of(2, other);
      abandoned->output().write(value.data(), value.size());
      abandoned = std::unexpected(error{});
      EXPECT_EQ(read_all(made), value_of(1, size));
      EXPECT_EQ(made.word(), word) << "a copy decoded before would be good still";
    }
  }
}

TYPED_TEST(Store, ATransactionMayPublishSeveralTimes) {
  auto made = this->create();
  auto change = made.write();
  ASSERT_TRUE(change);
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const auto value = value_of(seed, seed * 3000);
    change->output().write(value.data(), value.size());
    ASSERT_TRUE(change->commit());
    EXPECT_TRUE(std::ranges::equal(change->bytes(), value));
    EXPECT_EQ(change->word(), (1 + seed) << 1);
  }
  const auto dropped = value_of(7, 9000);
  change->output().write(dropped.data(), dropped.size());
  change = std::unexpected(error{});
  EXPECT_EQ(read_all(made), value_of(6, 18'000));
  EXPECT_EQ(stats_of(made).serial, 7U);
}

TYPED_TEST(Store, TheWordTellsWhetherAnythingHasChangedOrMayBeChanging) {
  auto made = this->create();
  auto peer = this->open();
  const auto before = peer.word();
  EXPECT_EQ(before & 1, 0U);
  auto change = made.write();
  ASSERT_TRUE(change);
  EXPECT_EQ(peer.word(), before | 1) << "somebody is writing";
  change->output().write("x", 1);
  ASSERT_TRUE(change->commit());
  EXPECT_EQ(peer.word(), before + 2);
  static_cast<void>(change->output());
  EXPECT_EQ(peer.word(), (before + 2) | 1) << "and again";
  change = std::unexpected(error{});
  EXPECT_EQ(peer.word(), before + 2);
}

TYPED_TEST(Store, ATransactionThatIsMovedIsStillOne) {
  auto made = this->create();
  {
    auto first = made.write();
    ASSERT_TRUE(first);
    const auto value = value_of(1, 10'000);
    first->output().write(value.data(), value.size());
    auto second = *std::move(first);
    first = std::unexpected(error{});
    EXPECT_EQ(made.word() & 1, 1U);
    ASSERT_TRUE(second.commit());
  }
  EXPECT_EQ(read_all(made), value_of(1, 10'000));
}

// --- Growing and shrinking.

TYPED_TEST(Store, GrowsAndShrinksWithItsValue) {
  auto made = this->create({.capacity = 4096});
  const auto small = stats_of(made).allocated;
  must_write(made, value_of(1, 10'000));
  EXPECT_EQ(stats_of(made).length, 10'000U);
  const auto grown = stats_of(made).allocated;
  EXPECT_GE(grown, small + 10'000);
  must_write(made, value_of(2, 1));
  EXPECT_EQ(stats_of(made).length, 1U);
  EXPECT_EQ(stats_of(made).allocated, small) << "both sides are back in their buffers";
}

TYPED_TEST(Store, GivesBackAfterTwoWritesWhatALargeValueHasTaken) {
  auto made = this->create({.capacity = 256});
  for (int i = 0; i < 2; ++i) must_write(made, value_of(1, 1 << 20));
  for (int i = 0; i < 2; ++i) must_write(made, value_of(2, 1000));
  EXPECT_LT(stats_of(made).allocated, 20'000U);
  EXPECT_EQ(read_all(made), value_of(2, 1000));
}

TYPED_TEST(Store, PeersFollowAValueThatMovesFromSegmentToSegment) {
  auto made = this->create({.capacity = 256});
  steps step;
  constexpr std::uint32_t rounds = 60;
  const auto size = [](std::uint32_t round) { return std::size_t{16} << (round * 7 % 12); };
  auto peer = child::start([&] {
    auto own = this->open();
    for (std::uint32_t round = 1; round <= rounds; ++round) {
      step.await(2 * round - 1);
      EXPECT_EQ(read_all(own), value_of(round, size(round))) << "round " << round;
      if (round % 3 == 0) must_write(own, value_of(round + 1000, size(round + 5)));
      step.reach(2 * round);
    }
  });
  for (std::uint32_t round = 1; round <= rounds; ++round) {
    must_write(made, value_of(round, size(round)));
    step.reach(2 * round - 1);
    step.await(2 * round);
    const bool answered = round % 3 == 0;
    EXPECT_EQ(read_all(made),
              answered ? value_of(round + 1000, size(round + 5)) : value_of(round, size(round)));
  }
  EXPECT_EQ(peer.wait(), exited(0));
}

// --- No memory.

TYPED_TEST(Store, AValueThatDoesNotFitLeavesTheOldOne) {
  auto made = this->create({.capacity = 512});
  must_write(made, value_of(1, 10'000));
  auto own = this->open_mortal();
  {
    const small_machine machine(20'000);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(outcome(write_all(own, value_of(2, 50'000))), "no_space");
      EXPECT_EQ(read_all(own), value_of(1, 10'000));
    }
    EXPECT_EQ(stats_of(own).serial, 2U);
    must_write(own, value_of(3, 16'000));
    EXPECT_EQ(read_all(own), value_of(3, 16'000));
  }
  must_write(own, value_of(4, 50'000));
  EXPECT_EQ(read_all(made), value_of(4, 50'000));
}

TYPED_TEST(Store, GrowingSettlesForWhatIsEnough) {
  auto made = this->create({.capacity = 512});
  for (int i = 0; i < 2; ++i) must_write(made, value_of(1, 10'000));
  auto own = this->open_mortal();
  const small_machine machine(20'000);
  must_write(own, value_of(2, 16'000));  // twice what the side has would be too much
  EXPECT_EQ(read_all(made), value_of(2, 16'000));
}

TYPED_TEST(Store, ATransactionGoesOnAfterAValueThatDidNotFit) {
  auto made = this->create({.capacity = 512});
  must_write(made, value_of(1, 10'000));
  auto own = this->open_mortal();
  const small_machine machine(20'000);
  for (const std::size_t size : {std::size_t{300}, std::size_t{9'000}}) {
    auto change = own.write();
    ASSERT_TRUE(change);
    const auto large = value_of(2, 50'000);
    change->output().write(large.data(), 9'000);
    change->output().write(large.data() + 9'000, 41'000);
    EXPECT_EQ(outcome(change->commit()), "no_space");
    const auto value = value_of(size, size);
    change->output().write(value.data(), value.size());
    ASSERT_TRUE(change->commit());
    change = std::unexpected(error{});
    EXPECT_EQ(read_all(made), value);
  }
}

// A regression: what was written after clear() went where no reader looks.
TYPED_TEST(Store, AnOutputThatIsClearedAfterItDidNotFitIsPublishedLikeAnyOther) {
  auto made = this->create({.capacity = 512});
  for (const std::size_t size : {std::size_t{100}, std::size_t{4'000}, std::size_t{9'000}}) {
    for (int i = 0; i < 2; ++i) must_write(made, value_of(1, 10'000));  // a segment for each side
    auto own = this->open_mortal();
    const small_machine machine(20'000);
    auto change = own.write();
    ASSERT_TRUE(change);
    const auto large = value_of(2, 50'000);
    change->output().write(large.data(), 9'000);
    change->output().write(large.data() + 9'000, 41'000);
    EXPECT_TRUE(change->output().failure());
    change->output().clear();
    const auto value = value_of(size, size);
    change->output().write(value.data(), value.size());
    ASSERT_TRUE(change->commit());
    change = std::unexpected(error{});
    EXPECT_EQ(read_all(own), value) << size << " bytes";
    EXPECT_EQ(read_all(made), value) << size << " bytes";
  }
}

TYPED_TEST(Store, WhatTheSystemRefusesLeavesTheOldValue) {
  if constexpr (TypeParam::segment::kind == "posix") {
    auto made = this->create();
    must_write(made, value_of(1, 10'000));
    auto limited = child::start([&] {
      signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{.rlim_cur = 100'000, .rlim_max = 100'000};
      ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
      auto own = this->open();
      EXPECT_FALSE(write_all(own, value_of(2, 200'000)));
      EXPECT_EQ(read_all(own), value_of(1, 10'000));
      must_write(own, value_of(3, 20'000));
    });
    EXPECT_EQ(limited.wait(), exited(0));
    EXPECT_EQ(read_all(made), value_of(3, 20'000));
  }
}

// --- Making and opening.

TYPED_TEST(Store, IsMadeOnce) {
  auto made = this->create();
  EXPECT_EQ(outcome(TypeParam::store::create(this->key(), {})), "exists");
}

TYPED_TEST(Store, IsNotThereUntilItIsMade) {
  EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "not_found");
  EXPECT_EQ(outcome(TypeParam::store::remove(this->key(), deadline::never())), "not_found");
}

TYPED_TEST(Store, OptionsOutsideTheirRangeAreRefused) {
  for (const std::size_t wrong : {std::size_t{0}, std::size_t{255}, std::size_t{1} << 63,
                                  (std::size_t{1} << 63) - 256, ~std::size_t{0}}) {
    EXPECT_EQ(outcome(TypeParam::store::create(this->key(), {.capacity = wrong})), "invalid");
    EXPECT_EQ(outcome(TypeParam::store::open_or_create(this->key(), {.capacity = wrong})),
              "invalid");
  }
  auto made = this->create({.capacity = 256});
  must_write(made, value_of(1, 300));
}

TYPED_TEST(Store, OneThatCannotBeMadeLeavesNothing) {
  {
    const small_machine machine(4096);
    EXPECT_EQ(outcome(TypeParam::mortal_store::create(this->key(), {.capacity = 8192})),
              "no_space");
  }
  for (const bool made : {false, true}) {
    const machine_without_locks machine(!made, made);
    EXPECT_EQ(outcome(TypeParam::mortal_store::create(this->key(), {})), "no_space");
  }
  const store_options with_two_locks{.has_advisory_lock = true};
  {
    const machine_with_one_lock machine;
    EXPECT_EQ(outcome(TypeParam::mortal_store::create(this->key(), with_two_locks)), "no_space");
  }
  {
    const machine_with_one_lock machine;
    EXPECT_EQ(outcome(TypeParam::mortal_store::open_or_create(this->key(), with_two_locks)),
              "no_space");
  }
  EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "not_found");
}

TYPED_TEST(Store, HoweverManyOpenOrCreateItIsMadeOnce) {
  constexpr std::uint32_t peers = 8;
  for (int round = 0; round < 20; ++round) {
    steps start;
    std::vector<child> crew;
    for (std::uint32_t i = 0; i < peers; ++i) {
      crew.push_back(child::start([&] {
        start.meet(peers);
        auto own = TypeParam::store::open_or_create(this->key(), {});
        ASSERT_TRUE(own) << own.error().message();
        auto change = own->write();
        ASSERT_TRUE(change);
        std::uint32_t count = 0;
        if (!change->bytes().empty()) std::memcpy(&count, change->bytes().data(), sizeof count);
        ++count;
        change->output().write(&count, sizeof count);
        ASSERT_TRUE(change->commit());
      }));
    }
    for (auto& peer : crew) EXPECT_EQ(peer.wait(), exited(0));
    auto made = this->open();
    std::uint32_t count = 0;
    std::memcpy(&count, read_all(made).data(), sizeof count);
    EXPECT_EQ(count, peers) << "some wrote to another store than this";
    EXPECT_EQ(stats_of(made).serial, 1 + peers);
    ASSERT_TRUE(TypeParam::store::remove(this->key(), deadline::never()));
  }
}

// --- Removing.

TYPED_TEST(Store, WhoeverHasARemovedOneOpenIsTold) {
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  auto idle = this->open();
  EXPECT_EQ(seed_of(read_all(idle)), 1U);
  steps step;
  auto peer = child::start([&] {
    auto own = this->open();
    const auto word = own.word();
    step.reach(1);
    step.await(2);
    EXPECT_NE(own.word(), word) << "no cached copy is good any more";
    EXPECT_EQ(outcome(own.read()), "not_found");
    EXPECT_EQ(outcome(own.write()), "not_found");
    EXPECT_EQ(outcome(own.stats()), "not_found");
    EXPECT_EQ(outcome(own.copy()), "not_found");
  });
  step.await(1);
  EXPECT_TRUE(TypeParam::store::remove(this->key(), deadline::never()));
  step.reach(2);
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(outcome(idle.read()), "not_found");
  EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "not_found");
  auto next = this->create();
  EXPECT_EQ(stats_of(next).serial, 1U) << "a new one has nothing of the old";
  EXPECT_EQ(outcome(idle.read()), "not_found") << "nor has the old anything of the new";
}

TYPED_TEST(Store, WhoeverWaitsForOneThatIsRemovedIsTold) {
  auto made = this->create();
  steps step;
  auto holder = made.write();
  ASSERT_TRUE(holder);
  auto waiter = child::start([&] {
    auto own = this->open();
    step.reach(1);
    EXPECT_EQ(outcome(own.read()), "not_found");
  });
  step.await(1);
  waiter.await_asleep();
  EXPECT_TRUE(holder->remove());
  EXPECT_EQ(waiter.wait(), exited(0));
}

TYPED_TEST(Store, RemovingWaitsForItsHolder) {
  auto made = this->create();
  steps step;
  auto holder = child::start([&] {
    auto own = this->open();
    auto change = own.write();
    ASSERT_TRUE(change);
    step.reach(1);
    step.await(2);
    change->output().write("x", 1);
    EXPECT_TRUE(change->commit());
  });
  step.await(1);
  EXPECT_EQ(outcome(TypeParam::store::remove(this->key(), deadline::none())), "would_block");
  EXPECT_EQ(outcome(TypeParam::store::remove(this->key(), deadline::after(1ms))), "timed_out");
  EXPECT_TRUE(TypeParam::store::attach(this->key())) << "it stays usable";
  step.reach(2);
  EXPECT_TRUE(TypeParam::store::remove(this->key(), deadline::never()));
  EXPECT_EQ(holder.wait(), exited(0));
}

TYPED_TEST(Store, ManyThatRemoveAtOnceLeaveNothing) {
  constexpr std::uint32_t peers = 4;
  for (int round = 0; round < 20; ++round) {
    auto made = this->create({.capacity = 256});
    must_write(made, value_of(1, 1000));
    must_write(made, value_of(2, 1000));
    steps start;
    const shared<std::atomic<int>> removed;
    std::vector<child> crew;
    for (std::uint32_t i = 0; i < peers; ++i) {
      crew.push_back(child::start([&] {
        start.meet(peers);
        const auto done = TypeParam::store::remove(this->key(), deadline::never());
        if (done) ++*removed;
        EXPECT_TRUE(done || done.error().code == errc::not_found) << done.error().message();
      }));
    }
    for (auto& peer : crew) EXPECT_EQ(peer.wait(), exited(0));
    EXPECT_GE(*removed, 1);
    EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "not_found");
  }
}

// --- Waiting.

TYPED_TEST(Store, WaitsAsLongAsItIsToldTo) {
  auto made = this->create();
  steps step;
  auto writer = child::start([&] {
    auto own = this->open();
    const auto change = own.write();
    ASSERT_TRUE(change);
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(outcome(made.read(deadline::none())), "would_block");
  EXPECT_EQ(outcome(made.write(deadline::none())), "would_block");
  EXPECT_EQ(outcome(made.read(deadline::after(1ms))), "timed_out");
  EXPECT_EQ(outcome(made.write(deadline::after(1ms))), "timed_out");
  step.reach(2);
  EXPECT_EQ(outcome(made.read()), "ok");
  EXPECT_EQ(writer.wait(), exited(0));
}

TYPED_TEST(Store, TwoHandlesOfOneProcessKeepEachOtherOut) {
  auto made = this->create();
  auto other = made.copy().value();
  auto change = made.write();
  ASSERT_TRUE(change);
  EXPECT_FALSE(other.read(deadline::none()));
  EXPECT_FALSE(other.write(deadline::none()));
  change->output().write("x", 1);
  ASSERT_TRUE(change->commit());
  change = std::unexpected(error{});
  EXPECT_EQ(read_all(other).size(), 1U);
}

// --- The advisory lock.

TYPED_TEST(Store, ItsAdvisoryLockKeepsOutOnlyWhoAsksForIt) {
  auto made = this->create({.has_advisory_lock = true});
  auto lock = made.advisory_lock().value();
  ASSERT_TRUE(lock.acquire(mode::exclusive, deadline::never()));
  auto peer = child::start([&] {
    auto own = this->open();
    must_write(own, value_of(1, 100));
    auto its = own.advisory_lock().value();
    EXPECT_EQ(outcome(its.acquire(mode::exclusive, deadline::none())), "would_block");
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(read_all(made), value_of(1, 100)) << "nor does it keep out its holder";
  lock.release(mode::exclusive);
  auto next = child::start([&] {
    auto own = this->open();
    auto its = own.advisory_lock().value();
    EXPECT_TRUE(its.acquire(mode::exclusive, deadline::never()));
    kill(getpid(), SIGKILL);
  });
  EXPECT_EQ(next.wait(), killed_by(SIGKILL));
  if constexpr (TypeParam::lock::can.crash_safe) {
    EXPECT_TRUE(lock.acquire(mode::exclusive, deadline::never()));
    lock.release(mode::exclusive);
  }
}

TYPED_TEST(Store, HasAnAdvisoryLockOnlyIfItsMakerAskedForOne) {
  auto made = this->create();
  EXPECT_EQ(outcome(made.advisory_lock()), "invalid");
}

TYPED_TEST(Store, ItsAdvisoryLockGoesWithIt) {
  auto made = this->create({.has_advisory_lock = true});
  EXPECT_TRUE(made.advisory_lock());
  ASSERT_TRUE(TypeParam::store::remove(this->key(), deadline::never()));
  EXPECT_EQ(outcome(made.advisory_lock()), "not_found");
}

TYPED_TEST(Store, ReadersDoNotKeepEachOtherOutWhereTheLockIsShared) {
  if constexpr (TypeParam::lock::can.shared) {
    auto made = this->create();
    auto other = this->open();
    const auto seen = made.read();
    EXPECT_TRUE(other.read(deadline::none()));
    const bool knows_threads = TypeParam::lock::can.per_thread;
    EXPECT_EQ(outcome(other.write(deadline::none())),
              knows_threads ? "would_deadlock" : "would_block");
  }
}

TYPED_TEST(Store, AForkedChildWorksWithACopyOfItsOwn) {
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  auto worker = child::start([&] {
    auto own = made.copy().value();
    EXPECT_EQ(seed_of(read_all(own)), 1U);
    must_write(own, value_of(2, 20'000));
  });
  EXPECT_EQ(worker.wait(), exited(0));
  EXPECT_EQ(read_all(made), value_of(2, 20'000));
}

// A regression: it put the word back, even after the parent had committed.
TYPED_TEST(Store, AChildForkedInsideATransactionCannotEndIt) {
  auto made = this->create();
  auto change = made.write();
  ASSERT_TRUE(change);
  steps step;
  auto stray = child::start([&] {
    step.await(1);
    change = std::unexpected(error{});  // stops the program: it does not hold the lock
  });
  change->output().write("x", 1);
  ASSERT_TRUE(change->commit());
  static_cast<void>(change->output());
  const auto word = made.word();
  step.reach(1);
  EXPECT_EQ(stray.wait(), support::killed_by(SIGABRT));
  EXPECT_EQ(made.word(), word);
}

// A regression: its commit() published, under its parent's lock.
TYPED_TEST(Store, AChildForkedInsideATransactionCannotUseIt) {
  auto made = this->create({.capacity = 256});
  must_write(made, value_of(1, 300));
  auto change = made.write();
  ASSERT_TRUE(change);
  sink& from_before = change->output();
  const std::vector<std::function<void()>> uses{
      [&] { change->output().write("x", 1); },
      [&] { from_before.write(value_of(2, 9000).data(), 9000); },
      [&] { static_cast<void>(change->commit()); },
      [&] { static_cast<void>(change->remove()); },
  };
  const auto value = value_of(3, 200);
  from_before.write(value.data(), value.size());
  for (const auto& use : uses) {
    EXPECT_EQ(child::start(use).wait(), support::killed_by(SIGABRT));
  }
  EXPECT_EQ(made.word(), change->word() | detail::writing_bit);
  ASSERT_TRUE(change->commit());
  change = std::unexpected(error{});
  EXPECT_EQ(read_all(made), value);
  EXPECT_EQ(stats_of(made).serial, 3U);
}

// --- All at once.

TYPED_TEST(Store, NoIncrementIsLost) {
  constexpr std::uint32_t peers = 4;
  constexpr std::uint64_t each = 500;
  auto made = this->create({.capacity = 256});
  steps start;
  std::vector<child> crew;
  for (std::uint32_t i = 0; i < peers; ++i) {
    crew.push_back(child::start([&] {
      auto own = this->open();
      start.meet(peers);
      for (std::uint64_t n = 0; n < each; ++n) {
        auto change = own.write();
        ASSERT_TRUE(change) << change.error().message();
        std::uint64_t count = 0;
        if (!change->bytes().empty()) {
          const auto seed = seed_of(change->bytes());
          ASSERT_TRUE(seed) << "a torn value";
          count = *seed;
        }
        const auto value = value_of(count + 1, 16 + count * 37 % 1500);
        change->output().write(value.data(), value.size());
        ASSERT_TRUE(change->commit());
      }
    }));
  }
  for (auto& peer : crew) EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(seed_of(read_all(made)), peers * each);
  EXPECT_EQ(stats_of(made).serial, 1 + peers * each);
  EXPECT_EQ(stats_of(made).recoveries, 0U);
}

TYPED_TEST(Store, ReadersSeeWholeValuesInOrderWhileWritersWrite) {
  // Without checksums, so that it is the protocol that keeps values whole.
  auto made = this->create({.capacity = 1024, .has_checksum = false});
  must_write(made, value_of(0, 100));
  const shared<std::atomic<bool>> over;
  steps start;
  constexpr std::uint32_t readers = 3;
  std::vector<child> crew;
  for (std::uint32_t i = 0; i < readers; ++i) {
    crew.push_back(child::start([&] {
      auto own = this->open();
      std::uint64_t latest = 0;
      std::uint64_t word = 0;
      start.add();
      while (!*over) {
        // Not without a break: a lock may prefer readers to writers.
        if (std::exchange(word, own.word()) == own.word()) {
          sched_yield();
          continue;
        }
        const auto seen = own.read();
        ASSERT_TRUE(seen) << seen.error().message();
        const auto seed = seed_of(seen->bytes());
        ASSERT_TRUE(seed) << "a torn value, after " << latest;
        ASSERT_GE(*seed, latest);
        ASSERT_EQ(seen->word(), (*seed + 2) << 1) << "a value with the serial of another";
        latest = *seed;
      }
    }));
  }
  start.await(readers);
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    must_write(made, value_of(seed, 16 + seed * 97 % 6000));
  }
  *over = true;
  for (auto& reader : crew) EXPECT_EQ(reader.wait(), exited(0));
}

}  // namespace
}  // namespace shmark

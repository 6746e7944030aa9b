// What survives when processes are killed (see "What survives a crash" in lib/store/store.h).

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/random.h"
#include "lib/store/store.h"
#include "tests/lib/store/stores.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::killed_by;
using support::steps;

template <class Kind>
class StoreCrash : public store_test<Kind> {
 public:
  using store = typename Kind::store;

  // Runs `body` in a process that is killed at its end.
  template <class Body>
  void killed_after(const Body& body) {
    auto doomed = child::start([&] {
      body();
      kill(getpid(), SIGKILL);
    });
    EXPECT_EQ(doomed.wait(), killed_by(SIGKILL));
  }
};
// Each segment and each lock twice or once: what one does at a death does not depend on the other,
// and each further kind takes a compiler a quarter of a minute.
using some_stores =
    ::testing::Types<store_of<posix_segment, robust_rw>, store_of<posix_segment, sysv_semaphore>,
                     store_of<sysv_segment, pthread_robust>,
                     store_of<sysv_segment, sysv_semaphore>>;
TYPED_TEST_SUITE(StoreCrash, some_stores, name_of_store);

void put(sink& to, const bytes& value) { to.write(value.data(), value.size()); }

// --- A writer is killed in each phase.

TYPED_TEST(StoreCrash, AWriterKilledBeforeItHasWrittenAnything) {
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  const auto word = made.word();
  this->killed_after([&] {
    auto own = this->open();
    auto change = own.write();
    kill(getpid(), SIGKILL);
  });
  EXPECT_EQ(made.word(), word | 1) << "it died in here, or this test tests nothing";
  EXPECT_EQ(read_all(made), value_of(1, 10'000));
  EXPECT_EQ(made.word(), word);
  EXPECT_EQ(stats_of(made).recoveries, 1U);
}

TYPED_TEST(StoreCrash, AWriterKilledInTheMiddleOfItsOutput) {
  auto made = this->create();
  must_write(made, value_of(1, 3'000));
  std::uint64_t deaths = 0;
  for (const std::size_t size : {std::size_t{1}, std::size_t{3'000}, std::size_t{100'000}}) {
    this->killed_after([&] {
      auto own = this->open();
      auto change = own.write();
      put(change->output(), value_of(2, size));
      kill(getpid(), SIGKILL);
    });
    EXPECT_EQ(made.word() & 1, 1U);
    EXPECT_EQ(read_all(made), value_of(1, 3'000));
    EXPECT_EQ(stats_of(made).recoveries, ++deaths);
    EXPECT_EQ(stats_of(made).serial, 2U);
  }
}

TYPED_TEST(StoreCrash, WhatADeadWriterHadGrownIsGivenBack) {
  auto made = this->create({.capacity = 256});
  must_write(made, value_of(1, 200));
  const auto before = stats_of(made).allocated;
  for (int i = 0; i < 3; ++i) {
    this->killed_after([&] {
      auto own = this->open();
      auto change = own.write();
      put(change->output(), value_of(2, 100'000));
      kill(getpid(), SIGKILL);
    });
    EXPECT_EQ(read_all(made), value_of(1, 200));
    EXPECT_EQ(stats_of(made).allocated, before);
  }
}

TYPED_TEST(StoreCrash, AWriterKilledRightAfterItsCommit) {
  auto made = this->create();
  for (const std::size_t size : {std::size_t{100}, std::size_t{50'000}, std::size_t{20}}) {
    this->killed_after([&] {
      auto own = this->open();
      auto change = own.write();
      put(change->output(), value_of(size, size));
      EXPECT_TRUE(change->commit());
      kill(getpid(), SIGKILL);
    });
    EXPECT_EQ(made.word() & 1, 0U) << "nothing to repair";
    EXPECT_EQ(read_all(made), value_of(size, size));
  }
  EXPECT_EQ(stats_of(made).serial, 4U);
  EXPECT_EQ(stats_of(made).recoveries, 0U);
}

TYPED_TEST(StoreCrash, AWriterKilledBetweenTwoCommitsHasMadeTheFirst) {
  auto made = this->create();
  this->killed_after([&] {
    auto own = this->open();
    auto change = own.write();
    put(change->output(), value_of(1, 20'000));
    EXPECT_TRUE(change->commit());
    put(change->output(), value_of(2, 30'000));
    kill(getpid(), SIGKILL);
  });
  EXPECT_EQ(made.word() & 1, 1U);
  EXPECT_EQ(read_all(made), value_of(1, 20'000));
  EXPECT_EQ(stats_of(made).recoveries, 1U);
}

TYPED_TEST(StoreCrash, AReaderKilledWhileItReadsIsNobodysConcern) {
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  this->killed_after([&] {
    auto own = this->open();
    const auto seen = own.read();
    EXPECT_TRUE(seen);
    kill(getpid(), SIGKILL);
  });
  EXPECT_EQ(read_all(made), value_of(1, 10'000));
  must_write(made, value_of(2, 10'000));
  EXPECT_EQ(read_all(made), value_of(2, 10'000));
  EXPECT_EQ(stats_of(made).recoveries, 0U);
}

TYPED_TEST(StoreCrash, AReaderThatWaitsForOneWhoIsKilledSeesTheOldValue) {
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  steps step;
  auto writer = child::start([&] {
    auto own = this->open();
    auto change = own.write();
    put(change->output(), value_of(2, 60'000));
    step.reach(1);
    step.await(3);
  });
  step.await(1);
  auto reader = child::start([&] {
    auto own = this->open();
    step.reach(2);
    EXPECT_EQ(read_all(own), value_of(1, 10'000));
  });
  step.await(2);
  reader.await_asleep();
  writer.kill();
  EXPECT_EQ(reader.wait(), exited(0));
}

// --- Those who have the dead's segments mapped.

TYPED_TEST(StoreCrash, AWriterWithTheDeadsSegmentMappedDoesNotWriteIntoIt) {
  auto made = this->create({.capacity = 256});
  auto peer = this->open();
  must_write(made, value_of(1, 10'000));
  EXPECT_EQ(seed_of(read_all(peer)), 1U);
  must_write(made, value_of(2, 10'000));
  EXPECT_EQ(seed_of(read_all(peer)), 2U);  // it has both sides' segments mapped now
  this->killed_after([&] {
    auto own = this->open();
    auto change = own.write();
    put(change->output(), value_of(3, 10'000));
    kill(getpid(), SIGKILL);
  });
  // The one repairs, which removes the spare segment; the other has it mapped still.
  EXPECT_EQ(seed_of(read_all(made)), 2U);
  for (std::uint64_t seed = 4; seed < 8; ++seed) {
    must_write(peer, value_of(seed, 10'000));
    EXPECT_EQ(read_all(made), value_of(seed, 10'000));
    auto fresh = this->open();
    EXPECT_EQ(read_all(fresh), value_of(seed, 10'000));
  }
}

TYPED_TEST(StoreCrash, TheHandleOfOneThatRepairedWorksOnWithNewSegments) {
  auto made = this->create({.capacity = 256});
  for (std::uint64_t round = 1; round < 20; ++round) {
    must_write(made, value_of(2 * round, 5'000));
    this->killed_after([&] {
      auto own = this->open();
      auto change = own.write();
      put(change->output(), value_of(2 * round + 1, round % 2 == 0 ? 9'000 : 1'000));
      kill(getpid(), SIGKILL);
    });
    EXPECT_EQ(read_all(made), value_of(2 * round, 5'000));
  }
  EXPECT_EQ(stats_of(made).recoveries, 19U);
}

// --- Death at each step.

// Where a value is between two writes: in which sizes it was before, and is to be.
struct change_of_size {
  std::array<std::size_t, 3> before;
  std::size_t after;
};
constexpr std::array changes_of_size{
    change_of_size{{100, 100, 100}, 200},             // stays in its buffer
    change_of_size{{100, 100, 100}, 5'000},           // grows
    change_of_size{{5'000, 5'000, 5'000}, 6'000},     // stays in its segments
    change_of_size{{5'000, 5'000, 5'000}, 90'000},    // grows from segment to segment
    change_of_size{{90'000, 90'000, 90'000}, 100},    // shrinks into the buffer
    change_of_size{{90'000, 90'000, 90'000}, 1'000},  // shrinks
    change_of_size{{100, 90'000, 100}, 1'000},
};

TYPED_TEST(StoreCrash, AtWhicheverStepAWriterDiesTheValueIsTheOldOrTheNew) {
  for (const auto& sizes : changes_of_size) {
    SCOPED_TRACE("to " + std::to_string(sizes.after) + " bytes");
    auto made = this->create({.capacity = 256});
    std::uint64_t seed = 1;
    const auto prepare = [&] {
      for (const auto size : sizes.before) must_write(made, value_of(seed, size));
    };
    prepare();
    auto peer = this->open();
    std::uint64_t serial = stats_of(peer).serial;
    const int deaths = mortal::dies_at_each_step(
        [&] {
          auto own = this->open_mortal();
          must_write(own, value_of(seed + 1, sizes.after));
        },
        [&] {
          const auto value = read_all(peer);
          const auto after = stats_of(peer).serial;
          if (after == serial) {
            EXPECT_EQ(value, value_of(seed, sizes.before.back()));
          } else {
            EXPECT_EQ(after, serial + 1);
            EXPECT_EQ(value, value_of(seed + 1, sizes.after));
          }
          ++seed;
          prepare();
          EXPECT_EQ(read_all(peer), value_of(seed, sizes.before.back()));
          serial = stats_of(peer).serial;
        });
    EXPECT_GE(deaths, 4);
    ASSERT_TRUE(TypeParam::store::remove(this->key(), deadline::never()));
  }
}

TYPED_TEST(StoreCrash, ARepairThatIsCutShortIsDoneAgain) {
  auto made = this->create({.capacity = 256});
  for (int i = 0; i < 2; ++i) must_write(made, value_of(1, 5'000));
  const auto die_writing = [&] {
    this->killed_after([&] {
      auto own = this->open();
      auto change = own.write();
      put(change->output(), value_of(2, 90'000));
      kill(getpid(), SIGKILL);
    });
  };
  die_writing();
  auto last = stats_of(made).recoveries;
  const int deaths = mortal::dies_at_each_step(
      [&] {
        die_writing();
        auto own = this->open_mortal();
        EXPECT_EQ(seed_of(read_all(own)), 1U);
      },
      [&] {
        EXPECT_EQ(read_all(made), value_of(1, 5'000));
        const auto recoveries = stats_of(made).recoveries;
        EXPECT_GT(recoveries, last);
        last = recoveries;
      });
  EXPECT_GE(deaths, 8);
}

TYPED_TEST(StoreCrash, ARemovalThatIsCutShortIsDoneByTheNext) {
  using store_type = typename TypeParam::store;
  // Each of these finishes it, and leaves nothing.
  const std::array<std::function<void()>, 3> finishers{
      [&] {
        const auto done = store_type::remove(this->key(), deadline::never());
        EXPECT_TRUE(done || done.error().code == errc::not_found) << done.error().message();
      },
      [&] {
        const auto there = store_type::attach(this->key());
        if (!there) {
          EXPECT_EQ(there.error().code, errc::not_found) << there.error().message();
        } else {
          EXPECT_TRUE(store_type::remove(this->key(), deadline::never()));  // it had not begun
        }
      },
      [&] {
        auto there = store_type::open_or_create(this->key(), {});
        ASSERT_TRUE(there) << there.error().message();
        const auto value = read_all(*there);
        EXPECT_TRUE(value.empty() || seed_of(value) == 1U);
        must_write(*there, value_of(3, 20));
        EXPECT_TRUE(store_type::remove(this->key(), deadline::never()));
      }};
  for (const auto& finish : finishers) {
    std::optional<store_type> idle;
    const int deaths = mortal::dies_at_each_step(
        [&] {
          mortal::steps_left += 1000;  // it is the removal that is to be cut short
          auto made = this->create({.capacity = 256});
          for (int i = 0; i < 2; ++i) must_write(made, value_of(1, 5'000));
          mortal::steps_left -= 1000;
          static_cast<void>(TypeParam::mortal_store::remove(this->key(), deadline::never()));
        },
        [&] {
          if (auto there = store_type::attach(this->key()); there) idle.emplace(*std::move(there));
          finish();
          EXPECT_EQ(outcome(store_type::attach(this->key())), "not_found");
          EXPECT_TRUE(!idle || outcome(idle->read()) == "not_found");
        });
    EXPECT_GE(deaths, 10);
  }
}

TYPED_TEST(StoreCrash, OneThatDiesMakingAStoreLeavesWhatCanBeRemoved) {
  using store_type = typename TypeParam::store;
  for (const bool has_advisory_lock : {false, true}) {
    const store_options options{.has_advisory_lock = has_advisory_lock};
    const int deaths = mortal::dies_at_each_step(
        [&] { EXPECT_TRUE(TypeParam::mortal_store::create(this->key(), options)); },
        [&] {
          store_type::remove_unfinished(this->key());
          EXPECT_EQ(outcome(store_type::attach(this->key())), "not_found");
          EXPECT_TRUE(store_type::create(this->key(), options)) << "the key is free";
          EXPECT_TRUE(store_type::remove(this->key(), deadline::never()));
        });
    EXPECT_GE(deaths, has_advisory_lock ? 6 : 4);
  }
}

TYPED_TEST(StoreCrash, OneThatDiesOpeningOrMakingAStoreHindersNobody) {
  using store_type = typename TypeParam::store;
  const int deaths = mortal::dies_at_each_step(
      [&] { EXPECT_TRUE(TypeParam::mortal_store::open_or_create(this->key(), {})); },
      [&] {
        auto next = store_type::open_or_create(this->key(), {});
        ASSERT_TRUE(next) << next.error().message();
        must_write(*next, value_of(1, 100));
        EXPECT_EQ(seed_of(read_all(*next)), 1U);
        EXPECT_TRUE(store_type::remove(this->key(), deadline::never()));
      });
  EXPECT_GE(deaths, 4);
}

// --- Death at any instant.

TYPED_TEST(StoreCrash, WhoeverIsKilledWheneverTheValueIsWhole) {
  constexpr int kills = 150;  // of each kind of store
  constexpr std::uint64_t seed_of_the_test = 7;
  random_source random(seed_of_the_test);
  // Without checksums: it is the protocol that keeps values whole.
  auto made = this->create({.capacity = 512, .has_checksum = false});
  must_write(made, value_of(1, 16));
  steps done;
  const auto write_forever = [&] {
    auto own = this->open();
    random_source sizes(unpredictable_number());
    for (;;) {
      auto change = own.write();
      ASSERT_TRUE(change) << change.error().message();
      const auto seed = seed_of(change->bytes());
      ASSERT_TRUE(seed) << "a torn value";
      const std::size_t size = std::size_t{16} << sizes.below(11);
      put(change->output(), value_of(*seed + 1, size + sizes.below(size)));
      ASSERT_TRUE(change->commit());
      done.add();
    }
  };
  std::uint64_t latest = 1;
  std::array<child, 2> writers{child::start(write_forever), child::start(write_forever)};
  for (int i = 0; i < kills; ++i) {
    done.await(done.now() + 1 + random.below(4));
    for (auto spins = random.below(2000); spins > 0; --spins) static_cast<void>(made.word());
    auto& victim = writers[random.below(writers.size())];
    EXPECT_EQ(victim.kill(), killed_by(SIGKILL));
    {
      const auto seen = made.read();
      ASSERT_TRUE(seen) << seen.error().message();
      const auto seed = seed_of(seen->bytes());
      ASSERT_TRUE(seed) << "a torn value, after " << latest << ", at kill " << i;
      ASSERT_GE(*seed, latest);
      ASSERT_EQ(seen->word(), (*seed + 1) << 1);
      latest = *seed;
    }
    victim = child::start(write_forever);
  }
  for (auto& writer : writers) writer.kill();
  EXPECT_TRUE(seed_of(read_all(made)));
  EXPECT_GE(stats_of(made).recoveries, 1U) << "no writer died while writing: this proves nothing";
}

}  // namespace
}  // namespace shmark

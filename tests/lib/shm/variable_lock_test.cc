// What the locks of variables promise: rows 7, 8, 11 and 15 of docs/seeds.md.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/shm/variable.h"
#include "tests/lib/shm/backends.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::killed_by;
using support::steps;

template <class Backend>
class VariableLock : public domain_test<Backend> {
 public:
  using number = variable<int, Backend>;
};
TYPED_TEST_SUITE(VariableLock, all_backends, name_of_backend);

// What another process sees of the lock: "free", "read" or "written".
template <class Test>
std::string state_elsewhere(const Test& test) {
  steps seen;
  auto peer = child::start([&] {
    auto own = test.template make<int>();
    if (own.transact(deadline::none())) {
      seen.reach(3);
    } else if (own.readlock(deadline::none())) {
      seen.reach(2);
    } else {
      seen.reach(1);
    }
  });
  EXPECT_EQ(peer.wait(), exited(0));
  return seen.now() == 3 ? "free" : seen.now() == 2 ? "read" : "written";
}

// --- Row 7: nesting and waiting.

TYPED_TEST(VariableLock, IsTakenAgainByWhoHoldsItAndReleasedByTheOutermost) {
  auto here = this->template make<int>();
  EXPECT_EQ(here.locked(), std::nullopt);
  {
    const auto outer = here.readlock();
    ASSERT_TRUE(outer);
    EXPECT_EQ(here.locked(), mode::shared);
    {
      const auto inner = here.readlock(deadline::none());
      ASSERT_TRUE(inner);
      EXPECT_EQ(**inner, 0);
    }
    EXPECT_EQ(here.locked(), mode::shared);
    EXPECT_EQ(state_elsewhere(*this), "read");
  }
  EXPECT_EQ(here.locked(), std::nullopt);
  EXPECT_EQ(state_elsewhere(*this), "free");
  {
    auto outer = here.transact();
    ASSERT_TRUE(outer);
    EXPECT_EQ(here.locked(), mode::exclusive);
    {
      auto inner = here.writable(deadline::none());
      ASSERT_TRUE(inner);
      const auto reader = here.readlock(deadline::none());
      ASSERT_TRUE(reader);
      EXPECT_EQ(here.locked(), mode::exclusive);
    }
    EXPECT_EQ(here.locked(), mode::exclusive);
    EXPECT_EQ(state_elsewhere(*this), "written");
  }
  EXPECT_EQ(here.locked(), std::nullopt);
  EXPECT_EQ(state_elsewhere(*this), "free");
}

TYPED_TEST(VariableLock, IsHeldUntilTheLastOfThoseThatOverlapHasEnded) {
  auto here = this->template make<int>();
  std::optional reading(std::move(here.readlock().value()));
  std::optional writing(std::move(here.transact().value()));
  reading.reset();
  EXPECT_EQ(state_elsewhere(*this), "written");
  reading.emplace(std::move(here.readlock().value()));
  writing.reset();
  EXPECT_EQ(here.locked(), mode::shared);
  EXPECT_EQ(state_elsewhere(*this), "read");
  reading.reset();
  EXPECT_EQ(state_elsewhere(*this), "free");
}

TYPED_TEST(VariableLock, AReadWaitsForAWriterOfAnotherProcessAndSeesWhatItWrote) {
  auto here = this->template make<int>();
  const std::vector<std::function<int(typename TestFixture::number&)>> reads{
      [](auto& own) { return value_of(own); },
      [](auto& own) { return *own.readlock().value(); },
      [](auto& own) { return own.transact().value().value(); },
  };
  for (const auto& read : reads) {
    const int before = value_of(here);
    steps step;
    auto reader = child::start([&] {
      auto own = this->template make<int>();
      EXPECT_EQ(value_of(own), before);
      step.reach(1);
      step.await(2);
      step.reach(3);
      EXPECT_EQ(read(own), before + 1);
    });
    step.await(1);
    {
      auto change = here.transact().value();
      change.value() = before + 1;
      step.reach(2);
      step.await(3);
      reader.await_asleep();
      ASSERT_TRUE(change.commit());
    }
    EXPECT_EQ(reader.wait(), exited(0));
  }
}

TYPED_TEST(VariableLock, AWriteWaitsForReadersOfAnotherProcess) {
  auto here = this->template make<int>();
  steps step;
  auto writer = child::start([&] {
    auto own = this->template make<int>();
    step.await(1);
    step.reach(2);
    EXPECT_TRUE(own.write(5));
  });
  {
    const auto seen = here.readlock().value();
    step.reach(1);
    step.await(2);
    writer.await_asleep();
    EXPECT_EQ(*seen, 0);
    EXPECT_EQ(value_of(here), 0);
  }
  EXPECT_EQ(writer.wait(), exited(0));
  EXPECT_EQ(value_of(here), 5);
}

TYPED_TEST(VariableLock, WhoDoesNotWaitOrNotLongerIsToldAndChangesNothing) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  steps step;
  auto holder = child::start([&] {
    auto own = this->template make<int>();
    const auto change = own.transact();
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  const std::vector<std::pair<deadline, std::string>> deadlines{
      {deadline::none(), "would_block"}, {deadline::after(5ms), "timed_out"}};
  for (const auto& [until, told] : deadlines) {
    EXPECT_EQ(outcome(here.read(until)), told);
    EXPECT_EQ(outcome(here.readlock(until)), told);
    EXPECT_EQ(outcome(here.transact(until)), told);
    EXPECT_EQ(outcome(here.writable(until)), told);
    EXPECT_EQ(outcome(here.write(2, until)), told);
    EXPECT_EQ(outcome(here.update([](int& n) { ++n; }, until)), told);
    EXPECT_EQ(here.locked(), std::nullopt);
  }
  step.reach(2);
  EXPECT_EQ(holder.wait(), exited(0));
  EXPECT_EQ(value_of(here), 1);
  EXPECT_EQ(here.serial(), 2U);
}

TYPED_TEST(VariableLock, WhatIsWrittenUnderItIsSeenByOthersAtItsEndOnly) {
  using table_type = std::map<std::string, int>;
  auto here = this->template make<table_type>();
  ASSERT_TRUE(here.write({{"a", 1}, {"b", 2}}));
  steps step;
  auto reader = child::start([&] {
    auto own = this->template make<table_type>();
    step.await(1);
    EXPECT_EQ(outcome(own.read(deadline::none())), "would_block");
    step.reach(2);
    step.await(3);
    EXPECT_EQ(value_of(own), (table_type{{"c", 3}}));
    EXPECT_EQ(own.serial(), 3U) << "all of it in one";
  });
  {
    auto change = here.writable().value();
    (*change)["c"] = 3;
    EXPECT_TRUE(here.update([](table_type& all) { all.erase("a"); }));
    EXPECT_EQ(value_of(here), (table_type{{"b", 2}, {"c", 3}}));
    step.reach(1);
    step.await(2);
    EXPECT_TRUE(here.write({{"c", 3}}));
  }
  step.reach(3);
  EXPECT_EQ(reader.wait(), exited(0));
}

// A regression: its end published what the transaction around it had not committed.
TYPED_TEST(VariableLock, AWritingInsideATransactionLeavesItToThatToPublish) {
  auto here = this->template make<int>();
  auto there = this->template make<int>();
  {
    auto change = here.transact().value();
    change.value() = 1;
    {
      auto unused = here.writable().value();
    }
    *here.writable().value() = 2;
    EXPECT_EQ(value_of(here), 2);
  }
  EXPECT_EQ(value_of(there), 0) << "nobody has committed it";
  {
    auto change = here.transact().value();
    *here.writable().value() = 3;
    ASSERT_TRUE(change.commit());
  }
  EXPECT_EQ(value_of(there), 3);
  {
    auto outer = here.writable().value();
    *outer = 4;
    *here.writable().value() = 5;
    EXPECT_EQ(here.serial(), 2U) << "all of it in one";
  }
  EXPECT_EQ(value_of(there), 5);
  EXPECT_EQ(there.serial(), 3U);
}

TYPED_TEST(VariableLock, OfWritingsThatOverlapTheLastToEndPublishes) {
  auto here = this->template make<int>();
  auto there = this->template make<int>();
  std::optional first(std::move(here.writable().value()));
  std::optional second(std::move(here.writable().value()));
  **first = 1;
  first.reset();
  **second += 1;
  second.reset();
  EXPECT_EQ(value_of(there), 2);
  EXPECT_EQ(there.serial(), 2U);
}

// A regression: they were refused, because the caller held it.
TYPED_TEST(VariableLock, ItsStatisticsAreToldUnderItToo) {
  auto here = this->template make<std::string>();
  ASSERT_TRUE(here.write("first"));
  {
    const auto seen = here.readlock().value();
    const auto now = here.stats();
    ASSERT_TRUE(now) << now.error().message();
    EXPECT_EQ(now->serial, 2U);
  }
  auto change = here.transact().value();
  change.value() = std::string(10'000, 'x');
  const auto before = here.stats();
  ASSERT_TRUE(before) << before.error().message();
  EXPECT_EQ(before->serial, 2U);
  EXPECT_LT(before->length, 100U);
  ASSERT_TRUE(change.commit());
  EXPECT_EQ(here.stats().value().serial, 3U);
  EXPECT_GE(here.stats().value().length, 10'000U);
}

// --- Row 8: reads inside one's own write lock, and changes between the modes.

TYPED_TEST(VariableLock, AReadInsideOnesOwnWriteLockDoesNotLetGoOfIt) {
  constexpr int processes = 4;
  constexpr int increments = 1000;
  auto here = this->template make<int>();
  steps start;
  std::vector<child> crew;
  for (int i = 0; i < processes; ++i) {
    crew.push_back(child::start([&] {
      auto own = this->template make<int>();
      start.meet(processes);
      for (int n = 0; n < increments; ++n) {
        const auto change = own.writable();
        ASSERT_TRUE(change) << change.error().message();
        const int before = value_of(own);
        const auto seen = own.readlock().value();
        ASSERT_TRUE(own.write(*seen + 1));
        ASSERT_EQ(value_of(own), before + 1);
      }
    }));
  }
  for (auto& one : crew) EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(value_of(here), processes * increments);
  EXPECT_EQ(here.serial(), 1U + processes * increments);
}

TYPED_TEST(VariableLock, IsUpgradedWithNobodyInBetween) {
  constexpr int processes = 4;
  constexpr int increments = 250;
  auto here = this->template make<int>();
  steps start;
  std::vector<child> crew;
  for (int i = 0; i < processes; ++i) {
    crew.push_back(child::start([&] {
      auto own = this->template make<int>();
      start.meet(processes);
      for (int done = 0; done < increments;) {
        const auto seen = own.readlock();
        ASSERT_TRUE(seen) << seen.error().message();
        const int before = **seen;
        const auto written = own.write(before + 1);
        ASSERT_TRUE(written || written.error().code == errc::would_deadlock)
            << written.error().message();
        if (written) {
          ++done;
          ASSERT_EQ(value_of(own), before + 1) << "as long as it is read";
        } else {
          ASSERT_EQ(own.locked(), mode::shared);
          ASSERT_EQ(value_of(own), before);
        }
      }
    }));
  }
  for (auto& one : crew) EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(value_of(here), processes * increments);
}

TYPED_TEST(VariableLock, AnUpgradeIsRefusedOrGoesBeforeTheWriterThatWaits) {
  auto here = this->template make<int>();
  steps step;
  auto writer = child::start([&] {
    auto own = this->template make<int>();
    step.await(1);
    step.reach(2);
    EXPECT_TRUE(own.update([](int& n) { n += 10; }));
  });
  bool is_refused = false;
  {
    const auto seen = here.readlock().value();
    step.reach(1);
    step.await(2);
    writer.await_asleep();
    const auto done = here.update([](int& n) { ++n; });
    is_refused = outcome(done) == "would_deadlock";
    EXPECT_TRUE(done || is_refused) << done.error().message();
    EXPECT_EQ(*seen, is_refused ? 0 : 1);
  }
  EXPECT_EQ(writer.wait(), exited(0));
  EXPECT_EQ(value_of(here), is_refused ? 10 : 11);
}

TYPED_TEST(VariableLock, OfTwoThatUpgradeOneIsRefusedAndGoesOnReading) {
  auto here = this->template make<int>();
  steps step;
  auto other = child::start([&] {
    auto own = this->template make<int>();
    const auto seen = own.readlock().value();
    step.reach(1);
    step.await(2);
    step.reach(3);
    EXPECT_TRUE(own.write(1));
  });
  step.await(1);
  {
    const auto seen = here.readlock().value();
    EXPECT_EQ(outcome(here.transact(deadline::none())), "would_block");
    EXPECT_EQ(here.locked(), mode::shared) << "what was held still is";
    step.reach(2);
    step.await(3);
    other.await_asleep();
    EXPECT_EQ(outcome(here.transact()), "would_deadlock");
    EXPECT_EQ(outcome(here.write(2)), "would_deadlock");
    EXPECT_EQ(here.locked(), mode::shared);
    EXPECT_EQ(*seen, 0);
    EXPECT_EQ(value_of(here), 0);
  }
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(value_of(here), 1);
}

TYPED_TEST(VariableLock, IsDowngradedWithNobodyInBetween) {
  auto here = this->template make<int>();
  steps step;
  auto writer = child::start([&] {
    auto own = this->template make<int>();
    step.await(1);
    step.reach(2);
    EXPECT_TRUE(own.update([](int& n) { n += 10; }));
  });
  {
    const auto seen = here.readlock().value();
    {
      auto change = here.writable().value();
      *change = 1;
      step.reach(1);
      step.await(2);
      writer.await_asleep();
    }
    EXPECT_EQ(here.locked(), mode::shared);
    EXPECT_EQ(*seen, 1);
    auto peer = child::start([&] {
      auto own = this->template make<int>();
      EXPECT_EQ(outcome(own.write(5, deadline::none())), "would_block");
    });
    EXPECT_EQ(peer.wait(), exited(0));
    EXPECT_EQ(value_of(here), 1);
  }
  EXPECT_EQ(writer.wait(), exited(0));
  EXPECT_EQ(value_of(here), 11);
}

TYPED_TEST(VariableLock, ADowngradeThatDropsWhatWasWrittenReadsWhatAllSee) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  const auto seen = here.readlock().value();
  {
    auto change = here.transact().value();
    change.value() = 2;
    EXPECT_EQ(value_of(here), 2);
  }
  EXPECT_EQ(*seen, 1);
  EXPECT_EQ(value_of(here), 1);
  EXPECT_EQ(here.serial(), 2U);
}

// --- Row 11: forks.

TYPED_TEST(VariableLock, AChildHoldsNothingOfWhatItsParentHolds) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  auto change = here.transact().value();
  change.value() = 2;
  auto worker = child::start([&] {
    auto own = here.copy().value();
    EXPECT_EQ(own.locked(), std::nullopt);
    EXPECT_EQ(outcome(own.read(deadline::none())), "would_block");
    EXPECT_EQ(outcome(own.write(3, deadline::none())), "would_block");
  });
  EXPECT_EQ(worker.wait(), exited(0));
  EXPECT_EQ(state_elsewhere(*this), "written") << "the child's end released nothing";
  ASSERT_TRUE(change.commit());
  EXPECT_EQ(value_of(here), 2);
}

TYPED_TEST(VariableLock, AChildThatEndsWhatItsParentHoldsIsStoppedAndReleasesNothing) {
  auto here = this->template make<int>();
  {
    auto change = std::optional(std::move(here.transact().value()));
    auto stray = child::start([&] { change.reset(); });
    EXPECT_EQ(stray.wait(), killed_by(SIGABRT));
    EXPECT_EQ(state_elsewhere(*this), "written");
    EXPECT_EQ(here.locked(), mode::exclusive);
  }
  {
    auto seen = std::optional(std::move(here.readlock().value()));
    auto stray = child::start([&] { seen.reset(); });
    EXPECT_EQ(stray.wait(), killed_by(SIGABRT));
    EXPECT_EQ(state_elsewhere(*this), "read");
  }
  EXPECT_EQ(state_elsewhere(*this), "free");
}

TYPED_TEST(VariableLock, AChildDoesNotTakeWhatItsParentHoldsForItsOwn) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  auto change = here.transact().value();
  change.value() = 2;
  const std::vector<std::function<void()>> uses{
      [&] { static_cast<void>(here.read()); },
      [&] { static_cast<void>(here.readlock()); },
      [&] { static_cast<void>(here.write(3)); },
      [&] { static_cast<void>(here.update([](int& n) { ++n; })); },
      [&] { static_cast<void>(here.transact()); },
  };
  for (const auto& use : uses) {
    EXPECT_EQ(child::start(use).wait(), killed_by(SIGABRT)) << "it was to be told";
  }
  ASSERT_TRUE(change.commit());
  EXPECT_EQ(value_of(here), 2);
  EXPECT_EQ(here.serial(), 3U);
}

TYPED_TEST(VariableLock, AChildThatEndsHoldingItLeavesNoHolder) {
  auto here = this->template make<int>();
  for (const mode how : {mode::exclusive, mode::shared}) {
    auto holder = child::start([&] {
      auto own = here.copy().value();
      const auto change = how == mode::exclusive ? own.transact() : std::unexpected(error{});
      const auto seen = how == mode::shared ? own.readlock() : std::unexpected(error{});
      _exit(own.locked() == how ? 3 : 4);
    });
    EXPECT_EQ(holder.wait(), exited(3));
    EXPECT_EQ(state_elsewhere(*this), "free");
  }
  EXPECT_TRUE(here.write(1));
}

// --- Row 15: deaths.

TYPED_TEST(VariableLock, AtWhicheverStepItsHolderDiesTheValueIsTheOldOrTheNew) {
  const std::string old(9000, 'a');
  const std::string next(12'000, 'b');
  auto here = this->template make<std::string>();
  const int deaths = mortal::dies_at_each_step(
      [&] {
        const auto steps_left = std::exchange(mortal::steps_left, 0);
        auto own = TestFixture::mortal_domain::open(this->name())
                       ->template variable<std::string>("it")
                       .value();
        ASSERT_TRUE(own.write(old));
        mortal::steps_left = steps_left;
        ASSERT_TRUE(own.write(next));
      },
      [&] {
        auto fresh = this->template make<std::string>();
        const auto seen = value_of(fresh);
        EXPECT_TRUE(seen == old || seen == next) << seen.size() << " bytes";
        EXPECT_EQ(value_of(here), seen);
        EXPECT_TRUE(here.write("")) << "nobody is locked out";
      });
  EXPECT_GE(deaths, 5);
}

}  // namespace
}  // namespace shmark

// What variables promise (see lib/shm/variable.h).

#include "lib/shm/variable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "lib/shm/domain.h"
#include "tests/lib/shm/backends.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"
#include "tests/support/unique_space.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::steps;

template <class Backend>
class Variable : public domain_test<Backend> {};
TYPED_TEST_SUITE(Variable, all_backends, name_of_backend);

// A value whose serialize() can be told to throw.
struct moody {
  static inline bool throws = false;
  int number = 0;

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & number;
    if (throws) throw std::runtime_error("a bad mood");
  }
};

// --- Values.

TYPED_TEST(Variable, ReadsAsTheEmptyValueUntilSomebodyHasWritten) {
  auto number = this->template make<int>("number");
  EXPECT_EQ(value_of(number), 0);
  auto table = this->template make<std::map<std::string, int>>("table");
  EXPECT_TRUE(value_of(table).empty());
  EXPECT_EQ(number.serial(), 1U);
}

TYPED_TEST(Variable, KeepsWhatWasWritten) {
  using table_type = std::map<std::string, std::vector<double>>;
  const table_type table{{"a", {1, 2, 3}}, {"b", {}}, {"c", std::vector<double>(5000, 0.5)}};
  auto here = this->template make<table_type>();
  auto there = this->template make<table_type>();
  ASSERT_TRUE(here.write(table));
  EXPECT_EQ(value_of(here), table);
  EXPECT_EQ(value_of(there), table);
  ASSERT_TRUE(there.update([](table_type& now) { now.erase("c"); }));
  EXPECT_EQ(value_of(here).size(), 2U);
}

TYPED_TEST(Variable, TheEmptyValueIsWrittenLikeAnyOther) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(5));
  ASSERT_TRUE(here.write(0));
  auto there = this->template make<int>();
  EXPECT_EQ(value_of(there), 0);
  EXPECT_EQ(there.serial(), 3U);
}

// --- The cache.

TYPED_TEST(Variable, TheSecondReadIsAHit) {
  auto here = this->template make<int>();
  EXPECT_EQ(here.serial(), 0U) << "it has no copy yet";
  EXPECT_EQ(value_of(here), 0);
  EXPECT_EQ(here.misses(), 1U);
  EXPECT_EQ(here.hits(), 0U);
  for (std::uint64_t reads = 1; reads < 5; ++reads) {
    EXPECT_EQ(value_of(here), 0);
    EXPECT_EQ(here.misses(), 1U);
    EXPECT_EQ(here.hits(), reads);
  }
}

TYPED_TEST(Variable, ItsOwnWriteRefreshesItsCopy) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(3));
  EXPECT_EQ(value_of(here), 3);
  EXPECT_EQ(here.hits(), 1U);
  EXPECT_EQ(here.misses(), 0U) << "it never had to decode";
  ASSERT_TRUE(here.update([](int& n) { ++n; }));
  EXPECT_EQ(here.hits(), 2U) << "the update found the copy up to date";
  EXPECT_EQ(value_of(here), 4);
  EXPECT_EQ(here.hits(), 3U);
  EXPECT_EQ(here.misses(), 0U);
  EXPECT_EQ(here.serial(), 3U);
}

TYPED_TEST(Variable, APeersWriteMakesAMiss) {
  auto here = this->template make<int>();
  EXPECT_EQ(value_of(here), 0);
  auto peer = child::start([&] {
    auto own = this->template make<int>();
    EXPECT_TRUE(own.write(8));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(value_of(here), 8);
  EXPECT_EQ(here.misses(), 2U);
  EXPECT_EQ(value_of(here), 8);
  EXPECT_EQ(here.hits(), 1U);
}

TYPED_TEST(Variable, NoReadHitsWhileAPeerIsWriting) {
  auto here = this->template make<int>();
  EXPECT_EQ(value_of(here), 0);
  steps step;
  auto peer = child::start([&] {
    auto own = this->template make<int>();
    auto change = own.transact();
    ASSERT_TRUE(change);
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(outcome(here.read(deadline::none())), "would_block");
  EXPECT_EQ(here.hits(), 0U);
  step.reach(2);
  EXPECT_EQ(value_of(here), 0);
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(here.hits(), 1U) << "the peer has published nothing, so the copy is good";
  EXPECT_EQ(here.misses(), 1U);
}

TYPED_TEST(Variable, ReadsAfterAWritersDeathAsBefore) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(6));
  auto peer = child::start([&] {
    auto own = this->template make<int>();
    auto change = own.transact();
    change->value() = 7;
    kill(getpid(), SIGKILL);
  });
  EXPECT_EQ(peer.wait(), support::killed_by(SIGKILL));
  EXPECT_EQ(value_of(here), 6);
  EXPECT_EQ(here.misses(), 0U);
  EXPECT_EQ(here.stats()->recoveries, 1U);
}

// --- Updates and transactions.

TYPED_TEST(Variable, AnUpdateBeginsWithWhatAPeerHasPublished) {
  auto here = this->template make<int>();
  auto there = this->template make<int>();
  for (int n = 1; n < 10; n += 2) {
    ASSERT_TRUE(here.update([](int& value) { ++value; }));
    ASSERT_TRUE(there.update([](int& value) { ++value; }));
    EXPECT_EQ(value_of(here), n + 1);
  }
}

TYPED_TEST(Variable, AnUpdateThatSaysNoPublishesNothing) {
  auto here = this->template make<int>();
  auto there = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  EXPECT_TRUE(here.update([](int& n) {
    n = 100;
    return false;
  }));
  EXPECT_EQ(value_of(here), 1);
  EXPECT_EQ(value_of(there), 1);
  EXPECT_EQ(there.serial(), 2U);
  EXPECT_TRUE(here.update([](int& n) {
    ++n;
    return true;
  }));
  EXPECT_EQ(value_of(there), 2);
}

TYPED_TEST(Variable, AnUpdateSaysYesOrNoByABoolOnly) {
  constexpr auto takes = [](auto change) {
    return requires(decltype(this->template make<int>()) it) { it.update(change); };
  };
  EXPECT_TRUE(takes([](int& n) { ++n; }));
  EXPECT_TRUE(takes([](int& n) { return n == 0; }));
  EXPECT_FALSE(takes([](int& n) { return n++; })) << "the first increment would be dropped";
  EXPECT_FALSE(takes([](int& n) { return &n; }));
}

TYPED_TEST(Variable, AnUpdateThatThrowsPublishesNothing) {
  auto here = this->template make<std::string>();
  ASSERT_TRUE(here.write("before"));
  const auto change = [](std::string& text) {
    text = "half";
    throw std::runtime_error("no");
  };
  EXPECT_THROW(static_cast<void>(here.update(change)), std::runtime_error);
  EXPECT_EQ(value_of(here), "before");
  auto there = this->template make<std::string>();
  EXPECT_EQ(value_of(there), "before");
  EXPECT_EQ(there.serial(), 2U);
  EXPECT_TRUE(there.write("after")) << "the lock has been released";
  EXPECT_EQ(value_of(here), "after");
}

TYPED_TEST(Variable, AValueThatCannotBeEncodedPublishesNothing) {
  auto here = this->template make<moody>();
  ASSERT_TRUE(here.write({.number = 1}));
  moody::throws = true;
  const auto refused = here.write({.number = 2});
  ASSERT_EQ(outcome(refused), "invalid");
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("serialize() threw: a bad mood; "));
  EXPECT_EQ(outcome(here.update([](moody& now) { now.number = 3; })), "corrupt");
  moody::throws = false;
  EXPECT_EQ(value_of(here).number, 1);
  auto there = this->template make<moody>();
  EXPECT_EQ(value_of(there).number, 1);
  EXPECT_EQ(there.serial(), 2U);
}

TYPED_TEST(Variable, AValueThatCannotBeDecodedIsNoValue) {
  auto here = this->template make<moody>();
  ASSERT_TRUE(here.write({.number = 1}));
  auto there = this->template make<moody>();
  moody::throws = true;
  EXPECT_EQ(outcome(there.read()), "corrupt");
  EXPECT_EQ(outcome(there.read()), "corrupt") << "half a copy must not be hit";
  EXPECT_EQ(outcome(there.update([](moody& now) { ++now.number; })), "corrupt");
  moody::throws = false;
  EXPECT_EQ(value_of(there).number, 1);
}

TYPED_TEST(Variable, HasInATransactionTheSerialNumberOfWhatThatBeganWith) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  {
    auto change = here.transact();
    ASSERT_TRUE(change);
    change->value() = 2;
    EXPECT_EQ(here.serial(), 2U);
    ASSERT_TRUE(change->commit());
    EXPECT_EQ(here.serial(), 3U);
  }
  EXPECT_EQ(here.serial(), 3U);
}

TYPED_TEST(Variable, ATransactionMayPublishTwice) {
  auto here = this->template make<int>();
  auto there = this->template make<int>();
  auto change = here.transact();
  ASSERT_TRUE(change);
  change->value() = 1;
  ASSERT_TRUE(change->commit());
  change->value() = 2;
  ASSERT_TRUE(change->commit());
  change->value() = 3;
  change = std::unexpected(error{});
  EXPECT_EQ(value_of(there), 2);
  EXPECT_EQ(there.serial(), 3U);
  EXPECT_EQ(value_of(here), 2) << "what was not committed is gone here, too";
}

// A regression: the copy passed for the published value.
TYPED_TEST(Variable, ATransactionThatIsMovedAndDroppedLeavesTheValue) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  {
    auto first = here.transact();
    ASSERT_TRUE(first);
    first->value() = 2;
    const auto second = *std::move(first);
  }
  EXPECT_EQ(value_of(here), 1);
}

TYPED_TEST(Variable, AValueThatDoesNotFitLeavesTheOldOne) {
  auto made = this->template make<std::string>();
  ASSERT_TRUE(made.write("small"));
  auto own =
      TestFixture::mortal_domain::open(this->name())->template variable<std::string>("it").value();
  {
    const small_machine machine(100'000);
    EXPECT_EQ(outcome(own.write(std::string(200'000, 'x'))), "no_space");
    EXPECT_EQ(value_of(own), "small");
    EXPECT_EQ(outcome(own.update([](std::string& text) { text.append(200'000, 'x'); })),
              "no_space");
    EXPECT_EQ(value_of(own), "small");
    EXPECT_TRUE(own.write(std::string(20'000, 'y')));
  }
  EXPECT_EQ(value_of(made), std::string(20'000, 'y'));
  EXPECT_EQ(made.serial(), 3U);
}

// A regression: only reading verified the checksum.
TYPED_TEST(Variable, ADamagedValueIsNeitherReadNorUpdatedButCanBeReplaced) {
  using text_type = variable<std::string, TypeParam>;
  using store_type = typename text_type::store_type;
  const auto key = segment_key::random_in(short_text(support::unique_space()));
  text_type here(store_type::create(key, {}).value());
  ASSERT_TRUE(here.write("something"));
  auto raw = store_type::attach(key).value();
  *const_cast<std::byte*>(&raw.read().value().bytes().back()) ^= std::byte{1};
  text_type there(store_type::attach(key).value());
  EXPECT_EQ(outcome(there.read()), "corrupt");
  EXPECT_EQ(outcome(there.update([](std::string& text) { text += "!"; })), "corrupt");
  EXPECT_EQ(outcome(there.transact()), "corrupt");
  EXPECT_TRUE(there.write("something else"));
  EXPECT_EQ(value_of(here), "something else");
  EXPECT_TRUE(store_type::remove(key, deadline::never()));
}

// --- Processes and threads.

TYPED_TEST(Variable, NoIncrementOfTwoProcessesIsLost) {
  auto here = this->template make<int>();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(here.write(0));
  EXPECT_EQ(here.serial(), 4U);
  steps start;
  std::vector<child> crew;
  for (int i = 0; i < 2; ++i) {
    crew.push_back(child::start([&] {
      auto own = this->template make<int>();
      start.meet(2);
      for (int n = 0; n < 1000; ++n) ASSERT_TRUE(own.update([](int& value) { ++value; }));
    }));
  }
  for (auto& peer : crew) EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(value_of(here), 2000);
  EXPECT_EQ(here.serial(), 2004U);
}

TYPED_TEST(Variable, AForkedChildWorksWithACopyOfItsOwn) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  auto worker = child::start([&] {
    auto own = here.copy().value();
    EXPECT_EQ(own.hits() + own.misses(), 0U);
    EXPECT_EQ(value_of(own), 1);
    EXPECT_TRUE(own.update([](int& n) { ++n; }));
  });
  EXPECT_EQ(worker.wait(), exited(0));
  EXPECT_EQ(value_of(here), 2);
}

TYPED_TEST(Variable, ThreadsWorkWithCopiesOfTheirOwn) {
  auto here = this->template make<std::vector<int>>();
  {
    std::vector<std::jthread> crew;
    for (int i = 0; i < 3; ++i) {
      crew.emplace_back([own = here.copy().value(), i]() mutable {
        for (int n = 0; n < 200; ++n) {
          ASSERT_TRUE(own.update([&](std::vector<int>& all) { all.push_back(i); }));
          ASSERT_TRUE(own.read());
        }
      });
    }
  }
  EXPECT_EQ(value_of(here).size(), 600U);
}

TYPED_TEST(Variable, ReadersSeeWholeValuesWhileWritersWrite) {
  auto here = this->template make<std::vector<std::uint64_t>>();
  support::shared<std::atomic<bool>> over;
  steps start;
  std::vector<child> crew;
  for (int i = 0; i < 2; ++i) {
    crew.push_back(child::start([&] {
      auto own = here.copy().value();
      start.add();
      while (!*over) {
        const auto got = own.read();
        ASSERT_TRUE(got) << got.error().message();
        const auto& value = **got;
        for (const auto one : value) ASSERT_EQ(one, value.front());
        if (!value.empty()) {
          ASSERT_EQ(value.size(), value.front() * 31 % 1000);
          ASSERT_EQ(own.serial(), value.front() + 1);
        }
      }
    }));
  }
  start.await(2);
  for (std::uint64_t n = 1; n <= 300; ++n) {
    ASSERT_TRUE(here.write(std::vector<std::uint64_t>(n * 31 % 1000, n)));
  }
  *over = true;
  for (auto& reader : crew) EXPECT_EQ(reader.wait(), exited(0));
}

TYPED_TEST(Variable, WhoeverHasARemovedOneOpenIsTold) {
  auto here = this->template make<int>();
  ASSERT_TRUE(here.write(1));
  EXPECT_EQ(value_of(here), 1);
  ASSERT_TRUE(this->open().remove("it"));
  EXPECT_EQ(outcome(here.read()), "not_found") << "its copy must not be hit";
  EXPECT_EQ(outcome(here.write(2)), "not_found");
  EXPECT_EQ(outcome(here.update([](int& n) { ++n; })), "not_found");
  EXPECT_EQ(outcome(here.copy()), "not_found");
}

}  // namespace
}  // namespace shmark

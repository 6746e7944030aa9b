// What domains promise, also when processes die in the middle (see lib/shm/domain.h).

#include "lib/shm/domain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/random.h"
#include "lib/codec/boost_binary.h"
#include "lib/store/layout.h"
#include "tests/lib/shm/backends.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::killed_by;
using support::steps;

template <class Backend>
class Domain : public domain_test<Backend> {
 public:
  using domain_type = domain<Backend>;
  using registry = variable<detail::registry_contents, Backend>;
  using store_type = typename registry::store_type;
  using segment = typename Backend::segment;

  [[nodiscard]] segment_key key_of(std::uint64_t number) const {
    return {short_text(detail::space_of(this->name())), number};
  }
  // The number that the domain's registry says of a name. Requires: the name is there.
  [[nodiscard]] std::uint64_t number_of(const std::string& of) const {
    registry all(store_type::attach(key_of(0)).value());
    return value_of(all).names.at(of);
  }
  [[nodiscard]] bool is_gone() const {
    return outcome(domain_type::open_existing(this->name())) == "not_found";
  }
};
TYPED_TEST_SUITE(Domain, all_backends, name_of_backend);

// --- Names.

TYPED_TEST(Domain, KeepsVariablesFromProcessToProcess) {
  auto writer = child::start([&] {
    auto own = this->open();
    EXPECT_TRUE(own.template variable<int>("number").value().write(5));
    EXPECT_TRUE(own.template variable<std::string>("text").value().write("five"));
  });
  EXPECT_EQ(writer.wait(), exited(0));
  auto reader = child::start([&] {
    auto own = TestFixture::domain_type::open_existing(this->name()).value();
    auto number = own.template variable<int>("number").value();
    auto text = own.template variable<std::string>("text").value();
    EXPECT_EQ(value_of(number), 5);
    EXPECT_EQ(value_of(text), "five");
  });
  EXPECT_EQ(reader.wait(), exited(0));
}

TYPED_TEST(Domain, IsThereOnlyOnceSomebodyHasOpenedIt) {
  EXPECT_TRUE(this->is_gone());
  auto own = this->open();
  EXPECT_FALSE(this->is_gone());
  EXPECT_TRUE(own.list()->empty());
  EXPECT_TRUE(own.cleanup());
  EXPECT_TRUE(this->is_gone());
}

TYPED_TEST(Domain, ListsItsNamesWithTheirTypes) {
  auto own = this->open();
  ASSERT_TRUE(own.template variable<int>("b"));
  ASSERT_TRUE(own.template variable<double>("a"));
  const auto names = own.list().value();
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(names.at("a").type, "double");
  EXPECT_EQ(names.at("b").type, "int");
  auto peer = child::start([&] { EXPECT_EQ(this->open().list()->size(), 2U); });
  EXPECT_EQ(peer.wait(), exited(0));
}

TYPED_TEST(Domain, AVariableOfAnotherTypeIsAMismatch) {
  auto own = this->open();
  ASSERT_TRUE(own.template variable<int>("it"));
  const auto wrong = own.template variable<long>("it");
  ASSERT_EQ(outcome(wrong), "mismatch");
  EXPECT_THAT(wrong.error().message(), ::testing::HasSubstr(": it holds int; open it as that"));
  EXPECT_EQ(outcome(this->open().template variable<std::string>("it")), "mismatch");
  ASSERT_TRUE(own.remove("it"));
  EXPECT_TRUE(own.template variable<long>("it")) << "the name is free again";

  ASSERT_TRUE((own.template variable<std::map<std::string, std::vector<int>>>("table")));
  EXPECT_THAT(own.template variable<long>("table").error().message(),
              ::testing::HasSubstr(": it holds std::map<std::string, std::vector<int>>; open it"));
}

// Of the same segments and locks, with another codec.
template <class Backend>
struct boosts_bytes : Backend {
  using codec = boost_binary;
};

TYPED_TEST(Domain, WhatAnotherCodecWroteIsAMismatch) {
  auto others = domain<boosts_bytes<TypeParam>>::open(this->name());
  ASSERT_EQ(outcome(others), "ok");
  ASSERT_EQ(outcome(others->template variable<int>("number")), "ok");
  auto own = this->open();
  EXPECT_EQ(outcome(own.template variable<int>("number")), "mismatch");
  EXPECT_EQ(outcome(own.list()), "mismatch");
  EXPECT_EQ(outcome(others->cleanup()), "ok");
}

TYPED_TEST(Domain, ErrorsNameTheVariable) {
  auto domain = this->open();
  auto it = domain.template variable<int>("it").value();
  auto other = domain.template variable<int>("it").value();  // not made but found by it
  const auto whose = "it (" + std::string(this->key_of(it.number()).text().view()) + ")";
  {
    const auto reading = it.readlock().value();
    const auto refused = other.write(1, deadline::none());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), ::testing::HasSubstr(whose));
  }
  ASSERT_TRUE(domain.remove("it"));
  const auto gone = it.write(1);
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.error().message(), ::testing::HasSubstr(whose));
}

TYPED_TEST(Domain, InvalidNamesAreRefused) {
  for (const std::string& name :
       {std::string(), std::string(41, 'x'), std::string(200, 'x'), std::string("a/b"),
        std::string("a b"), std::string("../x"), std::string("\xc3\xa4"), std::string("a\0b", 3)}) {
    EXPECT_EQ(outcome(TestFixture::domain_type::open(name)), "invalid") << name;
    EXPECT_EQ(outcome(TestFixture::domain_type::open_existing(name)), "invalid") << name;
  }
  auto own = this->open();
  EXPECT_EQ(outcome(own.template variable<int>("")), "invalid");
  EXPECT_EQ(outcome(own.template variable<int>("it", {.capacity = 1})), "invalid");
  EXPECT_TRUE(own.list()->empty());
  for (const std::string& name :
       {std::string(5000, 'x'), std::string("a/b c\xc3\xa4"), std::string("a\0b", 3)}) {
    auto made = own.template variable<int>(name);
    ASSERT_TRUE(made) << "variables may be called anything";
    EXPECT_TRUE(made->write(1));
    EXPECT_TRUE(own.list()->contains(name));
  }
}

// --- Removing.

TYPED_TEST(Domain, ARemovedVariableIsGoneAndItsNameFree) {
  auto own = this->open();
  auto it = own.template variable<int>("it").value();
  ASSERT_TRUE(it.write(5));
  EXPECT_EQ(outcome(own.remove("other")), "not_found");
  EXPECT_EQ(outcome(own.remove("it")), "ok");
  EXPECT_EQ(outcome(own.remove("it")), "not_found");
  EXPECT_TRUE(own.list()->empty());
  EXPECT_EQ(outcome(it.read()), "not_found");
  auto next = own.template variable<int>("it").value();
  EXPECT_EQ(value_of(next), 0);
  EXPECT_EQ(outcome(it.write(1)), "not_found") << "the old handle is not the new variable's";
  EXPECT_EQ(value_of(next), 0);
}

TYPED_TEST(Domain, AVariableThatAPeerHasRemovedAndMadeAnewIsTheNewOne) {
  auto own = this->open();
  ASSERT_TRUE(own.template variable<int>("it").value().write(1));
  auto peer = child::start([&] {
    auto theirs = this->open();
    EXPECT_TRUE(theirs.remove("it"));
    EXPECT_TRUE(theirs.template variable<int>("it").value().write(2));
  });
  EXPECT_EQ(peer.wait(), exited(0));
  auto it = own.template variable<int>("it").value();
  EXPECT_EQ(value_of(it), 2);
}

TYPED_TEST(Domain, AVariableThatWentByOtherMeansIsNotFoundUntilItIsRemoved) {
  auto own = this->open();
  ASSERT_TRUE(own.template variable<int>("it"));
  ASSERT_TRUE(
      TestFixture::store_type::remove(this->key_of(this->number_of("it")), deadline::never()));
  EXPECT_EQ(outcome(own.template variable<int>("it")), "not_found");
  EXPECT_TRUE(own.remove("it"));
  EXPECT_TRUE(own.template variable<int>("it"));
}

TYPED_TEST(Domain, CleaningUpLeavesNothing) {
  auto own = this->open();
  for (int i = 0; i < 30; ++i) {
    auto it = own.template variable<std::string>("v" + std::to_string(i)).value();
    ASSERT_TRUE(it.write(std::string(static_cast<std::size_t>(i) * 1000, 'x')));
  }
  EXPECT_TRUE(own.cleanup());
  EXPECT_TRUE(this->is_gone());
  EXPECT_EQ(outcome(own.list()), "not_found");
  EXPECT_EQ(outcome(own.cleanup()), "ok") << "twice does no harm";
  EXPECT_TRUE(this->open().list()->empty());
}

TYPED_TEST(Domain, CleaningUpGoesOnPastWhatItCannotRemove) {
  auto own = this->open();
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(own.template variable<int>(name));
  const auto raw = TestFixture::segment::attach(this->key_of(this->number_of("b"))).value();
  auto& version = reinterpret_cast<detail::control*>(raw.bytes().data())->version;
  ++version;  // as one of a later program's
  EXPECT_EQ(outcome(own.cleanup()), "mismatch");
  EXPECT_EQ(own.list()->size(), 1U);
  EXPECT_TRUE(own.list()->contains("b"));
  --version;
  EXPECT_TRUE(own.template variable<int>("b")) << "it is as it was";
  EXPECT_EQ(outcome(own.cleanup()), "ok");
  EXPECT_TRUE(this->is_gone());
}

// A regression: it waited for each of those that are held, one after the other.
TYPED_TEST(Domain, CleaningUpHasOneDeadlineForAll) {
  auto own = this->open();
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(own.template variable<int>(name));
  {
    auto a = own.template variable<int>("a").value();
    auto c = own.template variable<int>("c").value();
    const auto hold_a = a.transact();
    const auto hold_c = c.transact();
    auto peer = child::start([&] {
      EXPECT_EQ(outcome(this->open().remove("a", deadline::none())), "would_block");
      EXPECT_EQ(outcome(this->open().cleanup(deadline::none())), "would_block");
    });
    EXPECT_EQ(peer.wait(), exited(0));
  }
  EXPECT_EQ(own.list()->size(), 2U) << "the one that nobody held is gone";
  EXPECT_EQ(outcome(own.cleanup()), "ok");
}

// A regression: they waited for it as long as it took, and then for what can be left.
TYPED_TEST(Domain, RemovingWaitsForTheRegistryNoLongerThanItWasTold) {
  auto own = this->open();
  ASSERT_TRUE(own.template variable<int>("a"));
  steps step;
  auto holder = child::start([&] {
    auto all = TestFixture::store_type::attach(this->key_of(0)).value();
    const auto held = all.write();
    EXPECT_TRUE(held);
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(outcome(own.remove("a", deadline::none())), "would_block");
  EXPECT_EQ(outcome(own.cleanup(deadline::none())), "would_block");
  EXPECT_EQ(outcome(own.collect(deadline::none())), "would_block");
  EXPECT_EQ(outcome(own.remove("a", deadline::after(std::chrono::milliseconds(5)))), "timed_out");
  step.reach(2);
  EXPECT_EQ(holder.wait(), exited(0));
  EXPECT_EQ(outcome(own.remove("a", deadline::none())), "ok");
}

// A regression: it removed whatever registry it found, and leaked the variables of that.
TYPED_TEST(Domain, CleaningUpThroughAnOldHandleLeavesTheNewDomainAlone) {
  auto old = this->open();
  ASSERT_TRUE(old.template variable<int>("it"));
  ASSERT_TRUE(this->open().cleanup());
  auto next = this->open();
  ASSERT_TRUE(next.template variable<int>("it").value().write(3));
  EXPECT_TRUE(old.cleanup());
  auto it = this->open().template variable<int>("it").value();
  EXPECT_EQ(value_of(it), 3);
}

// A regression: what was made between the last entry's removal and the registry's was leaked.
TYPED_TEST(Domain, CleaningUpWhileOthersMakeVariablesLeaksNone) {
  for (int round = 0; round < 20; ++round) {
    steps start;
    std::vector<child> crew;
    for (int i = 0; i < 2; ++i) {
      crew.push_back(child::start([&] {
        start.meet(3);
        for (int n = 0; n < 10; ++n) {
          auto own = this->open();
          auto it = own.template variable<int>("v" + std::to_string(n % 3));
          EXPECT_TRUE(it || it.error().code == errc::not_found) << it.error().message();
        }
      }));
    }
    crew.push_back(child::start([&] {
      start.meet(3);
      for (int n = 0; n < 10; ++n) EXPECT_EQ(outcome(this->open().cleanup()), "ok");
    }));
    for (auto& peer : crew) EXPECT_EQ(peer.wait(), exited(0));
    EXPECT_EQ(outcome(this->open().cleanup()), "ok");
  }
}

// --- Many at once.

TYPED_TEST(Domain, HoweverManyMakeTheSameNamesEachIsMadeOnce) {
  constexpr int names = 50;
  constexpr std::uint32_t peers = 8;
  steps start;
  std::vector<child> crew;
  for (std::uint32_t i = 0; i < peers; ++i) {
    crew.push_back(child::start([&, i] {
      start.meet(peers);
      auto own = this->open();
      for (int n = 0; n < names; ++n) {
        const auto name = "v" + std::to_string((n + static_cast<int>(i) * 7) % names);
        auto it = own.template variable<int>(name);
        ASSERT_TRUE(it) << it.error().message();
        ASSERT_TRUE(it->update([](int& count) { ++count; }));
      }
    }));
  }
  for (auto& peer : crew) EXPECT_EQ(peer.wait(), exited(0));
  auto own = this->open();
  EXPECT_EQ(own.list()->size(), static_cast<std::size_t>(names));
  for (int n = 0; n < names; ++n) {
    auto it = own.template variable<int>("v" + std::to_string(n)).value();
    EXPECT_EQ(value_of(it), static_cast<int>(peers)) << "some wrote to another variable than this";
  }
}

TYPED_TEST(Domain, MakingAndRemovingTheSameNameAtOnceLeavesItWholeOrGone) {
  steps start;
  std::vector<child> crew;
  for (int i = 0; i < 3; ++i) {
    crew.push_back(child::start([&] {
      auto own = this->open();
      start.meet(3);
      for (int n = 0; n < 60; ++n) {
        auto it = own.template variable<int>("it");
        ASSERT_TRUE(it || it.error().code == errc::not_found) << it.error().message();
        if (it) {
          const auto done = it->update([](int& count) { ++count; });
          ASSERT_TRUE(done || done.error().code == errc::not_found) << done.error().message();
        }
        const auto removed = own.remove("it");
        ASSERT_TRUE(removed || removed.error().code == errc::not_found)
            << removed.error().message();
      }
    }));
  }
  for (auto& peer : crew) EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_TRUE(this->open().list()->empty());
}

// --- Deaths. Whatever dies when, the next finds names that work or are free; and :main fails a
// test that leaves a segment or semaphores behind.

// Every name in the list can be opened and used; others can be made.
template <class D>
void expect_usable(D own) {
  const auto names = own.list();
  ASSERT_TRUE(names) << names.error().message();
  for (const auto& [name, about] : *names) {
    auto it = own.template variable<std::string>(name);
    ASSERT_TRUE(it) << name << ": " << it.error().message();
    EXPECT_TRUE(it->update([](std::string& text) { text += "."; }));
  }
}

TYPED_TEST(Domain, AtWhicheverStepAMakerDiesTheNameIsWholeOrFree) {
  auto own = this->open();
  ASSERT_TRUE(own.template variable<std::string>("other").value().write(std::string(9000, 'x')));
  const int deaths = mortal::dies_at_each_step(
      [&] {
        auto theirs = TestFixture::mortal_domain::open(this->name()).value();
        ASSERT_TRUE(theirs.template variable<std::string>("it"));
      },
      [&] {
        expect_usable(this->open());
        EXPECT_TRUE(own.template variable<std::string>("it").value().write("now"));
        EXPECT_TRUE(own.remove("it"));
      });
  EXPECT_GE(deaths, 10);
}

TYPED_TEST(Domain, AtWhicheverStepAMakerDiesCleaningUpLeavesNothing) {
  const int deaths = mortal::dies_at_each_step(
      [&] {
        const auto steps_left = std::exchange(mortal::steps_left, 0);
        ASSERT_TRUE(this->open().template variable<std::string>("other"));
        auto theirs = TestFixture::mortal_domain::open(this->name()).value();
        mortal::steps_left = steps_left;
        ASSERT_TRUE(theirs.template variable<std::string>("it"));
      },
      [&] {
        EXPECT_EQ(outcome(this->open().cleanup()), "ok");
        EXPECT_TRUE(this->is_gone());
      });
  EXPECT_GE(deaths, 10);
}

TYPED_TEST(Domain, AtWhicheverStepARemoverDiesTheNameIsWholeOrFree) {
  auto own = this->open();
  const int deaths = mortal::dies_at_each_step(
      [&] {
        const auto steps_left = std::exchange(mortal::steps_left, 0);
        auto it = this->open().template variable<std::string>("it").value();
        for (int i = 0; i < 2; ++i) ASSERT_TRUE(it.write(std::string(9000, 'x')));
        auto theirs = TestFixture::mortal_domain::open(this->name()).value();
        mortal::steps_left = steps_left;
        ASSERT_TRUE(theirs.remove("it"));
      },
      [&] {
        expect_usable(this->open());
        auto it = own.template variable<std::string>("it");
        ASSERT_TRUE(it) << it.error().message();
        EXPECT_TRUE(it->write("now"));
        EXPECT_TRUE(own.remove("it"));
      });
  EXPECT_GE(deaths, 15);
}

TYPED_TEST(Domain, AtWhicheverStepACleanerDiesTheNextCleansUpOrGoesOn) {
  const std::array<std::function<void()>, 3> successors{
      [&] { EXPECT_EQ(outcome(this->open().cleanup()), "ok"); },
      [&] {
        if (auto there = TestFixture::domain_type::open_existing(this->name()); there) {
          EXPECT_EQ(outcome(there->cleanup()), "ok");
        }
      },
      [&] {
        expect_usable(this->open());
        EXPECT_TRUE(this->open().template variable<std::string>("a"));
        EXPECT_EQ(outcome(this->open().cleanup()), "ok");
      }};
  for (const auto& succeed : successors) {
    const int deaths = mortal::dies_at_each_step(
        [&] {
          const auto steps_left = std::exchange(mortal::steps_left, 0);
          for (const char* name : {"a", "b"}) {
            auto it = this->open().template variable<std::string>(name).value();
            ASSERT_TRUE(it.write(std::string(9000, 'x')));
          }
          auto theirs = TestFixture::mortal_domain::open(this->name()).value();
          mortal::steps_left = steps_left;
          ASSERT_TRUE(theirs.cleanup());
        },
        [&] {
          succeed();
          EXPECT_TRUE(this->is_gone());
        });
    EXPECT_GE(deaths, 30);
  }
}

TYPED_TEST(Domain, WhoeverIsKilledWheneverAllNamesStayUsable) {
  constexpr int kills = 100;
  random_source random(3);
  steps done;
  const auto work_forever = [&] {
    random_source choices(unpredictable_number());
    for (;;) {
      auto own = this->open();
      const auto name = "v" + std::to_string(choices.below(3));
      if (choices.below(3) == 0) {
        const auto removed = own.remove(name);
        ASSERT_TRUE(removed || removed.error().code == errc::not_found)
            << removed.error().message();
      } else {
        auto it = own.template variable<std::string>(name);
        ASSERT_TRUE(it || it.error().code == errc::not_found) << it.error().message();
        if (!it) continue;
        const auto written = it->write(std::string(choices.below(9000), 'x'));
        ASSERT_TRUE(written || written.error().code == errc::not_found)
            << written.error().message();
      }
      done.add();
    }
  };
  std::vector<child> crew;
  for (int i = 0; i < 2; ++i) crew.push_back(child::start(work_forever));
  for (int i = 0; i < kills; ++i) {
    done.await(done.now() + 1 + random.below(4));
    auto& victim = crew[random.below(crew.size())];
    EXPECT_EQ(victim.kill(), killed_by(SIGKILL));
    victim = child::start(work_forever);
  }
  for (auto& worker : crew) worker.kill();
  expect_usable(this->open());
  EXPECT_EQ(outcome(this->open().cleanup()), "ok");
}

}  // namespace
}  // namespace shmark

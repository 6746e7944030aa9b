// What another process does between any two steps of an operation on references.

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/shm/domain.h"
#include "tests/lib/shm/backends.h"
#include "tests/lib/shm/nodes.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::steps;

// What one does, and what he does about it when the other has finished.
using afterwards = std::function<void()>;

// A process that does something when it is told to, and goes on as soon as nobody is in its way.
class intruder {
 public:
  explicit intruder(const std::function<afterwards()>& what)
      : process_(child::start([&] {
          step_.await(1);
          step_.reach(2);
          const auto then = what();
          step_.await(3);
          if (then) then();
        })) {}
  // Returns when it has done so, or waits for somebody else.
  void go() {
    step_.reach(1);
    step_.await(2);
    process_.await_asleep();
  }
  support::ending finish() {
    step_.reach(1);
    step_.reach(3);
    return process_.wait();
  }

 private:
  steps step_;
  child process_;
};

template <class Real>
class RefRace : public node_test<Real> {
 public:
  using node_test<Real>::at;
  using node_test<Real>::make;
  using typename node_test<Real>::domain_type;
  using typename node_test<Real>::item;
  using typename node_test<Real>::ref_type;

  // --- What one may do to "top", which may refer to "named", which refers to what has no name.

  struct operation {
    const char* name;
    std::function<afterwards(domain_type&)> what;
  };

  template <class Done>
  static void expect_ok_or_not_found(const Done& done) {
    EXPECT_TRUE(done || done.error().code == errc::not_found) << done.error().message();
  }
  static afterwards store(domain_type& own) {
    auto named = at(own, "named");
    const auto to = named.reference();
    expect_ok_or_not_found(to);
    if (to) expect_ok_or_not_found(at(own, "other").write({5, {*to}}));
    return {};
  }
  static afterwards drop(domain_type& own) {
    EXPECT_TRUE(at(own, "top").write({1, {}}));
    return {};
  }
  static afterwards let_go(domain_type& own) {
    static_cast<void>(at(own, "named"));
    return {};
  }
  // Has open what it found by references, and nothing else.
  static afterwards follow(domain_type& own) {
    ref_type last;
    {
      auto top = at(own, "top");
      const auto got = top.read();
      EXPECT_TRUE(got) << got.error().message();
      if (!got || (*got)->to.empty()) return {};
      const auto next = (*got)->to.at(0);
      const auto its = next->read();
      expect_ok_or_not_found(its);  // while it is named, it can be removed
      if (its && !(*its)->to.empty()) last = (*its)->to.at(0);
    }
    return [last] {
      if (!last) return;
      EXPECT_TRUE(last->read());
    };
  }
  static afterwards remove(domain_type& own) {
    expect_ok_or_not_found(own.remove("named"));
    return {};
  }
  static afterwards remove_and_drop(domain_type& own) {
    expect_ok_or_not_found(own.remove("named"));
    return drop(own);
  }
  // The same, by who keeps it open.
  static afterwards take_over(domain_type& own) {
    ref_type taken;
    {
      auto top = at(own, "top");
      const auto got = top.read();
      EXPECT_TRUE(got) << got.error().message();
      if (!got || (*got)->to.empty()) return {};
      taken = (*got)->to.at(0);
      expect_ok_or_not_found(own.remove("named"));
      EXPECT_TRUE(top.update([](auto& value) { value.to.clear(); }));
    }
    return [taken] { EXPECT_TRUE(taken->read()) << "it lost its name when it was referred to"; };
  }
  static afterwards collect(domain_type& own) {
    const auto done = own.collect();
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_TRUE(!done || done->dangling + done->unreadable == 0);
    return {};
  }

  // --- One amid the other.

  void interrupt(const operation& one, const operation& other, bool is_referred_to) {
    SCOPED_TRACE(std::string(one.name) + ", interrupted to " + other.name);
    std::optional<intruder> peer;
    std::optional<domain_type> own;
    const auto prepare = [&] {
      own.reset();
      ASSERT_TRUE(this->open().cleanup());
      {
        auto mine = this->open();
        auto named = at(mine, "named");
        std::vector<ref_type> to;
        if (is_referred_to) to.push_back(named.reference().value());
        ASSERT_TRUE(named.write({2, {make(mine, 3)}}));
        ASSERT_TRUE(at(mine, "top").write({1, to}));
        ASSERT_TRUE(at(mine, "other").write({5, {}}));
      }
      peer.emplace([&] {
        auto its = this->open();
        return other.what(its);
      });
      own.emplace(this->open());
    };
    const auto body = [&] {
      const auto then = one.what(*own);
      mortal::steps_left = 0;
      if (then) then();
    };
    const auto check = [&] {
      EXPECT_EQ(peer->finish(), exited(0));
      this->audit(nullptr, true);
    };
    EXPECT_GT(mortal::interrupted_at_each_step(prepare, body, [&] { peer->go(); }, check), 5);
  }
  // Each in a process of its own, since children inherit that a test has failed.
  void interrupt_by_each(const operation& one, const std::vector<operation>& others,
                         bool is_referred_to = true) {
    std::vector<std::string> failed;
    for (const auto& other : others) {
      auto pair = child::start([&] { interrupt(one, other, is_referred_to); });
      if (pair.wait() != exited(0)) failed.push_back(other.name);
    }
    EXPECT_EQ(failed, std::vector<std::string>());
  }
  void interrupt_by_each(const operation& one) {
    interrupt_by_each(one, {{"store", store},
                            {"drop", drop},
                            {"remove", remove},
                            {"remove and drop", remove_and_drop},
                            {"collect", collect}});
  }
};
TYPED_TEST_SUITE(RefRace, all_backends, name_of_backend);

TYPED_TEST(RefRace, InStoringAReference) { this->interrupt_by_each({"store", this->store}); }
TYPED_TEST(RefRace, InDroppingAReference) { this->interrupt_by_each({"drop", this->drop}); }
TYPED_TEST(RefRace, InLettingGo) { this->interrupt_by_each({"let go", this->let_go}); }
TYPED_TEST(RefRace, InFollowingReferences) { this->interrupt_by_each({"follow", this->follow}); }
TYPED_TEST(RefRace, InRemoving) { this->interrupt_by_each({"remove", this->remove}); }
TYPED_TEST(RefRace, InCollecting) { this->interrupt_by_each({"collect", this->collect}); }

TYPED_TEST(RefRace, WhatIsReferredToWhileItIsRemovedStays) {
  this->interrupt_by_each({"remove", this->remove}, {{"store", this->store}}, false);
  this->interrupt_by_each({"store", this->store}, {{"remove", this->remove}}, false);
}

TYPED_TEST(RefRace, WhatLosesItsNameStaysWithWhoeverHasItOpen) {
  this->interrupt_by_each({"remove", this->remove}, {{"take over", this->take_over}});
  this->interrupt_by_each({"take over", this->take_over}, {{"remove", this->remove},
                                                           {"take over", this->take_over},
                                                           {"let go", this->let_go},
                                                           {"collect", this->collect}});
}

// It goes from one to the next, as one who follows a list does: collect() that looks at the next
// one first and then at this one sees neither open.
TYPED_TEST(RefRace, WhoMovesAlongAListIsNeverOverlookedByCollect) {
  std::optional<steps> step;
  std::optional<child> mover;
  const auto prepare = [&] {
    step.emplace();
    mover.emplace(child::start([&] {
      auto own = this->open();
      auto next = this->make(own, 2);
      auto at = this->make(own, 1, {next});
      while (at->number() < next->number()) at = this->make(own, 1, {next});
      next = {};
      step->reach(1);
      step->await(2);
      const auto got = at->read();
      EXPECT_TRUE(got) << got.error().message();
      if (got) next = (*got)->to.at(0);
      step->reach(3);
      at = {};  // and wait for the end of collect(), if it has begun
      step->await(4);
      EXPECT_TRUE(next && next->read()) << "collected while open";
    }));
    step->await(1);
  };
  const auto move = [&] {
    step->reach(2);
    step->await(3);
    mover->await_asleep();
  };
  const auto check = [&] {
    step->reach(4);
    EXPECT_EQ(mover->wait(), exited(0));
    auto own = this->open();
    EXPECT_EQ(own.collect()->dangling, 0U);
    EXPECT_EQ(own.count().value(), 0U);
  };
  auto own = this->open();
  const auto collect = [&] { EXPECT_TRUE(own.collect()); };
  EXPECT_GT(mortal::interrupted_at_each_step(prepare, collect, move, check), 5);
}

}  // namespace
}  // namespace shmark

// What another process does between any two steps of an operation on references.

#include <gtest/gtest.h>

#include <boost/serialization/vector.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "lib/shm/domain.h"
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
  std::vector<ref<node, Backend>> to;
  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & value & to;
  }
};

template <class Real>
class RefRace : public domain_test<mortal_backend<Real>> {};
TYPED_TEST_SUITE(RefRace, all_backends, name_of_backend);

// It goes from one to the next, as one who follows a list does: collect() that looks at the next
// one first and then at this one sees neither open.
TYPED_TEST(RefRace, WhoMovesAlongAListIsNeverOverlookedByCollect) {
  using item = node<mortal_backend<TypeParam>>;
  std::optional<steps> step;
  std::optional<child> mover;
  const auto prepare = [&] {
    step.emplace();
    mover.emplace(child::start([&] {
      auto own = this->open();
      auto next = own.make_ref(item{.value = 2, .to = {}}).value();
      auto at = own.make_ref(item{.value = 1, .to = {next}}).value();
      while (at->number() < next->number()) at = own.make_ref(item{1, {next}}).value();
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

// Many processes that register the same names at once (row 16 of docs/seeds.md). A thousand names,
// a hundred times: --test_env=SHMARK_NAMES=1000 --test_arg=--gtest_repeat=100.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "lib/shm/domain.h"
#include "tests/lib/shm/backends.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::shared;
using support::steps;

constexpr std::size_t processes = 8;
constexpr std::size_t names_max = 1000;

std::size_t how_many_names() {
  const char* const asked = std::getenv("SHMARK_NAMES");
  return std::min<std::size_t>(names_max, asked == nullptr ? 100 : std::stoul(asked));
}

template <class Backend>
class Registration : public domain_test<Backend> {};
TYPED_TEST_SUITE(Registration, all_backends, name_of_backend);

TYPED_TEST(Registration, HoweverManyRegisterANameAtOnceThereIsOneVariable) {
  const std::size_t names = how_many_names();
  shared<std::array<std::array<std::uint64_t, names_max>, processes>> numbers;
  auto own = this->open();
  steps step;
  std::vector<child> crew;
  for (std::size_t i = 0; i < processes; ++i) {
    crew.push_back(child::start([&, i] {
      auto its = this->open();
      step.await(1);
      for (std::size_t n = 0; n < names; ++n) {
        auto one = its.template variable<int>("name." + std::to_string(n));
        ASSERT_TRUE(one) << one.error().message();
        (*numbers)[i][n] = one->number();
      }
    }));
  }
  step.reach(1);
  for (auto& one : crew) EXPECT_EQ(one.wait(), exited(0));
  const auto first = std::span((*numbers)[0]).first(names);
  const std::set<std::uint64_t> all(first.begin(), first.end());
  EXPECT_EQ(all.size(), names) << "each name has a variable of its own";
  for (const auto& its : *numbers) EXPECT_EQ(its, (*numbers)[0]);
  EXPECT_EQ(own.count().value(), names);
  EXPECT_EQ(own.list()->size(), names);
  EXPECT_TRUE(own.cleanup());
}

}  // namespace
}  // namespace shmark

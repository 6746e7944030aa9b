#include "lib/measure/failure_bound.h"

#include <gtest/gtest.h>

#include <cmath>

namespace shmark {
namespace {

TEST(FailureBound, IsTheChanceThatMakesNoFailureOneInTwenty) {
  for (const std::uint64_t trials : {1U, 2U, 10U, 1000U}) {
    EXPECT_NEAR(std::pow(1 - failure_bound(trials), trials), 0.05, 1e-12) << trials;
  }
}

TEST(FailureBound, IsJustBelowThreeInSoMany) {
  for (const std::uint64_t trials : {100U, 200'000U, 1'000'000'000U}) {
    const double product = failure_bound(trials) * static_cast<double>(trials);
    EXPECT_LT(product, 3) << trials;
    EXPECT_GT(product, 2.94) << trials;
  }
}

TEST(FailureBound, OfNothingIsNothing) { EXPECT_EQ(failure_bound(0), 1); }

}  // namespace
}  // namespace shmark

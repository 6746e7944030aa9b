#include "lib/base/check.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace shmark {
namespace {

TEST(CheckDeathTest, StopsTheProgramWithTheExplanationTheConditionAndThePlace) {
  const int held = 0;
  EXPECT_EXIT(SHMARK_CHECK(held == 1, "released what is not held"),
              ::testing::KilledBySignal(SIGABRT),
              "released what is not held .*held == 1.*check_test.cc:[0-9]+");
}

TEST(Check, DoesNothingWhenTheConditionHolds) { SHMARK_CHECK(true, "not shown"); }

TEST(Check, EvaluatesItsConditionOnce) {
  int evaluations = 0;
  SHMARK_CHECK(++evaluations > 0, "not shown");
  EXPECT_EQ(evaluations, 1);
}

}  // namespace
}  // namespace shmark

#include "lib/measure/median.h"

#include <gtest/gtest.h>

namespace shmark {
namespace {

TEST(Median, IsTheMiddleOne) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 4}), 4);
}

TEST(Median, IsTheMeanOfTheMiddleTwoOfAnEvenNumber) { EXPECT_EQ(median({9, 1, 4, 6}), 5); }

}  // namespace
}  // namespace shmark

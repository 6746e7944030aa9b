#include "lib/measure/fairness.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "lib/base/random.h"

namespace shmark {
namespace {

TEST(JainIndex, Is1IfAllGotTheSame) {
  for (std::size_t workers = 1; workers <= 9; ++workers) {
    EXPECT_DOUBLE_EQ(jain_index(std::vector<double>(workers, 12.5)), 1);
  }
}

TEST(JainIndex, IsOneNthIfOneOfNGotEverything) {
  for (std::size_t workers = 1; workers <= 9; ++workers) {
    std::vector<double> shares(workers, 0);
    shares.back() = 3e9;
    EXPECT_DOUBLE_EQ(jain_index(shares), 1 / static_cast<double>(workers));
  }
}

TEST(JainIndex, IsTheShareOfWorkersServedIfTheRestGotNothing) {
  EXPECT_DOUBLE_EQ(jain_index(std::array{5.0, 0.0, 5.0, 5.0, 0.0}), 0.6);
}

TEST(JainIndex, HasTheValueOfAnExampleByHand) {
  // (1 + 2 + 3)² / (3 · (1 + 4 + 9))
  EXPECT_DOUBLE_EQ(jain_index(std::array{1.0, 2.0, 3.0}), 36.0 / 42.0);
}

TEST(JainIndex, DoesNotDependOnTheUnit) {
  random_source random(3);
  for (int i = 0; i < 100; ++i) {
    std::array<double, 5> shares;
    std::array<double, 5> scaled;
    for (std::size_t k = 0; k < shares.size(); ++k) {
      shares[k] = random.fraction();
      scaled[k] = shares[k] * 1e6;
    }
    const double index = jain_index(shares);
    EXPECT_NEAR(jain_index(scaled), index, 1e-12);
    EXPECT_GE(index, 0.2);
    EXPECT_LE(index, 1 + 1e-12);
  }
}

TEST(JainIndex, Is1IfNobodyGotAnythingOrNobodyIsThere) {
  EXPECT_EQ(jain_index({}), 1);
  EXPECT_EQ(jain_index(std::array{0.0, 0.0}), 1);
}

}  // namespace
}  // namespace shmark

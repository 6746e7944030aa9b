#include "lib/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace shmark {
namespace {

TEST(RandomSource, GivesTheNumbersOfSplitMix64) {
  // The published test vector for this seed.
  random_source source(1234567);
  for (const std::uint64_t expected :
       {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u,
        16408922859458223821u}) {
    EXPECT_EQ(source.next(), expected);
  }
}

TEST(RandomSource, RepeatsItselfFromTheSameSeed) {
  random_source first(42);
  random_source second(42);
  random_source other(43);
  const auto number = first.next();
  EXPECT_EQ(number, second.next());
  EXPECT_NE(number, other.next());
}

TEST(RandomSource, StaysBelowABoundAndReachesAllBelowIt) {
  random_source source(1);
  std::array<int, 6> counts{};
  for (int i = 0; i < 6000; ++i) ++counts.at(source.below(counts.size()));
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(RandomSource, TakesBoundsFromOneToTwoToThe32) {
  random_source source(1);
  std::uint32_t largest = 0;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(source.below(1), 0u);
    largest = std::max(largest, source.below(std::uint64_t{1} << 32));
  }
  EXPECT_GT(largest, 0xf0000000u);
}

TEST(RandomSource, FractionsAreInHalfOpenUnitInterval) {
  random_source source(1);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double fraction = source.fraction();
    ASSERT_GE(fraction, 0);
    ASSERT_LT(fraction, 1);
    sum += fraction;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.02);
}

TEST(UnpredictableNumber, IsAnotherOneEveryTime) {
  EXPECT_NE(unpredictable_number(), unpredictable_number());
}

}  // namespace
}  // namespace shmark

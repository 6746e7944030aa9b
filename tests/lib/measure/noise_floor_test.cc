#include "lib/measure/noise_floor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "lib/base/random.h"
#include "lib/measure/median.h"

namespace shmark {
namespace {

constexpr int experiments = 5000;
// Four standard deviations of a share of about 0.95 in so many experiments, and that the ratio of a
// median to a standard deviation is not quite Student's t: of 3 repetitions, 96.2% agree.
constexpr double tolerance = 0.02;

// By Box and Muller.
double normal(random_source& random) {
  return std::sqrt(-2 * std::log(1 - random.fraction())) *
         std::cos(2 * std::numbers::pi * random.fraction());
}

// Repetitions of about 250 ns whose logarithms have this standard deviation.
std::vector<double> series(random_source& random, std::size_t repetitions, double deviation) {
  std::vector<double> values;
  for (std::size_t i = 0; i < repetitions; ++i) {
    values.push_back(250 * std::exp(deviation * normal(random)));
  }
  return values;
}

// By how much the greater median is above the smaller one.
double difference(const std::vector<double>& one, const std::vector<double>& another) {
  const double a = median(one);
  const double b = median(another);
  return std::max(a, b) / std::min(a, b) - 1;
}

class NoiseFloor : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(OfRepetitions, NoiseFloor, testing::Values(2, 3, 5, 10, 21),
                         testing::PrintToStringParamName());

TEST_P(NoiseFloor, IsExceededIn5Of100RunsThatDifferByNothing) {
  for (const double deviation : {0.002, 0.1}) {
    random_source random(GetParam());
    double below = 0;
    for (int i = 0; i < experiments; ++i) {
      const auto one = series(random, GetParam(), deviation);
      const auto another = series(random, GetParam(), deviation);
      below += difference(one, another) <= *noise_floor(one) ? 1.0 / experiments : 0;
    }
    EXPECT_NEAR(below, 0.95, tolerance);
  }
}

TEST_P(NoiseFloor, LetsAgree95Of100RunsThatDifferByNothing) {
  random_source random(GetParam());
  double agreed = 0;
  for (int i = 0; i < experiments; ++i) {
    const auto one = series(random, GetParam(), 0.03);
    agreed += *agrees(one, series(random, GetParam(), 0.03)) ? 1.0 / experiments : 0;
  }
  EXPECT_NEAR(agreed, 0.95, tolerance);
}

TEST_P(NoiseFloor, LetsAgree95Of100AlsoIfOneRunHasMoreRepetitions) {
  random_source random(GetParam());
  double agreed = 0;
  for (int i = 0; i < experiments; ++i) {
    const auto one = series(random, GetParam(), 0.03);
    agreed += *agrees(one, series(random, 4, 0.03)) ? 1.0 / experiments : 0;
  }
  EXPECT_NEAR(agreed, 0.95, tolerance);
}

TEST_P(NoiseFloor, KnowsHowMuchMoreTheMedianVariesThanTheMean) {
  random_source random(GetParam());
  double squares = 0;
  for (int i = 0; i < experiments; ++i) {
    std::vector<double> values;
    for (std::size_t k = 0; k < GetParam(); ++k) values.push_back(normal(random));
    squares += std::pow(median(values), 2) / experiments;
  }
  const double seen = std::sqrt(squares * static_cast<double>(GetParam()));
  // Six standard deviations, and the limit that stands for more than 20 is a little high.
  EXPECT_NEAR(median_inefficiency(GetParam()) / seen, 1, 0.035);
}

TEST(NoiseFloorOf, RealDifferencesIsBelowThem) {
  random_source random(7);
  double agreed = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto one = series(random, 5, 0.01);
    auto slower = series(random, 5, 0.01);
    for (double& value : slower) value *= 1.05;
    agreed += *agrees(one, slower) ? 1.0 / 1000 : 0;
    EXPECT_EQ(agrees(one, slower), agrees(slower, one));
  }
  EXPECT_LT(agreed, 0.01);
}

TEST(NoiseFloorOf, AnExampleByHandIsThat) {
  // Logarithms -d, 0, d have the standard deviation d; t is 4.3027 with 2 degrees of freedom.
  const double d = 0.01;
  const std::vector values{std::exp(-d), 1.0, std::exp(d)};
  const double expected = std::expm1(4.3027 * d * 1.1602 * std::sqrt(2.0 / 3));
  EXPECT_NEAR(*noise_floor(values), expected, 1e-6);
}

TEST(NoiseFloorOf, ASeriesDoesNotDependOnTheUnit) {
  random_source random(3);
  auto values = series(random, 5, 0.05);
  const double floor = *noise_floor(values);
  for (double& value : values) value *= 1e-9;
  EXPECT_NEAR(*noise_floor(values), floor, 1e-12);
  // Nor on whether times are compared or rates.
  for (double& value : values) value = 1 / value;
  EXPECT_NEAR(*noise_floor(values), floor, 1e-12);
}

TEST(NoiseFloorOf, ASeriesIsNotBelowThatOfTheCalibration) {
  const std::vector steady{100.0, 100.0, 100.0};
  const std::vector near{104.0, 104.0, 104.0};
  EXPECT_EQ(noise_floor(steady), 0);
  EXPECT_EQ(noise_floor(steady, 0.05), 0.05);
  EXPECT_EQ(agrees(steady, near), false);
  EXPECT_EQ(agrees(steady, near, 0.0399), false) << "floors are of differences, not of logarithms";
  EXPECT_EQ(agrees(steady, near, 0.0401), true);
  const std::vector noisy{100.0, 200.0, 400.0};
  EXPECT_EQ(noise_floor(noisy, 0.05), noise_floor(noisy));
}

TEST(NoiseFloorOf, WhatTellsNothingIsNone) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector good{1.0, 2.0};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::vector<double>& bad :
       {std::vector<double>{}, {1}, {1, 0}, {1, -1}, {1, nan}, {1, infinity}}) {
    EXPECT_EQ(noise_floor(bad), std::nullopt);
    EXPECT_EQ(agrees(good, bad), std::nullopt);
    EXPECT_EQ(agrees(bad, good, 1), std::nullopt);
  }
}

}  // namespace
}  // namespace shmark

#include "lib/measure/usl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "lib/base/random.h"

namespace shmark {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct law {
  double lambda_per_s;
  double sigma;
  double kappa;

  [[nodiscard]] double at(int workers) const {
    const double n = workers;
    return lambda_per_s * n / (1 + sigma * (n - 1) + kappa * n * (n - 1));
  }
};

const std::vector<int> few{1, 2, 4, 8};
const std::vector<int> many{1, 2, 3, 4, 6, 8, 12, 16};

// By Box and Muller.
double normal(random_source& random) {
  return std::sqrt(-2 * std::log(1 - random.fraction())) *
         std::cos(2 * std::numbers::pi * random.fraction());
}

// How a law's throughput is disturbed, by a factor with a logarithm of these deviations: once for
// all repetitions of a number of workers, as a launch does, and once for each repetition.
struct disturbance {
  double of_launch = 0;
  double of_repetition = 0;
};

std::vector<scaling_point> points_of(const law& true_law, const std::vector<int>& workers,
                                     int repetitions = 1, disturbance by = {},
                                     std::uint64_t seed = 1) {
  random_source random(seed);
  std::vector<scaling_point> points;
  for (const int n : workers) {
    scaling_point point{.workers = n};
    const double launch = by.of_launch * normal(random);
    for (int i = 0; i < repetitions; ++i) {
      point.ops_per_s.push_back(true_law.at(n) *
                                std::exp(launch + by.of_repetition * normal(random)));
    }
    points.push_back(point);
  }
  return points;
}

usl_fit fitted(const std::vector<scaling_point>& points, int cores = 64) {
  const auto fit = fit_usl(points, cores);
  EXPECT_TRUE(fit) << fit.error().message();
  return fit.value_or(usl_fit{});
}

void expect_law(const usl_fit& fit, const law& expected, double tolerance) {
  EXPECT_NEAR(fit.lambda_per_s / expected.lambda_per_s, 1, tolerance);
  EXPECT_NEAR(fit.sigma, expected.sigma, tolerance);
  EXPECT_NEAR(fit.kappa, expected.kappa, tolerance);
}

TEST(Usl, FindsTheLawThatMadeThePoints) {
  for (const law& each : {law{1e6, 0.1, 0.001}, law{42, 0.5, 0.02}, law{3e9, 0.02, 0.3},
                          law{1, 0, 0}, law{1e6, 0.2, 0}, law{1e6, 0, 0.01}, law{1e6, 1.5, 0}}) {
    for (const auto& workers : {few, many}) {
      SCOPED_TRACE(testing::Message() << each.sigma << ' ' << each.kappa);
      const auto fit = fitted(points_of(each, workers));
      expect_law(fit, each, 1e-9);
      EXPECT_NEAR(fit.relative_error, 0, 1e-9);
      EXPECT_NEAR(fit.r_squared, 1, 1e-9);
      for (const int n : workers) EXPECT_NEAR(fit.ops_per_s(n) / each.at(n), 1, 1e-9);
    }
  }
}

TEST(Usl, ComesNearTheLawThroughNoise) {
  const law true_law{1e6, 0.1, 0.002};
  const auto fit = fitted(points_of(true_law, many, 5, {.of_repetition = 0.02}));
  expect_law(fit, true_law, 0.05);
  EXPECT_GT(fit.relative_error, 0.001);
  EXPECT_LT(fit.relative_error, 0.05);
  EXPECT_GT(fit.r_squared, 0.95);
}

TEST(Usl, IsNotMovedByOneDisturbedRepetition) {
  const law true_law{1e6, 0.1, 0.002};
  for (std::size_t disturbed = 0; disturbed < 3; ++disturbed) {
    auto points = points_of(true_law, many, 3);
    points[2].ops_per_s[disturbed] /= 10;
    expect_law(fitted(points), true_law, 1e-9);
  }
}

TEST(Usl, CountsEachNumberOfWorkersOnceHoweverManyItsRepetitionsAndPoints) {
  auto points = points_of({1e6, 0.1, 0.002}, few, 1, {.of_launch = 0.1});
  const auto once = fitted(points);
  points[1].ops_per_s.resize(9, points[1].ops_per_s.front());
  points.push_back(points.front());
  const auto often = fitted(points);
  EXPECT_EQ(often.sigma, once.sigma);
  EXPECT_EQ(often.kappa, once.kappa);
  EXPECT_EQ(often.relative_error, once.relative_error);
}

// The free solution has a negative σ, or κ, or both.
TEST(Usl, NeverHasANegativeParameter) {
  for (const law& each : {law{1e6, -0.05, 0.01}, law{1e6, 0.3, -0.01}, law{1e6, -0.01, -0.0001}}) {
    const auto fit = fitted(points_of(each, many));
    EXPECT_EQ(fit.sigma, std::max(0.0, fit.sigma));
    EXPECT_EQ(fit.kappa, std::max(0.0, fit.kappa));
    EXPECT_TRUE(fit.sigma == 0 || fit.kappa == 0);
    EXPECT_GT(fit.lambda_per_s, 0);
  }
  const auto superlinear = fitted(points_of({1e6, -0.01, -0.0001}, many));
  EXPECT_EQ(superlinear.sigma, 0);
  EXPECT_EQ(superlinear.kappa, 0);
}

// By trying all on a grid around what was found: no allowed neighbour deviates less.
TEST(Usl, HasTheLeastRelativeDeviations) {
  const auto deviation = [](const usl_fit& of, const std::vector<scaling_point>& points) {
    double sum = 0;
    for (const auto& point : points) {
      sum += std::pow(point.ops_per_s.front() / of.ops_per_s(point.workers) - 1, 2);
    }
    return sum;
  };
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const law true_law{1e6, seed % 2 == 0 ? 0 : 0.1, seed % 3 == 0 ? 0 : 0.01};
    const auto points = points_of(true_law, many, 1, {.of_launch = 0.2}, seed);
    const auto fit = fitted(points);
    const double least = deviation(fit, points);
    EXPECT_NEAR(fit.relative_error, std::sqrt(least / 8), 1e-9);
    for (const double lambda : {0.99, 1.0, 1.01}) {
      for (const double sigma : {-0.003, 0.0, 0.003}) {
        for (const double kappa : {-0.0003, 0.0, 0.0003}) {
          auto near = fit;
          near.lambda_per_s *= lambda;
          near.sigma = std::max(0.0, fit.sigma + sigma);
          near.kappa = std::max(0.0, fit.kappa + kappa);
          EXPECT_GE(deviation(near, points), least - 1e-12) << seed;
        }
      }
    }
  }
}

TEST(Usl, SaysWhereThroughputIsGreatest) {
  const auto peak = fitted(points_of({1e6, 0.1, 0.009}, many)).peak_workers();
  ASSERT_TRUE(peak);
  EXPECT_NEAR(*peak, 10, 1e-6);
  const auto retrograde = fitted(points_of({1e6, 0.2, 2}, few)).peak_workers();
  EXPECT_EQ(retrograde, 1) << "of less than one worker nothing is known";
}

TEST(Usl, HasNoPeakIfThroughputNeverFalls) {
  EXPECT_EQ((usl_fit{.lambda_per_s = 1, .sigma = 0.3, .kappa = 0}.peak_workers()), std::nullopt);
  EXPECT_EQ((usl_fit{.lambda_per_s = 1, .sigma = 1, .kappa = 0}.peak_workers()), std::nullopt);
  EXPECT_EQ((usl_fit{.lambda_per_s = 1, .sigma = 1.5, .kappa = 0}.peak_workers()), 1);
  EXPECT_EQ((usl_fit{.lambda_per_s = 1, .sigma = 1, .kappa = 0.1}.peak_workers()), 1);
}

TEST(Usl, HasIntervalsFromSixNumbersOfWorkersWithinTheCoresOn) {
  const auto points = points_of({1e6, 0.1, 0.01}, many, 3, {.of_repetition = 0.02});
  const auto eight = fitted(points, 8);
  ASSERT_TRUE(eight.intervals) << eight.why_no_intervals;
  EXPECT_EQ(eight.why_no_intervals, "");
  EXPECT_LE(eight.intervals->sigma.low, eight.sigma);
  EXPECT_GE(eight.intervals->sigma.high, eight.sigma);
  EXPECT_LE(eight.intervals->kappa.low, eight.kappa);
  EXPECT_GE(eight.intervals->kappa.high, eight.kappa);

  const auto seven = fitted(points, 7);
  EXPECT_FALSE(seven.intervals);
  EXPECT_EQ(seven.why_no_intervals,
            "only 5 of the numbers of workers are within the 7 cores, and it takes 6");
}

// In what share of 2000 experiments the intervals contain the true σ, and κ.
struct coverage {
  double sigma = 0;
  double kappa = 0;
};
coverage coverage_of(const law& true_law, disturbance by) {
  constexpr int experiments = 2000;
  coverage seen;
  for (int i = 0; i < experiments; ++i) {
    const auto points =
        points_of(true_law, {1, 2, 3, 4, 6, 8}, 3, by, static_cast<std::uint64_t>(i) + 1);
    const auto intervals = fit_usl(points, 8)->intervals;
    const auto covers = [](const usl_interval& in, double value) {
      EXPECT_GE(in.low, 0);
      return in.low <= value && value <= in.high ? 1.0 : 0.0;
    };
    seen.sigma += covers(intervals->sigma, true_law.sigma) / experiments;
    seen.kappa += covers(intervals->kappa, true_law.kappa) / experiments;
  }
  return seen;
}

// Also where most of the noise is that of launches, which repetitions know nothing of.
TEST(Usl, HasIntervalsThatContainTheTruthIn95OutOf100Experiments) {
  for (const disturbance& by : {disturbance{.of_repetition = 0.02},
                                disturbance{.of_launch = 0.02, .of_repetition = 0.002}}) {
    const auto seen = coverage_of({1e6, 0.3, 0.02}, by);
    EXPECT_NEAR(seen.sigma, 0.95, 0.02);
    EXPECT_NEAR(seen.kappa, 0.95, 0.02);
  }
}

TEST(Usl, HasIntervalsThatContain0WhereThatIsTheTruth) {
  const auto seen = coverage_of({1e6, 0, 0}, {.of_launch = 0.02});
  EXPECT_GT(seen.sigma, 0.94);
  EXPECT_GT(seen.kappa, 0.94);
}

TEST(Usl, RefusesWhatCannotBeFitted) {
  const auto message = [](const std::vector<scaling_point>& points, int cores = 8) {
    const auto fit = fit_usl(points, cores);
    EXPECT_FALSE(fit);
    EXPECT_EQ(fit.error().code, errc::invalid);
    return fit.error().message();
  };
  const auto expect = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect(message({}), "0 numbers of workers");
  expect(message({{1, {1}}, {2, {2}}, {2, {2}}}), "3 different numbers of workers");
  for (const double bad : {nan, infinity, 0.0, -1.0}) {
    expect(message({{1, {1}}, {2, {2, bad}}, {4, {4}}}), "2 workers");
  }
  expect(message({{1, {1}}, {2, {}}, {4, {4}}}), "2 workers");
  expect(message({{0, {1}}, {2, {2}}, {4, {4}}}), "0 workers");
  expect(message(points_of({1, 0, 0}, few), 0), "0 cores");
}

}  // namespace
}  // namespace shmark

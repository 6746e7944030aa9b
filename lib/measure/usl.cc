#include "lib/measure/usl.h"

#include <algorithm>
#include <array>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>

#include "lib/measure/median.h"

namespace shmark {
namespace {

// 1/λ, σ/λ and κ/λ.
constexpr std::size_t parameters = 3;
using vector3 = std::array<double, parameters>;
using matrix3 = std::array<vector3, parameters>;

constexpr std::size_t least_workers = 3;
constexpr std::size_t least_for_intervals = 6;

// The median throughput of each number of workers, in order.
using medians = std::map<int, double>;

std::expected<medians, error> medians_of(std::span<const scaling_point> points) {
  constexpr auto attempted = "fit scalability";
  std::map<int, std::vector<double>> all;
  for (const scaling_point& point : points) {
    const std::string name = std::to_string(point.workers) + " workers";
    if (point.workers < 1) return failure(errc::invalid, attempted, name, "give at least 1");
    if (point.ops_per_s.empty()) {
      return failure(errc::invalid, attempted, name, "give one throughput at least");
    }
    for (const double each : point.ops_per_s) {
      if (!std::isfinite(each) || each <= 0) {
        return failure(errc::invalid, attempted, name, "give finite throughputs above 0");
      }
      all[point.workers].push_back(each);
    }
  }
  if (all.size() < least_workers) {
    return failure(errc::invalid, attempted, std::to_string(all.size()) + " numbers of workers",
                   "measure 3 different numbers of workers at least");
  }
  medians middle;
  for (const auto& [workers, each] : all) middle[workers] = median(each);
  return middle;
}

// What relative deviations are least squares of: a row is X/N times (1, N - 1, N(N - 1)), and rows
// times parameters should be 1. Columns are scaled to length 1, for numerical accuracy only.
struct equations {
  std::vector<vector3> rows{};
  vector3 scale{};  // a parameter is a solution's element divided by this
};

equations equations_of(const medians& points) {
  equations made;
  for (const auto& [workers, ops_per_s] : points) {
    const double n = workers;
    const double weight = ops_per_s / n;
    made.rows.push_back({weight, weight * (n - 1), weight * n * (n - 1)});
  }
  for (std::size_t k = 0; k < parameters; ++k) {
    for (const vector3& row : made.rows) made.scale[k] = std::hypot(made.scale[k], row[k]);
    for (vector3& row : made.rows) row[k] /= made.scale[k];
  }
  return made;
}

// Which parameters are free; the others are 0. λ always is.
using active_set = std::array<bool, parameters>;
constexpr std::array<active_set, 4> active_sets{
    {{true, false, false}, {true, true, false}, {true, false, true}, {true, true, true}}};

// The inverse of A'A for the free parameters, with zeroes for the others: Gauss and Jordan, without
// pivoting, which positive definite matrices do not need.
matrix3 inverse_normal(const equations& of, const active_set& free) {
  matrix3 normal{};
  matrix3 inverse{};
  for (std::size_t i = 0; i < parameters; ++i) {
    for (std::size_t k = 0; k < parameters; ++k) {
      for (const vector3& row : of.rows) normal[i][k] += free[i] && free[k] ? row[i] * row[k] : 0;
    }
    if (free[i]) inverse[i][i] = 1;
  }
  for (std::size_t pivot = 0; pivot < parameters; ++pivot) {
    if (!free[pivot]) continue;
    const double by = normal[pivot][pivot];
    for (std::size_t k = 0; k < parameters; ++k) {
      normal[pivot][k] /= by;
      inverse[pivot][k] /= by;
    }
    for (std::size_t i = 0; i < parameters; ++i) {
      if (i == pivot) continue;
      const double times = normal[i][pivot];
      for (std::size_t k = 0; k < parameters; ++k) {
        normal[i][k] -= times * normal[pivot][k];
        inverse[i][k] -= times * inverse[pivot][k];
      }
    }
  }
  return inverse;
}

// Least squares with these parameters free.
vector3 solve(const equations& of, const active_set& free) {
  const matrix3 inverse = inverse_normal(of, free);
  vector3 right{};
  for (const vector3& row : of.rows) {
    for (std::size_t k = 0; k < parameters; ++k) right[k] += row[k];
  }
  vector3 solution{};
  for (std::size_t i = 0; i < parameters; ++i) {
    for (std::size_t k = 0; k < parameters; ++k) solution[i] += inverse[i][k] * right[k];
  }
  return solution;
}

double sum_of_squares(const equations& of, const vector3& solution) {
  double sum = 0;
  for (const vector3& row : of.rows) {
    double deviation = -1;
    for (std::size_t k = 0; k < parameters; ++k) deviation += row[k] * solution[k];
    sum += deviation * deviation;
  }
  return sum;
}

// The best solution without negative parameters. The problem is convex: its minimum is the least
// squares solution of those parameters that are not 0 there, so that trying all sets finds it.
vector3 best_solution(const equations& of) {
  vector3 best{};
  double least = std::numeric_limits<double>::infinity();
  for (const active_set& free : active_sets) {
    const vector3 solution = solve(of, free);
    const bool allowed = solution[0] > 0 && solution[1] >= 0 && solution[2] >= 0;
    const double sum = sum_of_squares(of, solution);
    if (allowed && sum < least) {
      best = solution;
      least = sum;
    }
  }
  return best;
}

// Of element k of the solution divided by its first: how it varies follows from how both do
// (linearized, "delta method").
usl_interval interval_of(std::size_t k, const vector3& value, const matrix3& covariance, double t) {
  const double ratio = value[k] / value[0];
  const double variance =
      (covariance[k][k] - 2 * ratio * covariance[0][k] + ratio * ratio * covariance[0][0]) /
      (value[0] * value[0]);
  const double reach = t * std::sqrt(std::max(0.0, variance));
  return {std::max(0.0, ratio - reach), ratio + reach};
}

// `value`: the parameters. All are free here, also where the best is 0: that it is exactly 0 is not
// known.
usl_intervals intervals_of(const equations& of, const vector3& value, double sum) {
  const double freedom = static_cast<double>(of.rows.size() - parameters);
  matrix3 covariance = inverse_normal(of, active_sets.back());
  for (std::size_t i = 0; i < parameters; ++i) {
    for (std::size_t k = 0; k < parameters; ++k) {
      covariance[i][k] *= sum / freedom / of.scale[i] / of.scale[k];
    }
  }
  const double t = boost::math::quantile(boost::math::students_t(freedom), 0.975);
  return {interval_of(1, value, covariance, t), interval_of(2, value, covariance, t)};
}

double r_squared(const usl_fit& fit, const medians& points) {
  double mean = 0;
  for (const auto& [workers, ops_per_s] : points) mean += ops_per_s;
  mean /= static_cast<double>(points.size());
  double explained = 0;
  double all = 0;
  for (const auto& [workers, ops_per_s] : points) {
    explained += std::pow(ops_per_s - fit.ops_per_s(workers), 2);
    all += std::pow(ops_per_s - mean, 2);
  }
  // Where throughput does not depend on workers at all there is nothing to explain.
  return all == 0 ? 1 : 1 - explained / all;
}

}  // namespace

std::optional<double> usl_fit::peak_workers() const noexcept {
  if (sigma >= 1 && sigma + kappa > 1) return 1;
  if (kappa == 0) return std::nullopt;
  return std::max(1.0, std::sqrt((1 - sigma) / kappa));
}

double usl_fit::ops_per_s(double workers) const noexcept {
  const double others = workers - 1;
  return lambda_per_s * workers / (1 + sigma * others + kappa * workers * others);
}

std::expected<usl_fit, error> fit_usl(std::span<const scaling_point> points, int cores) {
  if (cores < 1) {
    return failure(errc::invalid, "fit scalability", std::to_string(cores) + " cores",
                   "give at least 1");
  }
  SHMARK_ASSIGN_OR_RETURN(const medians middle, medians_of(points));
  const equations of = equations_of(middle);
  const vector3 solution = best_solution(of);
  const double sum = sum_of_squares(of, solution);
  vector3 value{};
  for (std::size_t k = 0; k < parameters; ++k) value[k] = solution[k] / of.scale[k];

  usl_fit fit{.lambda_per_s = 1 / value[0],
              .sigma = value[1] / value[0],
              .kappa = value[2] / value[0],
              .relative_error = std::sqrt(sum / static_cast<double>(middle.size()))};
  fit.r_squared = r_squared(fit, middle);
  const auto within = static_cast<std::size_t>(
      std::ranges::count_if(middle, [&](const auto& point) { return point.first <= cores; }));
  if (within >= least_for_intervals) {
    fit.intervals = intervals_of(of, value, sum);
  } else {
    fit.why_no_intervals = "only " + std::to_string(within) + " of the numbers of workers are " +
                           "within the " + std::to_string(cores) + " cores, and it takes " +
                           std::to_string(least_for_intervals);
  }
  return fit;
}

}  // namespace shmark

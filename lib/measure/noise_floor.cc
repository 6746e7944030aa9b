#include "lib/measure/noise_floor.h"

#include <algorithm>
#include <array>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numbers>
#include <vector>

#include "lib/measure/median.h"

namespace shmark {
namespace {

constexpr double confidence = 0.95;

// A series' logarithms in figures.
struct summary {
  double median = 0;
  double squares = 0;  // sum of squared deviations from the mean
  double size = 0;

  // The variance of the median, of values with a variance of 1.
  [[nodiscard]] double median_variance() const {
    return std::pow(median_inefficiency(static_cast<std::size_t>(size)), 2) / size;
  }
};

std::optional<summary> summary_of(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  std::vector<double> logs;
  double sum = 0;
  for (const double value : values) {
    if (!std::isfinite(value) || value <= 0) return std::nullopt;
    logs.push_back(std::log(value));
    sum += logs.back();
  }
  summary of{.size = static_cast<double>(logs.size())};
  for (const double log : logs) of.squares += std::pow(log - sum / of.size, 2);
  of.median = median(std::move(logs));
  return of;
}

// The difference of two medians' logarithms that noise exceeds in 5 of 100 cases. `squares` are
// those that the variance is estimated from, with so many degrees of freedom.
double limit(double squares, double freedom, double variance_of_difference) {
  const double t = boost::math::quantile(boost::math::students_t(freedom), (1 + confidence) / 2);
  return t * std::sqrt(squares / freedom * variance_of_difference);
}

}  // namespace

double median_inefficiency(std::size_t repetitions) noexcept {
  constexpr std::array exact{1.0000, 1.0000, 1.1602, 1.0922, 1.1976, 1.1352, 1.2137,
                             1.1601, 1.2227, 1.1764, 1.2283, 1.1879, 1.2322, 1.1965,
                             1.2351, 1.2032, 1.2373, 1.2086, 1.2390, 1.2131};
  if (repetitions == 0) return 1;
  return repetitions <= exact.size() ? exact[repetitions - 1] : std::sqrt(std::numbers::pi / 2);
}

std::optional<double> noise_floor(std::span<const double> repetitions, double calibrated) {
  const auto of = summary_of(repetitions);
  if (!of) return std::nullopt;
  const double own = limit(of->squares, of->size - 1, 2 * of->median_variance());
  return std::max(std::expm1(own), calibrated);
}

std::optional<double> joint_noise_floor(std::span<const double> one,
                                        std::span<const double> another, double calibrated) {
  const auto a = summary_of(one);
  const auto b = summary_of(another);
  if (!a || !b) return std::nullopt;
  const double own = limit(a->squares + b->squares, a->size + b->size - 2,
                           a->median_variance() + b->median_variance());
  return std::max(std::expm1(own), calibrated);
}

bool is_noise(double ratio, double floor) noexcept {
  return std::abs(std::log(ratio)) <= std::log1p(floor);
}

std::optional<bool> agrees(std::span<const double> one, std::span<const double> another,
                           double calibrated) {
  const auto a = summary_of(one);
  const auto b = summary_of(another);
  if (!a || !b) return std::nullopt;
  const auto floor = joint_noise_floor(one, another, calibrated);
  return is_noise(std::exp(a->median - b->median), *floor);
}

}  // namespace shmark

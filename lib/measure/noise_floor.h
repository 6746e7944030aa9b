// Which differences between two runs of one series are no more than noise.
//
// A series is represented by the median of its R repetitions. Two runs' medians, of which nothing
// has changed in between, differ by more than the noise floor in 5 of 100 cases:
//
//     floor = t × s × e(R) × √(2/R)
//
// with s the standard deviation of the repetitions' logarithms, t Student's quantile for 95%
// (R - 1 degrees of freedom), and e(R) how much more the median of R normal values varies than
// their mean does: 1.16 for 3, and √(π/2) = 1.25 for many.
//
// Assumed:
// - Logarithms of repetitions are about normal. What disturbs a few repetitions makes the floor too
//   high, rather than too low.
// - Repetitions differ from each other as much as they do from those of another run. Repetitions
//   that follow each other in one process do not, by far: either they are spread over the run
//   (random interleaving), or the floor is that of a calibration by A/A measurements, if higher.
// - Both runs scatter alike. What makes one of them noisier is a difference, too.
// - The ratio of a median to a standard deviation is distributed as that of a mean is. Nearly: of 3
//   repetitions, 96.2% of runs agree in place of 95%.
//
// All differences are relative: 0.03 means that the greater median is 3% above the smaller one.
//
// Source of e(R): the variances of order statistics of normal samples, by numerical integration of
// their densities (H. A. David, H. N. Nagaraja, "Order Statistics", 3rd edition, 2003).
//
// Thread safety: pure functions.
//
// Example:
//   const auto floor = noise_floor(times_ns, calibration.aa_spread);
//   if (floor) fmt::print("differences below {:.1f}% are noise", 100 * *floor);
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace shmark {

// e(R): the standard deviation of the median of R normal values, divided by that of their mean.
// `repetitions`: at least 1. Exact up to 20, then the limit, which is at most 4% too high.
[[nodiscard]] double median_inefficiency(std::size_t repetitions) noexcept;

// The floor of a series by its repetitions, but not below `calibrated`, a relative difference.
// Nothing is known, and none returned, of fewer than two repetitions, or if any value is not a
// finite number above 0.
[[nodiscard]] std::optional<double> noise_floor(std::span<const double> repetitions,
                                                double calibrated = 0);

// The floor of two runs of a series by the repetitions of both together, which is more certain than
// that of one, but not below `calibrated`. The larger of both runs' own floors would be too high:
// of 100 differences that are noise it lets 99 pass. Nothing is returned where noise_floor() has
// none of either.
[[nodiscard]] std::optional<double> joint_noise_floor(std::span<const double> one,
                                                      std::span<const double> another,
                                                      double calibrated = 0);

// Whether so large a ratio, of either of two to the other, is no more than a floor: a relative
// difference.
[[nodiscard]] bool is_noise(double ratio, double floor) noexcept;

// Whether the medians of two runs of a series differ by no more than their
// joint floor. If nothing has changed,
// about 95 of 100 agree; more, where the calibration decides.
[[nodiscard]] std::optional<bool> agrees(std::span<const double> one,
                                         std::span<const double> another, double calibrated = 0);

}  // namespace shmark

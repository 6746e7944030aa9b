// How throughput grows with workers: a fit of the Universal Scalability Law.
//
//     X(N) = λN / (1 + σ(N - 1) + κN(N - 1))
//
// λ is the throughput of one worker; σ (contention) the share of the work that only one worker can
// do at a time; κ (coherency) what each pair of workers costs, and why throughput falls again
// beyond some N. With κ = 0 it is Amdahl's law.
//
// Source: N. J. Gunther, "A General Theory of Computational Scalability Based on Rational
// Functions", arXiv:0808.1431, 2008.
//
// N/X is linear in 1/λ, σ/λ and κ/λ. They are fitted by least squares of relative deviations, so
// that a point counts the same whether throughput is high or low there, and none may be negative.
// Each number of workers counts once, by the median of its repetitions: repetitions of one launch
// resemble each other far more than launches do, and more of them would only look like more
// knowledge. Intervals are therefore of how far the numbers of workers scatter about the curve
// (Student's t, with as many degrees of freedom as there are numbers of workers less three), which
// contains both noise and that the law does not fit. Fewer than 6 numbers of workers within the
// cores leave too little for that. Points beyond the cores, where it is rather the scheduler that
// is measured, take part in the fit: leave them out if that is not wanted.
//
// Thread safety: pure functions.
//
// Example:
//   const auto fit = fit_usl(points, about.machine.cores);
//   if (fit && fit->intervals) fmt::print("σ {:.3f}…{:.3f}", fit->intervals->sigma.low, ...);
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/error.h"

namespace shmark {

// What so many workers did. Points with the same number of workers count as one.
struct scaling_point {
  int workers = 1;                  // at least 1
  std::vector<double> ops_per_s{};  // of all workers together, one per repetition; above 0
};

// Where a parameter lies with 95% confidence, if the law holds. Not below 0.
struct usl_interval {
  double low = 0;
  double high = 0;
};

struct usl_intervals {
  usl_interval sigma{};
  usl_interval kappa{};
};

struct usl_fit {
  double lambda_per_s = 0;  // λ, above 0
  double sigma = 0;         // σ, not below 0
  double kappa = 0;         // κ, not below 0

  // Root of the mean square of X / X(N) - 1 over the numbers of workers.
  double relative_error = 0;
  // What share of the variance of the throughput the curve explains: 1 if all. At most 1; below 0,
  // the mean alone would explain more.
  double r_squared = 0;

  std::optional<usl_intervals> intervals{};
  std::string why_no_intervals{};  // a clause, if there are none

  // How many workers do most, as a fraction. At 1 if each further one only harms; nothing if
  // throughput never falls.
  [[nodiscard]] std::optional<double> peak_workers() const noexcept;

  // X(N), of any N from 1 on.
  [[nodiscard]] double ops_per_s(double workers) const noexcept;
};

// `cores`: on which the workers could run; at least 1.
// Errors: invalid, if there are fewer than 3 different numbers of workers, if a throughput is not a
// finite number above 0, a point has none, or a number is outside its range.
[[nodiscard]] std::expected<usl_fit, error> fit_usl(std::span<const scaling_point> points,
                                                    int cores);

}  // namespace shmark

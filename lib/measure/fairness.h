// How evenly workers were served.
//
// Source: R. Jain, D. Chiu, W. Hawe, "A quantitative measure of fairness and discrimination for
// resource allocation in shared computer systems", DEC TR-301, 1984.
#pragma once

#include <span>

namespace shmark {

// Jain's index of the workers' shares: 1 if all are equal, 1/N if one of N got everything. 1 if
// there are none, or nobody got anything.
[[nodiscard]] inline double jain_index(std::span<const double> shares) noexcept {
  double sum = 0;
  double squares = 0;
  for (const double share : shares) {
    sum += share;
    squares += share * share;
  }
  return squares == 0 ? 1 : sum * sum / (static_cast<double>(shares.size()) * squares);
}

}  // namespace shmark

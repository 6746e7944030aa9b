// What trials without a failure say: how likely a failure can be at most.
#pragma once

#include <cmath>
#include <cstdint>

namespace shmark {

// After that many independent trials without a failure, the greatest chance of one in a trial that
// makes such luck no rarer than 1 in 20: 1 - 0.05^(1/trials), which is just below 3 / trials. (J.
// A. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249,
// 1983.) Of no trials nothing is known: 1.
[[nodiscard]] inline double failure_bound(std::uint64_t trials) noexcept {
  if (trials == 0) return 1;
  constexpr double luck = 0.05;
  return -std::expm1(std::log(luck) / static_cast<double>(trials));
}

}  // namespace shmark

#include "stress/fault/killer.h"

#include <cmath>

namespace shmark::stress {

std::chrono::nanoseconds killer::gap() noexcept {
  // By inversion: 1 - fraction() is never 0.
  const double mean_gaps = -std::log(1 - random_.fraction());
  return std::chrono::nanoseconds(std::llround(mean_gaps * static_cast<double>(mean_gap_.count())));
}

int killer::victim(int workers) noexcept {
  return static_cast<int>(random_.below(static_cast<std::uint64_t>(workers)));
}

}  // namespace shmark::stress

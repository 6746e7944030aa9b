// The middle of several measurements: what stands for repetitions, since one that was disturbed
// does not move it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace shmark {

// Requires values that are not empty. With an even number of values, the mean of the middle two.
[[nodiscard]] inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : std::midpoint(values[middle - 1], values[middle]);
}

}  // namespace shmark

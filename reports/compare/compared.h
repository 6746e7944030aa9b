// The times of a series that two runs are compared by.
//
// Thread safety: a pure function.
#pragma once

#include <vector>

#include "lib/result/noise.h"
#include "reports/series.h"

namespace shmark::reports {

// In ns, of each entry that has one: see result::compared_ns(). Empty for open loops whose
// operations were not timed: their rate is given, and says nothing.
[[nodiscard]] inline std::vector<double> compared_times(const series& one) {
  std::vector<double> times;
  for (const result::entry* each : one.entries) {
    if (const auto ns = result::compared_ns(*each)) times.push_back(*ns);
  }
  return times;
}

}  // namespace shmark::reports

// What was measured in an open loop, next to the closed loop in which all else is the same.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "reports/series.h"

namespace shmark::reports {

struct loop_pair {
  const series* open = nullptr;    // may be null: there is none
  const series* closed = nullptr;  // likewise

  [[nodiscard]] const series& any() const { return open == nullptr ? *closed : *open; }

  // Not all of the operations that were due could be done: what is measured is how long the queue
  // has become.
  [[nodiscard]] bool is_saturated() const;
};

// Of all open loops, and of closed ones in which a worker was stopped. `from` has both, and closed
// loops without a stop. In order of first appearance.
[[nodiscard]] std::vector<loop_pair> loop_pairs(const all_series& from);

// "20,000 per s, one stopped for 50 ms", without what is not there.
[[nodiscard]] std::string loop_text(const name_parts& of);

}  // namespace shmark::reports

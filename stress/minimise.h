// A failing run made smaller, for whoever is to understand it: fewer kinds of faults, fewer
// workers, less time, as long as it still fails in the same way.
//
// Greedy, in the manner of delta debugging (Zeller and Hildebrandt, "Simplifying and isolating
// failure-inducing input", IEEE TSE 28, 2002) with one part taken away at a time: parameters are
// few, and a run that does not fail costs all of its time.
//
// Process and thread safety: as the runs.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>

#include "lib/base/error.h"
#include "stress/scenario/scenario.h"

namespace shmark::stress {

struct minimised {
  options smallest;       // of those that failed; what it began with, if nothing smaller did
  int tries = 0;          // at which the smallest failed; 0: nothing smaller did
  int runs = 0;           // in all
  bool complete = false;  // nothing smaller is left to try; false: time was up, or interrupted
};

// One run. Errors stop the search.
using attempt = std::function<std::expected<outcome, error>(const options&)>;
// Called before each run, with what it tries.
using attempt_callback = std::function<void(const options&)>;

// `failing` is a run that failed, and came to `seen`: a smaller one counts if one of its damages is
// among those. Each is tried up to `tries` times, until it fails. Begins no run after `budget_s`
// seconds, or after Ctrl-C, and says what is known by then.
[[nodiscard]] std::expected<minimised, error> minimise(const options& failing, const counts& seen,
                                                       double budget_s, const attempt& run,
                                                       const attempt_callback& tell);

}  // namespace shmark::stress

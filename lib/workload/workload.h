// A workload: what the workers of a crew do to a subject. Written once; benchmarks put a clock to
// it, tests run it small.
//
// Process and thread safety: a workload is made in the supervisor before its workers are forked;
// work() runs in each of them; conclude() in the supervisor, after each window.
#pragma once

#include <expected>
#include <map>
#include <string>

#include "lib/base/error.h"
#include "lib/crew/window.h"

namespace shmark {

class workload {
 public:
  // Names with units last, and values.
  using counters = std::map<std::string, double, std::less<>>;

  virtual ~workload() = default;

  // A worker's whole life: attach, then run() once for each next().
  virtual void work(window_worker& self) = 0;

  // Checks what the workers did, and gives the workload's own counters. Errors: corrupt, if the
  // subject did not do what it is for; a fast lock that does not lock is no result.
  [[nodiscard]] virtual std::expected<counters, error> conclude(const window_result& result) = 0;
};

// Out of line, lest what never happens makes a measured operation too large to be inlined.
[[gnu::cold, gnu::noinline]] inline void note_failure(const error& what,
                                                      std::expected<void, error>& in) noexcept {
  in = std::unexpected(what);
}

}  // namespace shmark

// How subjects scale: series that differ in the number of workers only, and the Universal
// Scalability Law fitted to them.
//
// Thread safety: pure functions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/measure/usl.h"
#include "reports/series.h"

namespace shmark::reports {

struct scaling {
  std::string subject{};                // "robust_rw"
  std::string load{};                   // what was asked of it: "exclusive", "read, 256"
  std::vector<scaling_point> points{};  // workers rise
  std::optional<usl_fit> fit{};
  std::string why_no_fit{};
};

// One for each subject and load, in order of first appearance; none of what was measured with one
// number of workers only, as baselines are. `subject` is the argument that names it. `cores`: 0 if
// unknown, then nothing is fitted.
[[nodiscard]] std::vector<scaling> scalings_of(
    const all_series& of, std::string_view subject,
    const std::function<std::string(const name_parts&)>& load, int cores);

// "most at 3.2 workers", "never falls".
[[nodiscard]] std::string peak_text(const usl_fit& fit);

}  // namespace shmark::reports

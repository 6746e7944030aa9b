// What was asked of a lock, in words: how often readers come, for how long it is held, and so on.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "reports/series.h"

namespace shmark::reports {

// "exclusive", "mixed, 90 % reads", "exclusive, 200 ns inside, 500 ns between". Workers, and what
// makes a loop an open one, are no part of it.
[[nodiscard]] std::string load_of(const name_parts& of);

// Whether the mode is all that was asked: neither work inside nor between.
[[nodiscard]] bool is_plain(const name_parts& of);

// In order of first appearance.
[[nodiscard]] std::vector<std::string> loads_of(const all_series& all);
[[nodiscard]] all_series with_load(const all_series& from, const std::string& load);

}  // namespace shmark::reports

// A history as a picture: one lane for each worker, and in it a bar for each operation, from its
// call to its return; below it, the same as a table.
//
// Thread safety: a pure function.
#pragma once

#include <string>
#include <string_view>

#include "stress/history/history.h"

namespace shmark::reports {

// So many operations are drawn: the last ones. A history that a failing run leaves is shortened to
// what shows the failure, and has far fewer.
inline constexpr std::size_t operations_drawn_max = 1000;

// An HTML page that opens without a network. It says what the checker says of the history, and
// marks the operations that this names.
[[nodiscard]] std::string draw(const stress::history& all, std::string_view title);

}  // namespace shmark::reports

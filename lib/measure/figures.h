// Numbers as people read them: what was measured in three significant digits and the unit that
// suits, what was counted in full.
//
// Thread safety: pure functions.
#pragma once

#include <string>

namespace shmark {

// "0.314 ns", "15.2 ns", "4.70 us": for terminals.
[[nodiscard]] std::string duration_text(double ns);

// "4.70 µs": where any letter can be shown.
[[nodiscard]] std::string duration_utf8(double ns);

// "28.4 M/s", "91.2 k/s".
[[nodiscard]] std::string rate_text(double per_s);

// "512 B", "64.0 KiB".
[[nodiscard]] std::string bytes_text(double count);

// "1,840"; fractions are rounded.
[[nodiscard]] std::string count_text(double number);

}  // namespace shmark

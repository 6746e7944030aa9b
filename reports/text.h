// How reports write numbers and foreign text.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace shmark::reports {

// Three significant digits in the unit that suits: "0.31 ns", "15.2 ns", "4.70 µs". With `ascii`,
// "us" instead of "µs".
enum class letters { unicode, ascii };
[[nodiscard]] std::string duration(double ns, letters allowed = letters::unicode);

// "28.4 M/s", "91.2 k/s".
[[nodiscard]] std::string rate(double per_second);

// "512 B", "64.0 KiB".
[[nodiscard]] std::string bytes(double count);

// "1,840"; fractions are rounded.
[[nodiscard]] std::string count(double number);

// "92.5 %".
[[nodiscard]] std::string percent(double share);

// Two decimals near 1, otherwise two or three digits: "1.04", "12.5", "0.031".
[[nodiscard]] std::string ratio(double value);

// For HTML text and for attribute values in quotes. Control characters become U+FFFD.
[[nodiscard]] std::string escape_html(std::string_view text);

// For a cell of a table in GitHub's Markdown: nothing in it is markup, and it stays one cell.
[[nodiscard]] std::string escape_markdown(std::string_view text);

// For a terminal: control characters, which could move the cursor or change colours, become '?'.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace shmark::reports

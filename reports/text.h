// How reports write foreign text, counts, shares and ratios. What was measured is written by
// lib/measure/figures.h.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace shmark::reports {

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

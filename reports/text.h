// How reports write foreign text, commits, shares and ratios. What was measured or counted is
// written by lib/measure/figures.h.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace shmark::reports {

// "0123456789ab", or "0123456789ab with uncommitted changes", of a result file's commit.
[[nodiscard]] std::string short_commit(std::string_view commit);

// "92.5 %".
[[nodiscard]] std::string percent(double share);

// Two decimals near 1, otherwise two or three digits: "1.04", "12.5", "0.031"; "1990", in full.
[[nodiscard]] std::string ratio(double value);

// For HTML text and for attribute values in quotes. Control characters become U+FFFD.
[[nodiscard]] std::string escape_html(std::string_view text);

// For a cell of a table in GitHub's Markdown: nothing in it is markup, and it stays one cell.
[[nodiscard]] std::string escape_markdown(std::string_view text);

// For a terminal: control characters, which could move the cursor or change colours, become '?'.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace shmark::reports

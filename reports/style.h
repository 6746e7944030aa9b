// The frame of every HTML file that reports write: one look, nothing loaded from anywhere.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace shmark::reports {

// A whole document with our style sheet. `title` is plain text; `body` is HTML, in which everything
// that came from a file must have been escaped. The document forbids the browser to load anything.
[[nodiscard]] std::string html_document(std::string_view title, std::string_view body);

}  // namespace shmark::reports

// A comparison as text for a terminal, as Markdown for a pull request, and as an HTML page.
//
// Thread safety: pure functions.
#pragma once

#include <string>

#include "reports/compare/comparison.h"

namespace shmark::reports {

enum class colours { off, on };

[[nodiscard]] std::string as_terminal_text(const comparison& done, const named_run& baseline,
                                           const named_run& candidate, colours allowed);
[[nodiscard]] std::string as_markdown(const comparison& done, const named_run& baseline,
                                      const named_run& candidate);

// Self-contained: opens without a network.
[[nodiscard]] std::string as_html(const comparison& done, const named_run& baseline,
                                  const named_run& candidate);

}  // namespace shmark::reports

// One self-contained HTML page from any result files: charts with a table below each, verdicts of
// stress runs, and how everything was measured.
//
// The page holds all that it needs (Chart.js too) and forbids the browser to load anything, so that
// it can be opened from a disk, mailed or kept with the results. Whatever comes from the runs
// (names, commands, error messages) is treated as foreign text: it is shown, never obeyed.
//
// Thread safety: page() is a pure function.
//
// Example:
//   const std::array runs{benchmark_run, stress_run};
//   auto done = reports::write_page("report.html", runs, "Tour");
#pragma once

#include <expected>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/result/result.h"

namespace shmark::reports {

// The page as HTML. With several benchmark runs each has its own charts, in the order given;
// benchmarks whose names it does not know go into a plain chart and table. `title` is plain text.
[[nodiscard]] std::string page(std::span<const result::run> runs, std::string_view title);

// Writes the page, replacing what was there at once or not at all. `path` is used as it is: see
// result::caller_path. Errors: as the system says.
[[nodiscard]] std::expected<void, error> write_page(const std::filesystem::path& path,
                                                    std::span<const result::run> runs,
                                                    std::string_view title);

}  // namespace shmark::reports

// What the run could resolve, what it lacks, and every series with its noise floor.
#include <fmt/core.h>

#include <algorithm>

#include "lib/measure/figures.h"
#include "reports/page/sections.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

std::string percent_text(double percent_value) { return fmt::format("{:.1f} %", percent_value); }

table calibration_table(const result::calibration_info& by) {
  const auto time = [](double ns) { return ns == 0 ? "not measured" : duration_utf8(ns); };
  const auto spread = [](double value) {
    return value == 0 ? "not measured" : percent_text(value);
  };
  return {.caption = "Measured when the run began",
          .head = {"", "value"},
          .rows = {{"a turn of an empty loop", time(by.empty_loop_ns)},
                   {"reading the clock", time(by.clock_ns)},
                   {"a lock that does nothing", time(by.null_lock_ns)},
                   {"launches right after each other, in windows of 30 ms, differ by at most, with "
                    "one worker",
                    spread(by.aa_spread_percent_single)},
                   {"the same with workers that contend", spread(by.aa_spread_percent_contended)}},
          .notes = {"At most: in 95 of 100 cases."}};
}

// Of the benchmarks that were repeated.
std::string resolution_text(const page_run& run) {
  std::vector<double> floors;
  for (const series& one : run.all) {
    if (one.entries.empty() || one.verdict) continue;
    if (const double floor = run.noise_of(one); floor > 0) floors.push_back(floor);
  }
  if (floors.empty()) {
    return "Nothing is known about noise: no benchmark was repeated, and there was no calibration.";
  }
  std::ranges::sort(floors);
  const auto at = [&](std::size_t percents) {
    return percent(floors[std::min(floors.size() - 1, floors.size() * percents / 100)]);
  };
  return fmt::format(
      "A difference between two runs is more than noise from {} on in half of the {} series, and "
      "from {} on in nine of ten.",
      at(50), floors.size(), at(90));
}

table missing_table(const std::vector<result::missing_benchmark>& all) {
  table numbers{.caption = "What belongs to this run and could not be measured",
                .head = {"benchmarks", "why, and what to do"}};
  for (const auto& each : all) numbers.rows.push_back({each.name, each.why});
  return numbers;
}

table all_table(const page_run& run) {
  table numbers{
      .caption = "Every benchmark: median time per operation, and which differences are noise",
      .head = {"benchmark", "time", "noise", "repetitions", "throughput", "p50", "p99", "p99.9"}};
  for (const series& one : run.all) {
    if (one.entries.empty() || one.verdict) continue;
    const double floor = run.noise_of(one);
    numbers.rows.push_back({one.name, duration_utf8(one.median_ns()),
                            floor > 0 ? percent(floor) : "unknown",
                            std::to_string(one.repetitions()), rate_text(operations_per_s(one)),
                            cell(one, "p50_ns", duration_utf8), cell(one, "p99_ns", duration_utf8),
                            cell(one, "p999_ns", duration_utf8)});
  }
  return numbers;
}

}  // namespace

void add_noise(document& to, const page_run& run) {
  const auto& about = run.run->about;
  auto numbers = all_table(run);
  if (numbers.rows.empty() && about.missing.empty()) return;
  to.begin_section(run.prefix + "Noise",
                   "Each run begins with a calibration: what the tools themselves cost, and by how "
                   "much launches right after each other, in windows of 30 ms, differ. " +
                       resolution_text(run));
  if (about.calibration) to.add_table(calibration_table(*about.calibration));
  if (!about.missing.empty()) {
    to.add_html("<div class=\"circumstances\">");
    to.add_table(missing_table(about.missing));
    to.add_html("</div>\n");
  }
  if (!numbers.rows.empty()) to.add_table(numbers, document::tables::folded);
  to.end_section();
}

}  // namespace shmark::reports

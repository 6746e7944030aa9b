// Verdicts of stress runs, and what was explored.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lib/measure/figures.h"
#include "reports/page/sections.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

using result::verdict_kind;

struct known_count {
  std::string_view counter;
  std::string_view words;
};

constexpr known_count work[] = {{"operations", "operations"},
                                {"changes", "changes"},
                                {"reads", "reads"},
                                {"overlapped", "overlapped with another's"},
                                {"kills", "workers killed"},
                                {"kills_in_operation", "inside an operation"},
                                {"kills_holding", "while holding a lock"},
                                {"recoveries", "recoveries"},
                                {"checked_operations", "judged by their times"}};
// Each should be 0.
constexpr known_count damage[] = {{"lost", "lost"},     {"torn", "torn"},
                                  {"stuck", "stuck"},   {"died", "ended by themselves"},
                                  {"leaked", "leaked"}, {"broken", "other promises broken"}};

// What the run lacked that a vacuous entry came of.
std::string_view what_was_missing(const page_run& run, const series& one) {
  bool kills = false;
  bool overlap = false;
  for (const result::entry& entry : run.run->entries) {
    if (entry.name != one.name || !entry.stress) continue;
    if (entry.stress->verdict != verdict_kind::vacuous) continue;
    kills = kills || entry.counter("kills_in_operation") == 0.0;
    overlap = overlap || entry.counter("overlapped") == 0.0;
  }
  if (kills && overlap)
    return "No kill landed inside an operation, and no two operations overlapped";
  return overlap ? "No two operations overlapped" : "No kill landed inside an operation";
}

std::string meaning(const page_run& run, const series& one) {
  switch (*one.verdict) {
    case verdict_kind::passed:
      return "All checks held while workers were being killed.";
    case verdict_kind::failed:
      return "A check failed: shared state was damaged, lost or left behind.";
    case verdict_kind::undecided:
      return "A check could not be decided. This is not a pass: repeat it.";
    case verdict_kind::vacuous:
      return fmt::format(
          "{}, so nothing was tested. This is not a pass: run it longer or with more workers.",
          what_was_missing(run, one));
  }
  return "";
}

// A verdict in words and shape as well as in colour.
std::string badge(verdict_kind verdict) {
  constexpr std::array<std::string_view, 4> signs{"✓", "✗", "?", "∅"};
  return fmt::format("<span class=\"badge {0}\"><span aria-hidden=\"true\">{1}</span> {0}</span>",
                     name_of(verdict), signs[static_cast<std::size_t>(verdict)]);
}

void add_number(document& to, std::string_view style, double value, std::string_view words) {
  to.add_html(fmt::format("<div class=\"number {}\"><dt>{}</dt><dd>{}</dd></div>\n", style,
                          escape_html(words), count_text(value)));
}

void add_numbers(document& to, const series& one, std::span<const known_count> wanted,
                 bool should_be_zero) {
  to.add_html("<dl class=\"numbers\">\n");
  for (const auto& [counter, words] : wanted) {
    const auto value = one.sum_of(counter);
    if (!value) continue;
    add_number(to, !should_be_zero ? "" : *value == 0 ? "good" : "bad", *value, words);
  }
  to.add_html("</dl>\n");
}

std::string heading_of(const series& one) {
  const std::string_view scenario = one.parts["scenario"];
  if (one.parts.family == "Explore") {
    return fmt::format("{}, {}", one.parts["operation"], one.parts["fault"]);
  }
  if (scenario.empty()) return one.name;
  std::string heading(scenario);
  for (const auto& [argument, value] : one.parts.arguments) {
    if (argument != "scenario") heading += fmt::format(", {} {}", value, argument);
  }
  return heading;
}

// What the checkers of all its entries found.
void add_findings(document& to, const page_run& run, const series& one) {
  constexpr std::size_t shown_max = 20;  // the first ones tell the most
  std::vector<std::string_view> found;
  for (const result::entry& entry : run.run->entries) {
    if (entry.name != one.name || !entry.stress) continue;
    found.insert(found.end(), entry.stress->findings.begin(), entry.stress->findings.end());
  }
  if (found.empty()) return;
  to.add_html("<p>What was found:</p>\n<ul class=\"findings\">\n");
  for (std::size_t i = 0; i < std::min(found.size(), shown_max); ++i) {
    to.add_html("<li>" + escape_html(found[i]) + "</li>\n");
  }
  to.add_html("</ul>\n");
  if (found.size() > shown_max) {
    to.add_html(fmt::format("<p class=\"note\">{} more are in the result file.</p>\n",
                            found.size() - shown_max));
  }
}

void add_panel(document& to, const page_run& run, const series& one) {
  to.add_html(fmt::format("<article class=\"stress {}\">\n<h3>{} {}</h3>\n<p>{}</p>\n",
                          name_of(*one.verdict), badge(*one.verdict), escape_html(heading_of(one)),
                          meaning(run, one)));
  if (!one.failure.empty()) {
    to.add_html("<p class=\"failure\">" + escape_html(one.failure) + "</p>\n");
  }
  add_findings(to, run, one);
  add_numbers(to, one, work, false);
  add_numbers(to, one, damage, true);
  to.add_html("<p>To repeat it:</p>\n");
  for (const result::entry& entry : run.run->entries) {
    if (entry.name != one.name || !entry.stress) continue;
    const bool differs = entry.stress->verdict != *one.verdict;
    to.add_html(fmt::format("<pre tabindex=\"0\"><code>{}</code></pre>\n",
                            escape_html(entry.stress->command)));
    if (differs) {
      to.add_html(
          fmt::format("<p class=\"note\">This seed: {}</p>\n", name_of(entry.stress->verdict)));
    }
  }
  to.add_html("</article>\n");
}

// "2 torn, 1 leaked".
std::string found_in(const series& one) {
  std::string found;
  for (const char* kind : {"stuck", "lost", "torn", "intruded", "leaked", "broken"}) {
    const double times = one.sum_of(kind).value_or(0);
    if (times == 0) continue;
    found += fmt::format("{}{} {}", found.empty() ? "" : ", ", count_text(times), kind);
  }
  return found.empty() ? "nothing" : found;
}

table explored_table(const all_series& all) {
  table numbers{.caption = "Where a process was killed or stopped, and what peers found after it",
                .head = {"operation", "fault"}};
  constexpr known_count columns[] = {
      {"points", "instructions"},    {"states", "distinct crash states"},
      {"deaths", "deaths or stops"}, {"outcomes_old", "old value"},
      {"outcomes_new", "new value"}, {"outcomes_told", "told of a death"},
      {"missed", "missed"}};
  for (const auto& column : columns) numbers.head.emplace_back(column.words);
  numbers.head.insert(numbers.head.end(), {"found", "verdict"});
  for (const series* one : all) {
    std::vector<std::string> row{std::string(one->parts["operation"]),
                                 std::string(one->parts["fault"])};
    for (const auto& column : columns) {
      const auto value = one->sum_of(column.counter);
      row.push_back(value ? count_text(*value) : "");
    }
    row.push_back(found_in(*one));
    row.emplace_back(name_of(*one->verdict));
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

}  // namespace

void add_stress(document& to, const page_run& run) {
  const auto all = of_part(run, part::stress);
  if (all.empty()) return;
  to.begin_section(run.prefix + "Stress",
                   "Workers are killed at random moments while they change shared state, and new "
                   "ones take over. Checkers then look for what must never be.");
  for (const series* one : all) add_panel(to, run, *one);
  to.end_section();
}

void add_explored(document& to, const page_run& run) {
  const auto all = of_part(run, part::explored);
  if (all.empty()) return;
  to.begin_section(
      run.prefix + "Explored",
      "A process is killed, or stopped, at every instruction of one operation, once in "
      "each distinct state that a death there leaves behind. Peers that come after it "
      "must get what they ask for, and see the old value or the new one.");
  to.add_table(explored_table(all));
  for (const series* one : all) {
    if (one->verdict != verdict_kind::passed) add_panel(to, run, *one);
  }
  to.end_section();
}

}  // namespace shmark::reports

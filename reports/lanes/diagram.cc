#include "reports/lanes/diagram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "lib/measure/figures.h"
#include "reports/style.h"
#include "reports/text.h"
#include "stress/checker/linearizability.h"

namespace shmark::reports {
namespace {

using stress::access;
using stress::history;
using stress::operation;

// In pixels. The picture is as wide as the page allows; on a narrow screen one scrolls in it.
constexpr double label_width = 90;
constexpr double width = 1180;
constexpr double lane_height = 38;
constexpr double bar_height = 24;
constexpr double axis_height = 30;
constexpr double least_bar = 2;

constexpr std::string_view looks = R"(<style>
.lanes { overflow-x: auto; }
.lanes svg { display: block; min-width: 760px; width: 100%; font: 12px system-ui, sans-serif; }
.lanes text { fill: var(--ink); }
.lanes .soft { fill: var(--soft); }
.lanes line { stroke: var(--rule); }
.lanes rect { stroke-width: 1.5; rx: 2px; }
.lanes .read rect { fill: var(--code); stroke: var(--accent); }
.lanes .write rect { fill: var(--unsure-back); stroke: var(--unsure); }
.lanes .pending rect { stroke-dasharray: 5 4; }
.lanes .named rect { fill: var(--bad-back); stroke: var(--bad); stroke-width: 3; }
.lanes g:focus { outline: none; }
.lanes g:focus rect { stroke: var(--ink); stroke-width: 4; }
tr.named th, tr.named td { color: var(--bad); font-weight: 650; }
</style>
)";

struct scene {
  std::vector<operation> shown{};  // by call
  std::vector<int> workers{};      // that have one; a lane each
  std::int64_t origin_ns = 0;      // of times as they are said
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 1;
  std::string verdict{};  // what the checker says

  [[nodiscard]] double x(std::int64_t ns) const {
    const auto part = static_cast<double>(ns - begin_ns) / static_cast<double>(end_ns - begin_ns);
    return label_width + (width - label_width) * part;
  }
  [[nodiscard]] double y(int worker) const {
    const auto lane = std::ranges::find(workers, worker) - workers.begin();
    return axis_height + lane_height * static_cast<double>(lane);
  }
  [[nodiscard]] bool is_named(const operation& one) const {
    return verdict.find(one.text(origin_ns)) != std::string::npos;
  }
};

// The verdict is of the whole, the picture of its end.
scene scene_of(const history& all) {
  scene made{.shown = all.operations, .origin_ns = all.begin_ns()};
  const auto judged = stress::check_linearizability(all);
  made.verdict = judged.found == stress::order::exists
                     ? "One order explains all of these operations."
                     : judged.why;
  std::ranges::sort(made.shown, {}, &operation::called_ns);
  if (made.shown.size() > operations_drawn_max) {
    made.shown.erase(made.shown.begin(), made.shown.end() - operations_drawn_max);
  }
  for (const operation& one : made.shown) made.workers.push_back(one.worker);
  std::ranges::sort(made.workers);
  const auto twice = std::ranges::unique(made.workers);
  made.workers.erase(twice.begin(), twice.end());
  if (made.shown.empty()) return made;
  made.begin_ns = made.shown.front().called_ns;
  std::int64_t last_ns = made.shown.back().called_ns;
  for (const operation& one : made.shown) {
    if (!one.pending()) last_ns = std::max(last_ns, one.returned_ns);
  }
  // Some room for what never returned.
  made.end_ns = last_ns + std::max<std::int64_t>(1, (last_ns - made.begin_ns) / 20);
  return made;
}

std::string short_text(const operation& one) {
  const std::string what = one.kind == access::read ? "r" : "w";
  return one.serial == 0 ? fmt::format("{} {:#x}", what, one.value)
                         : fmt::format("{} #{}", what, one.serial);
}

void add_bar(std::string& to, const scene& of, const operation& one) {
  const double from = of.x(one.called_ns);
  const double until = one.pending() ? width : of.x(one.returned_ns);
  const double wide = std::max(until - from, least_bar);
  const double top = of.y(one.worker) + (lane_height - bar_height) / 2;
  to += fmt::format("<g tabindex=\"0\" role=\"img\" class=\"{}{}{}\"><title>{}</title>",
                    one.kind == access::read ? "read" : "write", one.pending() ? " pending" : "",
                    of.is_named(one) ? " named" : "", escape_html(one.text(of.origin_ns)));
  to += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>", from,
                    top, wide, bar_height);
  const std::string label = short_text(one);
  constexpr double letter = 7.5;
  if (wide > letter * static_cast<double>(label.size())) {
    to += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", from + 4, top + 16, label);
  }
  to += "</g>\n";
}

// Five ticks, in time since the first call of the whole history.
void add_axis(std::string& to, const scene& of, double height) {
  constexpr int ticks = 5;
  for (int i = 0; i <= ticks; ++i) {
    const std::int64_t at = of.begin_ns + (of.end_ns - of.begin_ns) * i / ticks;
    const double x = of.x(at);
    const char* const anchor = i == 0 ? "start" : i == ticks ? "end" : "middle";
    to += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>"
        "<text class=\"soft\" x=\"{0:.1f}\" y=\"16\" text-anchor=\"{3}\">{4}</text>\n",
        x, axis_height - 8, height, anchor, duration_utf8(static_cast<double>(at - of.origin_ns)));
  }
}

std::string picture(const scene& of) {
  const double height = axis_height + lane_height * static_cast<double>(of.workers.size());
  std::string svg = fmt::format(
      "<div class=\"lanes\"><svg viewBox=\"0 0 {} {}\" role=\"group\" aria-label=\"Operations of "
      "each worker from call to return; the table below has the same\">\n",
      width + 2, height + 4);
  add_axis(svg, of, height);
  for (const int worker : of.workers) {
    svg += fmt::format("<text x=\"0\" y=\"{:.1f}\">worker {}</text>\n",
                       of.y(worker) + lane_height / 2 + 4, worker);
  }
  for (const operation& one : of.shown) add_bar(svg, of, one);
  return svg + "</svg></div>\n";
}

std::string table(const scene& of) {
  std::string text =
      "<div class=\"scroll\"><table><caption>The same as a table, by call</caption>\n<thead><tr>"
      "<th scope=\"col\">worker</th><th scope=\"col\">operation</th><th scope=\"col\">value</th>"
      "<th scope=\"col\">serial number</th><th scope=\"col\">called</th>"
      "<th scope=\"col\">returned</th></tr></thead>\n<tbody>\n";
  const auto time = [&of](std::int64_t ns) {
    return fmt::format("{:.3f} µs", static_cast<double>(ns - of.origin_ns) / 1e3);
  };
  for (const operation& one : of.shown) {
    text += fmt::format(
        "<tr{}><th scope=\"row\">{}</th><td>{}</td><td>{:#x}</td><td>{}</td><td>{}</td><td>{}</td>"
        "</tr>\n",
        of.is_named(one) ? " class=\"named\"" : "", one.worker,
        one.kind == access::read ? "read" : "write", one.value,
        one.serial == 0 ? std::string("not known") : std::to_string(one.serial),
        time(one.called_ns), one.pending() ? std::string("never") : time(one.returned_ns));
  }
  return text + "</tbody></table></div>\n";
}

}  // namespace

std::string draw(const history& all, std::string_view title) {
  const scene of = scene_of(all);
  std::string body(looks);
  body += fmt::format("<header><h1>{}</h1>\n<p class=\"lead\">{}</p></header>\n<main>\n",
                      escape_html(title), escape_html(of.verdict));
  body += fmt::format("<p>The register began with value {:#x}", all.first_value);
  if (all.first_serial != 0) body += fmt::format(" under serial number {}", all.first_serial);
  body += fmt::format(". {} operations", all.operations.size());
  if (of.shown.size() < all.operations.size()) {
    body += fmt::format(", of which the last {} are shown", of.shown.size());
  }
  body +=
      ". Writes are yellow, reads grey; a dashed bar never returned, since its worker was killed "
      "(or had not returned by the moment that shows the failure); what the sentence above names "
      "is "
      "red. Point at a bar, or go from one to the next with the tab key, for its times.</p>\n";
  body += picture(of) + "<section>" + table(of) + "</section></main>\n";
  return html_document(title, body);
}

}  // namespace shmark::reports

#include "reports/analysis/scaling.h"

#include <fmt/core.h>

#include <algorithm>

namespace shmark::reports {
namespace {

void fit(scaling& to, int cores) {
  if (cores == 0) {
    to.why_no_fit = "the number of cores is not known";
    return;
  }
  auto fitted = fit_usl(to.points, cores);
  if (fitted) {
    to.fit = std::move(*fitted);
  } else {
    constexpr std::size_t least = 3;
    to.why_no_fit = to.points.size() < least ? "fewer than 3 different numbers of workers"
                                             : fitted.error().message();
  }
}

}  // namespace

std::vector<scaling> scalings_of(const all_series& of, std::string_view subject,
                                 const std::function<std::string(const name_parts&)>& load,
                                 int cores) {
  std::vector<scaling> all;
  for (const series* one : of) {
    const auto workers = one->parts.number("procs");
    if (!workers || *workers == 0) continue;
    const std::string name(one->parts[subject]);
    const std::string asked = load(one->parts);
    auto found = std::ranges::find_if(
        all, [&](const scaling& each) { return each.subject == name && each.load == asked; });
    if (found == all.end()) {
      found = all.insert(all.end(), {.subject = name, .load = asked});
    }
    found->points.push_back({.workers = *workers, .ops_per_s = rates_of(*one)});
  }
  std::erase_if(all, [](const scaling& each) { return each.points.size() < 2; });
  for (scaling& each : all) {
    std::ranges::sort(each.points, {}, &scaling_point::workers);
    fit(each, cores);
  }
  return all;
}

std::string peak_text(const usl_fit& fit) {
  const auto peak = fit.peak_workers();
  return peak ? fmt::format("{:.1f}", *peak) : "never falls";
}

}  // namespace shmark::reports

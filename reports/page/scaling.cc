// How throughput grows with workers, and the Universal Scalability Law fitted to it.
#include "reports/analysis/scaling.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "lib/measure/figures.h"
#include "lib/measure/median.h"
#include "reports/analysis/caching.h"
#include "reports/analysis/duels.h"
#include "reports/analysis/load.h"
#include "reports/page/sections.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

std::vector<int> counts_of(const std::vector<const scaling*>& all) {
  std::set<int> counts;
  for (const scaling* each : all) {
    for (const scaling_point& point : each->points) counts.insert(point.workers);
  }
  return {counts.begin(), counts.end()};
}

chart_series measured(const scaling& of, int look) {
  chart_series points{
      .name = of.subject, .look = look, .line = false, .strong = is_ours(of.subject)};
  for (const auto& [workers, rates] : of.points) {
    const auto [least, most] = std::ranges::minmax(rates);
    points.points.push_back({static_cast<double>(workers), median(rates), least, most});
  }
  return points;
}

chart_series curve_of(const scaling& of, const usl_fit& fit, int look) {
  chart_series curve{.name = of.subject + ", fitted",
                     .group = of.subject,
                     .look = look,
                     .markers = false,
                     .dashed = true,
                     .strong = is_ours(of.subject),
                     .listed = false,
                     .quiet = true};
  constexpr int steps = 24;
  const double most = of.points.back().workers;
  for (int i = 0; i <= steps; ++i) {
    const double workers = std::round(100 * std::pow(most, static_cast<double>(i) / steps)) / 100;
    curve.points.push_back({workers, std::round(fit.ops_per_s(workers)), {}, {}});
  }
  return curve;
}

chart scaling_chart(const std::vector<const scaling*>& all, const std::string& title, int cores,
                    looks& looks) {
  const auto counts = counts_of(all);
  chart shown{.kind = chart_kind::lines,
              .title = title,
              .x = {.label = "workers",
                    .shows = quantity::workers,
                    .logarithmic = counts.size() > 2,
                    .ticks = as_ticks(counts)},
              .y = {.label = "operations per second", .shows = quantity::rate},
              .band = oversubscribed(counts, cores)};
  for (const scaling* each : all) {
    const int look = looks.of(each->subject);
    shown.series.push_back(measured(*each, look));
    if (each->fit) shown.series.push_back(curve_of(*each, *each->fit, look));
  }
  shown.y.logarithmic = needs_logarithm(shown.series, false);
  return shown;
}

std::string parameter_text(double value, const std::optional<usl_interval>& interval) {
  if (!interval) return fmt::format("{:.3g}", value);
  return fmt::format("{:.3g} ({:.3g} to {:.3g})", value, interval->low, interval->high);
}

// A share of the work is at most 1: beyond, the law does not describe what was measured.
std::string sigma_text(const usl_fit& fit) {
  if (fit.sigma > 1) return "> 1";
  return parameter_text(fit.sigma,
                        fit.intervals ? std::optional(fit.intervals->sigma) : std::nullopt);
}

// "2 of 4 within the cores".
std::string points_text(const scaling& of, int cores) {
  const auto within = std::ranges::count_if(
      of.points, [&](const scaling_point& each) { return each.workers <= cores; });
  return fmt::format("{} of {} within the cores", within, of.points.size());
}

std::vector<std::string> row_of(const scaling& of, int cores) {
  std::vector<std::string> row{of.subject, of.load};
  if (!of.fit) {
    row.insert(row.end(), {"", "", "", "", "", "no fit: " + of.why_no_fit});
    return row;
  }
  const usl_fit& fit = *of.fit;
  const auto& both = fit.intervals;
  const auto kappa = both ? std::optional(both->kappa) : std::nullopt;
  row.insert(row.end(),
             {rate_text(fit.lambda_per_s), sigma_text(fit), parameter_text(fit.kappa, kappa),
              peak_text(fit), percent(fit.relative_error), points_text(of, cores)});
  return row;
}

table scaling_table(const std::vector<scaling>& all, std::string caption, int cores) {
  table numbers{
      .caption = std::move(caption),
      .head = {"subject", "load", "λ", "σ", "κ", "most at workers", "residual error", "points"}};
  numbers.words = 2;
  std::set<std::string> why_no_intervals;
  bool has_intervals = false;
  for (const scaling& each : all) {
    numbers.rows.push_back(row_of(each, cores));
    if (!each.fit) continue;
    has_intervals = has_intervals || each.fit->intervals.has_value();
    if (!each.fit->intervals) why_no_intervals.insert(each.fit->why_no_intervals);
  }
  for (const std::string& why : why_no_intervals) {
    numbers.notes.push_back(
        fmt::format("No intervals{}: {}.", has_intervals ? " of some" : "", why));
  }
  if (std::ranges::any_of(all, [](const scaling& of) { return of.fit && of.fit->sigma > 1; })) {
    numbers.notes.emplace_back(
        "σ > 1 is no share of the work: where it is, the parameters mean nothing, and the curve "
        "only "
        "joins the points.");
  }
  if (has_intervals) numbers.notes.emplace_back("In parentheses: 95 % confidence intervals.");
  return numbers;
}

void add_family(document& to, const std::vector<scaling>& all, const std::string& title, int cores,
                looks& looks) {
  if (all.empty()) return;
  std::vector<std::string> loads;
  std::vector<variant> charts;
  for (const scaling& each : all) {
    if (std::ranges::find(loads, each.load) != loads.end()) continue;
    loads.push_back(each.load);
    std::vector<const scaling*> same;
    for (const scaling& other : all) {
      if (other.load == each.load) same.push_back(&other);
    }
    charts.push_back({each.load, scaling_chart(same, title + ", " + each.load, cores, looks)});
  }
  to.add_charts(title, charts, 0, scaling_table(all, title, cores), document::tables::folded);
}

bool has_fits(const std::vector<scaling>& all) {
  return std::ranges::any_of(all, [](const scaling& each) { return each.fit.has_value(); });
}

}  // namespace

void add_scaling(document& to, const page_run& run, looks& looks) {
  const auto locks = scalings_of(of_part(run, part::lock), "lock", load_of, run.cores);
  const auto stores = scalings_of(
      of_part(run, part::store), "store",
      [](const name_parts& of) { return store_op(of) + ", " + payload_text(of["payload"]); },
      run.cores);
  if (!has_fits(locks) && !has_fits(stores)) return;
  std::string beyond;
  if (run.cores > 0) {
    beyond = fmt::format(
        " Points of more workers than the {} {} take part in the fit; what they show is as much "
        "the scheduler (oversubscription).",
        run.cores, run.cores == 1 ? "core" : "cores");
  }
  to.begin_section(
      run.prefix + "Scalability",
      "Dots were measured, dashed curves are the Universal Scalability Law fitted to them: "
      "X(N) = λN / (1 + σ(N - 1) + κN(N - 1)). λ is what one worker does, σ the share of the work "
      "that only one can do at a time, κ what each pair of workers costs; beyond the peak further "
      "workers do harm." +
          beyond);
  to.begin_grid(1);  // whose tables are wide
  add_family(to, locks, "Locks, fitted", run.cores, looks);
  add_family(to, stores, "Stores, fitted", run.cores, looks);
  to.end_grid();
  to.end_section();
}

}  // namespace shmark::reports

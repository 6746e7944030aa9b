// Locks on the plane of throughput and waiting.
#include "reports/analysis/plane.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lib/measure/figures.h"
#include "reports/analysis/load.h"
#include "reports/page/sections.h"

namespace shmark::reports {
namespace {

struct place {
  std::string label{};  // "exclusive, 8 workers (on 2 cores)"
  int workers = 0;
  plane on{};
};

// One for each load and number of workers that two or more locks were measured with.
std::vector<place> places_of(const all_series& locks, const page_run& run) {
  std::vector<place> all;
  for (const std::string& load : loads_of(locks)) {
    const auto of_load = with_load(locks, load);
    for (const int count : numbers_of(of_load, "procs")) {
      place made{.label = load + ", " + workers(count, run.cores),
                 .workers = count,
                 .on = plane_of(where(of_load, "procs", std::to_string(count)), run.run->about)};
      if (made.on.points.size() > 1) all.push_back(std::move(made));
    }
  }
  return all;
}

chart plane_chart(const place& at, looks& looks) {
  chart shown{.kind = chart_kind::points,
              .title = "Throughput and wait, " + at.label,
              .x = {.label = "operations per second", .shows = quantity::rate},
              .y = {.label = "wait, " + at.on.quantile, .shows = quantity::duration}};
  for (const plane_point& each : at.on.points) {
    shown.series.push_back({.name = each.lock,
                            .look = looks.of(each.lock),
                            .line = false,
                            .points = {{each.ops_per_s, each.wait_ns, {}, {}}}});
  }
  shown.x.logarithmic = needs_logarithm(shown.series, true);
  shown.y.logarithmic = needs_logarithm(shown.series, false);
  return shown;
}

// "robust_rw, ofd_lock (by noise)".
std::string dominators(const std::vector<domination>& all, const plane_point& of) {
  std::string names;
  for (const domination& each : all) {
    if (each.worse.lock != of.lock) continue;
    names += (names.empty() ? "" : ", ") + each.better.lock;
    if (each.within_noise()) names += " (by noise)";
  }
  return names;
}

table plane_table(const std::vector<place>& places) {
  table numbers{.caption = "Throughput and wait of each lock",
                .head = {"load and workers", "lock", "throughput", "wait, p99.9",
                         "dominated by (crash-safe locks only)"}};
  numbers.words = 2;
  bool is_bounded = false;
  for (const place& at : places) {
    const auto all = dominations(at.on);
    for (const plane_point& each : at.on.points) {
      const bool is_p99 = each.at_least || at.on.quantile == "p99";
      is_bounded = is_bounded || is_p99;
      numbers.rows.push_back({at.label, each.lock, rate_text(each.ops_per_s),
                              (is_p99 ? "≥ " : "") + duration_utf8(each.wait_ns),
                              is_crash_safe(each.lock) ? dominators(all, each) : "-"});
    }
  }
  if (is_bounded) {
    numbers.notes.emplace_back(
        "≥: fewer than 1,000 waits were timed, so this is p99, and p99.9 is not below it.");
  }
  return numbers;
}

// "robust_rw is dominated in 1 of 20 cases: exclusive, 8 workers (by sysv_semaphore)."
std::string balance_of(const std::string& lock, const std::vector<place>& places) {
  int cases = 0;
  int dominated = 0;
  std::string where_it_is;
  std::set<std::string> by;
  for (const place& at : places) {
    const auto found = std::ranges::find(at.on.points, lock, &plane_point::lock);
    if (found == at.on.points.end()) continue;
    ++cases;
    auto all = dominations(at.on);
    // Another run may say something else of those.
    std::erase_if(all, [](const domination& each) { return each.within_noise(); });
    const auto names = dominators(all, *found);
    if (names.empty()) continue;
    ++dominated;
    where_it_is += fmt::format("{}{} (by {})", where_it_is.empty() ? "" : "; ", at.label, names);
    for (const domination& each : all) {
      if (each.worse.lock == lock) by.insert(each.better.lock);
    }
  }
  if (dominated == 0) return fmt::format("{} is not dominated in any of {} cases.", lock, cases);
  constexpr int few = 4;
  const auto more =
      dominated <= few ? ": " + where_it_is : fmt::format(", by {}", fmt::join(by, ", "));
  return fmt::format("{} is dominated in {} of {} cases{}.", lock, dominated, cases, more);
}

}  // namespace

void add_plane(document& to, const page_run& run, looks& looks) {
  const auto locks = of_part(run, part::lock);
  const auto places = places_of(locks, run);
  if (places.empty()) return;
  to.begin_section(
      run.prefix + "Throughput against waiting",
      "Further to the right more gets done, further down the unlucky wait less: the best place is "
      "at the bottom on the right. A lock is dominated if another is better in both. Only "
      "crash-safe locks are compared in that: those that survive their holder's death. What "
      "differs "
      "by noise only is not counted. Of waiting, only that for the lock counts, not how long "
      "holders keep it.");
  std::vector<std::string> balance;
  for (const std::string& lock : values_of(locks, "lock")) {
    if (is_crash_safe(lock)) balance.push_back(balance_of(lock, places));
  }
  to.add_list(balance);
  std::vector<variant> charts;
  std::vector<int> counts;
  for (const place& at : places) {
    charts.push_back({at.label, plane_chart(at, looks)});
    counts.push_back(at.workers);
  }
  to.add_charts("Throughput, and the wait that one acquisition in a thousand exceeds", charts,
                first_shown(counts, run.cores), plane_table(places), document::tables::folded);
  to.begin_folded("Which crash-safe lock is dominated by which, and by how much");
  std::vector<std::string> sentences;
  for (const place& at : places) sentences.push_back(at.label + ": " + words_of(at.on));
  to.add_list(sentences);
  to.end_folded();
  to.end_section();
}

}  // namespace shmark::reports

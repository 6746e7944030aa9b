// Throughput and durations of locks, and what sharing one costs.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "lib/measure/figures.h"
#include "reports/page/sections.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

const series* find(const all_series& from, std::string_view lock, int procs) {
  const auto found = std::ranges::find_if(from, [&](const series* one) {
    return one->parts["lock"] == lock && one->parts.number("procs") == procs;
  });
  return found == from.end() ? nullptr : *found;
}

bool is_ours(std::string_view lock) { return lock == "robust_rw"; }

std::vector<double> as_ticks(const std::vector<int>& numbers) {
  return {numbers.begin(), numbers.end()};
}

// From the last number of workers that each has a core to itself.
std::optional<chart_band> oversubscribed(const std::vector<int>& procs, int cores) {
  if (cores == 0 || procs.empty() || procs.back() <= cores) return std::nullopt;
  return chart_band{static_cast<double>(cores), fmt::format("more workers than the {} {}", cores,
                                                            cores == 1 ? "core" : "cores")};
}

chart throughput_chart(const all_series& locks, const std::string& mode, int cores, looks& looks) {
  const auto procs = numbers_of(locks, "procs");
  chart shown{.kind = chart_kind::lines,
              .title = "Throughput, " + mode,
              .x = {.label = "workers",
                    .shows = quantity::workers,
                    .logarithmic = procs.size() > 2,
                    .ticks = as_ticks(procs)},
              .y = {.label = "operations per second", .shows = quantity::rate},
              .band = oversubscribed(procs, cores)};
  for (const std::string& lock : values_of(locks, "lock")) {
    chart_series line{.name = lock, .look = looks.of(lock), .strong = is_ours(lock)};
    for (const int count : procs) {
      const series* one = find(locks, lock, count);
      if (one == nullptr) continue;
      line.points.push_back({static_cast<double>(count), operations_per_s(*one),
                             one->min_of("ops_per_s"), one->max_of("ops_per_s")});
    }
    shown.series.push_back(std::move(line));
  }
  shown.y.logarithmic = needs_logarithm(shown.series, false);
  return shown;
}

table throughput_table(const all_series& locks, const std::string& mode) {
  const auto procs = numbers_of(locks, "procs");
  table numbers{.caption = "Operations per second of all workers together, " + mode,
                .head = {"lock"}};
  for (const int count : procs) numbers.head.push_back(workers(count, 0));
  for (const std::string& lock : values_of(locks, "lock")) {
    std::vector<std::string> row{lock};
    for (const int count : procs) {
      const series* one = find(locks, lock, count);
      row.push_back(one == nullptr ? "" : rate_text(operations_per_s(*one)));
    }
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

void add_throughput(document& to, const all_series& locks, int cores, looks& looks) {
  const auto modes = values_of(locks, "mode");
  to.begin_grid(modes.size() > 1 ? 2 : 1);
  for (const std::string& mode : modes) {
    const auto of_mode = where(locks, "mode", mode);
    to.add_chart(throughput_chart(of_mode, mode, cores, looks), throughput_table(of_mode, mode));
  }
  to.end_grid();
}

struct percentile_key {
  const char* counter;
  const char* name;
  int look;
};
constexpr percentile_key percentile_keys[] = {
    {"p50_ns", "median (p50)", 0}, {"p99_ns", "p99", 3}, {"max_ns", "longest seen", 1}};

chart percentile_chart(const all_series& locks) {
  chart shown{.kind = chart_kind::dots,
              .title = "Duration of single operations",
              .x = {.label = "duration of one operation", .shows = quantity::duration},
              .y = {.label = "", .categories = values_of(locks, "lock")}};
  for (const auto& [counter, name, look] : percentile_keys) {
    chart_series dots{.name = name, .look = look, .line = false};
    for (std::size_t i = 0; i < shown.y.categories.size(); ++i) {
      const auto of_lock = where(locks, "lock", shown.y.categories[i]);
      const auto value = of_lock.front()->median_of(counter);
      if (value && *value > 0) dots.points.push_back({*value, static_cast<double>(i), {}, {}});
    }
    if (!dots.points.empty()) shown.series.push_back(std::move(dots));
  }
  shown.x.logarithmic = needs_logarithm(shown.series, true);
  return shown;
}

// All repetitions' buckets together.
std::map<std::uint64_t, std::uint64_t> merged_buckets(const series& one) {
  std::map<std::uint64_t, std::uint64_t> merged;
  for (const result::entry* entry : one.entries) {
    if (!entry->durations) continue;
    for (const auto& [lower_ns, count] : entry->durations->buckets) merged[lower_ns] += count;
  }
  return merged;
}

// x counts nines: 1 is 90 %, 2 is 99 %, so that the rare slow operations get as much room as they
// deserve.
std::vector<chart_point> percentile_curve(const series& one) {
  const auto buckets = merged_buckets(one);
  double total = 0;
  for (const auto& [lower_ns, count] : buckets) total += static_cast<double>(count);
  std::vector<chart_point> points;
  double below = 0;
  for (const auto& [lower_ns, count] : buckets) {
    if (count == 0) continue;
    const double ns = std::max<double>(1, static_cast<double>(lower_ns));
    points.push_back({-std::log10(1 - below / total), ns, {}, {}});
    below += static_cast<double>(count);
    // The slowest bucket ends at the share that one operation has.
    const double above = std::max(total - below, 1.0);
    points.push_back({std::log10(total / above), ns, {}, {}});
  }
  return points;
}

chart distribution_chart(const all_series& locks, looks& looks) {
  chart shown{.kind = chart_kind::lines,
              .title = "Distribution of durations",
              .x = {.label = "share of operations that took at most so long",
                    .shows = quantity::percentile,
                    .ticks = {0, std::log10(2), 1, 2, 3, 4, 5, 6}},
              .y = {.label = "duration of one operation", .shows = quantity::duration}};
  for (const series* one : locks) {
    const std::string lock(one->parts["lock"]);
    chart_series line{.name = lock,
                      .look = looks.of(lock),
                      .markers = false,
                      .strong = is_ours(lock),
                      .points = percentile_curve(*one)};
    if (!line.points.empty()) shown.series.push_back(std::move(line));
  }
  shown.y.logarithmic = needs_logarithm(shown.series, false);
  return shown;
}

std::string or_empty(std::optional<double> value, std::string (*text)(double)) {
  return value ? text(*value) : "";
}

table duration_table(const all_series& locks, int cores) {
  table numbers{.caption =
                    "Duration of single operations; Jain's index of fairness is 1 when all "
                    "workers got equally much",
                .head = {"lock", "mode", "workers", "p50", "p99", "longest seen", "Jain's index"}};
  for (const series* one : locks) {
    numbers.rows.push_back({std::string(one->parts["lock"]), std::string(one->parts["mode"]),
                            workers(one->parts.number("procs").value_or(0), cores),
                            or_empty(one->median_of("p50_ns"), duration_utf8),
                            or_empty(one->median_of("p99_ns"), duration_utf8),
                            or_empty(one->max_of("max_ns"), duration_utf8),
                            or_empty(one->median_of("jain"), ratio)});
  }
  return numbers;
}

// The least duration that this share of the operations did not exceed.
double percentile_of(const std::map<std::uint64_t, std::uint64_t>& buckets, double share) {
  double total = 0;
  for (const auto& [lower_ns, count] : buckets) total += static_cast<double>(count);
  double so_far = 0;
  for (const auto& [lower_ns, count] : buckets) {
    so_far += static_cast<double>(count);
    if (so_far >= share * total) return static_cast<double>(lower_ns);
  }
  return 0;
}

table distribution_table(const all_series& locks, int cores) {
  constexpr std::pair<double, const char*> shares[] = {
      {0.5, "50 %"}, {0.9, "90 %"}, {0.99, "99 %"}, {0.999, "99.9 %"}, {0.9999, "99.99 %"}};
  table numbers{
      .caption = "This share of the timed operations took at most (to the bucket's start)",
      .head = {"lock", "mode", "workers"}};
  for (const auto& [share, name] : shares) numbers.head.push_back(name);
  for (const series* one : locks) {
    const auto buckets = merged_buckets(*one);
    if (buckets.empty()) continue;
    std::vector<std::string> row{std::string(one->parts["lock"]), std::string(one->parts["mode"]),
                                 workers(one->parts.number("procs").value_or(0), cores)};
    for (const auto& [share, name] : shares)
      row.push_back(duration_utf8(percentile_of(buckets, share)));
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

// What a reader most likely asks first: exclusive, as many workers as there are cores.
std::size_t first_variant(const std::vector<std::pair<std::string, int>>& keys, int cores) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == std::pair<std::string, int>("exclusive", cores)) return i;
  }
  return 0;
}

void add_durations(document& to, const all_series& locks, int cores, looks& looks) {
  std::vector<std::pair<std::string, int>> keys;
  std::vector<variant> percentiles;
  std::vector<variant> distributions;
  for (const std::string& mode : values_of(locks, "mode")) {
    const auto of_mode = where(locks, "mode", mode);
    for (const int count : numbers_of(of_mode, "procs")) {
      const auto chosen = where(of_mode, "procs", std::to_string(count));
      if (chosen.empty()) continue;
      const std::string label = mode + ", " + workers(count, cores);
      const chart dots = percentile_chart(chosen);
      if (dots.series.empty()) continue;
      keys.emplace_back(mode, count);
      percentiles.push_back({label, dots});
      distributions.push_back({label, distribution_chart(chosen, looks)});
    }
  }
  if (percentiles.empty()) return;
  const bool curves = std::ranges::any_of(
      distributions, [](const variant& each) { return !each.shown.series.empty(); });
  const std::size_t first = first_variant(keys, cores);
  const table numbers = duration_table(locks, cores);
  to.begin_grid(curves ? 2 : 1);
  to.add_charts("Duration of single operations", percentiles, first, numbers,
                document::tables::folded);
  if (curves) {
    to.add_charts("Distribution of durations", distributions, first,
                  distribution_table(locks, cores), document::tables::folded);
  }
  to.end_grid();
}

// Bars for each number of locks, a row for each kind of lock.
chart spread_chart(const all_series& locks, std::string title) {
  chart shown{.kind = chart_kind::bars,
              .title = std::move(title),
              .x = {.label = "operations per second", .shows = quantity::rate},
              .y = {.label = "", .categories = values_of(locks, "lock")}};
  for (const int count : numbers_of(locks, "locks")) {
    const auto name = count == 1 ? "all on 1 lock" : fmt::format("spread over {} locks", count);
    chart_series bars{.name = name, .look = static_cast<int>(shown.series.size()), .line = false};
    const auto of_count = where(locks, "locks", std::to_string(count));
    for (std::size_t i = 0; i < shown.y.categories.size(); ++i) {
      for (const series* one : where(of_count, "lock", shown.y.categories[i])) {
        bars.points.push_back({operations_per_s(*one), static_cast<double>(i),
                               one->min_of("ops_per_s"), one->max_of("ops_per_s")});
      }
    }
    shown.series.push_back(std::move(bars));
  }
  show_all_sizes(shown);
  return shown;
}

table spread_table(const all_series& locks) {
  table numbers{.caption = "Operations per second of all workers together", .head = {"lock"}};
  const auto counts = numbers_of(locks, "locks");
  for (const int count : counts) {
    numbers.head.push_back(count == 1 ? "1 lock" : fmt::format("{} locks", count));
  }
  for (const std::string& lock : values_of(locks, "lock")) {
    std::vector<std::string> row{lock};
    for (const int count : counts) {
      const auto found = where(where(locks, "lock", lock), "locks", std::to_string(count));
      row.push_back(found.empty() ? "" : rate_text(operations_per_s(*found.front())));
    }
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

}  // namespace

void add_locks(document& to, const page_run& run, looks& looks) {
  const auto locks = of_part(run, part::lock);
  if (locks.empty()) return;
  to.begin_section(run.prefix + "Locks",
                   "One operation acquires the lock and releases it. Higher throughput and shorter "
                   "durations are better. Whiskers span the repetitions. A click on a name below a "
                   "chart takes it out.");
  add_throughput(to, locks, run.cores, looks);
  add_durations(to, locks, run.cores, looks);
  to.end_section();
}

void add_spread(document& to, const page_run& run) {
  const auto all = of_part(run, part::spread);
  if (all.empty()) return;
  to.begin_section(
      run.prefix + "One lock or several",
      "The same workers, all on one lock or each on one of several that are of one "
      "kind. What several gain is what workers cost each other by sharing a lock; the "
      "rest is the lock's own cost, and the machine's. Both were measured next to each "
      "other, and the first repeats what is shown above for as many workers.");
  for (const std::string& mode : values_of(all, "mode")) {
    const auto of_mode = where(all, "mode", mode);
    for (const int procs : numbers_of(of_mode, "procs")) {
      const auto chosen = where(of_mode, "procs", std::to_string(procs));
      to.add_chart(spread_chart(chosen, fmt::format("Workers on one lock and on several, {}, {}",
                                                    mode, workers(procs, run.cores))),
                   spread_table(chosen));
    }
  }
  to.end_section();
}

}  // namespace shmark::reports

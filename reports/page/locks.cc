// Throughput and durations of locks, and what sharing one costs.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "lib/measure/figures.h"
#include "reports/analysis/load.h"
#include "reports/page/sections.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

// With the load in front where there are several.
table throughput_table(const all_series& locks, std::string caption) {
  const auto counts = numbers_of(locks, "procs");
  const auto loads = loads_of(locks);
  table numbers{.caption = std::move(caption), .head = {"lock"}};
  if (loads.size() > 1) {
    numbers.head.insert(numbers.head.begin(), "load");
    numbers.words = 2;
  }
  for (const int count : counts) numbers.head.push_back(workers(count, 0));
  for (const std::string& load : loads) {
    const auto of_load = with_load(locks, load);
    for (const std::string& lock : values_of(of_load, "lock")) {
      std::vector<std::string> row{lock};
      if (loads.size() > 1) row.insert(row.begin(), load);
      for (const int count : counts) {
        const auto found = where(where(of_load, "lock", lock), "procs", std::to_string(count));
        row.push_back(found.empty() ? "" : rate_text(operations_per_s(*found.front())));
      }
      numbers.rows.push_back(std::move(row));
    }
  }
  return numbers;
}

// A chart for each mode, and one place for all that is asked beyond that.
void add_throughput(document& to, const all_series& locks, int cores, looks& looks) {
  const std::string caption = "Operations per second of all workers together";
  const auto loads = loads_of(locks);
  to.begin_grid(loads.size() > 1 ? 2 : 1);
  all_series others;
  std::vector<variant> other_charts;
  for (const std::string& load : loads) {
    const auto chosen = with_load(locks, load);
    chart shown = throughput_chart(chosen, "lock", "Throughput, " + load, cores, looks);
    if (load == chosen.front()->parts["mode"]) {
      to.add_chart(shown, throughput_table(chosen, caption + ", " + load),
                   document::tables::folded);
      continue;
    }
    others.insert(others.end(), chosen.begin(), chosen.end());
    other_charts.push_back({load, std::move(shown)});
  }
  if (!others.empty()) {
    to.add_charts("Throughput under further loads", other_charts, 0,
                  throughput_table(others, caption), document::tables::folded);
  }
  to.end_grid();
}

struct percentile_key {
  const char* counter;
  const char* name;
  int look;
};
constexpr percentile_key percentile_keys[] = {{"p50_ns", "median (p50)", 0},
                                              {"p99_ns", "p99", 3},
                                              {"p999_ns", "p99.9", 2},
                                              {"max_ns", "longest seen", 1}};

chart percentile_chart(const all_series& locks) {
  chart shown{.kind = chart_kind::dots,
              .title = "Duration of single operations",
              .x = {.label = "duration of one operation", .shows = quantity::duration},
              .y = {.label = "", .categories = values_of(locks, "lock")}};
  for (const auto& [counter, name, look] : percentile_keys) {
    chart_series dots{.name = name, .look = look, .line = false};
    for (std::size_t i = 0; i < shown.y.categories.size(); ++i) {
      const auto of_lock = where(locks, "lock", shown.y.categories[i]);
      const auto value = of_lock.front()->typical_of(counter);
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
  // As exactly as it can be seen: digits beyond that would be most of the page.
  const auto drawn = [](double nines) { return std::round(nines * 1e4) / 1e4; };
  const auto buckets = merged_buckets(one);
  double total = 0;
  for (const auto& [lower_ns, count] : buckets) total += static_cast<double>(count);
  std::vector<chart_point> points;
  double below = 0;
  for (const auto& [lower_ns, count] : buckets) {
    if (count == 0) continue;
    const double ns = std::max<double>(1, static_cast<double>(lower_ns));
    points.push_back({drawn(-std::log10(1 - below / total)), ns, {}, {}});
    below += static_cast<double>(count);
    // The slowest bucket ends at the share that one operation has.
    const double above = std::max(total - below, 1.0);
    points.push_back({drawn(std::log10(total / above)), ns, {}, {}});
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

// What each row begins with.
std::vector<std::string> row_of(const series& one, int cores) {
  return {std::string(one.parts["lock"]), load_of(one.parts),
          workers(one.parts.number("procs").value_or(0), cores)};
}

table duration_table(const all_series& locks, int cores) {
  table numbers{.caption = "Duration of single operations",
                .head = {"lock", "load", "workers", "p50", "p99", "p99.9", "longest seen"}};
  numbers.words = 3;
  for (const series* one : locks) {
    auto row = row_of(*one, cores);
    row.insert(row.end(), {cell(*one, "p50_ns", duration_utf8), cell(*one, "p99_ns", duration_utf8),
                           cell(*one, "p999_ns", duration_utf8),
                           or_empty(one->max_of("max_ns"), duration_utf8)});
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

std::string switches_text(double per_operation) {
  return per_operation == 0 ? "0" : fmt::format("{:.2g}", per_operation);
}

table fairness_table(const all_series& locks, int cores) {
  struct column {
    const char* counter;
    const char* name;
    std::string (*text)(double);
  };
  constexpr column columns[] = {
      {"wait_p50_ns", "wait p50", duration_utf8},
      {"wait_p99_ns", "p99", duration_utf8},
      {"wait_p999_ns", "p99.9", duration_utf8},
      {"hold_p50_ns", "hold p50", duration_utf8},
      {"hold_p999_ns", "p99.9", duration_utf8},
      {"handoff_p50_ns", "handoff p50", duration_utf8},
      {"handoff_p99_ns", "p99", duration_utf8},
      {"bypassed_p99", "bypassed p99", count_text},
      {"bypassed_max", "most", count_text},
      {"voluntary_switches_per_op", "switches per operation: voluntary", switches_text},
      {"involuntary_switches_per_op", "involuntary", switches_text},
      {"min_max_ratio", "slowest to fastest worker", ratio},
      {"jain", "Jain's index", ratio},
  };
  table numbers{
      .caption = "Waiting, handing over, and fairness",
      .head = {"lock", "load", "workers"},
      .notes = {"wait: from asking for the lock until having it. hold: until it is released. "
                "handoff: from a release to the next acquisition by another worker. bypassed: how "
                "many others got the lock in between. Jain's index is 1 when all workers got "
                "equally much."}};
  numbers.words = 3;
  for (const column& each : columns) numbers.head.emplace_back(each.name);
  for (const series* one : locks) {
    auto row = row_of(*one, cores);
    for (const column& each : columns) row.push_back(cell(*one, each.counter, each.text));
    numbers.rows.push_back(std::move(row));
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
      .head = {"lock", "load", "workers"}};
  numbers.words = 3;
  for (const auto& [share, name] : shares) numbers.head.push_back(name);
  for (const series* one : locks) {
    const auto buckets = merged_buckets(*one);
    if (buckets.empty()) continue;
    auto row = row_of(*one, cores);
    for (const auto& [share, name] : shares) {
      row.push_back(duration_utf8(percentile_of(buckets, share)));
    }
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

void add_durations(document& to, const all_series& locks, int cores, looks& looks) {
  std::vector<int> counts;
  std::vector<variant> percentiles;
  std::vector<variant> distributions;
  all_series shown;
  for (const std::string& load : loads_of(locks)) {
    const auto of_load = with_load(locks, load);
    if (!is_plain(of_load.front()->parts)) continue;
    for (const int count : numbers_of(of_load, "procs")) {
      const auto chosen = where(of_load, "procs", std::to_string(count));
      if (chosen.empty()) continue;
      const std::string label = load + ", " + workers(count, cores);
      const chart dots = percentile_chart(chosen);
      if (dots.series.empty()) continue;
      counts.push_back(count);
      percentiles.push_back({label, dots});
      distributions.push_back({label, distribution_chart(chosen, looks)});
      shown.insert(shown.end(), chosen.begin(), chosen.end());
    }
  }
  if (percentiles.empty()) return;
  const bool curves = std::ranges::any_of(
      distributions, [](const variant& each) { return !each.shown.series.empty(); });
  const std::size_t first = first_shown(counts, cores);
  to.begin_grid(curves ? 2 : 1);
  to.add_charts("Duration of single operations", percentiles, first, duration_table(locks, cores),
                document::tables::folded);
  if (curves) {
    to.add_charts("Distribution of durations", distributions, first,
                  distribution_table(shown, cores), document::tables::folded);
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
  to.add_table(fairness_table(locks, run.cores), document::tables::folded);
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
  const auto loads = loads_of(all);
  to.begin_grid(loads.size() > 1 || numbers_of(all, "procs").size() > 1 ? 2 : 1);
  for (const std::string& load : loads) {
    const auto of_load = with_load(all, load);
    for (const int procs : numbers_of(of_load, "procs")) {
      const auto chosen = where(of_load, "procs", std::to_string(procs));
      to.add_chart(spread_chart(chosen, fmt::format("Workers on one lock and on several, {}, {}",
                                                    load, workers(procs, run.cores))),
                   spread_table(chosen), document::tables::folded);
    }
  }
  to.end_grid();
  to.end_section();
}

}  // namespace shmark::reports

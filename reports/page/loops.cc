// Open loops next to closed ones.
#include "reports/analysis/loops.h"

#include <fmt/core.h>

#include <algorithm>

#include "lib/measure/figures.h"
#include "reports/analysis/duels.h"
#include "reports/analysis/load.h"
#include "reports/page/sections.h"

namespace shmark::reports {
namespace {

struct quantile {
  const char* suffix;
  const char* name;
};
constexpr quantile quantiles[] = {
    {"p50_ns", "p50"}, {"p99_ns", "p99"}, {"p999_ns", "p99.9"}, {"max_ns", "longest seen"}};

std::string subject_of(const series& one) {
  const bool is_lock = one.parts.family == "Lock";
  return std::string(one.parts[is_lock ? "lock" : "store"]);
}

std::string load_text(const series& one) {
  if (one.parts.family == "Lock") return load_of(one.parts);
  return fmt::format("{}, {}", store_op(one.parts), one.parts["payload"]);
}

// Of what is in one chart all is the same but the subject.
std::string key_of(const loop_pair& of, int cores) {
  const series& one = of.any();
  return fmt::format("{}, {}, {}", load_text(one),
                     workers(one.parts.number("procs").value_or(0), cores), loop_text(one.parts));
}

std::optional<double> value_of(const series* one, const std::string& counter) {
  return one == nullptr ? std::nullopt : one->typical_of(counter);
}

chart loop_chart(const std::vector<const loop_pair*>& pairs, const std::string& key) {
  chart shown{.kind = chart_kind::dots,
              .title = "Duration of an operation, " + key,
              .x = {.label = "duration", .shows = quantity::duration},
              .y = {.label = ""}};
  for (const loop_pair* each : pairs) shown.y.categories.push_back(subject_of(each->any()));
  struct look_of {
    const char* name;
    bool open;
    const char* counter;
    int look;
  };
  constexpr look_of looks[] = {{"closed loop, p99.9", false, "p999_ns", 0},
                               {"open loop, p99.9", true, "intended_p999_ns", 1},
                               {"closed loop, p99", false, "p99_ns", 2},
                               {"open loop, p99", true, "intended_p99_ns", 3}};
  for (const auto& [name, open, counter, look] : looks) {
    chart_series dots{.name = name, .look = look, .line = false};
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto value = value_of(open ? pairs[i]->open : pairs[i]->closed, counter);
      if (value && *value > 0) dots.points.push_back({*value, static_cast<double>(i), {}, {}});
    }
    if (!dots.points.empty()) shown.series.push_back(std::move(dots));
  }
  shown.x.logarithmic = needs_logarithm(shown.series, true);
  return shown;
}

// "12.3 % not done in time: saturated".
std::string behind_text(const loop_pair& of) {
  const auto behind = value_of(of.open, "behind_percent");
  if (!behind) return "";
  return fmt::format("{:.1f} %{}", std::max(0.0, *behind), of.is_saturated() ? ": saturated" : "");
}

table loop_table(const std::vector<loop_pair>& pairs, int cores) {
  table numbers{
      .caption = "Durations in the closed loop, and from the intended start in the open one",
      .head = {"subject", "load, workers and rate"}};
  numbers.words = 2;
  for (const auto& [suffix, name] : quantiles)
    numbers.head.push_back(fmt::format("closed: {}", name));
  for (const auto& [suffix, name] : quantiles)
    numbers.head.push_back(fmt::format("open: {}", name));
  numbers.head.emplace_back("not done");
  for (const loop_pair& each : pairs) {
    std::vector<std::string> row{subject_of(each.any()), key_of(each, cores)};
    for (const auto& [suffix, name] : quantiles) {
      row.push_back(or_empty(value_of(each.closed, suffix), duration_utf8));
    }
    for (const auto& [suffix, name] : quantiles) {
      row.push_back(
          or_empty(value_of(each.open, std::string("intended_") + suffix), duration_utf8));
    }
    row.push_back(behind_text(each));
    numbers.rows.push_back(std::move(row));
  }
  numbers.notes.emplace_back(
      "not done: share of the operations that were due in the window and were not done in it. "
      "Above "
      "1 % the subject is saturated: what its open loop shows is how long the queue has become.");
  return numbers;
}

// The case with a stop is what the two were put side by side for.
std::size_t first_with_a_stop(const std::vector<const loop_pair*>& firsts) {
  const auto found = std::ranges::find_if(firsts, [](const loop_pair* each) {
    return each->open != nullptr && !each->any().parts["stop_ms"].empty();
  });
  return found == firsts.end() ? 0 : static_cast<std::size_t>(found - firsts.begin());
}

// Of what is ours: "robust_rw, one worker stopped for 50 ms: p99.9 is 90.0 µs in the closed loop,
// 48.0 ms in the open one."
std::vector<std::string> stalls(const std::vector<loop_pair>& pairs) {
  std::vector<std::string> all;
  for (const loop_pair& each : pairs) {
    if (!is_ours(subject_of(each.any()))) continue;
    const auto closed = value_of(each.closed, "p999_ns");
    const auto open = value_of(each.open, "intended_p999_ns");
    if (each.any().parts["stop_ms"].empty() || !closed || !open) continue;
    all.push_back(fmt::format(
        "{}, one worker stopped for {} ms: p99.9 is {} in the closed loop, {} in the open one.",
        subject_of(each.any()), each.any().parts["stop_ms"], duration_utf8(*closed),
        duration_utf8(*open)));
  }
  return all;
}

}  // namespace

void add_loops(document& to, const page_run& run) {
  auto all = of_part(run, part::loop);
  if (all.empty()) return;
  for (const part each : {part::lock, part::store}) {
    const auto more = of_part(run, each);
    all.insert(all.end(), more.begin(), more.end());
  }
  const auto pairs = loop_pairs(all);
  if (pairs.empty()) return;
  to.begin_section(
      run.prefix + "Open and closed loop",
      "In a closed loop a worker begins an operation when its last one has ended, so that during a "
      "stall nothing begins that could be late: one long operation stands for all that would have "
      "come meanwhile. In an open loop operations are due at set times, whatever happens, and each "
      "is timed from when it was due, so that a stall counts for all that it delayed. What the "
      "closed loop leaves out is called coordinated omission: only the open loop's percentiles are "
      "what somebody who comes at any time has to wait.");
  to.add_list(stalls(pairs));
  std::vector<std::string> keys;
  std::vector<variant> charts;
  std::vector<const loop_pair*> firsts;
  for (const loop_pair& each : pairs) {
    const auto key = key_of(each, run.cores);
    if (std::ranges::find(keys, key) != keys.end()) continue;
    keys.push_back(key);
    firsts.push_back(&each);
    std::vector<const loop_pair*> same;
    for (const loop_pair& other : pairs) {
      if (key_of(other, run.cores) == key) same.push_back(&other);
    }
    charts.push_back({key, loop_chart(same, key)});
  }
  to.add_charts("Durations that few operations exceed", charts, first_with_a_stop(firsts),
                loop_table(pairs, run.cores), document::tables::folded);
  to.end_section();
}

}  // namespace shmark::reports

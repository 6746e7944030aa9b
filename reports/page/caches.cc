// The cache-hit laboratory: hit rates, what reads cost, and when a copy pays.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "lib/measure/figures.h"
#include "lib/measure/hit_model.h"
#include "reports/analysis/caching.h"
#include "reports/page/sections.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

chart_series model_curve(int procs, int look, double max_percent, bool listed) {
  chart_series curve{
      .name = listed ? "model (dashed)" : fmt::format("model, {}", workers(procs, 0)),
      .look = look,
      .markers = false,
      .dashed = true,
      .listed = listed};
  constexpr int steps = 50;
  const auto drawn = [](double value) { return std::round(value * 1e4) / 1e4; };
  for (int i = 0; i <= steps; ++i) {
    const double percents = std::pow(1 + max_percent, static_cast<double>(i) / steps) - 1;
    curve.points.push_back({drawn(std::log10(1 + percents)),
                            drawn(model_hit_rate(1 - percents / 100, procs)),
                            {},
                            {}});
  }
  return curve;
}

enum class cache_value : std::uint8_t { hit_rate, time };

chart_series measured(const all_series& caches, int procs, int look, cache_value value, int cores) {
  const bool rates = value == cache_value::hit_rate;
  chart_series points{.name = workers(procs, cores), .look = look, .line = !rates};
  for (const series* one : where(caches, "procs", std::to_string(procs))) {
    const double x = std::log10(1.0 + one->parts.number("write_percent").value_or(0));
    if (!rates) {
      points.points.push_back({x, one->median_ns(), one->min_ns(), one->max_ns()});
    } else if (const auto rate = one->median_of("hit_rate")) {
      points.points.push_back({x, *rate, one->min_of("hit_rate"), one->max_of("hit_rate")});
    }
  }
  std::ranges::sort(points.points, {}, &chart_point::x);
  return points;
}

chart cache_chart(const all_series& caches, const std::string& payload, cache_value value,
                  int cores) {
  const bool rates = value == cache_value::hit_rate;
  const auto percents = numbers_of(caches, "write_percent");
  std::vector<double> ticks;
  for (const int each : percents) ticks.push_back(std::log10(1.0 + each));
  chart shown{.kind = chart_kind::lines,
              .title = (rates ? "Cache hits, " : "Time per operation, ") + payload_text(payload),
              .x = {.label = "share of writes (scale: log of 1 + %)",
                    .shows = quantity::log_percent,
                    .ticks = ticks},
              .y = {.label = rates ? "share of reads that hit"
                                   : "time per operation, of all workers together",
                    .shows = rates ? quantity::share : quantity::duration}};
  int look = 0;
  for (const int procs : numbers_of(caches, "procs")) {
    auto points = measured(caches, procs, look, value, cores);
    if (rates && !points.points.empty()) {
      const double max_percent = percents.back() > 0 ? percents.back() : 100;
      shown.series.push_back(model_curve(procs, look, max_percent, shown.series.empty()));
    }
    if (!points.points.empty()) shown.series.push_back(std::move(points));
    ++look;
  }
  if (!rates) shown.y.logarithmic = needs_logarithm(shown.series, false);
  return shown;
}

std::string rate_cell(std::optional<double> rate) {
  return rate ? fmt::format("{:.1f} %", *rate * 100) : "";
}

std::string points_text(std::optional<double> difference) {
  return difference ? fmt::format("{:+.1f}", *difference) : "";
}

std::vector<std::string> row_begin(const series& one, int cores) {
  return {payload_text(one.parts["payload"]), fmt::format("{} %", one.parts["write_percent"]),
          workers(one.parts.number("procs").value_or(0), cores)};
}

table hit_table(const std::vector<hit_rates>& all, int cores) {
  table numbers{.caption = "Share of reads that hit, and differences in percentage points",
                .head = {"payload", "writes", "workers", "measured", "model", "above the model",
                         "replay", "above the replay"}};
  numbers.words = 3;
  for (const hit_rates& each : all) {
    auto row = row_begin(*each.of, cores);
    row.insert(row.end(),
               {rate_cell(each.measured), rate_cell(each.model), points_text(each.from_model()),
                rate_cell(each.simulated), points_text(each.from_simulation())});
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

table time_table(const all_series& caches) {
  table numbers{.caption = "Time per operation, of all workers together",
                .head = {"payload", "writes"}};
  numbers.words = 2;
  const auto counts = numbers_of(caches, "procs");
  for (const int count : counts) numbers.head.push_back(workers(count, 0));
  for (const std::string& payload : values_of(caches, "payload")) {
    const auto of_payload = where(caches, "payload", payload);
    for (const int writes : numbers_of(of_payload, "write_percent")) {
      const auto of_share = where(of_payload, "write_percent", std::to_string(writes));
      std::vector<std::string> row{payload_text(payload), fmt::format("{} %", writes)};
      for (const int count : counts) {
        const auto found = where(of_share, "procs", std::to_string(count));
        row.push_back(found.empty() ? "" : duration_utf8(found.front()->median_ns()));
      }
      numbers.rows.push_back(std::move(row));
    }
  }
  return numbers;
}

void add_hit_rates(document& to, const all_series& caches, int cores) {
  std::vector<variant> rates;
  std::vector<variant> times;
  for (const std::string& payload : values_of(caches, "payload")) {
    const auto chosen = where(caches, "payload", payload);
    const auto label = payload_text(payload);
    chart hits = cache_chart(chosen, payload, cache_value::hit_rate, cores);
    if (!hits.series.empty()) rates.push_back({label, std::move(hits)});
    times.push_back({label, cache_chart(chosen, payload, cache_value::time, cores)});
  }
  to.begin_grid(rates.empty() ? 1 : 2);
  if (!rates.empty()) {
    to.add_charts("Cache hits against the share of writes", rates, 0,
                  hit_table(hit_rates_of(caches), cores), document::tables::folded);
  }
  to.add_charts("Time per operation against the share of writes", times, 0, time_table(caches),
                document::tables::folded);
  to.end_grid();
}

// Which of them are worth a name, and why.
void add_differences(document& to, const all_series& caches, int cores) {
  const auto all = hit_rates_of(caches);
  if (std::ranges::all_of(all, &hit_rates::is_certain)) return;
  std::vector<std::string> from_model;
  std::vector<std::string> from_replay;
  std::size_t modelled = 0;
  std::size_t replayed = 0;
  for (const hit_rates& each : all) {
    if (each.is_certain) continue;
    ++modelled;
    const auto begin = row_begin(*each.of, cores);
    const auto name = fmt::format("{}, {} writes, {}: {} measured, ", begin[0], begin[1], begin[2],
                                  rate_cell(each.measured));
    if (std::abs(each.from_model()) > worth_naming) {
      from_model.push_back(fmt::format("{}{} by the model ({} points)", name, rate_cell(each.model),
                                       points_text(each.from_model())));
    }
    const auto difference = each.from_simulation();
    if (!difference) continue;
    ++replayed;
    if (std::abs(*difference) > worth_naming) {
      from_replay.push_back(fmt::format("{}{} by the replay ({} points)", name,
                                        rate_cell(each.simulated), points_text(difference)));
    }
  }
  const auto add = [&](const std::vector<std::string>& which, std::size_t of, const char* what,
                       const char* why) {
    const auto text = fmt::format(
        "Measured and {} differ by more than {} percentage points in {} of {} cases "
        "in which others write{}",
        what, worth_naming, which.size(), of, which.empty() ? "." : why);
    if (which.empty()) {
      to.add_text(text);
      return;
    }
    to.begin_folded(text);
    to.add_list(which);
    to.end_folded();
  };
  add(from_model, modelled, "model",
      " (scheduling: a worker runs alone for many operations, in which nobody else writes):");
  if (replayed > 0) {
    add(from_replay, replayed, "replay of the real order", ":");
  }
}

// What reads cost.

struct cost {
  const char* name;
  std::optional<double> payload_costs::* value;
};
constexpr cost all_costs[] = {{"hit", &payload_costs::hit_ns},
                              {"miss", &payload_costs::miss_ns},
                              {"without a copy", &payload_costs::uncached_ns}};

// Against the size, of payloads that are named for it.
chart cost_chart(const std::vector<payload_costs>& all, int count, const std::string& label) {
  std::vector<double> ticks;
  chart shown{.kind = chart_kind::lines,
              .title = "Cost of a read, " + label,
              .x = {.label = "payload", .shows = quantity::bytes, .logarithmic = true},
              .y = {.label = "time of one read", .shows = quantity::duration}};
  int look = 0;
  for (const auto& [name, value] : all_costs) {
    chart_series line{.name = name, .look = look++};
    for (const payload_costs& each : all) {
      const auto bytes = payload_bytes(each.payload);
      const auto ns = each.*value;
      if (each.workers != count || !bytes || !ns) continue;
      line.points.push_back({*bytes, *ns, {}, {}});
      if (std::ranges::find(ticks, *bytes) == ticks.end()) ticks.push_back(*bytes);
    }
    if (!line.points.empty()) shown.series.push_back(std::move(line));
  }
  std::ranges::sort(ticks);
  shown.x.ticks = std::move(ticks);
  shown.y.logarithmic = needs_logarithm(shown.series, false);
  return shown;
}

table cost_table(const std::vector<payload_costs>& all, int cores) {
  table numbers{
      .caption = "Time of a read, and when a copy pays",
      .head = {"payload", "workers", "hit", "miss", "without a copy", "without a copy / hit",
               "break-even hit rate", "caching"},
      .notes = {"hit, and without a copy: processor time, of reads where nobody writes. miss: "
                "time on the clock, the median of those that were timed, and over the "
                "shares of writes; it is among workers who write, and waiting for them is part of "
                "it, which is not so of a read without a copy. Only reads are compared: "
                "that writers must notice those who "
                "have copies costs something, too. caching: by the hit rates that were "
                "measured, against the break-even rate."}};
  numbers.words = 2;
  for (const payload_costs& each : all) {
    std::vector<std::string> row{payload_text(each.payload), workers(each.workers, cores)};
    for (const auto& [name, value] : all_costs) row.push_back(or_empty(each.*value, duration_utf8));
    const bool both = each.hit_ns && each.uncached_ns && *each.hit_ns > 0;
    row.push_back(both ? ratio(*each.uncached_ns / *each.hit_ns) : "");
    const auto costs = each.all();
    const auto limit = costs ? break_even_of(*costs, each.workers) : std::nullopt;
    row.push_back(limit ? rate_cell(limit->hit_rate) : "");
    row.push_back(break_even_text(each));
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

// "With 2 workers caching: always pays (16 B, 4 KiB); not from 20 % writes on (1 MiB)."
std::vector<std::string> break_evens(const std::vector<payload_costs>& all,
                                     const std::vector<int>& counts, int cores) {
  std::vector<std::string> sentences;
  for (const int count : counts) {
    std::vector<std::pair<std::string, std::string>> verdicts;  // and payloads
    for (const payload_costs& each : all) {
      const auto verdict = break_even_text(each);
      if (each.workers != count || verdict.empty()) continue;
      const auto payload = payload_text(each.payload);
      auto found =
          std::ranges::find(verdicts, verdict, &std::pair<std::string, std::string>::first);
      if (found == verdicts.end()) {
        verdicts.emplace_back(verdict, payload);
      } else {
        found->second += ", " + payload;
      }
    }
    std::string text;
    for (const auto& [verdict, payloads] : verdicts) {
      text += fmt::format("{}{} ({})", text.empty() ? "" : "; ", verdict, payloads);
    }
    if (!text.empty()) sentences.push_back("Caching, " + workers(count, cores) + ": " + text + '.');
  }
  return sentences;
}

void add_costs(document& to, const all_series& caches, const all_series& uncached, int cores) {
  const auto costs = costs_of(caches, uncached);
  if (costs.empty()) return;
  const auto counts = numbers_of(caches, "procs");
  to.add_list(break_evens(costs, counts, cores));
  std::vector<variant> charts;
  std::vector<int> shown;
  for (const int count : counts) {
    const auto label = workers(count, cores);
    chart made = cost_chart(costs, count, label);
    if (made.series.empty()) continue;
    charts.push_back({label, std::move(made)});
    shown.push_back(count);
  }
  const auto numbers = cost_table(costs, cores);
  if (charts.empty()) {
    to.add_table(numbers);
  } else {
    to.add_charts("Cost of a read against the payload", charts, first_shown(shown, cores), numbers,
                  document::tables::folded);
  }
}

}  // namespace

void add_caches(document& to, const page_run& run) {
  const auto caches = of_part(run, part::cache);
  const auto uncached = of_part(run, part::uncached);
  if (caches.empty()) return;
  to.begin_section(
      run.prefix + "Cached reads",
      "Every process keeps a decoded copy. A read whose serial number is unchanged is "
      "served by that copy (a hit); after somebody else's write it must decode again. The "
      "model assumes that all N workers take turns at random: hits = 1 / (1 + w (N - 1)) "
      "for a share w of writes. Where the scheduler lets one worker run on, there are "
      "more hits than that; the replay of what the workers really did, in their order, knows, "
      "where all of it was noted.");
  add_hit_rates(to, caches, run.cores);
  add_differences(to, caches, run.cores);
  add_costs(to, caches, uncached, run.cores);
  to.end_section();
}

}  // namespace shmark::reports

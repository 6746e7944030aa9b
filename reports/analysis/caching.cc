#include "reports/analysis/caching.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <tuple>
#include <utility>

#include "lib/measure/figures.h"
#include "lib/measure/median.h"

namespace shmark::reports {
namespace {

std::optional<double> median_if_any(std::vector<double> values) {
  return values.empty() ? std::nullopt : std::optional(median(std::move(values)));
}

// Over all of them that have the counter.
std::optional<double> median_over(const all_series& of, std::string_view counter) {
  std::vector<double> values;
  for (const series* one : of) {
    if (const auto value = one->median_of(counter)) values.push_back(*value);
  }
  return median_if_any(std::move(values));
}

}  // namespace

std::optional<double> payload_bytes(std::string_view name) {
  double value = 0;
  const char* last = name.data() + name.size();
  const auto [end, refused] = std::from_chars(name.data(), last, value);
  if (refused != std::errc() || !(value > 0)) return std::nullopt;
  const std::string_view unit(end, last);
  if (unit.empty()) return value;
  if (unit == "k") return value * 1024;
  if (unit == "m") return value * 1024 * 1024;
  return std::nullopt;
}

std::string payload_text(std::string_view name) {
  const auto bytes = payload_bytes(name);
  if (!bytes) return std::string(name);
  std::string text = bytes_text(*bytes);
  if (const auto zeros = text.find(".0"); zeros != std::string::npos) {
    text.erase(zeros, text.find(' ') - zeros);
  }
  return text;
}

std::vector<hit_rates> hit_rates_of(const all_series& cached) {
  std::vector<hit_rates> all;
  for (const series* one : cached) {
    const auto measured = one->median_of("hit_rate");
    const auto writes = one->parts.number("write_percent");
    const auto workers = one->parts.number("procs");
    if (!measured || !writes || !workers || *workers == 0) continue;
    const double model =
        one->median_of("model_hit_rate").value_or(model_hit_rate(1 - *writes / 100.0, *workers));
    all.push_back({one, *measured, model, one->median_of("simulated_hit_rate"),
                   *writes == 0 || *workers == 1});
  }
  return all;
}

std::optional<read_costs> payload_costs::all() const {
  const auto missed = workers == 1 && !miss_ns ? hit_ns : miss_ns;
  if (!hit_ns || !missed || !uncached_ns) return std::nullopt;
  return read_costs{*hit_ns, *missed, *uncached_ns};
}

std::vector<payload_costs> costs_of(const all_series& cached, const all_series& uncached) {
  std::vector<payload_costs> all;
  for (const std::string& payload : values_of(cached, "payload")) {
    const auto of_payload = where(cached, "payload", payload);
    const auto bare = where(uncached, "payload", payload);
    for (const int workers : numbers_of(of_payload, "procs")) {
      const auto count = std::to_string(workers);
      const auto chosen = where(of_payload, "procs", count);
      payload_costs costs{.payload = payload,
                          .workers = workers,
                          .hit_ns = median_over(where(chosen, "write_percent", "0"), "hit_ns"),
                          .miss_ns = median_over(chosen, "miss_ns"),
                          .uncached_ns = median_over(where(bare, "procs", count), "uncached_ns")};
      for (const hit_rates& each : hit_rates_of(chosen)) {
        costs.hit_rates.emplace(each.of->parts.number("write_percent").value_or(0), each.measured);
      }
      if (costs.hit_ns || costs.miss_ns || costs.uncached_ns) all.push_back(std::move(costs));
    }
  }
  std::ranges::stable_sort(all, {}, [](const payload_costs& each) {
    return std::tuple(payload_bytes(each.payload).value_or(0), each.workers);
  });
  return all;
}

std::string break_even_text(const payload_costs& of) {
  const auto costs = of.all();
  if (!costs) return "";
  const auto limit = break_even_of(*costs, of.workers);
  if (!limit) return "always pays";
  if (limit->hit_rate >= 1) return "never pays";
  std::vector<int> without;  // percent of writes at which it does not pay
  for (const auto& [writes, rate] : of.hit_rates) {
    if (rate <= limit->hit_rate) without.push_back(writes);
  }
  if (of.hit_rates.empty()) return "";
  if (without.empty()) return "pays at every share measured";
  if (without.size() == of.hit_rates.size()) return "pays at no share measured";
  const auto first = of.hit_rates.find(without.front());
  const auto from_there = std::distance(first, of.hit_rates.end());
  if (std::cmp_equal(from_there, without.size())) {
    return fmt::format("not from {} % writes on", without.front());
  }
  return fmt::format("not at {} % writes", fmt::join(without, ", "));
}

}  // namespace shmark::reports

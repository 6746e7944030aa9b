#include "reports/series.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <numeric>
#include <set>

#include "lib/measure/median.h"

namespace shmark::reports {
namespace {

// Worse verdicts are greater.
int badness(result::verdict_kind verdict) {
  switch (verdict) {
    case result::verdict_kind::passed:
      return 0;
    case result::verdict_kind::vacuous:
      return 1;
    case result::verdict_kind::undecided:
      return 2;
    case result::verdict_kind::failed:
      return 3;
  }
  return 3;
}

std::vector<double> times_of(const series& from) {
  std::vector<double> times;
  for (const result::entry* entry : from.entries) times.push_back(entry->real_time_ns());
  return times;
}

std::vector<double> values_of(const series& from, std::string_view counter) {
  std::vector<double> values;
  for (const result::entry* entry : from.entries) {
    if (const auto value = entry->counter(counter)) values.push_back(*value);
  }
  return values;
}

bool counts(const result::entry& entry, bool aggregates_only) {
  return aggregates_only ? entry.aggregate_name == "median" : !entry.is_aggregate();
}

void add(series& to, const result::entry& entry) {
  if (entry.error_message) {
    to.failure = entry.error_message->empty() ? "failed without a message" : *entry.error_message;
  } else {
    to.entries.push_back(&entry);
  }
  if (!entry.stress) return;
  const auto verdict = entry.stress->verdict;
  if (!to.verdict || badness(verdict) > badness(*to.verdict)) to.verdict = verdict;
}

}  // namespace

std::string_view name_parts::operator[](std::string_view argument) const {
  const auto found = arguments.find(argument);
  return found == arguments.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<int> name_parts::number(std::string_view argument) const {
  const std::string_view text = (*this)[argument];
  int value = 0;
  const auto [end, refused] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (refused != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

name_parts parts_of(std::string_view name) {
  name_parts parts;
  std::size_t slash = name.find('/');
  parts.family = name.substr(0, slash);
  while (slash != std::string_view::npos) {
    name.remove_prefix(slash + 1);
    slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    const std::size_t colon = part.find(':');
    if (colon == std::string_view::npos) {
      (parts.rest += parts.rest.empty() ? "" : "/") += part;
    } else {
      parts.arguments.emplace(part.substr(0, colon), part.substr(colon + 1));
    }
  }
  return parts;
}

double series::median_ns() const { return median(times_of(*this)); }
double series::min_ns() const { return std::ranges::min(times_of(*this)); }
double series::max_ns() const { return std::ranges::max(times_of(*this)); }

std::optional<double> series::median_of(std::string_view counter) const {
  const auto values = values_of(*this, counter);
  return values.empty() ? std::nullopt : std::optional(median(values));
}

std::optional<double> series::min_of(std::string_view counter) const {
  const auto values = values_of(*this, counter);
  return values.empty() ? std::nullopt : std::optional(std::ranges::min(values));
}

std::optional<double> series::max_of(std::string_view counter) const {
  const auto values = values_of(*this, counter);
  return values.empty() ? std::nullopt : std::optional(std::ranges::max(values));
}

std::optional<double> series::typical_of(std::string_view counter) const {
  return counter.ends_with("max_ns") ? max_of(counter) : median_of(counter);
}

std::optional<double> series::sum_of(std::string_view counter) const {
  const auto values = values_of(*this, counter);
  if (values.empty()) return std::nullopt;
  return std::accumulate(values.begin(), values.end(), 0.0);
}

std::vector<series> series_of(const result::run& run) {
  const bool aggregates_only =
      std::ranges::all_of(run.entries, [](const auto& entry) { return entry.is_aggregate(); });
  std::vector<series> all;
  std::map<std::string_view, std::size_t> index;
  for (const result::entry& entry : run.entries) {
    if (!counts(entry, aggregates_only)) continue;
    // An aggregate's name ends in "_median"; what it is of is the run name.
    const std::string& name = aggregates_only ? entry.run_name : entry.name;
    const auto [at, is_new] = index.try_emplace(name, all.size());
    if (is_new) all.push_back({.name = name, .parts = parts_of(name)});
    add(all[at->second], entry);
  }
  return all;
}

std::vector<double> rates_of(const series& one) {
  std::vector<double> rates;
  for (const result::entry* entry : one.entries) {
    const double ns = entry->real_time_ns();
    const double by_time = ns > 0 ? 1e9 / ns : 0;
    rates.push_back(entry->counter("ops_per_s").value_or(by_time));
  }
  return rates;
}

double operations_per_s(const series& one) { return median(rates_of(one)); }

all_series where(const all_series& from, std::string_view argument, std::string_view value) {
  all_series found;
  std::ranges::copy_if(from, std::back_inserter(found),
                       [&](const series* one) { return one->parts[argument] == value; });
  return found;
}

std::vector<std::string> values_of(const all_series& all, std::string_view argument) {
  std::vector<std::string> values;
  for (const series* one : all) {
    const std::string value(one->parts[argument]);
    if (std::ranges::find(values, value) == values.end()) values.push_back(value);
  }
  return values;
}

std::vector<int> numbers_of(const all_series& all, std::string_view argument) {
  std::set<int> numbers;
  for (const series* one : all) {
    if (const auto number = one->parts.number(argument)) numbers.insert(*number);
  }
  return {numbers.begin(), numbers.end()};
}

}  // namespace shmark::reports

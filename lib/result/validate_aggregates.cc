#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "lib/measure/median.h"
#include "lib/result/validate_parts.h"

namespace shmark::result::detail {
namespace {

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Of a sample; 0 of a single value, as Google Benchmark has it.
double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double middle = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - middle) * (value - middle);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

// Nothing of an aggregate that is not known.
std::optional<double> aggregate(const std::string& name, const std::vector<double>& values) {
  if (name == "mean") return mean(values);
  if (name == "median") return median(values);
  if (name == "stddev") return deviation(values);
  if (name == "cv") return deviation(values) / mean(values);
  return std::nullopt;
}

using repetitions = std::vector<const entry_facts*>;

// An aggregate's value by its repetitions' values of the same name.
void check_value(const entry_facts& of, const std::string& key, double given,
                 const repetitions& from) {
  std::vector<double> values;
  double greatest = 0;
  for (const entry_facts* each : from) {
    const auto found = each->numbers.find(key);
    if (found == each->numbers.end()) continue;
    values.push_back(found->second);
    greatest = std::max(greatest, std::abs(found->second));
  }
  const checked at = of.at.find(key);
  const bool has_wrong = std::ranges::any_of(values, [](double each) { return std::isnan(each); });
  if (has_wrong || std::isnan(given)) return;  // which has been told
  if (values.empty()) return at.fail("is there, but none of its repetitions has it");
  const auto expected = aggregate(of.aggregate_name, values);
  // A deviation is small next to what it was computed from, and rounded like that.
  const double scale = of.aggregate_name == "cv" ? 1 : greatest;
  if (expected && std::isfinite(*expected) && !nearly_equal(given, *expected, scale)) {
    at.fail("is " + text_of(given) + ", and the " + of.aggregate_name + " of its " +
            std::to_string(values.size()) + " repetitions is " + text_of(*expected));
  }
}

}  // namespace

bool nearly_equal(double one, double another, double scale) noexcept {
  constexpr double rounding = 1e-6;
  return std::abs(one - another) <=
         rounding * std::max({std::abs(one), std::abs(another), std::abs(scale)});
}

void check_unique(const std::vector<entry_facts>& entries, const file_facts& file) {
  std::map<std::tuple<std::string, std::string, std::uint64_t>, const entry_facts*> met;
  for (const entry_facts& each : entries) {
    // Of an aggregate, repetition_index means nothing.
    const std::uint64_t index = each.aggregate_name.empty() ? each.repetition_index : 0;
    const auto [first, is_new] =
        met.emplace(std::tuple(each.name, each.aggregate_name, index), &each);
    if (is_new) continue;
    const auto what = "is the same benchmark and repetition as " + first->second->at.where();
    // Google Benchmark takes two benchmarks of one name, and older ones number no repetitions.
    if (file.is_ours) {
      each.at.fail(what);
    } else {
      each.at.warn(what);
    }
  }
}

void check_aggregates(const std::vector<entry_facts>& entries) {
  std::map<std::string, repetitions> by_name;
  for (const entry_facts& each : entries) {
    if (each.aggregate_name.empty() && !each.has_failed) by_name[each.run_name].push_back(&each);
  }
  bool has_warned = false;
  for (const entry_facts& each : entries) {
    if (each.aggregate_name.empty()) continue;
    const auto found = by_name.find(each.run_name);
    const bool is_known = aggregate(each.aggregate_name, {1}).has_value();
    if (found == by_name.end() || !is_known) {
      if (!std::exchange(has_warned, true)) {
        each.at.warn(is_known ? "cannot be checked: its repetitions are not in the file"
                              : "cannot be checked: it is an aggregate that is not known");
      }
      continue;
    }
    for (const auto& [key, value] : each.numbers) check_value(each, key, value, found->second);
  }
}

}  // namespace shmark::result::detail

// All repetitions of one benchmark in one run, and what reports need of them: the parts of its
// name, medians and ranges.
//
// Thread safety: values. A series points into the run that it was made from, which must outlive it.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/result/result.h"

namespace shmark::reports {

// "Lock/lock:robust_rw/mode:exclusive/procs:4" in parts.
struct name_parts {
  std::string family{};                                         // "Lock": up to the first '/'
  std::map<std::string, std::string, std::less<>> arguments{};  // lock → robust_rw, ...
  std::string rest{};  // parts without ':', with '/' between

  // The argument's value, or empty.
  [[nodiscard]] std::string_view operator[](std::string_view argument) const;

  // The argument as a number, if it is one from 0 up.
  [[nodiscard]] std::optional<int> number(std::string_view argument) const;
};

[[nodiscard]] name_parts parts_of(std::string_view name);

struct series {
  std::string name{};
  name_parts parts{};
  std::vector<const result::entry*> entries{};    // with times; at least one, unless `failure`
  std::string failure{};                          // of a repetition that failed; otherwise empty
  std::optional<result::verdict_kind> verdict{};  // of a stress run: the worst of its entries

  // Requires at least one entry. Times are real time in ns per iteration.
  [[nodiscard]] double median_ns() const;
  [[nodiscard]] double min_ns() const;
  [[nodiscard]] double max_ns() const;
  [[nodiscard]] std::size_t repetitions() const noexcept { return entries.size(); }

  // Over the entries that have the counter; nothing if none has it.
  [[nodiscard]] std::optional<double> median_of(std::string_view counter) const;
  [[nodiscard]] std::optional<double> min_of(std::string_view counter) const;
  [[nodiscard]] std::optional<double> max_of(std::string_view counter) const;
  // What stands for all repetitions: their median; of a maximum, as max_ns, the greatest.
  [[nodiscard]] std::optional<double> typical_of(std::string_view counter) const;
  [[nodiscard]] std::optional<double> sum_of(std::string_view counter) const;
};

// In the order of first appearance. A file that has aggregates only (Google Benchmark writes such)
// yields their medians; otherwise aggregates are left out, since they repeat what is there.
[[nodiscard]] std::vector<series> series_of(const result::run& run);

// Operations of all workers together per second: of each repetition, and their median. Where no
// counter has it, by the time.
[[nodiscard]] std::vector<double> rates_of(const series& one);
[[nodiscard]] double operations_per_s(const series& one);

// Some of a run's.
using all_series = std::vector<const series*>;

// Those whose argument has this value.
[[nodiscard]] all_series where(const all_series& from, std::string_view argument,
                               std::string_view value);

// Values of one argument in order of first appearance.
[[nodiscard]] std::vector<std::string> values_of(const all_series& all, std::string_view argument);

// Those numbers that an argument has, rising.
[[nodiscard]] std::vector<int> numbers_of(const all_series& all, std::string_view argument);

}  // namespace shmark::reports

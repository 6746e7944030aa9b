#include "bench/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lib/base/interrupt.h"

namespace shmark::bench {
namespace {

// Why a run was skipped, if it was: Google Benchmark 1.8 has renamed the members that tell.
template <class Run>
std::optional<std::string> failure_of(const Run& of) {
  if constexpr (requires { of.error_occurred; }) {
    if (of.error_occurred) return of.error_message;
  } else {
    if (static_cast<int>(of.skipped) != 0) return of.skip_message;
  }
  return std::nullopt;
}

}  // namespace

collector::collector(const options& how, const result::context& about, const measurements& taken,
                     std::size_t name_width)
    : how_(how), about_(about), taken_(taken), name_width_(name_width) {
  if (how_.prints_table) table_.emplace(about_);
  // Google Benchmark writes there what --benchmark_list_tests asks for.
  SetOutputStream(&listed_);
}

bool collector::ReportContext(const Context&) {
  warn_of_build(about_);
  if (table_) print_context(about_);
  before_first();
  how_.printing();
  if (table_) {
    print_calibration(about_);
    fmt::print("{}\n", plan);
    table_->begin(name_width_);
  }
  return true;
}

void collector::ReportRuns(const std::vector<Run>& reported) {
  if (interrupted() != 0 || reported.empty()) return;  // all that are left fail for that reason
  // Repetitions and their aggregates come together, or one after the other.
  std::vector<result::entry> entries;
  for (const Run& each : reported) entries.push_back(entry_of(each));
  if (!all_.empty() && all_.back().front().run_name == entries.front().run_name) {
    std::ranges::move(entries, std::back_inserter(all_.back()));
  } else {
    if (!all_.empty() && !how_.interleaves) show(all_.back());
    all_.push_back(std::move(entries));
  }
}

void collector::Finalize() {
  if (interrupted() != 0 || all_.empty()) return;
  if (!how_.interleaves) return show(all_.back());
  std::ranges::stable_sort(all_, {}, [](const auto& each) { return each.front().family_index; });
  for (const auto& each : all_) show(each);
}

void collector::show(const std::vector<result::entry>& of_one_benchmark) {
  if (!table_) return;
  how_.printing();
  table_->add(of_one_benchmark);
}

std::vector<result::entry> collector::take() {
  std::ranges::stable_sort(all_, {}, [](const auto& each) { return each.front().family_index; });
  std::vector<result::entry> entries;
  for (auto& each : all_) std::ranges::move(each, std::back_inserter(entries));
  return entries;
}

result::entry collector::entry_of(const Run& from) const {
  auto name = from.run_name;
  name.min_time.clear();
  name.time_type.clear();
  name.iterations.clear();
  name.repetitions.clear();
  // Of times, the coefficient of variation is none.
  const bool is_share = from.run_type == Run::RT_Aggregate &&
                        from.aggregate_unit == benchmark::StatisticUnit::kPercentage;
  result::entry to{
      .name = name.str(),
      .run_name = name.str(),
      .family_index = static_cast<int>(from.family_index),
      .per_family_instance_index = static_cast<int>(from.per_family_instance_index),
      .repetitions = static_cast<int>(from.repetitions),
      .repetition_index = std::max(0, static_cast<int>(from.repetition_index)),  // aggregate: -1
      .threads = static_cast<int>(from.threads),
      .iterations = static_cast<std::uint64_t>(from.iterations),
      .real_time = is_share ? from.real_accumulated_time : from.GetAdjustedRealTime(),
      .time_unit = benchmark::GetTimeUnitString(from.time_unit),
      .label = from.report_label,
  };
  for (const auto& [key, counter] : from.counters) to.counters[key] = counter.value;
  if (const auto cpu_time = to.counters.extract(cpu_time_counter)) {
    const double in_unit = benchmark::GetTimeUnitMultiplier(from.time_unit) / 1e9;
    to.cpu_time = cpu_time.mapped() * (is_share ? 1 : in_unit);
  }
  if (from.run_type == Run::RT_Aggregate) {
    to.aggregate_name = from.aggregate_name;
    to.name += "_" + from.aggregate_name;
    drop_counters_of_some(to);
  } else if (auto failed = failure_of(from)) {
    to.error_message = *std::move(failed);
  } else {
    add_measurement(to);
  }
  return to;
}

// A quantile that only some repetitions had enough samples for would be summarized over those: a
// median 99.99% above the median of the longest.
void collector::drop_counters_of_some(result::entry& aggregate) const {
  const auto found = taken_.find(aggregate.run_name);
  if (found == taken_.end()) return;
  std::erase_if(aggregate.counters, [&](const auto& counter) {
    return !std::ranges::all_of(found->second, [&](const measurement& each) {
      return each.operations == 0 || each.counters.contains(counter.first);
    });
  });
}

void collector::add_measurement(result::entry& to) const {
  const auto found = taken_.find(to.run_name);
  const auto index = static_cast<std::size_t>(to.repetition_index);
  if (found == taken_.end() || index >= found->second.size()) return;
  const measurement& measured = found->second[index];
  to.iterations = measured.operations;
  to.worker_ops_per_s = measured.worker_ops_per_s;
  if (!measured.durations.buckets.empty()) to.durations = measured.durations;
}

}  // namespace shmark::bench

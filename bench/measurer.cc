#include "bench/measurer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "lib/crew/probe_cost.h"
#include "lib/measure/fairness.h"

namespace shmark::bench {
namespace {

// A tenth of the window, not less than it takes for pages to be there, and not more than any cache
// needs.
constexpr double warm_up_share = 0.1;
constexpr double warm_up_min_s = 0.002;
constexpr double warm_up_max_s = 0.05;

double window_of(const benchmark_case& which, double window_s) noexcept {
  return std::max(window_s, which.window_min_s());
}

std::chrono::nanoseconds ns_of(double seconds) {
  return std::chrono::nanoseconds(std::llround(seconds * 1e9));
}

// Quantiles for which there are samples: at least one in the tail that they leave. The median and
// the longest are of any number.
void add_distribution(measurement& to, std::string_view of, const histogram& times,
                      std::string_view unit) {
  if (times.total() == 0) return;
  const auto add = [&](std::string_view quantile, double value) {
    to.counters[fmt::format("{}{}{}", of, quantile, unit)] = value;
  };
  const auto at = [&](double share) { return static_cast<double>(times.quantile(share)); };
  constexpr std::uint64_t for_p99 = 100;
  constexpr std::uint64_t for_p999 = 1000;
  constexpr std::uint64_t for_p9999 = 10'000;
  add("p50", at(0.5));
  if (times.total() >= for_p99) add("p99", at(0.99));
  if (times.total() >= for_p999) add("p999", at(0.999));
  if (times.total() >= for_p9999) add("p9999", at(0.9999));
  add("max", static_cast<double>(times.max()));
}

result::histogram durations_of(const histogram& times, unsigned time_every) {
  result::histogram all{.time_every = time_every};
  times.for_each([&](std::uint64_t lower_ns, std::uint64_t count) {
    all.buckets.emplace_back(lower_ns, count);
  });
  return all;
}

void add_fairness(measurement& to) {
  const auto [least, most] = std::ranges::minmax(to.worker_ops_per_s);
  to.counters["jain"] = jain_index(to.worker_ops_per_s);
  to.counters["min_max_ratio"] = most == 0 ? 1 : least / most;
}

void add_times(measurement& to, const distributions& times) {
  add_distribution(to, "", times.latency, "_ns");
  add_distribution(to, "intended_", times.intended, "_ns");
  add_distribution(to, "wait_", times.wait, "_ns");
  add_distribution(to, "hold_", times.hold, "_ns");
  add_distribution(to, "handoff_", times.handoff, "_ns");
  add_distribution(to, "bypassed_", times.bypassed, "");
}

measurement measurement_of(const window_result& window) {
  measurement made{.operations = window.operations,
                   .ops_per_s = window.ops_per_s,
                   .worker_ops_per_s = window.worker_ops_per_s,
                   .cpu_ns_per_operation = window.cpu_ns_per_operation(),
                   .durations = durations_of(window.times.latency, window.timed_every)};
  const auto operations = static_cast<double>(window.operations);
  made.counters["ops_per_s"] = window.ops_per_s;
  if (!window.is_elsewhere) {
    made.counters["voluntary_switches_per_op"] =
        static_cast<double>(window.voluntary_switches) / operations;
    made.counters["involuntary_switches_per_op"] =
        static_cast<double>(window.involuntary_switches) / operations;
    made.counters["probe_percent"] = 100 * probe_cost_ns(window.times) /
                                     static_cast<double>(std::max<std::int64_t>(1, window.cpu_ns));
  }
  if (window.planned != 0) {
    const auto planned = static_cast<double>(window.planned);
    made.counters["behind_percent"] = 100 * (1 - operations / planned);
  }
  add_fairness(made);
  add_times(made, window.times);
  return made;
}

}  // namespace

double seconds_of_launch(const benchmark_case& which, double window_s) noexcept {
  constexpr double other_work_s = 0.015;
  constexpr double worker_s = 0.001;
  return window_of(which, window_s) * (1 + warm_up_share) + other_work_s + worker_s * which.workers;
}

std::expected<measurement, error> launch(const benchmark_case& which, const launch_options& how,
                                         const run& owner) {
  SHMARK_ASSIGN_OR_RETURN(const auto work, which.make(owner));
  const window_options options{.workers = {.size = which.workers, .kind = how.kind, .pin = how.pin},
                               .time_every = how.time_every,
                               .rate_per_s = which.rate_per_s,
                               .stop = which.stop};
  SHMARK_ASSIGN_OR_RETURN(
      const auto crew,
      window_crew::start(options, [&work](window_worker& self) { work->work(self); }));
  const double window_s = window_of(which, how.window_s);
  SHMARK_ASSIGN_OR_RETURN(const auto warm_up,
                          crew->run_undisturbed(ns_of(
                              std::clamp(warm_up_share * window_s, warm_up_min_s, warm_up_max_s))));
  SHMARK_RETURN_IF_ERROR(work->conclude(warm_up));
  SHMARK_ASSIGN_OR_RETURN(const auto window, crew->run(ns_of(window_s)));
  SHMARK_ASSIGN_OR_RETURN(auto counters, work->conclude(window));
  measurement made = measurement_of(window);
  made.counters.merge(counters);
  return made;
}

}  // namespace shmark::bench

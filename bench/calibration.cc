#include "bench/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "bench/measurer.h"
#include "lib/measure/median.h"
#include "lib/measure/noise_floor.h"

namespace shmark::bench {
namespace {

constexpr int launches = 8;  // of what is to show how much launches differ
constexpr double window_max_s = 0.03;

class calibrator {
 public:
  calibrator(const options& how, const run& owner)
      : owner_(owner),
        all_(catalog({.seed = how.seed, .points = {}, .workers = {}})),
        how_{.window_s = std::min(how.window_s, window_max_s),
             .time_every = how.time_every,
             .kind = how.kind,
             .pin = how.pin} {}

  // Of so many launches each, the time per operation.
  std::expected<std::vector<double>, error> times_of(std::string_view name, int count,
                                                     const launch_options& how) const {
    const auto which = std::ranges::find(all_, name, &benchmark_case::name);
    std::vector<double> times_ns;
    for (int i = 0; i < count; ++i) {
      SHMARK_ASSIGN_OR_RETURN(const auto measured, launch(*which, how, owner_));
      times_ns.push_back(1e9 / measured.ops_per_s);
    }
    return times_ns;
  }

  std::expected<double, error> median_of(std::string_view name) const {
    constexpr int few = 3;
    launch_options unprobed = how_;  // a probe takes longer than what is measured here
    unprobed.time_every = 0;
    SHMARK_ASSIGN_OR_RETURN(auto times_ns, times_of(name, few, unprobed));
    return median(std::move(times_ns));
  }

  // What two launches of the same differ by at most, in 95 of 100 cases, in percent.
  std::expected<double, error> spread_of(std::string_view name) const {
    SHMARK_ASSIGN_OR_RETURN(const auto times_ns, times_of(name, launches, how_));
    // The floor of medians of so many, taken back to single ones.
    const double of_medians = noise_floor(times_ns).value_or(0);
    return 100 * of_medians * std::sqrt(launches) / median_inefficiency(launches);
  }

 private:
  const run& owner_;
  std::vector<benchmark_case> all_;
  launch_options how_;
};

std::vector<std::string> warnings(const result::context& about) {
  std::vector<std::string> all;
  const auto cores = static_cast<double>(about.machine.cores);
  if (!about.load_avg.empty() && about.load_avg.front() > 0.25 * cores) {
    all.push_back(fmt::format("the machine is busy: load {:.2f} on {} processors",
                              about.load_avg.front(), about.machine.cores));
  }
  if (about.cpu_scaling_enabled) {
    all.emplace_back(
        "processors' frequency follows their load: cpupower frequency-set -g performance");
  }
  if (about.build.mode != result::build_mode::opt) all.emplace_back("this is a debug build");
  if (about.build.sanitizer != result::sanitizer_kind::none) {
    all.emplace_back("this build has a sanitizer");
  }
  if (about.machine.cores < 4) {
    all.push_back(fmt::format(
        "only {} processors: with more workers than that, what is measured is also the scheduler",
        about.machine.cores));
  }
  return all;
}

}  // namespace

std::expected<result::calibration_info, error> calibrate(const options& how,
                                                         const result::context& about,
                                                         const run& owner) {
  const calibrator of(how, owner);
  result::calibration_info made;
  SHMARK_ASSIGN_OR_RETURN(made.empty_loop_ns, of.median_of("Limit/nothing"));
  SHMARK_ASSIGN_OR_RETURN(made.clock_ns, of.median_of("Limit/clock"));
  SHMARK_ASSIGN_OR_RETURN(made.null_lock_ns,
                          of.median_of("Lock/lock:no_lock/mode:exclusive/procs:1"));
  SHMARK_ASSIGN_OR_RETURN(made.aa_spread_percent_single,
                          of.spread_of("Lock/lock:robust_rw/mode:exclusive/procs:1"));
  SHMARK_ASSIGN_OR_RETURN(made.aa_spread_percent_contended,
                          of.spread_of("Lock/lock:robust_rw/mode:exclusive/procs:2"));
  made.warnings = warnings(about);
  return made;
}

}  // namespace shmark::bench

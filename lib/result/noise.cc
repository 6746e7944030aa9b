#include "lib/result/noise.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "lib/measure/noise_floor.h"

namespace shmark::result {
namespace {

struct repeated {
  std::vector<double> times_ns{};
  double calibrated = 0;  // what the calibration lets expect of their median
};

std::optional<double> real_ns(const entry& of) { return of.real_time_ns(); }

repeated repeated_of(const std::vector<const entry*>& of, const context& about,
                     std::optional<double> (*value)(const entry&)) {
  repeated made;
  bool is_contended = false;
  for (const entry* each : of) {
    if (each->is_aggregate() || each->error_message) continue;
    if (const auto ns = value(*each)) made.times_ns.push_back(*ns);
    is_contended = each->worker_ops_per_s.size() > 1;
  }
  if (about.calibration && !made.times_ns.empty()) {
    const auto& by = *about.calibration;
    const double launch_percent =
        is_contended ? by.aa_spread_percent_contended : by.aa_spread_percent_single;
    const auto launches = made.times_ns.size();
    made.calibrated = launch_percent / 100 * median_inefficiency(launches) /
                      std::sqrt(static_cast<double>(launches));
  }
  return made;
}

}  // namespace

std::optional<double> compared_ns(const entry& of) {
  const bool is_open = of.name.find("/rate_per_s:") != std::string::npos;
  return is_open ? of.counter("intended_p50_ns") : real_ns(of);
}

double noise_floor_of(const std::vector<const entry*>& of, const context& about) {
  const auto all = repeated_of(of, about, real_ns);
  return noise_floor(all.times_ns, all.calibrated).value_or(all.calibrated);
}

double joint_noise_floor_of(const std::vector<const entry*>& one, const context& about_one,
                            const std::vector<const entry*>& another,
                            const context& about_another) {
  const auto a = repeated_of(one, about_one, compared_ns);
  const auto b = repeated_of(another, about_another, compared_ns);
  const double calibrated = std::max(a.calibrated, b.calibrated);
  return joint_noise_floor(a.times_ns, b.times_ns, calibrated).value_or(calibrated);
}

}  // namespace shmark::result

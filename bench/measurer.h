// Launches a crew on a benchmark case, and says what a window of it measured.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bench/catalog.h"
#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/crew/window.h"
#include "lib/result/result.h"

namespace shmark::bench {

struct launch_options {
  double window_s = 0.1;
  unsigned time_every = 64;
  workers_are kind = workers_are::processes;
  pinning pin = pinning::spread;
};

// What one launch measured.
struct measurement {
  std::uint64_t operations = 0;  // 0: it failed
  double ops_per_s = 0;
  std::vector<double> worker_ops_per_s{};
  double cpu_ns_per_operation = 0;
  result::histogram durations{};
  std::map<std::string, double, std::less<>> counters{};
};

// How long a launch lasts, in s, with all that goes with it: what time that is left is told by.
[[nodiscard]] double seconds_of_launch(const benchmark_case& which, double window_s) noexcept;

// Errors: those of the workload and of its crew.
[[nodiscard]] std::expected<measurement, error> launch(const benchmark_case& which,
                                                       const launch_options& how, const run& owner);

}  // namespace shmark::bench

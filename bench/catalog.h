// All benchmarks, by name: which subject, under which workload, with how many workers.
//
// Names are for scripts to rely on: families and `key:value` arguments in a fixed order, as in
// Lock/lock:robust_rw/mode:exclusive/procs:4.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/workload/workload.h"

namespace shmark::bench {

struct benchmark_case {
  std::string name;
  int workers = 1;
  std::function<std::expected<std::unique_ptr<workload>, error>(const run& owner)> make;
};

// In the order in which they are to be shown. `seed` is for workloads that draw.
[[nodiscard]] std::vector<benchmark_case> catalog(std::uint64_t seed);

}  // namespace shmark::bench

// All benchmarks, by name: which subject, under which workload, with how many workers.
//
// Names are for scripts to rely on: families and `key:value` arguments in a fixed order, as in
// Lock/lock:robust_rw/mode:exclusive/procs:4. What is not asked for (cs_ns, think_ns, reads, locks,
// rate_per_s, stop_ms) is not in the name.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/workload/workload.h"

namespace shmark::bench {

// How much is measured. Each has what those before it have.
enum class preset : std::uint8_t { quick, standard, full };

struct benchmark_case {
  std::string name;
  int workers = 1;
  preset from = preset::quick;        // the smallest that has it
  double rate_per_s = 0;              // open loop, of all workers together; 0: closed
  std::chrono::milliseconds stop{0};  // for how long worker 0 is stopped in each window
  // What it needs beside this program, if anything: as a result file names what is missing, and a
  // look for it, which says with a remedy why it is not here. It is looked for once for all cases
  // that need it, and only if one is to be measured.
  std::string needs{};
  std::function<std::optional<std::string>(const run& owner)> missing{};
  std::function<std::expected<std::unique_ptr<workload>, error>(const run& owner)> make{};

  // The least that a window must last to show anything, in s.
  [[nodiscard]] double window_min_s() const noexcept;
};

// Points to measure at; empty: those of the presets. Whoever asks for any gets these, of all
// families that have such an argument, instead of the presets' own, whatever the preset; what was
// not asked for is still the preset's.
struct sweep {
  std::vector<int> workers{};
  std::vector<int> cs_ns{};
  std::vector<int> think_ns{};
  std::vector<int> reads{};  // percent
  std::vector<int> locks{};
  std::vector<int> rate_per_s{};
  std::vector<int> stop_ms{};
  std::vector<int> write_percent{};
  std::vector<std::string> payloads{};  // by their names

  bool operator==(const sweep&) const = default;
};

// A command of the user's that is measured: see lib/crew/WORKER.md.
struct user_worker {
  std::string name;
  std::string command;
};

struct catalog_options {
  std::uint64_t seed = 1;  // for workloads that draw
  sweep points{};
  std::vector<user_worker> workers{};
};

// In the order in which they are to be shown.
[[nodiscard]] std::vector<benchmark_case> catalog(const catalog_options& how);

}  // namespace shmark::bench

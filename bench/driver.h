// Runs benchmarks of the catalog under Google Benchmark: its flags, its repetitions and aggregates,
// its schema; with forked workers, which it has not.
//
// Each repetition of a benchmark is one launch of a crew and one window (lib/crew/window.h), whose
// length is Google Benchmark's minimum time, after a shorter one that is not counted, in which
// caches and allocators get warm. Real time is the window's time per operation of all workers
// together: 1 / (sum of the workers' rates). CPU time is the workers', per operation.
//
// Every run begins with a calibration (calibration.h), which says what differences it can resolve.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/catalog.h"
#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/crew/window.h"
#include "lib/result/result.h"

namespace shmark::bench {

// What a preset stands for, unless it is asked for otherwise.
struct preset_settings {
  double window_s;
  int repetitions;
  // Repetitions of all benchmarks in random order: so that what changes on a machine in minutes is
  // part of each benchmark's spread, and of no difference between two.
  bool interleaves;
};
[[nodiscard]] preset_settings settings_of(preset which) noexcept;

struct progress {
  std::string name;  // of the benchmark that begins
  std::size_t done = 0;
  std::size_t total = 0;  // launches
  double seconds_left = 0;
};

struct options {
  // Only its benchmarks. None: all that --benchmark_filter lets through, or those of `quick`, if
  // there is no filter.
  std::optional<preset> which{};
  sweep points{};
  std::vector<user_worker> workers{};
  double window_s = 0.1;
  int repetitions = 1;
  bool interleaves = false;
  bool calibrates = true;
  unsigned time_every = 64;
  workers_are kind = workers_are::processes;
  pinning pin = pinning::spread;
  std::uint64_t seed = 1;
  std::string command{};  // for the result file
  // Google Benchmark's own, "--benchmark_…". What it does not know: not_found.
  std::vector<std::string> flags{};
  bool prints_table = true;  // to standard output
  // Called before each launch.
  std::function<void(const progress&)> starting = [](const progress&) {};
  // Called before something is printed.
  std::function<void()> printing = [] {};
};

struct outcome {
  bool only_listed = false;  // --benchmark_list_tests: the names are printed, nothing was run
  result::run results{};
  std::optional<error> first_failure{};  // of a benchmark; the others were run all the same
};

// For so long benchmarks that --benchmark_filter=FILTER lets through will run, in s. Errors:
// invalid, if it is no regular expression or lets none through.
[[nodiscard]] std::expected<double, error> seconds_for(const options& how,
                                                       const std::string& filter);

// Once in a process: Google Benchmark keeps its flags and benchmarks in globals. Errors: invalid,
// of a flag's value; not_found, if there is no such flag, or the filter matches nothing. A
// benchmark's failure is in the outcome.
[[nodiscard]] std::expected<outcome, error> run_benchmarks(const options& how, const run& owner);

}  // namespace shmark::bench

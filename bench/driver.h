// Runs benchmarks of the catalog under Google Benchmark: its flags, its repetitions and aggregates,
// its schema; with forked workers, which it has not.
//
// Each repetition of a benchmark is one launch of a crew and one window (lib/crew/window.h), whose
// length is Google Benchmark's minimum time. Real time is the window's time per operation of all
// workers together: 1 / (sum of the workers' rates). CPU time is the workers', per operation.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/crew/window.h"
#include "lib/result/result.h"

namespace shmark::bench {

struct options {
  double window_s = 0.1;
  unsigned time_every = 64;
  workers_are kind = workers_are::processes;
  pinning pin = pinning::spread;
  std::uint64_t seed = 1;
  std::string command;  // for the result file
  // Google Benchmark's own, "--benchmark_…". What it does not know: not_found.
  std::vector<std::string> flags;
  bool prints_table = true;  // to standard output
  // Called before each benchmark, with its name.
  std::function<void(const std::string& name)> starting = [](const std::string&) {};
};

struct outcome {
  bool only_listed = false;  // --benchmark_list_tests: the names are printed, nothing was run
  result::run results{};
  std::optional<error> first_failure{};  // of a benchmark; the others were run all the same
};

// How many benchmarks --benchmark_filter=FILTER lets through. Errors: invalid, if it is no regular
// expression or lets none through.
[[nodiscard]] std::expected<std::size_t, error> case_count(const std::string& filter);

// Once in a process: Google Benchmark keeps its flags and benchmarks in globals. Errors: invalid,
// of a flag's value; not_found, if there is no such flag, or the filter matches nothing. A
// benchmark's failure is in the outcome.
[[nodiscard]] std::expected<outcome, error> run_benchmarks(const options& how, const run& owner);

}  // namespace shmark::bench

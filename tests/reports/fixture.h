// Small runs for the tests of reports.
#pragma once

#include <string>
#include <vector>

#include "lib/result/result.h"
#include "tests/support/program.h"

namespace shmark::fixture {

// What a machine without faults would say: optimized, idle, two cores.
[[nodiscard]] result::context context(result::run_kind kind);

// One entry for each time, as repetitions.
[[nodiscard]] std::vector<result::entry> repetitions(const std::string& name,
                                                     const std::vector<double>& times_ns);

// A benchmark run with these repetitions of one benchmark.
[[nodiscard]] result::run bench_run(const std::string& name, const std::vector<double>& times_ns);

// A run with every kind of benchmark that we have.
[[nodiscard]] result::run full_bench_run();

// A run as wide as //bench makes it: all families, all peers but one, which is missing, with
// calibration and five repetitions, on two cores. The numbers are made up, but of the right kind.
[[nodiscard]] result::run wide_bench_run();

[[nodiscard]] result::run stress_run(result::verdict_kind verdict);

// A run of the explorer: two operations, two faults, three entries.
[[nodiscard]] result::run explorer_run();

// Writes it into the folder and returns its path.
std::string save(const support::folder& at, const std::string& name, const result::run& run);
std::string save(const support::folder& at, const std::string& name, const std::string& text);

}  // namespace shmark::fixture

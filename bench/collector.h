// Takes Google Benchmark's runs, and makes entries of a result file of them, under names without
// the settings that we made for it; shows them in a table.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "bench/driver.h"
#include "bench/measurer.h"
#include "bench/table.h"
#include "lib/result/result.h"

namespace shmark::bench {

// Google Benchmark insists that all repetitions have as many iterations: each is given the time
// that so many would have taken. The result file has the true number.
constexpr benchmark::IterationCount made_up_iterations = 1'000'000;

// The processor time that Google Benchmark takes is of this process, which only waits. That of the
// workers goes to it as a counter, which it aggregates like any other.
constexpr auto cpu_time_counter = "cpu_time_ns";

// What each benchmark's repetitions measured, by name and in order.
using measurements = std::map<std::string, std::vector<measurement>, std::less<>>;

class collector final : public benchmark::BenchmarkReporter {
 public:
  // All outlive it.
  collector(const options& how, const result::context& about, const measurements& taken,
            std::size_t name_width);

  // Called before anything is measured, and not if benchmarks are only listed.
  std::function<void()> before_first = [] {};
  // A line that says what is going to be measured.
  std::string plan{};

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& reported) override;
  void Finalize() override;

  // In the catalog's order, whatever the order was in which they were measured.
  [[nodiscard]] std::vector<result::entry> take();
  // Whether --benchmark_list_tests was asked for, and nothing run.
  [[nodiscard]] bool only_listed() const { return !listed_.str().empty(); }

 private:
  [[nodiscard]] result::entry entry_of(const Run& from) const;
  void drop_counters_of_some(result::entry& aggregate) const;
  void add_measurement(result::entry& to) const;
  void show(const std::vector<result::entry>& of_one_benchmark);

  const options& how_;
  const result::context& about_;
  const measurements& taken_;
  std::size_t name_width_;
  std::ostringstream listed_;
  std::vector<std::vector<result::entry>> all_;  // by benchmark
  std::optional<table> table_;
};

}  // namespace shmark::bench

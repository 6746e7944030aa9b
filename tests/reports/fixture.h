// Small runs for the tests of reports.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "lib/result/result.h"

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

[[nodiscard]] result::run stress_run(result::verdict_kind verdict);

// A folder of the running test's own; gone with the object.
class folder {
 public:
  folder();
  ~folder();
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return path_ / name; }

  // Writes it and returns its path.
  [[nodiscard]] std::string save(const std::string& name, const result::run& run) const;
  [[nodiscard]] std::string save(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

[[nodiscard]] std::string contents(const std::filesystem::path& path);

// How a command, run by a shell, ended, and what it printed.
struct outcome {
  int status = -1;
  std::string out;
  std::string err;
};
[[nodiscard]] outcome run_command(const std::string& command, const folder& at);

}  // namespace shmark::fixture

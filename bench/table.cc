#include "bench/table.h"

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "lib/measure/figures.h"

namespace shmark::bench {
namespace {

std::string cell(const result::entry& entry, std::string_view counter,
                 std::string (*text)(double)) {
  const auto value = entry.counter(counter);
  return value ? text(*value) : "";
}

std::string share_text(double share) { return fmt::format("{:.3f}", share); }
std::string number_text(double number) { return fmt::format("{:.0f}", number); }

std::string extra_cells(const result::entry& entry) {
  std::string text;
  if (const auto bytes = cell(entry, "bytes", number_text); !bytes.empty()) {
    text += fmt::format("  {} bytes", bytes);
  }
  if (const auto hits = cell(entry, "hit_rate", share_text); !hits.empty()) {
    text +=
        fmt::format("  hit rate {} (model {})", hits, cell(entry, "model_hit_rate", share_text));
  }
  return text;
}

}  // namespace

void print_context(const result::context& about) {
  fmt::print("{} x {}, Linux {}, load {:.2f}\n", about.machine.cores, about.machine.cpu,
             about.machine.kernel, about.load_avg.empty() ? 0 : about.load_avg.front());
  fmt::print("{} build, {}, commit {}; seed {}; workers are {}\n",
             result::name_of(about.build.mode), about.build.compiler, about.commit, about.seed,
             result::name_of(about.workers_are));
  fmt::print(
      "latencies are of sampled operations, and include {:.0f} ns for looking at the clock\n",
      about.probe_ns);
}

void warn_of_build(const result::context& about) {
  if (about.build.mode != result::build_mode::opt ||
      about.build.sanitizer != result::sanitizer_kind::none) {
    fmt::print(stderr, "WARNING: this build is not for measuring; use bazel run -c opt\n");
  }
}

void table::begin(std::size_t name_width) { name_width_ = name_width; }

void table::add(const result::entry& entry) {
  const auto family = entry.run_name.substr(0, entry.run_name.find('/'));
  if (family != family_) {
    fmt::print("\n{:<{}} {:>10} {:>10} {:>10} {:>10} {:>10} {:>6}\n", family, name_width_, "time",
               "rate", "p50", "p99", "max", "Jain");
    family_ = family;
  }
  if (entry.error_message) {
    fmt::print("{:<{}} FAILED: {}\n", entry.name, name_width_, *entry.error_message);
  } else if (entry.aggregate_name == "cv") {
    fmt::print("{:<{}} {:>9.1f}%\n", entry.name, name_width_, 100 * entry.real_time);
  } else {
    fmt::print("{:<{}} {:>10} {:>10} {:>10} {:>10} {:>10} {:>6}{}\n", entry.name, name_width_,
               duration_text(entry.real_time_ns()), cell(entry, "ops_per_s", rate_text),
               cell(entry, "p50_ns", duration_text), cell(entry, "p99_ns", duration_text),
               cell(entry, "max_ns", duration_text), cell(entry, "jain", share_text),
               extra_cells(entry));
  }
  std::fflush(stdout);
}

}  // namespace shmark::bench

#include "bench/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "lib/measure/figures.h"
#include "lib/result/noise.h"

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
  if (const auto behind = entry.counter("behind_percent"); behind && *behind >= 1) {
    text += fmt::format("  {:.0f}% behind: it does not get so many done", *behind);
  }
  if (const auto probe = entry.counter("probe_percent"); probe && *probe >= 1) {
    text += fmt::format("  {:.0f}% of it the probe's", *probe);
  }
  if (const auto hits = cell(entry, "hit_rate", share_text); !hits.empty()) {
    text +=
        fmt::format("  hit rate {} (model {})", hits, cell(entry, "model_hit_rate", share_text));
    if (const auto replayed = cell(entry, "simulated_hit_rate", share_text); !replayed.empty()) {
      text.insert(text.size() - 1, ", replayed " + replayed);
    }
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
  std::fflush(stdout);
}

void print_calibration(const result::context& about) {
  if (!about.calibration) return;
  const auto& by = *about.calibration;
  fmt::print("an empty loop takes {}, the clock {}, a lock that does nothing {}\n",
             duration_text(by.empty_loop_ns), duration_text(by.clock_ns),
             duration_text(by.null_lock_ns));
  fmt::print(
      "launches right after each other, in windows of 30 ms, differ by up to {:.1f}% with one "
      "worker, "
      "{:.1f}% with two (95% of cases):\nsmaller differences are noise, unless there are more "
      "repetitions\n",
      by.aa_spread_percent_single, by.aa_spread_percent_contended);
  for (const auto& each : by.warnings) fmt::print("note: {}\n", each);
  std::fflush(stdout);
}

void print_missing(const result::context& about) {
  if (about.missing.empty()) return;
  fmt::print("\nMissing, and not measured:\n");
  for (const auto& each : about.missing) fmt::print("  {}: {}\n", each.name, each.why);
}

void warn_of_build(const result::context& about) {
  if (about.build.mode != result::build_mode::opt ||
      about.build.sanitizer != result::sanitizer_kind::none) {
    fmt::print(stderr, "WARNING: this build is not for measuring; use bazel run -c opt\n");
  }
}

void table::begin(std::size_t name_width) { name_width_ = name_width; }

void table::add(const std::vector<result::entry>& of_one_benchmark) {
  const auto& first = of_one_benchmark.front();
  const auto family = first.run_name.substr(0, first.run_name.find('/'));
  if (family != family_) {
    fmt::print("\n{:<{}} {:>9} {:>7} {:>10} {:>9} {:>9} {:>9} {:>9} {:>5}\n", family, name_width_,
               "time", "noise", "rate", "p50", "p99", "p99.9", "max", "Jain");
    family_ = family;
  }
  const auto failed = std::ranges::find_if(
      of_one_benchmark, [](const auto& each) { return each.error_message.has_value(); });
  if (failed != of_one_benchmark.end()) {
    fmt::print("{:<{}} FAILED: {}\n", failed->name, name_width_, *failed->error_message);
  } else {
    const auto median =
        std::ranges::find(of_one_benchmark, "median", &result::entry::aggregate_name);
    std::vector<const result::entry*> all;
    for (const auto& each : of_one_benchmark) all.push_back(&each);
    add_row(median == of_one_benchmark.end() ? first : *median,
            result::noise_floor_of(all, about_));
  }
  std::fflush(stdout);
}

void table::add_row(const result::entry& entry, double noise_floor) {
  // In an open loop, what counts is from when they should have begun.
  const std::string of = entry.counter("intended_p50_ns") ? "intended_" : "";
  const auto time = [&](const char* quantile) {
    return cell(entry, of + quantile + "_ns", duration_text);
  };
  fmt::print("{:<{}} {:>9} {:>7} {:>10} {:>9} {:>9} {:>9} {:>9} {:>5}{}\n", entry.run_name,
             name_width_, duration_text(entry.real_time_ns()),
             noise_floor == 0 ? "" : fmt::format("{:.1f}%", 100 * noise_floor),
             cell(entry, "ops_per_s", rate_text), time("p50"), time("p99"), time("p999"),
             time("max"),
             cell(entry, "jain", [](double jain) { return fmt::format("{:.2f}", jain); }),
             extra_cells(entry));
}

}  // namespace shmark::bench

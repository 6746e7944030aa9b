#include "reports/analysis/plane.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "lib/result/noise.h"
#include "reports/text.h"

namespace shmark::reports {

plane plane_of(const all_series& of, const result::context& about) {
  constexpr const char* rare = "wait_p999_ns";
  const bool has_rare =
      std::ranges::any_of(of, [](const series* one) { return one->median_of(rare).has_value(); });
  plane made{.quantile = has_rare ? "p99.9" : "p99", .points = {}};
  for (const series* one : of) {
    const auto precise = has_rare ? one->median_of(rare) : std::nullopt;
    const auto wait = precise ? precise : one->median_of("wait_p99_ns");
    const double rate = operations_per_s(*one);
    if (!wait || !(*wait > 0) || !(rate > 0)) continue;
    made.points.push_back({.lock = std::string(one->parts["lock"]),
                           .ops_per_s = rate,
                           .wait_ns = *wait,
                           .at_least = has_rare && !precise,
                           .noise = result::noise_floor_of(one->entries, about)});
  }
  return made;
}

bool is_crash_safe(std::string_view lock) {
  constexpr std::array<std::string_view, 5> safe{"robust_rw", "pthread_robust", "sysv_semaphore",
                                                 "ofd_lock", "flock_lock"};
  return std::ranges::find(safe, lock) != safe.end();
}

bool domination::within_noise() const {
  return throughput_ratio() <= 1 + std::max(worse.noise, better.noise);
}

std::vector<domination> dominations(const plane& of) {
  std::vector<domination> all;
  for (const plane_point& worse : of.points) {
    if (!is_crash_safe(worse.lock)) continue;
    for (const plane_point& better : of.points) {
      const bool dominates = is_crash_safe(better.lock) && !better.at_least &&
                             better.ops_per_s > worse.ops_per_s && better.wait_ns < worse.wait_ns;
      if (dominates) all.push_back({worse, better});
    }
  }
  return all;
}

std::string words_of(const plane& of) {
  const auto all = dominations(of);
  if (all.empty()) return "No crash-safe lock is dominated.";
  std::string text = "Dominated: ";
  std::string_view last;
  for (const domination& each : all) {
    if (each.worse.lock == last) {
      text += " and by " + each.better.lock;
    } else {
      text +=
          fmt::format("{}{} by {}", last.empty() ? "" : "; ", each.worse.lock, each.better.lock);
    }
    text += fmt::format(" (throughput × {}{}, wait × {})", ratio(each.throughput_ratio()),
                        each.within_noise() ? ": noise" : "", ratio(each.wait_ratio()));
    last = each.worse.lock;
  }
  return text + '.';
}

}  // namespace shmark::reports

// Locks on a plane: how much they get done, and how long the unlucky wait. Either alone is easy: a
// lock that lets one worker go on for long has the throughput, one that hands over each time has
// the short waits. How long a lock is held does not count. A lock is dominated if another has more
// throughput and a shorter wait.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/result/result.h"
#include "reports/series.h"

namespace shmark::reports {

struct plane_point {
  std::string lock{};
  double ops_per_s = 0;
  double wait_ns = 0;
  bool at_least = false;  // too few waits were timed: this is p99, and p99.9 is not below it
  double noise = 0;       // relative difference of throughputs that says nothing
};

struct plane {
  std::string quantile{};             // of wait_ns: "p99.9", or "p99" if no lock has the former
  std::vector<plane_point> points{};  // of locks whose waits were timed
};

// Of series that differ in the lock only.
[[nodiscard]] plane plane_of(const all_series& of, const result::context& about);

// Whether the lock survives its holder's death; by the names of lib/subject/locks.h.
[[nodiscard]] bool is_crash_safe(std::string_view lock);

struct domination {
  plane_point worse{};
  plane_point better{};

  // How many times the throughput of the worse one the better one has, and likewise its wait.
  [[nodiscard]] double throughput_ratio() const { return better.ops_per_s / worse.ops_per_s; }
  [[nodiscard]] double wait_ratio() const { return better.wait_ns / worse.wait_ns; }
  // Throughputs differ by no more than noise: another run may say something else.
  [[nodiscard]] bool within_noise() const;
};

// Of locks that are crash-safe, by those that are too: what a lock without that promise saves says
// nothing against them. In the order of the plane's points. A wait that is known by a bound only
// dominates nothing.
[[nodiscard]] std::vector<domination> dominations(const plane& of);

// "Dominated: flock_lock by robust_rw (throughput × 12, wait × 0.21)." or "No crash-safe lock is
// dominated."
[[nodiscard]] std::string words_of(const plane& of);

}  // namespace shmark::reports

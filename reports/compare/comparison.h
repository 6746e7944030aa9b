// Decides, benchmark by benchmark, whether a candidate run is slower than a baseline run.
//
// The decision is coarse on purpose: two launches of one program on a shared machine differ by
// about 4 % (their memory lies elsewhere, neighbours are busy), so a ratio below the threshold says
// nothing. A benchmark counts as
//   regressed     if the ratio of its medians is above the threshold, and, with three or more
//                 repetitions on each side, even the candidate's fastest is slower than the
//                 baseline's slowest;
//   improved      likewise the other way round;
//   inconclusive  if the ratio is beyond the threshold but the ranges of the repetitions overlap,
//                 or if a time is missing;
//   unchanged     otherwise.
// An open loop, whose rate is given, is compared by intended_p50_ns; without that it is
// inconclusive, "rate given". With fewer repetitions the ratio alone decides, and the row says "few
// samples". A stress scenario is regressed if it passed in the baseline and did not in the
// candidate; its times are not compared, since faults fall where they will. What fails in the
// candidate and did not in the baseline is regressed, also if the baseline does not have it.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/result/result.h"

namespace shmark::reports {

inline constexpr double default_threshold = 1.10;
inline constexpr std::size_t enough_repetitions = 3;

enum class outcome : std::uint8_t {
  regressed,
  improved,
  unchanged,
  inconclusive,
  missing,  // in the baseline only
  is_new,   // in the candidate only, and not failed there
};
[[nodiscard]] std::string_view name_of(outcome outcome) noexcept;

struct comparison_row {
  std::string name{};
  std::string baseline{};         // "15.2 ns", a stress verdict, or "-"
  std::string candidate{};        // likewise
  std::optional<double> ratio{};  // candidate to baseline; above 1 is slower
  outcome result = outcome::unchanged;
  std::string note{};  // why, where the numbers alone do not tell
};

struct comparison {
  std::vector<comparison_row> rows{};  // the baseline's order, then what is new
  std::vector<std::string> notes{};    // what makes the two runs less comparable
  double threshold = default_threshold;

  [[nodiscard]] std::size_t count(outcome outcome) const;
  [[nodiscard]] bool regressed() const { return count(outcome::regressed) > 0; }
};

// A run, and what to call it in messages: its file.
struct named_run {
  std::string name{};
  result::run run{};
};

// Why two runs cannot be compared, and what to do about it: one line that names the file.
struct refusal {
  std::string message{};
};

// Requires threshold >= 1. Refuses a debug or sanitizer build, different kinds or schemas, a run
// without benchmarks, and two runs without a benchmark in common.
[[nodiscard]] std::expected<comparison, refusal> compare(const named_run& baseline,
                                                         const named_run& candidate,
                                                         double threshold = default_threshold);

}  // namespace shmark::reports

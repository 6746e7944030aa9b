// What the cache-hit laboratory says: how far hit rates are from the model and from the replay,
// what reads cost, and from which share of writes on a copy no longer pays.
//
// Thread safety: pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/measure/hit_model.h"
#include "reports/series.h"

namespace shmark::reports {

// A payload's size by its name, "256", "4k", "1m"; nothing of those that are named otherwise.
[[nodiscard]] std::optional<double> payload_bytes(std::string_view name);

// "64 KiB"; a name that is no size stays as it is.
[[nodiscard]] std::string payload_text(std::string_view name);

struct hit_rates {
  const series* of = nullptr;
  double measured = 0;
  double model = 0;
  std::optional<double> simulated{};  // of what was replayed as a whole
  // 1 by definition: nobody else writes. That a model or a replay knows it says nothing.
  bool is_certain = false;

  // In percentage points; above 0: more hits than that.
  [[nodiscard]] double from_model() const { return 100 * (measured - model); }
  [[nodiscard]] std::optional<double> from_simulation() const {
    return simulated ? std::optional(100 * (measured - *simulated)) : std::nullopt;
  }
};

inline constexpr double worth_naming = 2;  // percentage points

// Of those that have a hit rate, in their order.
[[nodiscard]] std::vector<hit_rates> hit_rates_of(const all_series& cached);

// What was measured of reads of one payload by so many workers.
struct payload_costs {
  std::string payload{};
  int workers = 0;
  std::optional<double> hit_ns{};   // of reads where nobody writes
  std::optional<double> miss_ns{};  // median over the shares of writes
  std::optional<double> uncached_ns{};
  std::map<int, double> hit_rates{};  // measured, by percent of writes

  // All three, if they are known. One worker never misses: a miss costs it what a hit does.
  [[nodiscard]] std::optional<read_costs> all() const;
};

// Payloads by size, those without one first, and by workers.
[[nodiscard]] std::vector<payload_costs> costs_of(const all_series& cached,
                                                  const all_series& uncached);

// Where the hit rates that were measured are above the break-even rate: "always pays" (a miss costs
// no more than a read without a copy), "never pays" (a hit costs as much), "pays at every share
// measured", "pays at no share measured", "not from 5 % writes on", "not at 5 % writes". Empty
// where too little was measured.
[[nodiscard]] std::string break_even_text(const payload_costs& of);

}  // namespace shmark::reports

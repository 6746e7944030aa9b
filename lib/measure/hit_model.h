// What share of reads finds a cached copy up to date, in theory.
//
// N workers take turns at random, each operation a read with probability r, else a write, which
// brings the writer's own copy up to date. A read hits if the worker's last own operation came
// after the last write of the N - 1 others. Looking back from a read, each earlier operation is the
// worker's own with probability 1/N, and a foreign write with probability (1 - r)(N - 1)/N; the
// first of the two that is met decides:
//
//     hit = (1/N) / (1/N + (1 - r)(N - 1)/N) = 1 / (1 + (1 - r)(N - 1))
//
// And from which share on a cache pays: reads through it cost hit × hit_ns + (1 - hit) × miss_ns on
// average, which is less than reads without one, uncached_ns, if
//
//     hit > H* = (miss_ns - uncached_ns) / (miss_ns - hit_ns)
//
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <optional>

namespace shmark {

// `read_share` in [0, 1]; `workers` at least 1. The result is in (0, 1].
[[nodiscard]] constexpr double model_hit_rate(double read_share, int workers) noexcept {
  return 1 / (1 + (1 - read_share) * (workers - 1));
}

// What one read costs, in ns: one that the copy serves, one that must renew the copy first, and one
// of a variable without a copy.
struct read_costs {
  double hit_ns = 0;
  double miss_ns = 0;
  double uncached_ns = 0;
};

struct break_even {
  // H*: caching pays if more than this share of the reads hit. 1: it never pays.
  double hit_rate = 0;
  // At which share of writes among all operations the model's hit rate has fallen to H*: with fewer
  // writes caching pays. 0: it never pays. Nothing, if it pays with any share, as it does for one
  // worker, whose reads all hit.
  std::optional<double> write_share{};
};

// `workers`: at least 1. Nothing if caching always pays, since not even a miss costs more than a
// read without a copy.
//
// Only reads are compared: that a write must be noticed by those who have copies may make it
// dearer, too.
[[nodiscard]] constexpr std::optional<break_even> break_even_of(const read_costs& costs,
                                                                int workers) noexcept {
  if (std::max(costs.hit_ns, costs.miss_ns) <= costs.uncached_ns) return std::nullopt;
  if (costs.hit_ns >= costs.uncached_ns) return break_even{.hit_rate = 1, .write_share = 0};
  const double least = (costs.miss_ns - costs.uncached_ns) / (costs.miss_ns - costs.hit_ns);
  // With nothing but writes the model gives 1/N.
  if (least <= model_hit_rate(0, workers)) return break_even{.hit_rate = least};
  return break_even{.hit_rate = least, .write_share = (1 / least - 1) / (workers - 1)};
}

}  // namespace shmark

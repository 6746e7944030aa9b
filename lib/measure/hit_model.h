// What share of reads finds a cached copy up to date, in theory.
//
// N workers take turns at random, each operation a read with probability r, else a write, which
// brings the writer's own copy up to date. A read hits if the worker's last own operation came
// after the last write of the N - 1 others. Looking back from a read, each earlier operation is the
// worker's own with probability 1/N, and a foreign write with probability (1 - r)(N - 1)/N; the
// first of the two that is met decides:
//
//     hit = (1/N) / (1/N + (1 - r)(N - 1)/N) = 1 / (1 + (1 - r)(N - 1))
#pragma once

namespace shmark {

// `read_share` in [0, 1]; `workers` at least 1. The result is in (0, 1].
[[nodiscard]] constexpr double model_hit_rate(double read_share, int workers) noexcept {
  return 1 / (1 + (1 - read_share) * (workers - 1));
}

}  // namespace shmark

// Work that takes a given time on this processor, without memory: what a worker does inside a
// critical section, or between two.
//
// It is an amount of computation, and not a look at the clock: who is interrupted in it takes
// longer.
//
// A value; made once, before workers are forked.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lib/measure/clock.h"

namespace shmark {

class busy_work {
 public:
  // So many ns, as measured now: the shortest of a hundred tries of some 15 us each, so that on a
  // busy host one of them is likely not to be interrupted. 0: none.
  [[nodiscard]] static busy_work of(std::uint32_t ns) noexcept {
    if (ns == 0) return busy_work(0);
    constexpr std::uint64_t steps = 10'000;
    std::uint64_t best_ticks = UINT64_MAX;
    for (int i = 0; i < 100; ++i) {
      const std::uint64_t from = ticks();
      take(steps);
      best_ticks = std::min(best_ticks, ticks() - from);
    }
    const double step_ns = static_cast<double>(best_ticks) * ns_per_tick() / steps;
    return busy_work(std::max<std::uint64_t>(1, static_cast<std::uint64_t>(ns / step_ns + 0.5)));
  }

  void operator()() const noexcept {
    if (steps_ != 0) take(steps_);
  }

 private:
  explicit busy_work(std::uint64_t steps) noexcept : steps_(steps) {}

  // Each step waits for the one before it.
  static void take(std::uint64_t steps) noexcept {
    std::uint64_t value = steps;
    for (; steps != 0; --steps) {
      value *= value | 1;
      asm volatile("" : "+r"(value));  // the compiler must not take several at once
    }
  }

  std::uint64_t steps_;
};

}  // namespace shmark

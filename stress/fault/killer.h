// Who is killed, and when: at random, with exponentially distributed gaps, so that every moment is
// as likely as any other, however regular the workers' own rhythm is.
//
// A value; the same seed gives the same sequence.
#pragma once

#include <chrono>
#include <cstdint>

#include "lib/base/random.h"

namespace shmark::stress {

class killer {
 public:
  // `mean_gap`: more than 0.
  killer(std::uint64_t seed, std::chrono::nanoseconds mean_gap) noexcept
      : random_(seed), mean_gap_(mean_gap) {}

  // How long until the next kill.
  [[nodiscard]] std::chrono::nanoseconds gap() noexcept;
  // Whether it is aimed at one that holds the lock, as `percent` of all are.
  [[nodiscard]] bool aims(double percent) noexcept { return 100 * random_.fraction() < percent; }
  // Which of `workers` (1 or more) it hits.
  [[nodiscard]] int victim(int workers) noexcept;

 private:
  random_source random_;
  std::chrono::nanoseconds mean_gap_;
};

}  // namespace shmark::stress

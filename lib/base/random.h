// A small seeded random generator, the same on every machine.
//
// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
// One addition and a few multiplications a number, any seed is good, and no state beyond 64 bits,
// so it can be forked per worker and replayed from a printed seed. Not for secrets.
//
// A value; not synchronised.
#pragma once

#include <cstdint>

namespace shmark {

class random_source {
 public:
  explicit constexpr random_source(std::uint64_t seed) noexcept : state_(seed) {}

  // Uniform over all 64-bit numbers.
  constexpr std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // Uniform over [0, bound), with a bias below bound / 2^32. Requires: 0 < bound <= 2^32.
  constexpr std::uint32_t below(std::uint64_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

  // Uniform over [0, 1).
  constexpr double fraction() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

// A number that no other process is likely to have drawn: from the kernel's generator.
[[nodiscard]] std::uint64_t unpredictable_number() noexcept;

}  // namespace shmark

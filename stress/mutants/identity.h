// Which process sits where in a mutant's lock, in one number.
//
// Process and thread safety: any thread, any time; all threads of a process are one.
#pragma once

#include <cstdint>

#include "lib/base/process.h"

namespace shmark::mutants {

// What a process does with a lock.
enum class part : std::uint8_t {
  nothing = 0,
  shared = 1,     // holds it
  exclusive = 2,  // holds it
  waits = 3,      // for exclusive: readers that come later let it go first
  upgrades = 4,   // holds it shared, and waits to have it alone
};

// Process number in bits 3 to 24 (the kernel gives out no more than 2^22), start in clock ticks
// from bit 25 on (174 years of them), its part in bits 0 to 2.
using seat = std::uint64_t;

constexpr int part_bits = 3;
constexpr int process_bits = 22;

[[nodiscard]] constexpr seat seat_of(pid_t process, std::uint64_t ticks) noexcept {
  return ticks << (part_bits + process_bits) | static_cast<std::uint64_t>(process) << part_bits;
}
[[nodiscard]] constexpr seat with(seat who, part what) noexcept {
  return who | static_cast<seat>(what);
}
[[nodiscard]] constexpr part part_of(seat whose) noexcept { return static_cast<part>(whose & 7U); }
[[nodiscard]] constexpr seat who_of(seat whose) noexcept { return whose & ~seat{7}; }
[[nodiscard]] constexpr pid_t process_of(seat whose) noexcept {
  return static_cast<pid_t>(whose >> part_bits & ((1U << process_bits) - 1));
}

// This process, also in a child of fork: without a part.
[[nodiscard]] seat own_seat() noexcept;

// Whether the process is over, even if another has its number by now.
[[nodiscard]] bool is_gone(seat whose) noexcept;

}  // namespace shmark::mutants

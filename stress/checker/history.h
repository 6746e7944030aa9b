// Exactly once, or maybe: what became of the changes that each worker numbered 1, 2, 3, … and
// recorded in the shared value together with what they changed.
//
// A worker notes the number that it is about to publish (intended), and, once it has been told that
// it is published, notes it again (acknowledged). One that is killed in between leaves a *maybe*:
// its last change is there or not, and both are right. So what the value says is done must lie in
//
//     acknowledged <= done <= intended
//
// Below: acknowledged changes were lost. Above: changes are there that nobody has begun. And since
// each change is one commit, the serial number is known from the value itself.
//
// Pure functions.
#pragma once

#include <cstdint>
#include <span>

namespace shmark::stress {

struct numbers_of_changes {
  std::uint64_t acknowledged = 0;
  std::uint64_t intended = 0;
};

// How many changes the value lacks, or has too many; 0: all is as it should be.
[[nodiscard]] std::uint64_t unaccounted(const numbers_of_changes& log, std::uint64_t done) noexcept;

// The serial number of a value whose workers have done that much since it had the number `first`.
[[nodiscard]] std::uint64_t serial_after(std::uint64_t first,
                                         std::span<const std::uint64_t> done) noexcept;

}  // namespace shmark::stress

// What processes did to a shared register, and when: the history that
// stress/checker/linearizability judges.
//
// An operation lasts from its call to its return. One that never returned, because its worker was
// killed inside it, is *pending*: it took effect at any time after its call, or never will.
//
// Times are of monotonic_ns(), which is one clock for all processors. Ticks would be cheaper, but
// those of two processors need not agree (lib/measure/clock.h), and then an operation could seem to
// have returned before another was called that it overlapped.
//
// Values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace shmark::stress {

// When an operation was, and whose.
struct interval {
  static constexpr std::int64_t never_ns = std::numeric_limits<std::int64_t>::max();

  int worker = 0;
  std::int64_t called_ns = 0;
  std::int64_t returned_ns = never_ns;  // never_ns: it is pending

  [[nodiscard]] bool pending() const noexcept { return returned_ns == never_ns; }
  // Of two whose times are the same, neither is before the other: the clock cannot tell.
  [[nodiscard]] bool is_before(const interval& other) const noexcept {
    return returned_ns < other.called_ns;
  }
};

enum class access : std::uint8_t { read, write };

// On a register.
struct operation : interval {
  access kind = access::read;
  std::uint64_t value = 0;   // written or read; of a pending read, none
  std::uint64_t serial = 0;  // the number of the write that wrote it; 0: not known

  // "worker 2's read of value 0x20000000d under serial number 17 (called at 1.250 us, returned at
  // 2.000 us)", in time since `origin_ns`.
  [[nodiscard]] std::string text(std::int64_t origin_ns) const;
};

struct history {
  std::uint64_t first_value = 0;   // what the register held before
  std::uint64_t first_serial = 0;  // and its number; 0: there are no serial numbers
  std::vector<operation> operations;

  // When the first one was called; 0: there is none.
  [[nodiscard]] std::int64_t begin_ns() const noexcept;
};

// How many of the operations that returned overlapped another one that did.
[[nodiscard]] std::size_t overlapped(const history& all);

}  // namespace shmark::stress

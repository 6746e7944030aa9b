// The clock that single operations are timed with.
//
// ticks() is the processor's time stamp counter where that runs at a constant rate in all its
// states, else CLOCK_MONOTONIC. Reading it takes longer than many operations do (see
// bazel run -c opt //bench -- --benchmark_filter=Limit): hence only some operations are timed, and
// probe_ns() says what a timed one includes.
//
// Thread and process safety: all functions may be called at any time. Ticks of two cores need not
// agree: take differences on one. Only handoffs of locks (lib/crew/sample.h) are differences
// between two, since a holder's release and the next one's acquisition are on two: they take a
// counter that is invariant and synchronised between processors, as that of x86 is on one board,
// and mean nothing without.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "lib/base/deadline.h"

namespace shmark {

namespace detail {
extern const bool has_constant_counter;
}

[[nodiscard]] inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  if (detail::has_constant_counter) [[likely]] {
    unsigned ignored;
    return __rdtscp(&ignored);  // waits for what comes before it in the program
  }
#endif
  return static_cast<std::uint64_t>(monotonic_ns());
}

// Nanoseconds per tick: measured once per process, over 20 ms, at the first call.
[[nodiscard]] double ns_per_tick() noexcept;

// What timing an empty operation gives, in ns: the least that a timed operation shows.
[[nodiscard]] double probe_ns() noexcept;

// Processor time that this thread has used, in ns.
[[nodiscard]] std::int64_t thread_cpu_ns() noexcept;

// Makes the compiler believe that the value is used, so that computing it is not left out.
template <class T>
inline void keep(const T& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace shmark

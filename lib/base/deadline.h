// How long an operation may wait: a point in time on CLOCK_MONOTONIC, "forever", or "not at all".
//
//     lock.acquire(mode::exclusive, deadline::after(20ms));
//
// A value; thread-safe. Being a point in time it keeps its meaning across retries and interrupts.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>
#include <limits>

namespace shmark {

namespace detail {
constexpr std::int64_t ns_per_s = 1'000'000'000;
}

// Requires: ns is not negative.
[[nodiscard]] constexpr timespec to_timespec(std::int64_t ns) noexcept {
  return {.tv_sec = ns / detail::ns_per_s, .tv_nsec = ns % detail::ns_per_s};
}

// Nanoseconds of CLOCK_MONOTONIC, the clock of all times in shmark: the same in all processes.
[[nodiscard]] inline std::int64_t monotonic_ns() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * detail::ns_per_s + t.tv_nsec;
}

class deadline {
 public:
  // Wait as long as it takes.
  [[nodiscard]] static constexpr deadline never() noexcept { return deadline(forever); }
  // Do not wait at all: would_block instead.
  [[nodiscard]] static constexpr deadline none() noexcept { return deadline(at_once); }
  // Wait until `span` from now; at least 0. What lies beyond the end of the clock is never().
  [[nodiscard]] static deadline after(std::chrono::nanoseconds span) noexcept {
    const std::int64_t now_ns = monotonic_ns();
    const std::int64_t span_ns = span.count() > 0 ? span.count() : 0;
    return deadline(span_ns > forever - now_ns ? forever : now_ns + span_ns);
  }

  // The one of both that comes first.
  [[nodiscard]] constexpr deadline or_before(deadline other) const noexcept {
    return deadline(ns_ < other.ns_ ? ns_ : other.ns_);
  }

  [[nodiscard]] constexpr bool is_never() const noexcept { return ns_ == forever; }
  [[nodiscard]] constexpr bool is_none() const noexcept { return ns_ == at_once; }
  [[nodiscard]] bool passed() const noexcept { return is_none() || remaining_ns() == 0; }

  // Nanoseconds left, 0 if it has passed; the largest number for never().
  [[nodiscard]] std::int64_t remaining_ns() const noexcept {
    if (is_never()) return forever;
    if (is_none()) return 0;
    const std::int64_t left = ns_ - monotonic_ns();
    return left > 0 ? left : 0;
  }

  // The point in time, for calls that take an absolute CLOCK_MONOTONIC time. Requires: neither
  // never() nor none().
  [[nodiscard]] constexpr timespec at() const noexcept { return to_timespec(ns_); }
  // The time left, for calls that take a span.
  [[nodiscard]] timespec remaining() const noexcept { return to_timespec(remaining_ns()); }

 private:
  static constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::int64_t at_once = std::numeric_limits<std::int64_t>::min();

  explicit constexpr deadline(std::int64_t ns) noexcept : ns_(ns) {}

  std::int64_t ns_;
};

}  // namespace shmark

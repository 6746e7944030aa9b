// A lock that locks nothing: what acquiring and releasing cost when there is nothing to do. For one
// worker only.
#pragma once

#include "lib/lock/lock.h"

namespace shmark {

class no_lock {
 public:
  static constexpr std::string_view name = "no_lock";
  static constexpr lock_traits can{.excludes = false};
  struct state {
    char nothing;
  };

  [[nodiscard]] static std::expected<void, error> create(state&, const lock_home&) noexcept {
    return {};
  }
  [[nodiscard]] static std::expected<no_lock, error> attach(state&) noexcept { return no_lock(); }
  static void destroy(state&) noexcept {}

  [[nodiscard]] std::expected<acquired, error> acquire(mode, deadline) noexcept {
    asm volatile("" ::: "memory");  // as a real lock's, for the compiler
    return acquired::ok;
  }
  void release(mode) noexcept { asm volatile("" ::: "memory"); }
};
static_assert(lock<no_lock>);

}  // namespace shmark

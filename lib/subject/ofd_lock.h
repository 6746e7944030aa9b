// The reader-writer lock that the kernel offers on files: an open file description lock on an
// object in /dev/shm. A crash-safe peer that needs no memory of its own.
//
// What survives a crash: the lock is freed with the last copy of its holder's descriptor; the next
// holder is not told. A child of fork(2) has such a copy: a child that was forked while its parent
// held, and that has not used the handle since, keeps the lock after its parent's death. Every call
// enters the kernel. Waits have no deadline, so it is not timed: it waits, or does not.
//
// Source: fcntl(2), "Open file description locks".
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "lib/base/descriptor.h"
#include "lib/lock/lock.h"

namespace shmark {

class ofd_lock {
 public:
  static constexpr std::string_view name = "ofd_lock";
  static constexpr lock_traits can{.shared = true, .crash_safe = true};
  struct state {
    std::array<char, 96> object;  // its name in /dev/shm; empty: there is none
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home& home) noexcept;
  [[nodiscard]] static std::expected<ofd_lock, error> attach(state& at) noexcept;
  static void destroy(state& at) noexcept;

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept;
  void release(mode how) noexcept;

 private:
  ofd_lock(state& at, descriptor object) noexcept;
  [[nodiscard]] bool holds() const noexcept;

  state* state_;
  descriptor object_;
  std::uint32_t opened_at_;  // by the process of this depth (see fork_depth)
  std::optional<mode> held_;
};
static_assert(lock<ofd_lock>);

}  // namespace shmark

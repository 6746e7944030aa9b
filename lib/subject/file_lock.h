// The two reader-writer locks that the kernel offers on files, here on an object in /dev/shm:
// ofd_lock, of an open file description, by fcntl(2), and flock_lock, by flock(2). Crash-safe peers
// that need no memory of their own. Both belong to an open file description, and exclude by it;
// flock(2) knows no parts of a file, and each has its own way through the kernel.
//
// What survives a crash: the lock is freed with the last copy of its holder's descriptor; the next
// holder is not told. A child of fork(2) has such a copy: a child that was forked while its parent
// held, and that has not used the handle since, keeps the lock after its parent's death. Every call
// enters the kernel. Waits have no deadline, so they are not timed: they wait, or do not.
//
// Source: fcntl(2), "Open file description locks"; flock(2).
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "lib/base/descriptor.h"
#include "lib/lock/lock.h"

namespace shmark {

enum class file_lock_kind : std::uint8_t { ofd, flock };

template <file_lock_kind Kind>
class file_lock {
 public:
  static constexpr std::string_view name = Kind == file_lock_kind::ofd ? "ofd_lock" : "flock_lock";
  static constexpr lock_traits can{.shared = true, .crash_safe = true};
  struct state {
    std::array<char, 96> object;  // its name in /dev/shm; empty: there is none
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home& home) noexcept;
  [[nodiscard]] static std::expected<file_lock, error> attach(state& at) noexcept;
  static void destroy(state& at) noexcept;

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept;
  void release(mode how) noexcept;

 private:
  file_lock(state& at, descriptor object) noexcept;
  [[nodiscard]] bool holds() const noexcept;
  [[nodiscard]] static std::expected<descriptor, error> open_object(const state& at,
                                                                    int flags) noexcept;

  state* state_;
  descriptor object_;
  std::uint32_t opened_at_;  // by the process of this depth (see fork_depth)
  std::optional<mode> held_;
};
extern template class file_lock<file_lock_kind::ofd>;
extern template class file_lock<file_lock_kind::flock>;

using ofd_lock = file_lock<file_lock_kind::ofd>;
using flock_lock = file_lock<file_lock_kind::flock>;
static_assert(lock<ofd_lock> && lock<flock_lock>);

}  // namespace shmark

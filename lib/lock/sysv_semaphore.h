// A reader-writer lock of two System V semaphores, as IPC::Shareable and IPC::Shm use them.
//
// One semaphore counts the shared holders, the other the exclusive one. Acquiring is a single
// semop(2) that waits for the other kind to be gone and counts up; the kernel undoes the counts of
// a process that ends (SEM_UNDO).
//
//   exclusive  wait readers = 0, wait writers = 0, writers + 1
//   shared     wait writers = 0, readers + 1
//
// Every call enters the kernel, even if the lock is free. A steady stream of readers starves a
// writer.
//
// What survives a crash: the lock is freed when its holder's process ends; the next holder is not
// told, so what it guards must tell by itself (a store does). SEM_UNDO goes by process: a thread
// that ends while holding leaves it held. A child of fork has no undo of its parent's.
// Releasing through a handle that does not hold stops the program.
//
// The semaphores belong to the system: destroy() removes them. Their key is in the state before
// they are made, so that a crash in between leaves nothing unfindable.
//
// Users may share it, if its mode lets all of them read and write (lock_home::mode). Who can do
// that is trusted: he may change the counts, and have those who destroy it remove other semaphores
// of theirs, by another key.
//
// Source: semop(2), semget(2); the order of operations as in IPC::Shareable's lock tables.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "lib/lock/lock.h"

namespace shmark {

class sysv_semaphore {
 public:
  static constexpr std::string_view name = "sysv_semaphore";
  static constexpr lock_traits can{
      .shared = true, .timed = true, .crash_safe = true, .shared_between_users = true};
  struct state {
    std::atomic<std::int32_t> key;  // 0: none yet
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home& home) noexcept;
  [[nodiscard]] static std::expected<sysv_semaphore, error> attach(state& at) noexcept;
  static void destroy(state& at) noexcept;

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept;
  void release(mode how) noexcept;

 private:
  explicit sysv_semaphore(int id) noexcept : id_(id) {}
  [[nodiscard]] bool holds() const noexcept;

  int id_;
  std::optional<mode> held_;           // through this handle,
  std::uint32_t held_since_fork_ = 0;  // by the process of this depth (see fork_depth)
};
static_assert(lock<sysv_semaphore>);

}  // namespace shmark

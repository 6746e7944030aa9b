// A reader-writer lock of System V semaphores, as IPC::Shareable and IPC::Shm use them.
//
// One semaphore counts the shared holders, one the exclusive one, and one who goes from shared to
// exclusive. Each step is a single semop(2): its operations are tried in their order, and done all
// at once or, until they all can be, not at all. The kernel undoes the counts of a process that
// ends (SEM_UNDO).
//
//   (1) exclusive  wait readers = 0, wait writers = 0, writers + 1
//   (2) shared     wait writers = 0, readers + 1
//   (3) release    readers - 1, or writers - 1
//   (4) downgrade  writers - 1, readers + 1
//   (5) upgrade    readers - 1, then, without oneself, as (1). That is all if nobody else reads.
//                  Else, for two who did it would wait for one another for ever:
//         announce   upgraders = 0, or refuse (would_deadlock); upgraders + 1
//         wait       as before, and upgraders - 1
//         withdraw   upgraders - 1, when the deadline has passed
//
// Who waits in (5) goes on to be a reader for all others, and no writer gets in before: the one
// semop that takes him off the readers makes him the writer. A death between two steps of (5) takes
// back readers and upgraders; while a step waits, none of its counts has changed; and when it is
// done, though its process may be dead and not have learned of it, what it did is in the list of
// what is to be undone. The kernel undoes a set's counts under the set's own lock, so that nobody
// sees a part. (It would not matter: of counts that are too high for an instant, the readers' and
// the writers' let others wait, and the upgraders' refuses an upgrade.)
//
// Handles hold, and not threads: who holds it by one and asks by another waits for himself.
//
// Every call enters the kernel, even if the lock is free. A steady stream of readers starves a
// writer, and an upgrade.
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
// Source: semop(2), semget(2), exit_sem() in Linux's ipc/sem.c; the order of operations as in
// IPC::Shareable's lock tables.
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
  static constexpr lock_traits can{.shared = true,
                                   .timed = true,
                                   .crash_safe = true,
                                   .convertible = true,
                                   .shared_between_users = true};
  struct state {
    std::atomic<std::int32_t> key;  // 0: none yet
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home& home) noexcept;
  [[nodiscard]] static std::expected<sysv_semaphore, error> attach(state& at) noexcept;
  static void destroy(state& at) noexcept;

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept;
  void release(mode how) noexcept;
  // Whether somebody holds it exclusively, by this handle or another; asks, and changes nothing.
  // Errors: not_found.
  [[nodiscard]] std::expected<bool, error> is_held_exclusively() const noexcept;
  [[nodiscard]] std::expected<void, error> downgrade() noexcept;
  [[nodiscard]] std::expected<acquired, error> upgrade(deadline until) noexcept;

  // What the kernel says of those who use the semaphores of this key, for somebody who only looks
  // on: asks for one number after the other, and changes nothing.
  struct view {
    int id;
    std::uint32_t readers;  // how many hold it shared; the kernel does not say who
    pid_t last_reader;      // who was the last to hold or release it shared, or to ask for it
    std::uint32_t writers;  // 1 while somebody holds it exclusively
    pid_t last_writer;      // who that is, if so; else who was the last to ask
    std::uint32_t waiting;  // threads that wait
    std::int64_t since;     // when somebody last took or released it, in seconds since the epoch
  };
  // Errors: not_found; denied; mismatch, if it is another program's set.
  [[nodiscard]] static std::expected<view, error> look(std::int32_t key) noexcept;

 private:
  explicit sysv_semaphore(int id) noexcept : id_(id) {}
  [[nodiscard]] bool holds() const noexcept;

  int id_;
  std::optional<mode> held_;           // through this handle,
  std::uint32_t held_since_fork_ = 0;  // by the process of this depth (see fork_depth)
};
static_assert(convertible_lock<sysv_semaphore>);

}  // namespace shmark

// shmark's own crash-safe lock.
//
// For now both modes exclude everybody (can.shared is false); what it adds to glibc's robust mutex,
// on which it stands, is that it knows what its dead owner was doing: a death is reported only if
// the dead held it exclusively, and is reported until somebody who was told of it has released. And
// that a killed waiter leaves no other one asleep (see acquire_robust_mutex).
//
// Protocol. `mark` is written by the holder of the mutex only, so every access is ordered by it and
// needs no order of its own; it is atomic because a dead holder's last store is read.
//   acquire  mutex; mark := (mark & exclusive or damaged ? damaged : 0) | mode
//   release  mark := 0; unlock
// Invariants
//   R1  mark == 0 while nobody holds the mutex and the last holder released it.
//   R2  A holder that dies with `exclusive` in the mark, or with `damaged`, leaves it there: the
//       next to acquire sees it and reports owner_died. One that dies before it has stored its
//       mode was never told that it holds the lock, so it cannot have changed anything.
//   R3  `damaged` is cleared only by a release, thus by one who was told.
//
// What survives a crash: see pthread_robust.h, on whose proof of life it relies; hence one PID
// namespace, and a segment that no other user can write. Releasing what another holds stops the
// program.
#pragma once

#include <atomic>

#include "lib/base/check.h"
#include "lib/lock/lock.h"
#include "lib/lock/pthread_call.h"

namespace shmark {

class robust_rw {
 public:
  static constexpr std::string_view name = "robust_rw";
  static constexpr lock_traits can{
      .timed = true, .crash_safe = true, .reports_owner_death = true, .per_thread = true};
  struct state {
    pthread_mutex_t mutex;
    std::atomic<std::uint32_t> mark;
  };

  [[nodiscard]] static std::expected<void, error> create(state& at) noexcept {
    at.mark.store(0, std::memory_order_relaxed);
    return detail::make_mutex(at.mutex, detail::mutex_kind::robust);
  }
  [[nodiscard]] static std::expected<robust_rw, error> attach(state& at) noexcept {
    return robust_rw(at);
  }
  static void destroy(state&) noexcept {}

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    const int returned = detail::acquire_robust_mutex(state_->mutex, until);
    if (returned == 0) [[likely]] {
      state_->mark.store(mark_of(how), std::memory_order_relaxed);  // it was 0 (R1)
      return acquired::ok;
    }
    if (returned != EOWNERDEAD) return detail::acquire_failure(returned);
    return recover(how);
  }
  void release(mode how) noexcept {
    const std::uint32_t mark = state_->mark.load(std::memory_order_relaxed);
    SHMARK_CHECK((mark & ~damaged) == mark_of(how),
                 "released a lock that is not held in this mode");
    state_->mark.store(0, std::memory_order_relaxed);
    if (pthread_mutex_unlock(&state_->mutex) != 0) [[unlikely]] {
      // It is another's mark: without it, the death of that one would go unreported.
      state_->mark.store(mark, std::memory_order_relaxed);
      SHMARK_CHECK(false, "released a lock that is not held");
    }
  }

 private:
  static constexpr std::uint32_t damaged = 4;

  explicit robust_rw(state& at) noexcept : state_(&at) {}
  static constexpr std::uint32_t mark_of(mode how) noexcept {
    return how == mode::exclusive ? 1 : 2;
  }
  [[gnu::cold]] acquired recover(mode how) noexcept;

  state* state_;
};
static_assert(lock<robust_rw>);

}  // namespace shmark

// A peer: glibc's reader-writer lock, shared between processes. A dead owner leaves it locked for
// ever. Set to prefer readers, as it comes: a stream of readers can starve a writer.
//
// Source: pthread_rwlockattr_setpshared(3), pthread_rwlockattr_setkind_np(3).
#pragma once

#include <pthread.h>

#include "lib/base/check.h"
#include "lib/lock/lock.h"
#include "lib/lock/pthread_call.h"

namespace shmark {

class pthread_rwlock {
 public:
  static constexpr std::string_view name = "pthread_rwlock";
  static constexpr lock_traits can{.shared = true, .timed = true};
  struct state {
    pthread_rwlock_t lock;
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    int failed = pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (failed == 0) failed = pthread_rwlock_init(&at.lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    if (failed != 0) return system_failure(failed, "create lock", name);
    return {};
  }
  [[nodiscard]] static std::expected<pthread_rwlock, error> attach(state& at) noexcept {
    return pthread_rwlock(at);
  }
  static void destroy(state&) noexcept {}

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    const int returned = how == mode::exclusive ? write_lock(until) : read_lock(until);
    if (returned == 0) [[likely]]
      return acquired::ok;
    return detail::acquire_failure(returned);
  }
  void release(mode) noexcept {
    SHMARK_CHECK(pthread_rwlock_unlock(&state_->lock) == 0, "released a lock that is not held");
  }

 private:
  explicit pthread_rwlock(state& at) noexcept : state_(&at) {}

  [[nodiscard]] int write_lock(deadline until) noexcept {
    if (until.is_never()) [[likely]]
      return pthread_rwlock_wrlock(&state_->lock);
    if (until.is_none()) return pthread_rwlock_trywrlock(&state_->lock);
    const timespec at = until.at();
    return pthread_rwlock_clockwrlock(&state_->lock, CLOCK_MONOTONIC, &at);
  }
  [[nodiscard]] int read_lock(deadline until) noexcept {
    if (until.is_never()) [[likely]]
      return pthread_rwlock_rdlock(&state_->lock);
    if (until.is_none()) return pthread_rwlock_tryrdlock(&state_->lock);
    const timespec at = until.at();
    return pthread_rwlock_clockrdlock(&state_->lock, CLOCK_MONOTONIC, &at);
  }

  state* state_;
};
static_assert(lock<pthread_rwlock>);

}  // namespace shmark

// The calls of POSIX threads in shmark's terms; shared by all locks that stand on them.
#pragma once

#include <pthread.h>

#include <cerrno>
#include <expected>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/lock/lock.h"

#ifdef SHMARK_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace shmark::detail {

// How to set up a mutex.
enum class mutex_kind { plain, robust };

// Makes a mutex for threads of several processes. A robust one also tells when its owner died, and
// when its own owner asks for it again. Source: pthread_mutexattr_setrobust(3).
[[nodiscard]] std::expected<void, error> make_mutex(pthread_mutex_t& mutex,
                                                    mutex_kind kind) noexcept;

// The error for what a pthread call that acquires has returned, other than 0 and EOWNERDEAD.
[[nodiscard, gnu::cold]] std::unexpected<error> acquire_failure(int returned) noexcept;

// pthread_mutex_clocklock(3) with CLOCK_MONOTONIC, which ThreadSanitizer does not know of.
[[nodiscard]] inline int acquire_mutex_until(pthread_mutex_t& mutex, const timespec& at) noexcept {
  const int returned = pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &at);
#ifdef SHMARK_TSAN
  if (returned == 0 || returned == EOWNERDEAD) {
    __tsan_mutex_pre_lock(&mutex, 0);
    __tsan_mutex_post_lock(&mutex, 0, 0);
  }
#endif
  return returned;
}

// 0, EOWNERDEAD or another errno.
[[nodiscard]] inline int acquire_mutex(pthread_mutex_t& mutex, deadline until) noexcept {
  if (until.is_never()) [[likely]]
    return pthread_mutex_lock(&mutex);
  if (until.is_none()) return pthread_mutex_trylock(&mutex);
  return acquire_mutex_until(mutex, until.at());
}

// As acquire_mutex(), of a robust mutex, and so that no killed waiter leaves another one asleep.
//
// glibc and the kernel lose a wake-up when a waiter that was woken is killed before it has taken
// the mutex, and a third has taken it in passing: the word then says nothing of further waiters, so
// its release wakes none, and the kernel hands a dead waiter's wake-up on only while nobody holds
// the mutex (Linux, kernel/futex/core.c, handle_futex_death). Hence nobody sleeps for longer than
// 50 ms without a look of its own.
[[nodiscard]] int wait_for_robust_mutex(pthread_mutex_t& mutex, deadline until) noexcept;
[[nodiscard]] inline int acquire_robust_mutex(pthread_mutex_t& mutex, deadline until) noexcept {
  const int returned = pthread_mutex_trylock(&mutex);
  if (returned != EBUSY || until.is_none()) [[likely]]
    return returned;
  return wait_for_robust_mutex(mutex, until);
}

}  // namespace shmark::detail

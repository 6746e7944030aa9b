// glibc's robust mutex, as it comes.
//
// The kernel keeps a list of the robust mutexes that each thread holds, walks it when the thread
// ends, and marks them. Ownership goes by thread number: only use it between processes of one PID
// namespace. Releasing what another holds stops the program.
//
// What survives a crash: everything; the next owner is told. A thread that calls exec while holding
// it is never marked dead, and its lock stays held. The death of a waiter can leave another one
// asleep until somebody else has to wait as well (see acquire_robust_mutex).
//
// Source: pthread_mutexattr_setrobust(3), get_robust_list(2), Linux's Documentation/locking/
// robust-futexes.rst.
#pragma once

#include "lib/base/check.h"
#include "lib/lock/lock.h"
#include "lib/lock/pthread_call.h"

namespace shmark {

class pthread_robust {
 public:
  static constexpr std::string_view name = "pthread_robust";
  static constexpr lock_traits can{
      .timed = true, .crash_safe = true, .reports_owner_death = true, .per_thread = true};
  struct state {
    pthread_mutex_t mutex;
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    return detail::make_mutex(at.mutex, detail::mutex_kind::robust);
  }
  [[nodiscard]] static std::expected<pthread_robust, error> attach(state& at) noexcept {
    return pthread_robust(at);
  }
  static void destroy(state&) noexcept {}

  [[nodiscard]] std::expected<acquired, error> acquire(mode, deadline until) noexcept {
    const int returned = detail::acquire_mutex(state_->mutex, until);
    if (returned == 0) [[likely]]
      return acquired::ok;
    if (returned != EOWNERDEAD) return detail::acquire_failure(returned);
    pthread_mutex_consistent(&state_->mutex);
    return acquired::owner_died;
  }
  void release(mode) noexcept {
    SHMARK_CHECK(pthread_mutex_unlock(&state_->mutex) == 0, "released a lock that is not held");
  }

 private:
  explicit pthread_robust(state& at) noexcept : state_(&at) {}
  state* state_;
};
static_assert(lock<pthread_robust>);

}  // namespace shmark

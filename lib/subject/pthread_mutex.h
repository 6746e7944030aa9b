// A peer: glibc's ordinary mutex, shared between processes. Its owner's death leaves it locked for
// ever; releasing what another holds is undefined, and not noticed.
//
// Source: pthread_mutexattr_setpshared(3).
#pragma once

#include "lib/base/check.h"
#include "lib/lock/lock.h"
#include "lib/lock/pthread_call.h"

namespace shmark {

class pthread_mutex {
 public:
  static constexpr std::string_view name = "pthread_mutex";
  static constexpr lock_traits can{.timed = true};
  struct state {
    pthread_mutex_t mutex;
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    return detail::make_mutex(at.mutex, detail::mutex_kind::plain);
  }
  [[nodiscard]] static std::expected<pthread_mutex, error> attach(state& at) noexcept {
    return pthread_mutex(at);
  }
  static void destroy(state&) noexcept {}

  [[nodiscard]] std::expected<acquired, error> acquire(mode, deadline until) noexcept {
    const int returned = detail::acquire_mutex(state_->mutex, until);
    if (returned == 0) [[likely]]
      return acquired::ok;
    return detail::acquire_failure(returned);
  }
  void release(mode) noexcept {
    SHMARK_CHECK(pthread_mutex_unlock(&state_->mutex) == 0, "released a lock that is not held");
  }

 private:
  explicit pthread_mutex(state& at) noexcept : state_(&at) {}
  state* state_;
};
static_assert(lock<pthread_mutex>);

}  // namespace shmark

// A peer: a POSIX semaphore that counts to 1, in shared memory and without a name. Whoever posts it
// releases it, and nobody is its owner: a holder's death leaves it locked for ever, and releasing
// what another holds, or nobody, is not noticed, and lets one more in.
//
// Source: sem_init(3), sem_post(3), sem_wait(3); sem_clockwait() in the GNU C Library's manual.
#pragma once

#include <semaphore.h>
#include <time.h>

#include <cerrno>
#include <expected>
#include <string_view>

#include "lib/base/check.h"
#include "lib/base/deadline.h"
#include "lib/lock/lock.h"

#ifdef SHMARK_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace shmark {

class posix_semaphore {
 public:
  static constexpr std::string_view name = "posix_semaphore";
  static constexpr lock_traits can{.timed = true};
  struct state {
    sem_t semaphore;
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    constexpr int between_processes = 1;
    if (sem_init(&at.semaphore, between_processes, 1) == 0) return {};
    return system_failure(errno, "create lock", name);
  }
  [[nodiscard]] static std::expected<posix_semaphore, error> attach(state& at) noexcept {
    return posix_semaphore(at);
  }
  static void destroy(state&) noexcept {}

  [[nodiscard]] std::expected<acquired, error> acquire(mode, deadline until) noexcept {
    while (count_down(until) != 0) {
      if (errno != EINTR) [[unlikely]]
        return system_failure(errno, "acquire lock", name);
    }
    return acquired::ok;
  }
  void release(mode) noexcept {
    SHMARK_CHECK(sem_post(&state_->semaphore) == 0, "the semaphore counts no further");
  }

 private:
  explicit posix_semaphore(state& at) noexcept : state_(&at) {}

  [[nodiscard]] int count_down(deadline until) noexcept {
    if (until.is_never()) [[likely]]
      return sem_wait(&state_->semaphore);
    if (until.is_none()) return sem_trywait(&state_->semaphore);
    const timespec at = until.at();
    const int failed = sem_clockwait(&state_->semaphore, CLOCK_MONOTONIC, &at);
#ifdef SHMARK_TSAN  // which does not know of this one
    if (failed == 0) __tsan_acquire(&state_->semaphore);
#endif
    return failed;
  }

  state* state_;
};
static_assert(lock<posix_semaphore>);

}  // namespace shmark

#include "lib/lock/pthread_call.h"

#include <chrono>

namespace shmark::detail {

int wait_for_robust_mutex(pthread_mutex_t& mutex, deadline until) noexcept {
  constexpr std::chrono::nanoseconds slice = std::chrono::milliseconds(50);
  for (;;) {
    const bool last = until.remaining_ns() <= slice.count();
    const timespec at = last ? until.at() : deadline::after(slice).at();
    const int returned = acquire_mutex_until(mutex, at);
    if (returned != ETIMEDOUT || last) return returned;
  }
}

std::expected<void, error> make_mutex(pthread_mutex_t& mutex, mutex_kind kind) noexcept {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  int failed = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (failed == 0 && kind == mutex_kind::robust) {
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    failed = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  }
  if (failed == 0) failed = pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  if (failed != 0) return system_failure(failed, "create lock", "");
  return {};
}

std::unexpected<error> acquire_failure(int returned) noexcept {
  if (returned == EBUSY) return failure(errc::would_block, "acquire lock", "");
  return system_failure(returned, "acquire lock", "");
}

}  // namespace shmark::detail

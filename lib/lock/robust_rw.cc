#include "lib/lock/robust_rw.h"

namespace shmark {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "shared between processes");

acquired robust_rw::recover(mode how) noexcept {
  const std::uint32_t dead = state_->mark.load(std::memory_order_relaxed);
  const bool writer_died = (dead & (mark_of(mode::exclusive) | damaged)) != 0;
  state_->mark.store(mark_of(how) | (writer_died ? damaged : 0), std::memory_order_relaxed);
  // Last: until now a death of our own leaves the mutex as we found it.
  pthread_mutex_consistent(&state_->mutex);
  return writer_died ? acquired::owner_died : acquired::ok;
}

}  // namespace shmark

#include "stress/mutants/identity.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace shmark::mutants {

seat own_seat() noexcept {
  // Threads that ask at once find the same.
  static std::atomic<seat> known{0};
  static std::atomic<std::uint32_t> known_at{UINT32_MAX};
  const std::uint32_t depth = fork_depth();
  if (known_at.load(std::memory_order_acquire) == depth) return known.load();
  const pid_t self = getpid();
  known.store(seat_of(self, start_ticks(self).value_or(0)));
  known_at.store(depth, std::memory_order_release);
  return known.load();
}

bool is_gone(seat whose) noexcept {
  const pid_t process = process_of(whose);
  if (has_ended(process)) return true;
  return seat_of(process, start_ticks(process).value_or(0)) != who_of(whose);
}

}  // namespace shmark::mutants

#include "stress/checker/history.h"

#include <numeric>

namespace shmark::stress {

std::uint64_t unaccounted(const numbers_of_changes& log, std::uint64_t done) noexcept {
  if (done < log.acknowledged) return log.acknowledged - done;
  if (done > log.intended) return done - log.intended;
  return 0;
}

std::uint64_t serial_after(std::uint64_t first, std::span<const std::uint64_t> done) noexcept {
  return std::accumulate(done.begin(), done.end(), first);
}

}  // namespace shmark::stress

#include "lib/base/random.h"

#include <sys/random.h>

#include "lib/base/check.h"

namespace shmark {

std::uint64_t unpredictable_number() noexcept {
  std::uint64_t number = 0;
  // Up to 256 bytes come whole and uninterrupted once the generator is ready (getrandom(2)).
  SHMARK_CHECK(getrandom(&number, sizeof number, 0) == sizeof number,
               "the kernel gives no random numbers");
  return number;
}

}  // namespace shmark

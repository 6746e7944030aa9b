#include "stress/explorer/store_operations.h"

#include <cstring>

#include "lib/base/random.h"

namespace shmark::explorer {

bytes value_of(std::uint64_t seed, std::size_t size) {
  bytes value(size);
  random_source random(seed);
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random.next();
    std::memcpy(value.data() + at, &word, std::min(sizeof word, size - at));
  }
  return value;
}

}  // namespace shmark::explorer

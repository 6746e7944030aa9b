#include "stress/test_surroundings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "lib/base/random.h"

namespace shmark::stress {
namespace {

std::string value_of(const char* variable) {
  const char* const value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? "" : value;
}

std::uint64_t number_of(const char* variable) {
  return std::strtoull(value_of(variable).c_str(), nullptr, 10);
}

}  // namespace

std::optional<surroundings> test_surroundings() {
  const auto outputs = value_of("TEST_UNDECLARED_OUTPUTS_DIR");
  if (outputs.empty()) return std::nullopt;
  if (const auto status = value_of("TEST_SHARD_STATUS_FILE"); !status.empty()) {
    std::ofstream(status, std::ios::app).flush();  // it is enough that it is there
  }
  const std::uint64_t shard = number_of("TEST_SHARD_INDEX");
  const std::uint64_t run = number_of("TEST_RUN_NUMBER");  // from 1, if there are several
  const std::uint64_t shards = std::max<std::uint64_t>(1, number_of("TEST_TOTAL_SHARDS"));
  return surroundings{.result = fmt::format("{}/result-{}-{}.json", outputs, run, shard),
                      .part = (run == 0 ? 0 : run - 1) * shards + shard};
}

std::uint64_t surroundings::seed_of_shard(std::uint64_t seed) const noexcept {
  if (part == 0) return seed;
  random_source random(seed);
  std::uint64_t own = seed;
  for (std::uint64_t i = 0; i < part; ++i) own = random.next() >> 32;
  return own;
}

}  // namespace shmark::stress

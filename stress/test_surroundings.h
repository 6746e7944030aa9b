// What Bazel tells a program that it runs as a test.
//
// Source: Bazel's test encyclopedia (TEST_UNDECLARED_OUTPUTS_DIR, TEST_TOTAL_SHARDS,
// TEST_SHARD_INDEX, TEST_SHARD_STATUS_FILE, TEST_RUN_NUMBER).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace shmark::stress {

struct surroundings {
  std::string result;      // where a result file belongs
  std::uint64_t part = 0;  // which one this is of the same test's shards and runs; 0: the first

  // Each shard and run has random numbers of its own.
  [[nodiscard]] std::uint64_t seed_of_shard(std::uint64_t seed) const noexcept;
};

// Nothing if this is no test. Says to Bazel that shards are known here.
[[nodiscard]] std::optional<surroundings> test_surroundings();

}  // namespace shmark::stress

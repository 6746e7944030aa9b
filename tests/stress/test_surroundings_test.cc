#include "stress/test_surroundings.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

namespace shmark::stress {
namespace {

TEST(TestSurroundings, GiveEachShardAndRunASeedAndAFileOfItsOwn) {
  setenv("TEST_TOTAL_SHARDS", "3", 1);
  std::set<std::uint64_t> seeds;
  std::set<std::string> files;
  for (const char* run : {"1", "2"}) {
    setenv("TEST_RUN_NUMBER", run, 1);
    for (const char* shard : {"0", "1", "2"}) {
      setenv("TEST_SHARD_INDEX", shard, 1);
      const auto here = test_surroundings();
      ASSERT_TRUE(here);
      seeds.insert(here->seed_of_shard(42));
      EXPECT_EQ(here->seed_of_shard(42), here->seed_of_shard(42));
      files.insert(here->result);
    }
  }
  EXPECT_EQ(seeds.size(), 6u);
  EXPECT_EQ(files.size(), 6u);
  EXPECT_TRUE(seeds.contains(42)) << "the first has the one that was asked for";
}

TEST(TestSurroundings, SayThatShardsAreKnown) {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/shards";
  std::filesystem::remove(path);
  setenv("TEST_SHARD_STATUS_FILE", path.c_str(), 1);
  ASSERT_TRUE(test_surroundings());
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(TestSurroundings, AreNoneOutsideOfATest) {
  unsetenv("TEST_UNDECLARED_OUTPUTS_DIR");
  EXPECT_FALSE(test_surroundings());
}

}  // namespace
}  // namespace shmark::stress

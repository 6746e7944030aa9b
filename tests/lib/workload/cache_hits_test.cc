#include "lib/workload/cache_hits.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "lib/measure/hit_model.h"
#include "lib/workload/shapes.h"
#include "tests/lib/workload/fixture.h"

namespace shmark {
namespace {

class CacheHits : public ::testing::TestWithParam<workers_are> {
 protected:
  template <class Shape>
  static small_bench bench_of(const run& owner, int write_percent, int workers) {
    return {cache_hits<Shape>::make(owner, write_percent, 1),
            {.size = workers, .kind = GetParam()}};
  }
};
INSTANTIATE_TEST_SUITE_P(, CacheHits,
                         ::testing::Values(workers_are::processes, workers_are::threads),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(CacheHits, AlwaysHitsWhenThereIsOneWorker) {
  const run own = begun();
  for (const int write_percent : {0, 1, 20, 50}) {
    auto bench = bench_of<shapes::u64>(own, write_percent, 1);
    for (int i = 0; i < 3; ++i) {
      const auto counters = bench.window();
      ASSERT_TRUE(counters) << counters.error().message();
      EXPECT_EQ(counters->at("hit_rate"), 1) << write_percent << "% writes, window " << i;
      EXPECT_EQ(counters->at("model_hit_rate"), 1);
    }
  }
}

TEST_P(CacheHits, AlwaysHitsWhenNobodyWrites) {
  const run own = begun();
  auto bench = bench_of<shapes::map100>(own, 0, 3);
  for (int i = 0; i < 3; ++i) {
    const auto counters = bench.window();
    ASSERT_TRUE(counters) << counters.error().message();
    EXPECT_EQ(counters->at("hit_rate"), 1);
    EXPECT_EQ(counters->at("model_hit_rate"), 1);
    EXPECT_GE(bench.last().sum(0), bench.last().operations);
  }
}

TEST_P(CacheHits, MissesWhatAnotherWorkerHasWritten) {
  const run own = begun();
  auto bench = bench_of<shapes::u64>(own, 50, 2);
  std::uint64_t misses = 0;
  while (misses == 0) {  // until both had a turn between the other's; or the watchdog
    const auto counters = bench.window();
    ASSERT_TRUE(counters) << counters.error().message();
    misses = bench.last().sum(1);
    const auto hits = static_cast<double>(bench.last().sum(0));
    EXPECT_DOUBLE_EQ(counters->at("hit_rate"), hits / (hits + static_cast<double>(misses)));
    EXPECT_DOUBLE_EQ(counters->at("model_hit_rate"), 1 / 1.5);
    EXPECT_EQ(counters->at("hit_rate") < 1, misses != 0);
  }
}

TEST_P(CacheHits, HasTheModelOfItsWorkersAndWrites) {
  const run own = begun();
  for (const int write_percent : {0, 5, 20}) {
    for (const int workers : {1, 2, 3}) {
      auto bench = bench_of<shapes::u64>(own, write_percent, workers);
      const auto counters = bench.window();
      ASSERT_TRUE(counters) << counters.error().message();
      EXPECT_DOUBLE_EQ(counters->at("model_hit_rate"),
                       model_hit_rate(1 - write_percent / 100.0, workers));
      EXPECT_GE(counters->at("hit_rate"), 0);
      EXPECT_LE(counters->at("hit_rate"), 1);
    }
  }
}

TEST_P(CacheHits, CountsEveryOperationAsAReadOrAWrite) {
  const run own = begun();
  for (const int write_percent : {0, 50, 100}) {
    auto bench = bench_of<shapes::map100>(own, write_percent, 2);
    ASSERT_TRUE(bench.window());
    const auto reads = bench.last().sum(0) + bench.last().sum(1);
    if (write_percent == 0) {
      EXPECT_EQ(reads, bench.last().operations);
    } else if (write_percent == 100) {
      EXPECT_EQ(reads, 0u);
    } else {
      EXPECT_LE(reads, bench.last().operations);
    }
  }
}

TEST_P(CacheHits, RemovesItsVariable) {
  const run own = begun();
  auto names = domain<>::open(own.domain());
  ASSERT_TRUE(names);
  {
    auto bench = bench_of<shapes::u64>(own, 20, 1);
    EXPECT_TRUE(bench.window());
    EXPECT_EQ(names->list()->size(), 1u);
  }
  EXPECT_TRUE(names->list()->empty());
}

}  // namespace
}  // namespace shmark

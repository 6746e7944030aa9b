#include "lib/measure/hit_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/base/random.h"

namespace shmark {
namespace {

// Workers that take turns at random with a variable that counts its writes, as the model has it.
class simulation {
 public:
  simulation(double read_share, int workers, std::uint64_t seed)
      : read_share_(read_share), seen_(static_cast<std::size_t>(workers), 0), random_(seed) {}

  double hit_rate(int reads) {
    for (int warm_up = 0; warm_up < 1000; ++warm_up) turn();
    hits_ = reads_ = 0;
    while (reads_ < reads) turn();
    return static_cast<double>(hits_) / reads;
  }

 private:
  void turn() {
    auto& copy = seen_[random_.below(seen_.size())];
    if (random_.fraction() < read_share_) {
      ++reads_;
      hits_ += copy == serial_ ? 1 : 0;
    } else {
      ++serial_;
    }
    copy = serial_;
  }

  double read_share_;
  std::uint64_t serial_ = 0;
  std::vector<std::uint64_t> seen_;  // by each worker's copy
  random_source random_;
  int reads_ = 0;
  int hits_ = 0;
};

TEST(HitModel, AgreesWithASimulation) {
  constexpr int reads = 40'000;
  std::uint64_t seed = 1;
  for (const int workers : {1, 2, 3, 4, 8}) {
    for (const double read_share : {0.99, 0.95, 0.8, 0.5, 0.1}) {
      const double model = model_hit_rate(read_share, workers);
      const double seen = simulation(read_share, workers, seed++).hit_rate(reads);
      // Reads follow each other, so they tell less than as many independent ones: six standard
      // deviations, and twice that for the dependence.
      const double tolerance = 12 * std::sqrt(model * (1 - model) / reads);
      EXPECT_NEAR(seen, model, tolerance) << workers << " workers, read share " << read_share;
    }
  }
}

TEST(HitModel, Is1ForOneWorkerAndForReadersOnly) {
  for (const double read_share : {0.0, 0.5, 1.0}) EXPECT_EQ(model_hit_rate(read_share, 1), 1);
  for (const int workers : {1, 2, 8, 1024}) EXPECT_EQ(model_hit_rate(1, workers), 1);
}

TEST(HitModel, FallsWithWorkersAndWithWrites) {
  for (int workers = 2; workers < 16; ++workers) {
    EXPECT_LT(model_hit_rate(0.9, workers + 1), model_hit_rate(0.9, workers));
    EXPECT_LT(model_hit_rate(0.8, workers), model_hit_rate(0.9, workers));
    EXPECT_GT(model_hit_rate(0, workers), 0);
  }
}

TEST(BreakEven, IsWhereBothCostTheSame) {
  const read_costs costs{.hit_ns = 3, .miss_ns = 200, .uncached_ns = 120};
  for (const int workers : {3, 4, 8}) {
    const auto even = break_even_of(costs, workers);
    ASSERT_TRUE(even);
    EXPECT_DOUBLE_EQ(even->hit_rate * costs.hit_ns + (1 - even->hit_rate) * costs.miss_ns,
                     costs.uncached_ns);
    ASSERT_TRUE(even->write_share);
    EXPECT_DOUBLE_EQ(model_hit_rate(1 - *even->write_share, workers), even->hit_rate);
  }
}

TEST(BreakEven, HasAnExampleByHand) {
  // H* = (100 - 70) / (100 - 10) = 1/3; 1 / (1 + w (5 - 1)) = 1/3 where w = 1/2.
  const auto even = break_even_of({.hit_ns = 10, .miss_ns = 100, .uncached_ns = 70}, 5);
  ASSERT_TRUE(even && even->write_share);
  EXPECT_DOUBLE_EQ(even->hit_rate, 1.0 / 3);
  EXPECT_DOUBLE_EQ(*even->write_share, 0.5);
}

TEST(BreakEven, IsNotThereIfCachingAlwaysPays) {
  EXPECT_FALSE(break_even_of({.hit_ns = 1, .miss_ns = 50, .uncached_ns = 50}, 4));
  EXPECT_FALSE(break_even_of({.hit_ns = 1, .miss_ns = 20, .uncached_ns = 50}, 4));
  EXPECT_FALSE(break_even_of({.hit_ns = 30, .miss_ns = 20, .uncached_ns = 50}, 4));
}

TEST(BreakEven, SaysThatCachingNeverPays) {
  for (const double hit_ns : {50.0, 60.0, 300.0}) {
    const auto never = break_even_of({.hit_ns = hit_ns, .miss_ns = 200, .uncached_ns = 50}, 4);
    ASSERT_TRUE(never && never->write_share);
    EXPECT_EQ(never->hit_rate, 1);
    EXPECT_EQ(never->write_share, 0);
  }
}

TEST(BreakEven, HasNoWriteShareIfEvenWritersAloneHitOftenEnough) {
  // H* = 1/3; of two workers that hardly read, half of the reads would hit.
  const read_costs costs{.hit_ns = 10, .miss_ns = 100, .uncached_ns = 70};
  EXPECT_EQ(break_even_of(costs, 1)->write_share, std::nullopt);
  EXPECT_EQ(break_even_of(costs, 2)->write_share, std::nullopt);
  EXPECT_LT(break_even_of(costs, 4)->write_share, 1);
}

}  // namespace
}  // namespace shmark

#include "lib/workload/cache_hits.h"

#include <gtest/gtest.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/random.h"
#include "lib/codec/boost_binary.h"
#include "lib/codec/codec.h"
#include "lib/measure/hit_model.h"
#include "lib/shm/domain.h"
#include "lib/subject/shapes.h"
#include "tests/lib/workload/fixture.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

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

TEST_P(CacheHits, AreThoseOfAReplayOfWhatWorkersDid) {
  const run own = begun();
  for (const int write_percent : {5, 50}) {
    auto bench = bench_of<shapes::u64>(own, write_percent, 3);
    for (int i = 0; i < 3; ++i) {
      const auto counters = bench.window();
      ASSERT_TRUE(counters) << counters.error().message();
      ASSERT_TRUE(counters->contains("simulated_hit_rate"));
      EXPECT_EQ(counters->at("simulated_hit_rate"), counters->at("hit_rate"));
      EXPECT_EQ(counters->at("replayed_share"), 1);
    }
  }
}

TEST_P(CacheHits, SayWhatAHitCostsAndWhatAMiss) {
  const run own = begun();
  auto reads = bench_of<shapes::map100>(own, 0, 1);
  const auto hits = reads.window();
  ASSERT_TRUE(hits);
  EXPECT_GT(hits->at("hit_ns"), 0);
  auto both = bench_of<shapes::map100>(own, 50, 2);
  double miss_ns = 0;
  while (miss_ns == 0) {  // until a timed read missed; or the watchdog
    const auto counters = both.window();
    ASSERT_TRUE(counters);
    if (const auto found = counters->find("miss_ns"); found != counters->end()) {
      miss_ns = found->second;
    }
  }
}

TEST_P(CacheHits, OfThoseWhoKeepNoCopyAreNone) {
  const run own = begun();
  {
    small_bench bench(uncached_reads<shapes::map100>::make(own), {.size = 2, .kind = GetParam()});
    for (int i = 0; i < 2; ++i) {
      const auto counters = bench.window();
      ASSERT_TRUE(counters) << counters.error().message();
      EXPECT_GT(counters->at("uncached_ns"), 0);
    }
  }
  EXPECT_TRUE(own.objects().empty());
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

TEST_P(CacheHits, CountsEveryOperationOfAWindowAsAReadOrAWrite) {
  const run own = begun();
  for (const int write_percent : {0, 50, 100}) {
    auto bench = bench_of<shapes::map100>(own, write_percent, 2);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(bench.window());
      const auto reads = bench.last().sum(0) + bench.last().sum(1);
      if (write_percent == 0) {
        EXPECT_EQ(reads, bench.last().operations) << "window " << i;
      } else if (write_percent == 100) {
        EXPECT_EQ(reads, 0u);
      } else {
        EXPECT_LE(reads, bench.last().operations);
      }
    }
  }
}

// How many reads are among the first so many operations of a worker, for each number of them.
std::vector<std::uint64_t> reads_among(std::uint64_t operations, std::uint32_t write_percent,
                                       std::uint64_t seed) {
  random_source random(seed);
  std::vector<std::uint64_t> reads{0};
  while (reads.size() <= operations) {
    reads.push_back(reads.back() + (random.below(100) < write_percent ? 0 : 1));
  }
  return reads;
}

TEST_P(CacheHits, DrawsReadsAndWritesInTheirShareFromTheSeed) {
  const run own = begun();
  for (const int write_percent : {1, 50, 99}) {
    auto bench = bench_of<shapes::u64>(own, write_percent, 1);
    std::uint64_t operations = 0;
    std::uint64_t reads = 0;
    while (operations < 10'000) {
      ASSERT_TRUE(bench.window());
      operations += bench.last().operations;
      reads += bench.last().sum(0) + bench.last().sum(1);
    }
    EXPECT_EQ(reads, reads_among(operations, static_cast<std::uint32_t>(write_percent), 1).back())
        << write_percent << "% writes";
  }
}

// With the same for all, workers would read in step and write in step.
TEST_P(CacheHits, DrawsOthersForEachWorker) {
  const run own = begun();
  auto bench = bench_of<shapes::u64>(own, 50, 2);
  ASSERT_TRUE(bench.window(std::chrono::milliseconds(20)));
  const auto& last = bench.last();
  const auto reads_of = [&](std::size_t worker) {
    return last.counters[worker][0] + last.counters[worker][1];
  };
  const auto first = reads_among(last.operations, 50, 1);
  const auto second = reads_among(last.operations, 50, 2);
  bool possible = false;  // for some number of operations of the first
  for (std::uint64_t i = 0; i <= last.operations && !possible; ++i) {
    possible = first[i] == reads_of(0) && second[last.operations - i] == reads_of(1);
  }
  EXPECT_TRUE(possible);
}

TEST_P(CacheHits, ChangesTheValueWithEachWrite) {
  const run own = begun();
  auto bench = bench_of<shapes::u64>(own, 100, 2);
  std::uint64_t writes = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(bench.window());
    writes += bench.last().operations;
  }
  auto value = domain<>::open(own.domain())->variable<std::uint64_t>("u64");
  ASSERT_TRUE(value);
  EXPECT_EQ(**value->read(), shapes::u64::make() + writes);
}

// --- A window in which an operation failed is no result.

TEST_P(CacheHits, FailsWhenItsVariableWentBeforeItsWorkersBegan) {
  const run own = begun();
  auto made = cache_hits<shapes::u64>::make(own, 0, 1);
  ASSERT_TRUE(domain<>::open(own.domain())->remove("u64"));
  small_bench bench(std::move(made), {.size = 2, .kind = GetParam()});
  EXPECT_FALSE(bench.window());
}

TEST_P(CacheHits, FailsWhenItsVariableWentBetweenTwoWindows) {
  const run own = begun();
  for (const int write_percent : {0, 50, 100}) {
    auto bench = bench_of<shapes::u64>(own, write_percent, 2);
    EXPECT_TRUE(bench.window());
    ASSERT_TRUE(domain<>::open(own.domain())->remove("u64"));
    EXPECT_FALSE(bench.window()) << write_percent << "% writes";
  }
}

// Tells when a worker has begun its window, by its first read.
struct telling_codec {
  static constexpr std::string_view name = "telling";
  static constexpr codec_traits can = boost_binary::can;
  static inline support::steps* reads = nullptr;

  template <class T>
  [[nodiscard]] static std::expected<void, error> encode(const T& value, sink& to) noexcept {
    return boost_binary::encode(value, to);
  }
  template <class T>
  [[nodiscard]] static std::expected<void, error> decode(std::span<const std::byte> from,
                                                         T& into) noexcept {
    if constexpr (std::same_as<T, std::uint64_t>) reads->reach(1);
    return boost_binary::decode(from, into);
  }
};
struct telling_backend : default_backend {
  using codec = telling_codec;
};

TEST_P(CacheHits, FailsWhenItsVariableGoesInTheMidstOfAWindow) {
  constexpr std::int64_t window_ns = 500'000'000;
  const run own = begun();
  for (const int write_percent : {0, 100}) {
    for (bool was_in_the_midst = false; !was_in_the_midst;) {  // else too late: once more
      support::steps reads;
      const support::shared<std::int64_t> removed_at_ns;
      telling_codec::reads = &reads;
      auto remover = support::child::start([&] {
        reads.await(1);
        ASSERT_TRUE(domain<telling_backend>::open(own.domain())->remove("u64"));
        *removed_at_ns = monotonic_ns();
      });
      small_bench bench(cache_hits<shapes::u64, telling_backend>::make(own, write_percent, 1),
                        {.size = 1, .kind = GetParam()});
      const auto begin_ns = monotonic_ns();
      const auto measured = bench.window(std::chrono::nanoseconds(window_ns));
      ASSERT_EQ(remover.wait(), support::exited(0));
      was_in_the_midst = *removed_at_ns < begin_ns + window_ns / 2;
      EXPECT_FALSE(measured && was_in_the_midst) << write_percent << "% writes";
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

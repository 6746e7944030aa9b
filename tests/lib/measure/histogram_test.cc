#include "lib/measure/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "lib/base/random.h"

namespace shmark {
namespace {

constexpr std::uint64_t first_too_long = std::uint64_t{1} << 40;

// The lowest duration of the bucket that `ns` falls into.
std::uint64_t bucket_of(std::uint64_t ns) {
  histogram one;
  one.add(ns);
  std::uint64_t lowest = std::numeric_limits<std::uint64_t>::max();
  one.for_each([&](std::uint64_t lower, std::uint64_t) { lowest = lower; });
  return lowest;
}

// What quantile() gives for a duration that a longer one hides the maximum of.
std::uint64_t reported(std::uint64_t ns) {
  histogram two;
  two.add(ns);
  two.add(std::numeric_limits<std::uint64_t>::max());
  return two.quantile(0.5);
}

// Durations of all magnitudes below the largest bucket.
std::uint64_t any_duration(random_source& random) {
  return random.next() >> (24 + random.below(40));
}

// By definition: the smallest of `sorted` that a share q of all do not exceed.
std::uint64_t exact_quantile(const std::vector<std::uint64_t>& sorted, double q) {
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[rank == 0 ? 0 : rank - 1];
}

void expect_near_and_not_below(std::uint64_t measured, std::uint64_t exact) {
  EXPECT_GE(measured, exact);
  EXPECT_LE(static_cast<double>(measured), static_cast<double>(exact) * 1.032);
}

TEST(Histogram, IsExactBelow64Ns) {
  for (std::uint64_t ns = 0; ns < 64; ++ns) {
    EXPECT_EQ(bucket_of(ns), ns);
    EXPECT_EQ(reported(ns), ns);
  }
}

TEST(Histogram, ReportsADurationAtMost3Point2PercentTooHigh) {
  random_source random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t ns = any_duration(random);
    ASSERT_LT(ns, first_too_long);
    ASSERT_LE(bucket_of(ns), ns);
    expect_near_and_not_below(reported(ns), ns);
    if (HasFailure()) FAIL() << ns;
  }
}

TEST(Histogram, ReportsEveryEndOfAnOctaveWithinItsBounds) {
  for (std::uint64_t power = 64; power < first_too_long; power *= 2) {
    for (const std::uint64_t ns : {power - 1, power, power + 1}) {
      EXPECT_LE(bucket_of(ns), ns);
      expect_near_and_not_below(reported(ns), ns);
    }
    EXPECT_EQ(bucket_of(power), power) << "an octave begins with a bucket of its own";
  }
}

TEST(Histogram, HasBucketsThatFollowEachOtherWithoutGapsOrOverlap) {
  for (std::uint64_t ns = 64; ns < 1 << 13; ++ns) {
    const auto bucket = bucket_of(ns);
    EXPECT_GE(bucket, bucket_of(ns - 1));
    EXPECT_EQ(bucket_of(bucket), bucket);
    EXPECT_LT(bucket_of(bucket - 1), bucket);
  }
}

TEST(Histogram, HasTheQuantilesOfASortedList) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    random_source random(seed);
    histogram all;
    std::vector<std::uint64_t> sorted;
    for (int i = 0; i < 10'007; ++i) {
      sorted.push_back(any_duration(random));
      all.add(sorted.back());
    }
    std::sort(sorted.begin(), sorted.end());
    for (const double q : {0.0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
      SCOPED_TRACE(q);
      expect_near_and_not_below(all.quantile(q), exact_quantile(sorted, q));
    }
    EXPECT_EQ(all.total(), sorted.size());
    EXPECT_EQ(all.max(), sorted.back());
    EXPECT_EQ(all.quantile(1), sorted.back()) << "the maximum is exact";
  }
}

TEST(Histogram, MergedIsTheSameAsOneOfAll) {
  random_source random(7);
  histogram all;
  histogram parts[3];
  for (int i = 0; i < 3000; ++i) {
    const auto ns = any_duration(random);
    all.add(ns);
    parts[i % 3].add(ns);
  }
  histogram merged;
  for (const auto& part : parts) merged.merge(part);
  using bucket = std::pair<std::uint64_t, std::uint64_t>;
  std::vector<bucket> expected;
  std::vector<bucket> got;
  all.for_each(
      [&](std::uint64_t lower, std::uint64_t count) { expected.emplace_back(lower, count); });
  merged.for_each(
      [&](std::uint64_t lower, std::uint64_t count) { got.emplace_back(lower, count); });
  EXPECT_EQ(got, expected);
  EXPECT_EQ(merged.total(), all.total());
  EXPECT_EQ(merged.max(), all.max());
}

TEST(Histogram, CountsWhatIsTooLongInItsLargestBucketAndKeepsTheMaximum) {
  histogram all;
  constexpr auto longest = std::numeric_limits<std::uint64_t>::max();
  for (const auto ns : {first_too_long - 1, first_too_long, first_too_long * 1000, longest}) {
    all.add(ns);
    EXPECT_EQ(bucket_of(ns), bucket_of(first_too_long - 1));
  }
  std::size_t buckets = 0;
  all.for_each([&](std::uint64_t, std::uint64_t count) {
    ++buckets;
    EXPECT_EQ(count, 4u);
  });
  EXPECT_EQ(buckets, 1u);
  EXPECT_EQ(all.max(), longest);
  EXPECT_EQ(all.quantile(0.5), first_too_long - 1);
}

TEST(Histogram, IsAllZeroWhenEmpty) {
  histogram none;
  const auto expect_empty = [&] {
    EXPECT_EQ(none.total(), 0u);
    EXPECT_EQ(none.max(), 0u);
    for (const double q : {0.0, 0.5, 1.0}) EXPECT_EQ(none.quantile(q), 0u);
    none.for_each([](std::uint64_t, std::uint64_t) { ADD_FAILURE() << "a bucket is not empty"; });
  };
  expect_empty();
  none.merge(histogram{});
  expect_empty();
}

}  // namespace
}  // namespace shmark

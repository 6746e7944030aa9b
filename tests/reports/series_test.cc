#include "reports/series.h"

#include <gtest/gtest.h>

#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

using result::verdict_kind;

TEST(Series, TakesNamesApart) {
  const name_parts parts = parts_of("Lock/lock:robust_rw/real_time/procs:4/x:y:z");
  EXPECT_EQ(parts.family, "Lock");
  EXPECT_EQ(parts["lock"], "robust_rw");
  EXPECT_EQ(parts["x"], "y:z");
  EXPECT_EQ(parts["nothing"], "");
  EXPECT_EQ(parts.rest, "real_time");
  EXPECT_EQ(parts.number("procs"), 4);
  EXPECT_EQ(parts.number("lock"), std::nullopt);
  EXPECT_EQ(parts_of("a/n:-1").number("n"), std::nullopt);
  EXPECT_EQ(parts_of("a/n:4x").number("n"), std::nullopt);
  EXPECT_EQ(parts_of("a/n:99999999999").number("n"), std::nullopt);
  EXPECT_EQ(parts_of("").family, "");
}

TEST(Series, GathersRepetitionsInOrderOfAppearance) {
  auto run = fixture::bench_run("b", {30, 10, 20});
  const auto more = fixture::repetitions("a", {1});
  run.entries.insert(run.entries.begin() + 1, more.begin(), more.end());
  run.entries.front().counters["hit_rate"] = 0.5;
  const auto all = series_of(run);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "b");
  EXPECT_EQ(all[0].repetitions(), 3u);
  EXPECT_EQ(all[0].median_ns(), 20);
  EXPECT_EQ(all[0].min_ns(), 10);
  EXPECT_EQ(all[0].max_ns(), 30);
  EXPECT_EQ(all[0].median_of("hit_rate"), 0.5);
  EXPECT_EQ(all[0].median_of("bytes"), std::nullopt);
  EXPECT_EQ(all[1].name, "a");
}

TEST(Series, LeavesAggregatesOutUnlessThereIsNothingElse) {
  auto run = fixture::bench_run("a", {10});
  auto summary = fixture::repetitions("a", {99, 100}).back();
  summary.name = "a_median";
  summary.aggregate_name = "median";
  auto deviation = summary;
  deviation.name = "a_stddev";
  deviation.aggregate_name = "stddev";
  run.entries.push_back(summary);
  run.entries.push_back(deviation);
  ASSERT_EQ(series_of(run).size(), 1u);
  EXPECT_EQ(series_of(run)[0].median_ns(), 10);

  run.entries.erase(run.entries.begin());
  ASSERT_EQ(series_of(run).size(), 1u);
  EXPECT_EQ(series_of(run)[0].name, "a");
  EXPECT_EQ(series_of(run)[0].median_ns(), 100);
}

TEST(Series, KeepsAFailureApartFromTimes) {
  auto run = fixture::bench_run("a", {10, 20});
  run.entries[1].error_message = "";
  const auto all = series_of(run);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].repetitions(), 1u);
  EXPECT_FALSE(all[0].failure.empty());
}

TEST(Series, HasTheWorstVerdictOfItsEntries) {
  const auto worst = [](verdict_kind one, verdict_kind other) {
    auto run = fixture::stress_run(one);
    run.entries.push_back(fixture::stress_run(other).entries.front());
    return series_of(run).at(0).verdict;
  };
  EXPECT_EQ(worst(verdict_kind::passed, verdict_kind::passed), verdict_kind::passed);
  EXPECT_EQ(worst(verdict_kind::vacuous, verdict_kind::passed), verdict_kind::vacuous);
  EXPECT_EQ(worst(verdict_kind::vacuous, verdict_kind::undecided), verdict_kind::undecided);
  EXPECT_EQ(worst(verdict_kind::failed, verdict_kind::undecided), verdict_kind::failed);
}

}  // namespace
}  // namespace shmark::reports

#include "reports/analysis/plane.h"

#include <gtest/gtest.h>

#include "lib/subject/locks.h"
#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

plane on(std::vector<plane_point> points) {
  return {.quantile = "p99.9", .points = std::move(points)};
}

TEST(Plane, SaysWhichLockIsDominatedByWhich) {
  const auto at = on({{"robust_rw", 4e6, 100}, {"flock_lock", 1e6, 400}, {"ofd_lock", 2e6, 50}});
  const auto all = dominations(at);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].worse.lock, "flock_lock");
  EXPECT_EQ(all[0].better.lock, "robust_rw");
  EXPECT_EQ(all[0].throughput_ratio(), 4);
  EXPECT_EQ(all[0].wait_ratio(), 0.25);
  EXPECT_EQ(all[1].better.lock, "ofd_lock");
  EXPECT_EQ(words_of(at),
            "Dominated: flock_lock by robust_rw (throughput × 4.00, wait × 0.25) "
            "and by ofd_lock (throughput × 2.00, wait × 0.12).");
}

TEST(Plane, DominatesNothingThatIsBetterInOneOfTheTwo) {
  const auto at = on({{"robust_rw", 4e6, 100}, {"flock_lock", 5e6, 101}, {"ofd_lock", 4e6, 50}});
  EXPECT_TRUE(dominations(at).empty());
  EXPECT_EQ(words_of(at), "No crash-safe lock is dominated.");
}

TEST(Plane, ComparesOnlyLocksThatSurviveTheirHoldersDeath) {
  EXPECT_TRUE(dominations(on({{"pthread_mutex", 9e6, 1}, {"robust_rw", 4e6, 100}})).empty());
  EXPECT_TRUE(dominations(on({{"pthread_mutex", 1e6, 900}, {"robust_rw", 4e6, 100}})).empty());
}

TEST(Plane, TrustsABoundOnlyWhereItDecides) {
  // Its p99.9 is at least 50, and so may be above 100.
  const plane_point bounded{
      .lock = "flock_lock", .ops_per_s = 9e6, .wait_ns = 50, .at_least = true};
  EXPECT_TRUE(dominations(on({{"robust_rw", 4e6, 100}, bounded})).empty());
  // And this one's is above 40 anyway.
  EXPECT_EQ(dominations(on({{"robust_rw", 10e6, 40}, bounded})).size(), 1u);
}

TEST(Plane, KnowsWhichLocksSurviveTheirHoldersDeath) {
  for_each_type(all_locks{},
                []<class L> { EXPECT_EQ(is_crash_safe(L::name), L::can.crash_safe) << L::name; });
  EXPECT_FALSE(is_crash_safe(no_lock::name));
}

TEST(Plane, TellsNoiseFromDifferences) {
  const plane_point noisy{.lock = "ofd_lock", .ops_per_s = 100, .wait_ns = 9, .noise = 0.1};
  const auto with = [&](double ops_per_s) {
    return dominations(on({{"robust_rw", ops_per_s, 5}, noisy})).at(0).within_noise();
  };
  EXPECT_TRUE(with(105));
  EXPECT_FALSE(with(115));
}

result::run locks_with(const std::string& robust_counter, const std::string& other_counter) {
  auto run = fixture::bench_run("Lock/lock:robust_rw/mode:exclusive/procs:2", {10, 10});
  for (auto& each : run.entries) each.counters[robust_counter] = 500;
  for (auto& each : fixture::repetitions("Lock/lock:ofd_lock/mode:exclusive/procs:2", {20, 20})) {
    each.counters[other_counter] = 900;
    run.entries.push_back(each);
  }
  return run;
}

plane plane_from(const result::run& run) {
  const auto all = series_of(run);
  all_series pointers;
  for (const auto& each : all) pointers.push_back(&each);
  return plane_of(pointers, run.about);
}

TEST(Plane, TakesTheQuantileThatThereIs) {
  const auto full = plane_from(locks_with("wait_p999_ns", "wait_p999_ns"));
  EXPECT_EQ(full.quantile, "p99.9");
  ASSERT_EQ(full.points.size(), 2u);
  EXPECT_EQ(full.points[0].ops_per_s, 1e8);
  EXPECT_EQ(full.points[0].wait_ns, 500);
  EXPECT_FALSE(full.points[1].at_least);

  const auto mixed = plane_from(locks_with("wait_p999_ns", "wait_p99_ns"));
  EXPECT_EQ(mixed.quantile, "p99.9");
  EXPECT_FALSE(mixed.points.at(0).at_least);
  EXPECT_TRUE(mixed.points.at(1).at_least);

  const auto short_one = plane_from(locks_with("wait_p99_ns", "wait_p99_ns"));
  EXPECT_EQ(short_one.quantile, "p99");
  EXPECT_FALSE(short_one.points.at(0).at_least);
  EXPECT_TRUE(plane_from(locks_with("p99_ns", "p99_ns")).points.empty());
}

}  // namespace
}  // namespace shmark::reports

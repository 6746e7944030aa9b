#include "reports/analysis/scaling.h"

#include <gtest/gtest.h>

#include "reports/analysis/load.h"
#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

// Of X(N) = λN / (1 + σ(N - 1) + κN(N - 1)) with λ = 1e6, σ = 0.1, κ = 0.01.
double law(int workers) {
  const double others = workers - 1;
  return 1e6 * workers / (1 + 0.1 * others + 0.01 * workers * others);
}

result::run run_of(const std::vector<int>& counts, const std::string& more = "") {
  result::run run{fixture::context(result::run_kind::bench), {}};
  for (const int workers : counts) {
    const auto name = "Lock/lock:a/mode:exclusive/procs:" + std::to_string(workers) + more;
    for (auto& each : fixture::repetitions(name, {1e9 / law(workers), 1e9 / law(workers)})) {
      run.entries.push_back(std::move(each));
    }
  }
  return run;
}

std::vector<scaling> fitted(const result::run& run, int cores) {
  const auto all = series_of(run);
  all_series pointers;
  for (const auto& each : all) pointers.push_back(&each);
  return scalings_of(pointers, "lock", load_of, cores);
}

TEST(Scaling, FitsTheLawToEachSubjectAndLoad) {
  auto run = run_of({8, 1, 4, 2});
  const auto more = run_of({1, 2, 4}, "/cs_ns:200").entries;
  run.entries.insert(run.entries.end(), more.begin(), more.end());
  const auto all = fitted(run, 2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].load, "exclusive");
  EXPECT_EQ(all[1].load, "exclusive, 200 ns inside");
  EXPECT_EQ(all[0].points.front().workers, 1);
  EXPECT_EQ(all[0].points.back().workers, 8);
  ASSERT_TRUE(all[0].fit);
  EXPECT_NEAR(all[0].fit->sigma, 0.1, 1e-6);
  EXPECT_NEAR(all[0].fit->kappa, 0.01, 1e-6);
  EXPECT_FALSE(all[0].fit->intervals);
  EXPECT_EQ(peak_text(*all[0].fit), "9.5");
}

TEST(Scaling, SaysWhyNothingIsFitted) {
  const auto few = fitted(run_of({1, 2}), 2);
  ASSERT_EQ(few.size(), 1u);
  EXPECT_FALSE(few[0].fit);
  EXPECT_EQ(few[0].why_no_fit, "fewer than 3 different numbers of workers");
  EXPECT_EQ(fitted(run_of({1, 2, 4}), 0).at(0).why_no_fit, "the number of cores is not known");
}

TEST(Scaling, LeavesOutBaselines) { EXPECT_TRUE(fitted(run_of({1}), 2).empty()); }

TEST(Load, IsSaidInWords) {
  EXPECT_EQ(load_of(parts_of("Lock/lock:a/mode:mixed/procs:4/cs_ns:200/think_ns:50/reads:90")),
            "mixed, 90 % reads, 200 ns inside, 50 ns between");
  EXPECT_EQ(load_of(parts_of("Lock/lock:a/mode:shared/procs:4/rate_per_s:10")), "shared");
  EXPECT_TRUE(is_plain(parts_of("Lock/lock:a/mode:mixed/procs:4/reads:90")));
  EXPECT_FALSE(is_plain(parts_of("Lock/lock:a/mode:mixed/procs:4/cs_ns:9")));
  EXPECT_FALSE(is_plain(parts_of("Lock/lock:a/mode:mixed/procs:4/think_ns:9")));
}

}  // namespace
}  // namespace shmark::reports

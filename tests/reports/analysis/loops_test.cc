#include "reports/analysis/loops.h"

#include <gtest/gtest.h>

#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

class Loops : public testing::Test {
 protected:
  std::vector<loop_pair> pairs(const std::vector<std::string>& names) {
    run_ = {fixture::context(result::run_kind::bench), {}};
    for (const auto& name : names) {
      run_.entries.push_back(fixture::repetitions(name, {10}).front());
      run_.entries.back().counters["behind_percent"] = behind_percent_;
    }
    all_ = series_of(run_);
    all_series pointers;
    for (const auto& each : all_) pointers.push_back(&each);
    return loop_pairs(pointers);
  }

  double behind_percent_ = 0;
  result::run run_;
  std::vector<series> all_;
};

TEST_F(Loops, StandNextToTheClosedLoopWithTheSameStop) {
  const std::string lock = "Lock/lock:a/mode:exclusive/procs:4";
  const auto all =
      pairs({lock, lock + "/cs_ns:9", lock + "/stop_ms:50", lock + "/rate_per_s:9",
             lock + "/rate_per_s:9/stop_ms:50", "Lock/lock:b/mode:exclusive/procs:4/stop_ms:50"});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].open->name, lock + "/rate_per_s:9");
  EXPECT_EQ(all[0].closed->name, lock);
  EXPECT_EQ(all[1].open->name, lock + "/rate_per_s:9/stop_ms:50");
  EXPECT_EQ(all[1].closed->name, lock + "/stop_ms:50");
  EXPECT_EQ(all[2].open, nullptr);
  EXPECT_EQ(all[2].any().parts["lock"], "b");
}

TEST_F(Loops, AreSaturatedIfNotAllThatWasDueIsDone) {
  const std::string name = "Store/store:a/op:read/payload:16/procs:4/rate_per_s:9";
  EXPECT_FALSE(pairs({name}).at(0).is_saturated());
  behind_percent_ = 1.5;
  EXPECT_TRUE(pairs({name}).at(0).is_saturated());
  EXPECT_EQ(pairs({name}).at(0).closed, nullptr);
}

TEST_F(Loops, AreSaidInWords) {
  EXPECT_EQ(loop_text(parts_of("Lock/lock:a/rate_per_s:20000/stop_ms:50")),
            "20,000 per s, one stopped for 50 ms");
  EXPECT_EQ(loop_text(parts_of("Lock/lock:a/stop_ms:50")), "one stopped for 50 ms");
}

}  // namespace
}  // namespace shmark::reports

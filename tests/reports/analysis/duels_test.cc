#include "reports/analysis/duels.h"

#include <gtest/gtest.h>

#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

class Duels : public testing::Test {
 protected:
  void add(const std::string& store, const std::string& rest, double ns) {
    for (auto& each : fixture::repetitions("Store/store:" + store + rest, {ns, ns * 1.01, ns})) {
      run_.entries.push_back(std::move(each));
    }
  }
  std::vector<duel> fought() {
    all_ = series_of(run_);
    all_series pointers;
    for (const auto& each : all_) pointers.push_back(&each);
    return duels_of(pointers, run_.about);
  }

  result::run run_{fixture::context(result::run_kind::bench), {}};
  std::vector<series> all_;
};

TEST_F(Duels, CompareOursWithEachPeerInTheSameWork) {
  add("variable", "/op:read/payload:4k/procs:2", 10);
  add("variable", "/op:mixed/payload:4k/procs:2/reads:90", 20);
  add("lmdb", "/op:read/payload:4k/procs:2", 500);
  add("lmdb", "/op:mixed/payload:4k/procs:2/reads:90", 15);
  add("lmdb", "/op:mixed/payload:4k/procs:2/reads:50", 15);
  add("lmdb", "/op:read/payload:4k/procs:8", 500);
  add("lmdb", "/op:read/payload:64k/procs:2", 500);
  const auto all = fought();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].op, "read");
  EXPECT_EQ(all[0].workers, 2);
  EXPECT_NEAR(all[0].factor, 50, 1e-9);
  EXPECT_EQ(all[1].op, "mixed, 90 % reads");
  EXPECT_NEAR(all[1].factor, 0.75, 1e-9);
}

TEST_F(Duels, SayWhoWinsWhereAndByWhatFactor) {
  const std::vector<duel> all{
      {"lmdb", "read", "256", 1, 50},   {"lmdb", "read", "256", 2, 20},
      {"lmdb", "read", "64k", 2, 0.5},  {"lmdb", "read", "64k", 8, 0.4},
      {"lmdb", "read", "1m", 1, 0.4},   {"lmdb", "read", "4k", 2, 1.01, true},
      {"redis", "read", "256", 1, 90},  {"redis", "read", "256", 2, 70},
      {"lmdb", "write", "256", 1, 0.25}};
  const auto sentences = verdicts(all);
  ASSERT_EQ(sentences.size(), 3u);
  EXPECT_EQ(sentences[0],
            "read against lmdb: variable wins by 20 to 50 times; lmdb wins by 2.00 to 2.50 times: "
            "64 KiB by 2 and 8 workers, 1 MiB by 1 worker; no difference beyond noise: 4 KiB by 2 "
            "workers.");
  EXPECT_EQ(sentences[1], "read against redis: variable wins by 70 to 90 times everywhere.");
  EXPECT_EQ(sentences[2], "write against lmdb: lmdb wins by 4.00 times: 256 B by 1 worker.");
}

TEST_F(Duels, SayNothingOfDifferencesThatAreNoise) {
  add("variable", "/op:read/payload:4k/procs:2", 10);
  add("lmdb", "/op:read/payload:4k/procs:2", 10.05);
  EXPECT_TRUE(fought().at(0).is_noise);
  EXPECT_EQ(verdicts(fought()).at(0), "read against lmdb: no difference beyond noise.");
}

}  // namespace
}  // namespace shmark::reports

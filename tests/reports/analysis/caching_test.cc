#include "reports/analysis/caching.h"

#include <gtest/gtest.h>

#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

class Caching : public testing::Test {
 protected:
  void add(const std::string& name, const std::map<std::string, double, std::less<>>& counters) {
    for (auto& each : fixture::repetitions(name, {10, 10, 10})) {
      each.counters = counters;
      run_.entries.push_back(std::move(each));
    }
  }

  // Those with a share of writes, or those without a copy.
  all_series chosen(bool uncached) {
    all_ = series_of(run_);
    all_series found;
    for (const auto& each : all_) {
      if ((each.parts["read"] == "uncached") == uncached) found.push_back(&each);
    }
    return found;
  }

  std::vector<payload_costs> costs() {
    all_ = series_of(run_);
    all_series cached;
    all_series uncached;
    for (const auto& each : all_) {
      (each.parts["read"] == "uncached" ? uncached : cached).push_back(&each);
    }
    return costs_of(cached, uncached);
  }

  result::run run_{fixture::context(result::run_kind::bench), {}};
  std::vector<series> all_;
};

TEST_F(Caching, KnowsPayloadsBySize) {
  EXPECT_EQ(payload_bytes("16"), 16);
  EXPECT_EQ(payload_bytes("4k"), 4096);
  EXPECT_EQ(payload_bytes("1m"), 1 << 20);
  for (const char* none : {"", "u64", "map100", "4kk", "k", "0", "-4k", "4 k"}) {
    EXPECT_EQ(payload_bytes(none), std::nullopt) << none;
  }
  EXPECT_EQ(payload_text("64k"), "64 KiB");
  EXPECT_EQ(payload_text("16"), "16 B");
  EXPECT_EQ(payload_text("map100"), "map100");
}

TEST_F(Caching, TellsMeasuredHitsFromTheModelAndTheReplay) {
  add("Cache/write_percent:50/payload:4k/procs:2",
      {{"hit_rate", 0.9}, {"model_hit_rate", 0.6}, {"simulated_hit_rate", 0.91}});
  add("Cache/write_percent:50/payload:16/procs:2", {{"hit_rate", 0.5}});
  add("Cache/write_percent:0/payload:16/procs:2", {});
  const auto all = hit_rates_of(chosen(false));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_NEAR(all[0].from_model(), 30, 1e-9);
  EXPECT_NEAR(all[0].from_simulation().value_or(0), -1, 1e-9);
  // By our own model where the file has none.
  EXPECT_NEAR(all[1].model, 1 / 1.5, 1e-9);
  EXPECT_EQ(all[1].from_simulation(), std::nullopt);
  EXPECT_FALSE(all[0].is_certain);
}

TEST_F(Caching, KnowsWhereHitsAreCertain) {
  add("Cache/write_percent:50/payload:4k/procs:1", {{"hit_rate", 1}});
  add("Cache/write_percent:0/payload:4k/procs:2", {{"hit_rate", 1}});
  add("Cache/write_percent:1/payload:4k/procs:2", {{"hit_rate", 1}});
  const auto all = hit_rates_of(chosen(false));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_TRUE(all[0].is_certain);
  EXPECT_TRUE(all[1].is_certain);
  EXPECT_FALSE(all[2].is_certain);
}

TEST_F(Caching, GathersWhatAReadCosts) {
  add("Cache/write_percent:0/payload:4k/procs:2", {{"hit_ns", 4}});
  add("Cache/write_percent:5/payload:4k/procs:2", {{"miss_ns", 200}});
  add("Cache/write_percent:20/payload:4k/procs:2", {{"miss_ns", 100}});
  add("Cache/write_percent:50/payload:4k/procs:2", {{"miss_ns", 110}});
  add("Cache/write_percent:0/payload:4k/procs:1", {{"hit_ns", 3}});
  add("Cache/write_percent:0/payload:16/procs:2", {{"hit_ns", 2}});
  add("Cache/read:uncached/payload:4k/procs:1", {{"uncached_ns", 50}});
  add("Cache/read:uncached/payload:4k/procs:2", {{"uncached_ns", 60}});
  const auto all = costs();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].payload, "16");
  EXPECT_EQ(all[0].all(), std::nullopt);
  EXPECT_EQ(all[1].workers, 1);
  ASSERT_TRUE(all[1].all()) << "one worker never misses";
  EXPECT_EQ(all[1].all()->miss_ns, 3);
  ASSERT_TRUE(all[2].all());
  EXPECT_EQ(all[2].all()->hit_ns, 4);
  EXPECT_EQ(all[2].all()->miss_ns, 110);
  EXPECT_EQ(all[2].all()->uncached_ns, 60);
}

TEST_F(Caching, SaysInWordsWhenACopyPays) {
  const auto text = [](double hit_ns, double miss_ns, double uncached_ns,
                       const std::map<int, double>& hit_rates) {
    return break_even_text({.workers = 4,
                            .hit_ns = hit_ns,
                            .miss_ns = miss_ns,
                            .uncached_ns = uncached_ns,
                            .hit_rates = hit_rates});
  };
  EXPECT_EQ(text(4, 50, 60, {{50, 0.1}}), "always pays");
  EXPECT_EQ(text(70, 90, 60, {{0, 1}}), "never pays");
  // Half of the reads must hit.
  EXPECT_EQ(text(10, 110, 60, {{0, 1}, {50, 0.51}}), "pays at every share measured");
  EXPECT_EQ(text(10, 110, 60, {{5, 0.5}, {50, 0.4}}), "pays at no share measured");
  EXPECT_EQ(text(10, 110, 60, {{0, 1}, {5, 0.6}, {20, 0.4}, {50, 0.3}}), "not from 20 % writes on");
  EXPECT_EQ(text(10, 110, 60, {{0, 1}, {5, 0.4}, {20, 0.6}, {50, 0.3}}), "not at 5, 50 % writes");
  EXPECT_EQ(text(10, 110, 60, {}), "");
}

// The model has 0.4 for four workers and 50 % writes, which would not do.
TEST_F(Caching, JudgesByTheHitRateThatWasMeasured) {
  add("Cache/write_percent:0/payload:4k/procs:4", {{"hit_rate", 1}, {"hit_ns", 10}});
  add("Cache/write_percent:50/payload:4k/procs:4", {{"hit_rate", 0.9}, {"miss_ns", 110}});
  add("Cache/read:uncached/payload:4k/procs:4", {{"uncached_ns", 60}});
  EXPECT_EQ(break_even_text(costs().at(0)), "pays at every share measured");
}

}  // namespace
}  // namespace shmark::reports

#include "reports/merge/campaign.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "lib/result/result.h"
#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

using result::verdict_kind;
using support::contains;

named_run shard(std::uint64_t seed, verdict_kind verdict, double kills_in_operation,
                const std::string& name = "Stress/scenario:transfer/workers:8") {
  result::run made{.about = fixture::context(result::run_kind::stress), .entries = {}};
  made.entries.push_back(
      {.name = name,
       .iterations = 100,
       .real_time = 10,
       .counters = {{"operations", 100},
                    {"kills", 2 * kills_in_operation},
                    {"kills_in_operation", kills_in_operation},
                    {"recovery_p99_ns", 1000.0 + static_cast<double>(seed)}},
       .stress = result::stress_outcome{
           .verdict = verdict, .seed = seed, .command = "--seed=" + std::to_string(seed)}});
  if (verdict == verdict_kind::passed && kills_in_operation > 0) {
    made.entries.back().counters["failure_bound"] = 0.5;
  }
  if (verdict == verdict_kind::failed) {
    made.entries.back().counters["lost"] = 1;
    made.entries.back().stress->findings = {"lost a change"};
  }
  return {"shard" + std::to_string(seed) + ".json", std::move(made)};
}

result::run merged(const std::vector<named_run>& runs) {
  auto done = merge(runs, "merge");
  EXPECT_TRUE(done) << done.error().message();
  return done.value_or(result::run{});
}

TEST(Campaign, AddsCountsAndKeepsTheLongestRecovery) {
  const auto all = merged({shard(1, verdict_kind::passed, 100), shard(3, verdict_kind::passed, 200),
                           shard(2, verdict_kind::passed, 0, "Stress/scenario:queue/workers:8")});
  ASSERT_EQ(all.entries.size(), 2U);
  const auto& one = all.entries.front();
  EXPECT_EQ(one.counter("operations"), 200);
  EXPECT_EQ(one.counter("kills_in_operation"), 300);
  EXPECT_EQ(one.counter("recovery_p99_ns"), 1003);
  EXPECT_EQ(one.iterations, 200U);
  EXPECT_EQ(one.repetitions, 2);
  EXPECT_EQ(one.real_time, 10);
  EXPECT_NEAR(one.counter("failure_bound").value_or(0), 3.0 / 300, 1e-4) << "of all, not a sum";
  EXPECT_FALSE(all.entries.back().counter("failure_bound"));
  EXPECT_TRUE(passed(all));
  EXPECT_TRUE(contains(summary(all), "No harm in 300 kills inside an operation")) << summary(all);
}

TEST(Campaign, IsAsBadAsItsWorstRun) {
  const std::vector<verdict_kind> rising{verdict_kind::passed, verdict_kind::vacuous,
                                         verdict_kind::undecided, verdict_kind::failed};
  for (std::size_t worst = 1; worst < rising.size(); ++worst) {
    const auto bad = shard(7, rising[worst], 5);
    for (std::size_t other = 0; other < worst; ++other) {
      const auto good = shard(8, rising[other], 5);
      for (const auto& runs : {std::vector{good, bad}, std::vector{bad, good}}) {
        const auto all = merged(runs);
        EXPECT_EQ(all.entries.front().stress->verdict, rising[worst]);
        EXPECT_EQ(all.entries.front().stress->command, "--seed=7");
        EXPECT_FALSE(passed(all));
        EXPECT_FALSE(all.entries.front().counter("failure_bound"));
        const auto text = summary(all);
        EXPECT_TRUE(contains(text, "repeat: --seed=7")) << text;
        EXPECT_FALSE(contains(text, "No harm")) << text;
      }
    }
  }
}

TEST(Campaign, KeepsWhatWasFound) {
  const auto all = merged({shard(1, verdict_kind::passed, 9), shard(2, verdict_kind::failed, 9)});
  EXPECT_EQ(all.entries.front().stress->findings, std::vector<std::string>{"lost a change"});
  EXPECT_TRUE(contains(summary(all), "found: lost a change")) << summary(all);
}

TEST(Campaign, CountsNoRunTwice) {
  const auto one = shard(1, verdict_kind::passed, 9);
  const auto done = merge(std::vector{one, one}, "merge");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::exists);
  EXPECT_TRUE(contains(done.error().message(), "shard1.json")) << done.error().message();
}

TEST(Campaign, IsOfStressRunsOnly) {
  for (const auto& run : {fixture::bench_run("a", {10}), result::run{}}) {
    const auto done = merge(std::vector<named_run>{{"odd.json", run}}, "merge");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::invalid);
    EXPECT_TRUE(contains(done.error().message(), "odd.json")) << done.error().message();
  }
}

}  // namespace
}  // namespace shmark::reports

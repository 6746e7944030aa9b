#include "reports/compare/agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

result::run run_of(const std::vector<std::pair<std::string, std::vector<double>>>& all) {
  result::run run{fixture::context(result::run_kind::bench), {}};
  for (const auto& [name, times_ns] : all) {
    for (auto& each : fixture::repetitions(name, times_ns)) run.entries.push_back(std::move(each));
  }
  return run;
}

TEST(Agreement, CountsThoseThatDifferByNoMoreThanNoise) {
  const auto before = run_of({{"steady", {100, 101, 100}}, {"noisy", {100, 120, 80}}});
  const auto after = run_of({{"steady", {110, 111, 110}}, {"noisy", {110, 130, 85}}});
  const auto both = agreement_of(before, after);
  EXPECT_EQ(both.judged, 2u);
  EXPECT_EQ(both.agreeing(), 1u);
  ASSERT_EQ(both.disagreeing.size(), 1u);
  EXPECT_EQ(both.disagreeing[0].name, "steady");
  EXPECT_NEAR(both.disagreeing[0].ratio, 1.1, 1e-9);
  EXPECT_LT(both.disagreeing[0].floor, 0.05);
  EXPECT_EQ(agreement_of(before, before).agreeing(), 2u);
  // To the same extent either way round.
  EXPECT_EQ(agreement_of(after, before).agreeing(), 1u);
}

// Not 99: that is how many the larger of both floors lets pass.
TEST(Agreement, IsThatOfAbout95Of100WhereNothingHasChanged) {
  std::mt19937_64 source(1);
  std::normal_distribution<double> noise(0, 0.05);
  constexpr int all = 4000;
  const auto drawn = [&] {
    std::vector<std::pair<std::string, std::vector<double>>> made;
    for (int i = 0; i < all; ++i) {
      made.emplace_back(std::to_string(i), std::vector<double>(5));
      for (double& ns : made.back().second) ns = 100 * std::exp(noise(source));
    }
    return run_of(made);
  };
  const auto both = agreement_of(drawn(), drawn());
  EXPECT_EQ(both.judged, static_cast<std::size_t>(all));
  EXPECT_GT(both.agreeing(), 0.94 * all);
  EXPECT_LT(both.agreeing(), 0.97 * all);
}

TEST(Agreement, TakesTheNoiseOfBoth) {
  const auto steady = run_of({{"a", {100, 101, 100}}});
  const auto noisy = run_of({{"a", {110, 140, 90}}});
  EXPECT_EQ(agreement_of(steady, noisy).agreeing(), 1u);
  EXPECT_EQ(agreement_of(noisy, steady).agreeing(), 1u);
}

TEST(Agreement, TakesTheCalibrationsFloorWhereItIsHigher) {
  auto before = run_of({{"a", {100}}, {"b", {100, 100, 100}}});
  auto after = run_of({{"a", {104}}, {"b", {102, 102, 102}}});
  EXPECT_EQ(agreement_of(before, after).unknown, 2u) << "no spread was seen, nor calibrated";
  after.about.calibration =
      result::calibration_info{.aa_spread_percent_single = 5, .aa_spread_percent_contended = 5};
  const auto both = agreement_of(before, after);
  EXPECT_EQ(both.judged, 2u);
  EXPECT_EQ(both.agreeing(), 2u);
}

TEST(Agreement, LeavesOutWhatHasNoTimeInOneOfTheTwo) {
  auto before = run_of({{"a", {100, 101}}, {"gone", {1, 1.1}}, {"failing", {1, 1.1}}});
  auto after = run_of({{"a", {100, 101}}, {"new", {1, 1.1}}, {"failing", {1, 1.1}}});
  after.entries.back().error_message = "worker 3 died";
  EXPECT_EQ(agreement_of(before, after).judged, 1u);
  const auto stress = fixture::stress_run(result::verdict_kind::passed);
  EXPECT_EQ(as_text(agreement_of(stress, stress), true), "");
}

TEST(Agreement, JudgesOpenLoopsByHowLongWhatWasDueTook) {
  const char* name = "Lock/lock:x/mode:exclusive/procs:4/rate_per_s:20000";
  const auto with = [&](double intended_ns) {
    auto run = run_of({{name, {50'000, 50'001, 50'000}}});
    for (auto& each : run.entries) each.counters["intended_p50_ns"] = intended_ns++;
    return run;
  };
  EXPECT_EQ(agreement_of(with(100), with(101)).agreeing(), 1u);
  const auto slower = agreement_of(with(100), with(400));
  ASSERT_EQ(slower.disagreeing.size(), 1u);
  EXPECT_NEAR(slower.disagreeing[0].ratio, 401 / 101.0, 1e-9);
  EXPECT_EQ(agreement_of(run_of({{name, {50'000, 50'001}}}), with(100)).judged, 0u);
}

TEST(Agreement, IsPrintedAsAShareAndOnDemandInFull) {
  agreement both{.judged = 240, .unknown = 0, .disagreeing = {}};
  for (int i = 0; i < 9; ++i)
    both.disagreeing.push_back({"series\x1b" + std::to_string(i), 1.25, 0.031});
  const std::string line =
      "agree within the noise floor: 231 of 240 (96 %); about 95 of 100 are expected to, if "
      "nothing has changed\n";
  EXPECT_EQ(as_text(both, false), line);
  const auto text = as_text(both, true);
  EXPECT_TRUE(text.starts_with(line)) << text;
  EXPECT_NE(text.find("series?3       1.25     3.1 %\n"), std::string::npos) << text;
  both.unknown = 2;
  EXPECT_NE(as_text(both, false).find("noise unknown, since there were no repetitions: 2\n"),
            std::string::npos);
}

}  // namespace
}  // namespace shmark::reports

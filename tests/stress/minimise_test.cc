#include "stress/minimise.h"

#include <gtest/gtest.h>

#include <vector>

#include "stress/scenario/scenario.h"

namespace shmark::stress {
namespace {

constexpr double no_end_s = 1e6;

const options big{.workers = 16, .seconds = 60, .seed = 5, .stop_gap_ms = 3, .signal_gap_ms = 4};

// Runs that fail where `fails` says, by `damage`.
template <class Predicate>
attempt failing_where(Predicate fails, std::uint64_t counts::* damage = &counts::lost) {
  return [=](const options& tried) -> std::expected<outcome, error> {
    outcome done;
    done.elapsed_s = 0.01;
    done.seen.reads = 10;
    done.seen.overlapped = 5;
    done.seen.kills_in_operation = 1;
    if (fails(tried)) done.seen.*damage = 1;
    return done;
  };
}

minimised smallest_of(const attempt& run, double budget_s = no_end_s) {
  const auto done = minimise(big, {.lost = 7}, budget_s, run, {});
  EXPECT_TRUE(done);
  return done.value_or(minimised{});
}

TEST(Minimise, TakesAwayWhatAFailureDoesNotNeed) {
  const auto done = smallest_of(failing_where(
      [](const options& tried) { return tried.workers >= 3 && tried.stop_gap_ms > 0; }));
  EXPECT_EQ(done.smallest.workers, 3);
  EXPECT_EQ(done.smallest.stop_gap_ms, big.stop_gap_ms);
  EXPECT_EQ(done.smallest.signal_gap_ms, 0);
  EXPECT_EQ(done.smallest.kill_gap_ms, 0);
  EXPECT_EQ(done.smallest.seed, big.seed);
  EXPECT_LT(done.smallest.seconds, 1) << "it failed at once";
  EXPECT_TRUE(done.complete);
  EXPECT_EQ(done.tries, 1);
}

TEST(Minimise, TriesAgainWhatFailsNowAndThen) {
  int calls = 0;
  const auto done =
      smallest_of(failing_where([&calls](const options&) { return ++calls % 3 == 0; }));
  EXPECT_EQ(done.smallest.workers, 1);
  EXPECT_EQ(done.tries, 3);
}

TEST(Minimise, KeepsWhatItBeganWithIfNothingSmallerFails) {
  const auto done = smallest_of(failing_where([](const options&) { return false; }));
  EXPECT_EQ(done.smallest.workers, big.workers);
  EXPECT_EQ(done.smallest.seconds, big.seconds);
  EXPECT_EQ(done.tries, 0);
  EXPECT_GT(done.runs, 0);
  EXPECT_TRUE(done.complete);
}

TEST(Minimise, TakesNoOtherFailureForThisOne) {
  const auto done = smallest_of(failing_where([](const options&) { return true; }, &counts::stuck));
  EXPECT_EQ(done.tries, 0);
}

TEST(Minimise, EndsWithItsTime) {
  const auto done = smallest_of(failing_where([](const options&) { return true; }), 0);
  EXPECT_EQ(done.runs, 0);
  EXPECT_FALSE(done.complete);
}

TEST(Minimise, EndsAtAnError) {
  const attempt broken = [](const options&) -> std::expected<outcome, error> {
    return failure(errc::no_space, "make segment", "x");
  };
  const auto done = minimise(big, {.lost = 1}, no_end_s, broken, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::no_space);
}

}  // namespace
}  // namespace shmark::stress

#include "lib/base/deadline.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>

namespace shmark {
namespace {

using namespace std::chrono_literals;
constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();

TEST(Deadline, NeverDoesNotPass) {
  constexpr auto never = deadline::never();
  EXPECT_TRUE(never.is_never());
  EXPECT_FALSE(never.is_none());
  EXPECT_FALSE(never.passed());
  EXPECT_EQ(never.remaining_ns(), forever);
}

TEST(Deadline, NoneHasPassedFromTheBeginning) {
  constexpr auto none = deadline::none();
  EXPECT_TRUE(none.is_none());
  EXPECT_FALSE(none.is_never());
  EXPECT_TRUE(none.passed());
  EXPECT_EQ(none.remaining_ns(), 0);
}

TEST(Deadline, LiesThatLongAfterNow) {
  const auto before_ns = monotonic_ns();
  const auto soon = deadline::after(1h);
  const auto after_ns = monotonic_ns();
  constexpr std::int64_t hour_ns = 3'600'000'000'000;
  const auto at_ns = soon.at().tv_sec * 1'000'000'000 + soon.at().tv_nsec;
  EXPECT_GE(at_ns, before_ns + hour_ns);
  EXPECT_LE(at_ns, after_ns + hour_ns);
  EXPECT_LE(soon.remaining_ns(), hour_ns);
  EXPECT_GT(soon.remaining_ns(), 0);
  EXPECT_FALSE(soon.passed());
  EXPECT_FALSE(soon.is_never());
  EXPECT_FALSE(soon.is_none());
}

TEST(Deadline, TheSoonerOfTwoIsTheOneThatCounts) {
  const auto soon = deadline::after(1h);
  EXPECT_TRUE(soon.or_before(deadline::none()).is_none());
  EXPECT_TRUE(deadline::none().or_before(soon).is_none());
  EXPECT_EQ(soon.or_before(deadline::never()).at().tv_nsec, soon.at().tv_nsec);
  EXPECT_EQ(deadline::never().or_before(soon).at().tv_nsec, soon.at().tv_nsec);
  EXPECT_TRUE(deadline::never().or_before(deadline::never()).is_never());
}

TEST(Deadline, PassesWithTime) {
  const auto soon = deadline::after(1ms);
  while (!soon.passed()) {
  }
  EXPECT_EQ(soon.remaining_ns(), 0);
  EXPECT_EQ(soon.remaining().tv_sec, 0);
  EXPECT_EQ(soon.remaining().tv_nsec, 0);
}

TEST(Deadline, InThePastIsNow) {
  EXPECT_TRUE(deadline::after(0ns).passed());
  EXPECT_TRUE(deadline::after(-1h).passed());
  EXPECT_TRUE(deadline::after(std::chrono::nanoseconds::min()).passed());
  EXPECT_FALSE(deadline::after(-1h).is_none());
}

TEST(Deadline, BeyondTheEndOfTimeIsNever) {
  const auto far = deadline::after(std::chrono::nanoseconds::max());
  EXPECT_FALSE(far.passed());
  EXPECT_TRUE(far.is_never());
}

TEST(Deadline, GivesTimesThatTheSystemAccepts) {
  for (const auto span : {0ns, 1ns, 999'999'999ns, 1'000'000'000ns, 1'500'000'000ns}) {
    for (const timespec time : {deadline::after(span).at(), deadline::after(span).remaining()}) {
      EXPECT_GE(time.tv_sec, 0);
      EXPECT_GE(time.tv_nsec, 0);
      EXPECT_LT(time.tv_nsec, 1'000'000'000);
    }
  }
}

}  // namespace
}  // namespace shmark

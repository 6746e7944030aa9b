#include "lib/measure/busy_work.h"

#include <gtest/gtest.h>

#include "lib/base/deadline.h"

namespace shmark {
namespace {

std::int64_t taken_ns(const busy_work& work) {
  const auto begin_ns = monotonic_ns();
  work();
  return monotonic_ns() - begin_ns;
}

TEST(BusyWork, TakesAboutAsLongAsItWasAskedFor) {
  // It may be interrupted, and hence take longer; half of it is for a processor that has got faster
  // meanwhile.
  EXPECT_GE(taken_ns(busy_work::of(2'000'000)), 1'000'000);
}

TEST(BusyWork, TakesLongerIfMoreIsAskedFor) {
  const auto brief = busy_work::of(20'000);
  const auto longer = busy_work::of(2'000'000);
  EXPECT_GT(taken_ns(longer), 1'000'000);
  std::int64_t shortest_ns = taken_ns(brief);
  while (shortest_ns > 500'000) shortest_ns = taken_ns(brief);  // until it was not interrupted
}

TEST(BusyWork, IsNoneIfNoneIsAskedFor) {
  const auto none = busy_work::of(0);
  std::int64_t shortest_ns = taken_ns(none);
  while (shortest_ns > 10'000) shortest_ns = taken_ns(none);
}

}  // namespace
}  // namespace shmark

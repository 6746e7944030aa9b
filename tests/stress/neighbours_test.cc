// The scenario on locks that keep what they promise. Those that do not: tests/stress/mutants.

#include "stress/scenario/neighbours.h"

#include <gtest/gtest.h>

#include <concepts>

#include "lib/lock/robust_rw.h"
#include "lib/subject/locks.h"
#include "tests/lib/lock/locks.h"
#include "tests/lib/workload/fixture.h"

namespace shmark {
namespace {

template <class L>
class Neighbours : public ::testing::Test {};
TYPED_TEST_SUITE(Neighbours, locks_with<&lock_traits::crash_safe>, name_of_lock);

TYPED_TEST(Neighbours, HarmNoLockThatSurvivesItsHolder) {
  const run in = begun();
  const auto done =
      stress::run_neighbours<TypeParam>({.seconds = 0.01, .seed = 1}, {}, in,
                                        {.lets_writers_in = std::same_as<TypeParam, robust_rw>});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->verdict(), result::verdict_kind::passed)
      << (done->findings.empty() ? "" : done->findings.front());
  EXPECT_GT(done->seen.kills_holding, 0U);
  EXPECT_GT(done->seen.reads, 0U);
  EXPECT_TRUE(in.objects().empty());
}

}  // namespace
}  // namespace shmark

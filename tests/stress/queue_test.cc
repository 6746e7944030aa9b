// The scenario on backends that keep their promises, on one that does not, and its checkers by
// themselves.

#include "stress/scenario/queue.h"

#include <gtest/gtest.h>

#include <string>

#include "lib/codec/boost_binary.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/posix.h"
#include "lib/segment/sysv.h"
#include "tests/stress/fixture.h"
#include "tests/stress/mutants.h"

namespace shmark {
namespace {

using result::verdict_kind;
using stress::options;
using stress::outcome;
using stress::tally;

struct sysv_backend {
  using segment = sysv_segment;
  using lock = sysv_semaphore;
  using codec = boost_binary;
};
using gives_out_twice = mutants::backend<posix_segment, mutants::null_lock, boost_binary>;

template <class Backend>
outcome run_on(const options& chosen) {
  return outcome_of([&](const run& in) { return stress::run_queue<Backend>(chosen, {}, in); });
}

template <class Backend>
class Queue : public ::testing::Test {};
using good_backends = ::testing::Types<default_backend, sysv_backend>;
TYPED_TEST_SUITE(Queue, good_backends, );

TYPED_TEST(Queue, PassesWhileWorkersAreKilledStoppedAndInterrupted) {
  const auto done = run_on<TypeParam>({.workers = 4,
                                       .seconds = long_s,
                                       .seed = 1,
                                       .kill_gap_ms = 2,
                                       .stop_gap_ms = 5,
                                       .signal_gap_ms = 5,
                                       .enough_kills = 100});
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GT(done.seen.changes, 0U);
  EXPECT_GT(done.seen.reads, 0U);
}

TEST(QueueChecker, FindsAnItemThatIsGivenOutTwiceOrLost) {
  const auto done = run_on<gives_out_twice>(
      {.workers = 4, .seconds = long_s, .seed = 1, .patience = std::chrono::seconds(1)});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.lost + done.seen.torn, 0U) << told(done);
}

TEST(QueueValue, IsTornWhenAnItemIsMissingOrTheNumbersDoNotAgree) {
  const stress::queue whole{.items = {2, 3}, .head = 2, .next = 4, .done = {5, 1}};
  EXPECT_EQ(what_is_torn(whole, 16, 10, 2), std::nullopt);
  EXPECT_TRUE(what_is_torn(whole, 17, 10, 2));
  EXPECT_TRUE(what_is_torn(whole, 16, 10, 3));
  auto torn = whole;
  torn.items = {2, 4};
  EXPECT_TRUE(what_is_torn(torn, 16, 10, 2));
  torn.items = {3};
  EXPECT_TRUE(what_is_torn(torn, 16, 10, 2));
  torn = whole;
  ++torn.done[1];
  EXPECT_TRUE(what_is_torn(torn, 17, 10, 2));
}

TEST(Tally, KnowsWhichItemsNobodyHasGotAndWhichTwoHave) {
  const auto items = *tally::create(2);
  for (std::uint64_t item = 0; item < 3; ++item) {
    items.begin(0, item);
    EXPECT_TRUE(items.end(0, item));
  }
  EXPECT_EQ(items.lost_before(3), 0U);
  items.begin(1, 2);
  EXPECT_FALSE(items.end(1, 2));
  items.begin(1, 3);  // and is killed
  EXPECT_EQ(items.lost_before(4), 1U);
  items.settle(1);
  EXPECT_EQ(items.lost_before(4), 0U);
  EXPECT_EQ(items.lost_before(5), 1U);
}

}  // namespace
}  // namespace shmark

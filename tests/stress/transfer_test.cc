// The scenario on backends that keep their promises, and on some that do not.

#include "stress/scenario/transfer.h"

#include <gtest/gtest.h>

#include <string>

#include "lib/codec/boost_binary.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/sysv.h"
#include "stress/stress.h"
#include "tests/stress/fixture.h"
#include "tests/stress/mutants.h"

namespace shmark {
namespace {

using result::verdict_kind;
using stress::options;
using stress::outcome;

struct sysv_backend {
  using segment = sysv_segment;
  using lock = sysv_semaphore;
  using codec = boost_binary;
};

template <class Backend>
outcome run_on(const options& chosen, const store_options& storage = stress::transfer_storage) {
  return outcome_of(
      [&](const run& in) { return stress::run_transfer<Backend>(chosen, {}, in, storage); });
}

template <class Backend>
class Transfer : public ::testing::Test {};
using good_backends = ::testing::Types<default_backend, sysv_backend>;
TYPED_TEST_SUITE(Transfer, good_backends, );

TYPED_TEST(Transfer, PassesWhileWorkersAreKilled) {
  const auto done = run_on<TypeParam>(
      {.workers = 4, .seconds = long_s, .seed = 1, .kill_gap_ms = 1, .enough_kills = 300});
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GE(done.seen.kills_in_operation, 300U);
  EXPECT_GE(done.seen.kills, done.seen.kills_in_operation);
  EXPECT_GT(done.seen.kills_holding, 0U);
  EXPECT_GT(done.seen.recoveries, 0U);
  EXPECT_GT(done.seen.changes, 0U);
  EXPECT_GT(done.seen.reads, 0U);
  EXPECT_GT(done.seen.overlapped, 0U);
  EXPECT_LE(done.seen.overlapped, done.seen.operations());
}

TYPED_TEST(Transfer, PassesWithAValueThatFitsTheStoresBuffers) {
  const auto done = run_on<TypeParam>(
      {.workers = 6, .seconds = long_s, .seed = 2, .kill_gap_ms = 1, .enough_kills = 50},
      {.capacity = 8192});
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
}

TYPED_TEST(Transfer, IsVacuousWhenNobodyIsKilled) {
  const auto done = run_on<TypeParam>({.workers = 2, .seconds = 0.2, .seed = 3, .kill_gap_ms = 0});
  EXPECT_EQ(done.verdict(), verdict_kind::vacuous) << told(done);
  EXPECT_EQ(done.seen.kills, 0U);
  EXPECT_GT(done.seen.operations(), 0U);
}

TYPED_TEST(Transfer, IsVacuousWhenAWorkerIsAlone) {
  const auto done = run_on<TypeParam>(
      {.workers = 1, .seconds = long_s, .seed = 5, .kill_gap_ms = 1, .enough_kills = 20});
  EXPECT_EQ(done.verdict(), verdict_kind::vacuous) << told(done);
  EXPECT_GE(done.seen.kills_in_operation, 20U);
  EXPECT_GT(done.seen.operations(), 0U);
  EXPECT_EQ(done.seen.overlapped, 0U);
}

TEST(TransferUnderHeavyFire, SparesWorkersThatDoNotLiveLongEnoughToCompleteAnything) {
  // One that is killed every 10 us. Those that are spared complete something, and so nobody is
  // stuck.
  const auto done = run_on<default_backend>({.workers = 1,
                                             .seconds = 1,
                                             .seed = 4,
                                             .kill_gap_ms = 0.01,
                                             .patience = std::chrono::milliseconds(300)});
  EXPECT_EQ(done.seen.stuck, 0U) << told(done);
  EXPECT_TRUE(done.seen.faultless()) << told(done);
}

// Each of these has a planted bug.

TEST(TransferChecker, FindsALostUpdate) {
  // Without a lock values are torn as well, if much more rarely, and the first finding ends a run.
  for (std::uint64_t seed = 1;; ++seed) {
    const auto done = run_on<mutants::loses_updates>(
        {.workers = 4, .seconds = long_s, .seed = seed}, {.has_checksum = false});
    ASSERT_EQ(done.verdict(), verdict_kind::failed);
    ASSERT_FALSE(done.findings.empty());
    if (done.seen.lost > 0) break;
  }
}

TEST(TransferChecker, FindsATornRead) {
  const auto done = run_on<mutants::tears_values>({.workers = 4, .seconds = long_s, .seed = 1},
                                                  {.has_checksum = false});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.torn, 0U) << told(done);
  EXPECT_FALSE(done.findings.empty());
  const auto entry = stress::to_entry({}, done);
  ASSERT_TRUE(entry.stress);
  EXPECT_EQ(entry.stress->findings, done.findings);
  EXPECT_FALSE(entry.counter("failure_bound"));
}

TEST(TransferChecker, FindsATornReadOfAStoreWithChecksums) {
  const auto done = run_on<mutants::tears_values>({.workers = 4, .seconds = long_s, .seed = 1},
                                                  {.has_checksum = true});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.torn, 0U) << told(done);
}

TEST(TransferChecker, FindsALeakedSegment) {
  const auto done = run_on<mutants::leaks>(
      {.workers = 4, .seconds = long_s, .seed = 1, .kill_gap_ms = 1, .enough_kills = 100});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.leaked, 0U) << told(done);
  EXPECT_EQ(done.seen.lost + done.seen.torn + done.seen.died + done.seen.stuck, 0U) << told(done);
}

TEST(TransferChecker, FindsALockThatItsDeadHolderKeeps) {
  const auto done = run_on<mutants::hangs>({.workers = 4,
                                            .seconds = long_s,
                                            .seed = 1,
                                            .kill_gap_ms = 1,
                                            .patience = std::chrono::seconds(1)});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.stuck, 0U) << told(done);
}

TEST(TransferChecker, FindsAWorkerThatWasNotKilledByTheSupervisor) {
  const auto done =
      run_on<mutants::dies>({.workers = 2, .seconds = long_s, .seed = 1, .kill_gap_ms = 0});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.died, 0U);
  EXPECT_NE(told(done).find("killed by signal 9"), std::string::npos) << told(done);
}

}  // namespace
}  // namespace shmark

// The scenario on locks that keep their promises, and on some that do not.

#include "stress/scenario/counter.h"

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

#include "lib/subject/locks.h"
#include "lib/subject/no_lock.h"
#include "stress/scenario/counter_locks.h"
#include "stress/stress.h"
#include "tests/stress/counter_mutants.h"
#include "tests/stress/fixture.h"
#include "tests/stress/mutants.h"

namespace shmark {
namespace {

using mutants::bug;
using mutants::buggy_lock;
using result::verdict_kind;
using stress::options;
using stress::outcome;

template <lock L>
outcome run_on(const options& chosen) {
  return outcome_of([&](const run& in) {
    auto done = stress::run_counter<L>(chosen, {}, in);
    EXPECT_TRUE(in.objects().empty());
    return done;
  });
}

template <lock L>
bool is_stuck_as_known(const outcome& done) {
  return std::is_same_v<L, pthread_robust> && is_only_stuck(done);
}

template <class L>
class CounterUnderFire : public ::testing::Test {};
using crash_safe =
    ::testing::Types<robust_rw, sysv_semaphore, ofd_lock, flock_lock, pthread_robust>;
TYPED_TEST_SUITE(CounterUnderFire, crash_safe, );

TYPED_TEST(CounterUnderFire, PassesWhileWorkersAreKilled) {
  static_assert(TypeParam::can.crash_safe);
  const auto done = run_on<TypeParam>({.workers = 4,
                                       .seconds = long_s,
                                       .seed = 1,
                                       .kill_gap_ms = 1,
                                       .aimed_percent = 30,
                                       .enough_kills = 300});
  if (is_stuck_as_known<TypeParam>(done)) return;
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GE(done.seen.kills_in_operation, 300U);
  EXPECT_GT(done.seen.kills_holding, 0U);
  EXPECT_GT(done.seen.recoveries, 0U);
  EXPECT_LE(done.seen.recoveries, done.seen.kills);
  EXPECT_GT(done.seen.changes, 0U);
  EXPECT_GT(done.seen.reads, 0U);
  EXPECT_GT(done.seen.overlapped, 0U);
}

template <class L>
class CounterInPeace : public ::testing::Test {};
using not_crash_safe = ::testing::Types<pthread_mutex, pthread_rwlock, posix_semaphore, boost_mutex,
                                        boost_sharable_mutex, boost_upgradable_mutex>;
TYPED_TEST_SUITE(CounterInPeace, not_crash_safe, );

TYPED_TEST(CounterInPeace, FindsNothingWhileNobodyIsKilled) {
  static_assert(!TypeParam::can.crash_safe);
  const auto done = run_on<TypeParam>({.workers = 4, .seconds = 0.5, .seed = 1, .kill_gap_ms = 0});
  EXPECT_EQ(done.verdict(), verdict_kind::vacuous) << told(done);
  EXPECT_GT(done.seen.changes, 0U);
  EXPECT_GT(done.seen.reads, 0U);
}

TYPED_TEST(CounterInPeace, PassesWhileWorkersAreStoppedAndInterrupted) {
  const auto done = run_on<TypeParam>({.workers = 4,
                                       .seconds = long_s,
                                       .seed = 1,
                                       .kill_gap_ms = 0,
                                       .aimed_percent = 50,
                                       .stop_gap_ms = 1,
                                       .signal_gap_ms = 1,
                                       .enough_faults = 200});
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GT(done.seen.stops_in_operation, 0U);
  EXPECT_LE(done.seen.stops_holding, done.seen.stops_in_operation);
  EXPECT_LE(done.seen.stops_in_operation, done.seen.stops);
  EXPECT_GT(done.seen.signals_in_operation, 0U);
  EXPECT_LE(done.seen.signals_in_operation, done.seen.signals);
  EXPECT_EQ(done.seen.kills, 0U);
}

TYPED_TEST(CounterUnderFire, PassesUnderFaultsOfAllKinds) {
  const auto done = run_on<TypeParam>({.workers = 4,
                                       .seconds = long_s,
                                       .seed = 1,
                                       .kill_gap_ms = 3,
                                       .aimed_percent = 30,
                                       .stop_gap_ms = 3,
                                       .signal_gap_ms = 1,
                                       .enough_faults = 300});
  if (is_stuck_as_known<TypeParam>(done)) return;
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GT(done.seen.stops_in_operation, 0U);
  EXPECT_GT(done.seen.signals_in_operation, 0U);
  EXPECT_GT(done.seen.kills_in_operation, 0U);
}

TEST(Counter, SaysOfALockThatIsNotCrashSafeThatItPromisedNothingElse) {
  const auto done = run_on<pthread_mutex>({.workers = 4,
                                           .seconds = long_s,
                                           .seed = 1,
                                           .kill_gap_ms = 1,
                                           .aimed_percent = 100,
                                           .patience = std::chrono::milliseconds(500)});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.stuck, 0U) << told(done);
  EXPECT_EQ(done.seen.intruded + done.seen.torn + done.seen.lost, 0U) << told(done);
  EXPECT_NE(told(done).find("; called: "), std::string::npos) << told(done);
  EXPECT_NE(told(done).find("does not promise to survive"), std::string::npos) << told(done);
}

TEST(Counter, HasALineForEachLock) {
  for_each_type(all_locks{}, []<class L>() {
    const auto* const found = stress::find_counter_lock(L::name);
    ASSERT_NE(found, nullptr) << L::name;
    EXPECT_EQ(found->can.crash_safe, L::can.crash_safe) << L::name;
  });
  EXPECT_EQ(stress::find_counter_lock("nope"), nullptr);
  EXPECT_FALSE(stress::check({.scenario = "counter", .lock = "nope"}));
}

// Each of these has a planted bug.

constexpr options short_of_patience{.workers = 4,
                                    .seconds = long_s,
                                    .seed = 1,
                                    .kill_gap_ms = 1,
                                    .aimed_percent = 50,
                                    .patience = std::chrono::seconds(1)};

// Who is let in where another is need not be told of a death either: without deaths, it is only
// what the lock itself does that is found.
constexpr options in_peace{.workers = 4, .seconds = long_s, .seed = 1, .kill_gap_ms = 0};

template <lock L>
outcome found_in(const options& chosen = short_of_patience) {
  auto done = run_on<L>(chosen);
  EXPECT_EQ(done.verdict(), verdict_kind::failed) << told(done);
  EXPECT_FALSE(done.findings.empty());
  return done;
}

TEST(CounterChecker, FindsALockThatExcludesNobody) {
  const auto done = found_in<buggy_lock<bug::excludes_nobody>>(in_peace);
  EXPECT_GT(done.seen.intruded + done.seen.lost, 0U) << told(done);
}

TEST(CounterChecker, FindsTheLockThatLocksNothing) {
  const auto done = found_in<no_lock>(in_peace);
  EXPECT_GT(done.seen.intruded + done.seen.lost, 0U) << told(done);
}

TEST(CounterChecker, FindsAReaderThatIsLetInBesideAWriter) {
  const auto done = found_in<buggy_lock<bug::lets_readers_in>>(in_peace);
  EXPECT_GT(done.seen.intruded, 0U) << told(done);
}

TEST(CounterChecker, FindsALockThatItsDeadHolderKeeps) {
  const auto done = found_in<mutants::eternal_lock>();
  EXPECT_GT(done.seen.stuck, 0U) << told(done);
}

TEST(CounterChecker, FindsALockThatWaitsForSomebodyWhoIsStoppedAndDoesNotHoldIt) {
  const auto done = run_on<mutants::lock_in_turns>({.workers = mutants::lock_in_turns::users,
                                                    .seconds = long_s,
                                                    .seed = 1,
                                                    .kill_gap_ms = 0,
                                                    .stop_gap_ms = 3,
                                                    .patience = std::chrono::seconds(1)});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.stuck, 0U) << told(done);
  EXPECT_NE(told(done).find("between two operations, stopped"), std::string::npos) << told(done);
}

TEST(CounterChecker, FindsALockThatTakesAStoppedHolderForADeadOne) {
  const auto done = run_on<mutants::lock_by_lease>({.workers = 4,
                                                    .seconds = long_s,
                                                    .seed = 1,
                                                    .kill_gap_ms = 0,
                                                    .aimed_percent = 100,
                                                    .stop_gap_ms = 3});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.intruded + done.seen.lost, 0U) << told(done);
}

TEST(CounterChecker, FindsALockThatTakesAnInterruptedWaitForASuccess) {
  const auto done = run_on<mutants::lock_that_trusts_waits>(
      {.workers = 4, .seconds = long_s, .seed = 1, .kill_gap_ms = 0, .signal_gap_ms = 1});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.intruded + done.seen.lost, 0U) << told(done);
}

TEST(CounterChecker, FindsADeathThatNobodyIsToldOf) {
  const auto done = found_in<buggy_lock<bug::keeps_deaths_to_self>>();
  EXPECT_GT(done.seen.torn, 0U) << told(done);
  EXPECT_NE(told(done).find("was not told"), std::string::npos) << told(done);
}

TEST(CounterChecker, FindsADeathThatNeverWas) {
  const auto done = run_on<buggy_lock<bug::invents_deaths>>(
      {.workers = 4, .seconds = 1, .seed = 1, .kill_gap_ms = 50});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.torn, 0U) << told(done);
}

TEST(CounterChecker, FindsAnUpgradeThatDropsTheLockWhenItIsRefused) {
  const auto done = found_in<buggy_lock<bug::loses_what_it_holds_when_refused>>();
  EXPECT_GT(done.seen.intruded, 0U) << told(done);
}

TEST(CounterChecker, FindsADowngradeThatLetsOthersInBetween) {
  const auto done = found_in<buggy_lock<bug::lets_others_in_when_it_converts>>();
  EXPECT_GT(done.seen.intruded, 0U) << told(done);
}

}  // namespace
}  // namespace shmark

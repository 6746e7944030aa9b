// The checkers by themselves, and who is killed when.

#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "stress/checker/history.h"
#include "stress/checker/leaks.h"
#include "stress/checker/progress.h"
#include "stress/fault/killer.h"
#include "stress/scenario/bank.h"
#include "stress/scenario/scenario.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"

namespace shmark::stress {
namespace {

using namespace std::chrono_literals;
using enum result::verdict_kind;

TEST(History, AcceptsAKilledWorkersLastChangeThereOrNot) {
  EXPECT_EQ(unaccounted({.acknowledged = 7, .intended = 8}, 7), 0U);
  EXPECT_EQ(unaccounted({.acknowledged = 7, .intended = 8}, 8), 0U);
  EXPECT_EQ(unaccounted({.acknowledged = 7, .intended = 7}, 7), 0U);
}

TEST(History, CountsAcknowledgedChangesThatAreNotThere) {
  EXPECT_EQ(unaccounted({.acknowledged = 7, .intended = 8}, 6), 1U);
  EXPECT_EQ(unaccounted({.acknowledged = 7, .intended = 7}, 0), 7U);
}

TEST(History, CountsChangesThatNobodyBegan) {
  EXPECT_EQ(unaccounted({.acknowledged = 7, .intended = 8}, 9), 1U);
  EXPECT_EQ(unaccounted({}, 3), 3U);
}

class Bank : public ::testing::Test {
 protected:
  [[nodiscard]] bool is_whole(std::uint64_t serial) const {
    return !what_is_torn(bank_, serial, {.workers = 3, .first_serial = 10}).has_value();
  }
  bank bank_ = opening_bank(3);
};

TEST_F(Bank, IsWholeAfterAnyNumberOfTransfers) {
  EXPECT_TRUE(is_whole(10));
  random_source random(1);
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    move_money(bank_, random);
    ++bank_.done[i % 3];
    ASSERT_TRUE(is_whole(10 + i));
  }
  EXPECT_NE(bank_.accounts, opening_bank(3).accounts);
}

TEST_F(Bank, IsTornWhenMoneyIsMissing) {
  --bank_.accounts.begin()->second;
  EXPECT_FALSE(is_whole(10));
}

TEST_F(Bank, IsTornWhenSumsOverflow) {
  bank_.accounts.begin()->second = std::numeric_limits<std::int64_t>::max();
  bank_.accounts.rbegin()->second = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(is_whole(10));
}

TEST_F(Bank, IsTornWhenAnAccountIsMissingOrRenamedOrNew) {
  const auto whole = bank_;
  bank_.accounts.erase(bank_.accounts.begin());
  EXPECT_FALSE(is_whole(10));
  bank_.accounts["account-0x"] = bank::opening_balance;
  EXPECT_FALSE(is_whole(10));
  bank_ = whole;
  bank_.accounts["another"] = 0;
  EXPECT_FALSE(is_whole(10));
}

TEST_F(Bank, IsTornWhenTheSerialNumberDoesNotCountTheTransfers) {
  EXPECT_FALSE(is_whole(11));
  EXPECT_FALSE(is_whole(9));
  bank_.done[1] = 1;
  EXPECT_TRUE(is_whole(11));
  bank_.done.push_back(0);
  EXPECT_FALSE(is_whole(11));
}

TEST(Verdict, IsPassedOnlyWhenOperationsWereHitAndNothingWasFound) {
  const counts good{.transfers = 5, .reads = 5, .kills = 2, .kills_in_operation = 1};
  EXPECT_EQ(verdict_of(good, false), passed);
  EXPECT_EQ(verdict_of(good, true), undecided);
  counts seen = good;
  seen.kills_in_operation = 0;
  EXPECT_EQ(verdict_of(seen, false), vacuous);
  seen = good;
  seen.transfers = seen.reads = 0;
  EXPECT_EQ(verdict_of(seen, false), undecided);
}

TEST(Verdict, IsFailedWhateverElseHappenedOnceSomethingWasFound) {
  for (const auto finding :
       {&counts::lost, &counts::torn, &counts::stuck, &counts::died, &counts::leaked}) {
    counts seen;
    seen.*finding = 1;
    EXPECT_EQ(verdict_of(seen, false), failed);
    EXPECT_EQ(verdict_of(seen, true), failed);
  }
}

TEST(ProgressWatch, NoticesWhenNothingHasBeenCompletedForLongerThanItsPatience) {
  progress_watch watch(10ns, 100);
  EXPECT_FALSE(watch.stands_still(0, 110));
  EXPECT_TRUE(watch.stands_still(0, 111));
  EXPECT_FALSE(watch.stands_still(1, 112));
  EXPECT_FALSE(watch.stands_still(1, 122));
  EXPECT_TRUE(watch.stands_still(1, 123));
  EXPECT_FALSE(watch.stands_still(2, 124));
}

TEST(Whereabouts, AreKnownOfAProcessThatSleeps) {
  auto sleeper = support::child::start([] { pause(); });
  sleeper.await_asleep();
  EXPECT_NE(whereabouts(sleeper.pid()), "running");
  EXPECT_FALSE(whereabouts(sleeper.pid()).empty());
}

TEST(Leaks, AreObjectsOfOurProcessesThatWereNotThereBefore) {
  const support::shared<int> segment;
  const support::shared<int> semaphores;
  const auto before = system_objects::now();
  auto maker = support::child::start([&] {
    *segment = shmget(IPC_PRIVATE, 1, 0600);
    *semaphores = semget(IPC_PRIVATE, 2, 0600);
    sembuf up{1, 1, 0};
    semop(*semaphores, &up, 1);
  });
  const pid_t pid = maker.pid();
  ASSERT_EQ(maker.wait(), support::exited(0));
  EXPECT_EQ(leaks_since(before, {pid}).size(), 2U);
  EXPECT_EQ(leaks_since(system_objects::now(), {pid}).size(), 0U);
  EXPECT_EQ(leaks_since(before, {}).size(), 0U);
  shmctl(*segment, IPC_RMID, nullptr);
  semctl(*semaphores, 0, IPC_RMID);
  EXPECT_EQ(leaks_since(before, {pid}).size(), 0U);
}

TEST(Killer, RepeatsItselfFromTheSameSeed) {
  killer one(42, 1ms);
  killer other(42, 1ms);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(one.gap(), other.gap());
    EXPECT_EQ(one.victim(8), other.victim(8));
  }
}

TEST(Killer, HitsEverybodyAtTheAskedRate) {
  killer some(7, 1ms);
  std::set<int> hit;
  std::chrono::nanoseconds sum{};
  constexpr int many = 10'000;
  for (int i = 0; i < many; ++i) {
    const auto gap = some.gap();
    ASSERT_GE(gap, 0ns);
    sum += gap;
    hit.insert(some.victim(8));
  }
  // The mean of n exponential gaps deviates by 1 / sqrt(n): these are 5 such deviations.
  EXPECT_NEAR(std::chrono::duration<double>(sum / many) / 1ms, 1.0, 0.05);
  EXPECT_EQ(hit, (std::set<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

}  // namespace
}  // namespace shmark::stress

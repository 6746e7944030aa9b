// The checkers by themselves, and who is killed when.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/base/process.h"
#include "stress/checker/history.h"
#include "stress/checker/leaks.h"
#include "stress/checker/progress.h"
#include "stress/fault/killer.h"
#include "stress/scenario/bank.h"
#include "stress/scenario/scenario.h"
#include "stress/scenario/supervisor.h"
#include "stress/scenario/worker_log.h"
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

TEST(Verdict, IsPassedOnlyWhenOperationsWereHitAndOverlappedAndNothingWasFound) {
  const counts good{.changes = 5, .reads = 5, .overlapped = 1, .kills = 2, .kills_in_operation = 1};
  EXPECT_EQ(verdict_of(good, false), passed);
  EXPECT_EQ(verdict_of(good, true), undecided);
  counts seen = good;
  seen.kills_in_operation = 0;
  EXPECT_EQ(verdict_of(seen, false), vacuous);
  seen.overlapped = 0;
  EXPECT_EQ(verdict_of(seen, false), vacuous);
  seen = good;
  seen.kills_in_operation = 0;
  seen.stops_in_operation = 1;
  EXPECT_EQ(verdict_of(seen, false), passed);
  seen.stops_in_operation = 0;
  seen.signals_in_operation = 1;
  EXPECT_EQ(verdict_of(seen, false), passed);
  seen = good;
  seen.overlapped = 0;
  EXPECT_EQ(verdict_of(seen, false), vacuous);
  EXPECT_EQ(verdict_of(seen, true), undecided);
  seen = good;
  seen.changes = seen.reads = 0;
  EXPECT_EQ(verdict_of(seen, false), undecided);
}

TEST(Verdict, IsFailedWhateverElseHappenedOnceSomethingWasFound) {
  for (const auto finding : {&counts::lost, &counts::torn, &counts::intruded, &counts::stuck,
                             &counts::died, &counts::leaked}) {
    counts seen;
    seen.*finding = 1;
    EXPECT_EQ(verdict_of(seen, false), failed);
    EXPECT_EQ(verdict_of(seen, true), failed);
  }
}

class Overlap : public ::testing::Test {
 protected:
  worker_logs logs_ = *worker_logs::create(3);
};

TEST_F(Overlap, IsSeenByWhoeverEntersAnOperationWhileAnotherIsInsideOne) {
  EXPECT_FALSE(logs_.enter_operation(1));
  EXPECT_FALSE(logs_.enter_operation(1));  // its own mark is none of another's
  EXPECT_TRUE(logs_.enter_operation(0));
  EXPECT_TRUE(logs_.enter_operation(2));
  logs_.of(0).doing = phase::idle;
  logs_.of(1).doing = phase::holding;
  logs_.of(2).doing = phase::idle;
  EXPECT_TRUE(logs_.enter_operation(2));
  logs_.of(1).doing = phase::idle;
  EXPECT_FALSE(logs_.enter_operation(2));
}

TEST_F(Overlap, IsNotSeenOfTheDoomed) {
  logs_.of(1).doing = phase::in_operation;
  logs_.of(1).doomed = 1;
  EXPECT_FALSE(logs_.enter_operation(0));
  EXPECT_TRUE(logs_.enter_operation(2));  // of worker 0
}

TEST_F(Overlap, IsNeverThatOfALoneWorker) {
  const auto logs = *worker_logs::create(1);
  EXPECT_FALSE(logs.enter_operation(0));
}

// The first worker is killed again and again with its mark up, and the second looks whether it sees
// that. Where the first has been dead all the while, it must not.
TEST(OverlapUnderSupervision, IsNotSeenOfADeadWorkersMark) {
  const auto logs = *worker_logs::create(2);
  const support::shared<std::atomic<pid_t>> first;
  const support::shared<std::atomic<int>> looks_at_the_dead;
  const support::shared<std::atomic<int>> wrong;
  const auto is_dead = [](pid_t process) { return process_state(process) == 'Z'; };
  const worker_body body = [&](int worker, std::uint64_t) {
    if (worker == 0) {
      logs.of(0).doing = phase::in_operation;
      *first = getpid();
      while (!logs.stopped()) logs.of(0).add(logs.of(0).changes);
      return 0;
    }
    while (!logs.stopped()) {
      logs.of(1).add(logs.of(1).reads);
      const pid_t other = *first;
      if (other == 0 || !is_dead(other)) continue;
      const bool overlaps = logs.enter_operation(1);
      logs.of(1).doing = phase::idle;
      if (!is_dead(other)) continue;  // it has a successor, perhaps
      if (overlaps) ++*wrong;
      if (++*looks_at_the_dead == 20) logs.stop();
    }
    return 0;
  };
  const options chosen{.workers = 2, .seconds = 600, .seed = 1, .kill_gap_ms = 0.2};
  const auto done = supervise(chosen, logs, body, {});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(done->seen.seen.faultless());
  EXPECT_GE(*looks_at_the_dead, 20);
  EXPECT_EQ(*wrong, 0);
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

TEST(CallStacks, AreKnownOfProcessesThatSleep) {
  auto one = support::child::start([] { pause(); });
  auto other = support::child::start([] { pause(); });
  one.await_asleep();
  other.await_asleep();
  const auto stacks = call_stacks(std::vector{one.pid(), other.pid()});
  ASSERT_EQ(stacks.size(), 2U);
  EXPECT_NE(stacks.at(one.pid()), "");
  EXPECT_NE(stacks.at(other.pid()), "");
  const auto returns_to = detail::return_from_kernel(one.pid());
  EXPECT_NE(returns_to.find(fmt::format(", system call {}", SYS_pause)), std::string::npos)
      << returns_to;
  EXPECT_NE(returns_to.find("+0x"), std::string::npos) << returns_to;
}

TEST(CallStacks, AreThoseThatAToolPrints) {
  const auto stacks = detail::stacks_told_by(
      "echo process 5; echo warning; echo '#0  0x5 in f<a, b> (x=1) at b.cc:2'; echo '#1 g () at'; "
      "echo process 6; echo '#0 0x00005 h'");
  EXPECT_EQ(stacks, (std::map<pid_t, std::string>{{5, "f<a, b> < g"}, {6, "h"}}));
  EXPECT_TRUE(detail::stacks_told_by("/no/such/tool").empty());
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

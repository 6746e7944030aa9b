#include "lib/workload/lock_contention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "lib/crew/crew.h"
#include "lib/lock/lock.h"
#include "lib/subject/locks.h"
#include "lib/subject/no_lock.h"
#include "lib/subject/type_list.h"
#include "tests/lib/workload/fixture.h"

namespace shmark {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ThreadSanitizer does not know of semop(2) and of locks on files, and would take what they order
// for races.
#ifdef SHMARK_TSAN
template <lock L>
constexpr bool is_run = !std::is_same_v<L, sysv_semaphore> && !std::is_same_v<L, ofd_lock> &&
                        !std::is_same_v<L, flock_lock>;
#else
template <lock L>
constexpr bool is_run = true;
#endif

class LockContention : public ::testing::TestWithParam<workers_are> {
 protected:
  template <lock L>
  static void expect_concludes(mode how, int workers) {
    SCOPED_TRACE(std::string(L::name) + ' ' + std::string(name_of(how)) + ' ' +
                 std::to_string(workers));
    const run own = begun();
    {
      small_bench bench(
          lock_contention<L>::make(own, {.reads_percent = how == mode::shared ? 100 : 0}),
          {.size = workers, .kind = GetParam()});
      for (int i = 0; i < 2; ++i) {
        const auto counters = bench.window();
        ASSERT_TRUE(counters) << counters.error().message();
        EXPECT_GE(bench.last().operations, static_cast<std::uint64_t>(workers));
      }
    }
    EXPECT_THAT(own.objects(), IsEmpty());
  }
};
INSTANTIATE_TEST_SUITE_P(, LockContention,
                         ::testing::Values(workers_are::processes, workers_are::threads),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(LockContention, TrustsEveryLockInExclusiveMode) {
  for_each_type(all_locks{}, []<class L> {
    if constexpr (is_run<L>) {
      for (const int workers : {1, 2, 3}) expect_concludes<L>(mode::exclusive, workers);
    }
  });
}

TEST_P(LockContention, MeasuresEveryLockInSharedMode) {
  for_each_type(all_locks{}, []<class L> {
    if constexpr (is_run<L> && L::can.shared) {
      for (const int workers : {1, 3}) expect_concludes<L>(mode::shared, workers);
    }
  });
}

TEST_P(LockContention, SpreadsTheWorkersOverSeveralLocks) {
  const run own = begun();
  small_bench bench(lock_contention<robust_rw>::make(own, {.locks = 2}),
                    {.size = 2, .kind = GetParam()});
  const auto counters = bench.window();
  ASSERT_TRUE(counters) << counters.error().message();
  EXPECT_EQ(counters->at("bypass_longest"), 0) << "each has a lock of its own";
  EXPECT_GT(counters->at("bypass_max"), 0);
}

TEST_P(LockContention, MixesSharedAndExclusiveAcquisitions) {
  for_each_type(all_locks{}, []<class L> {
    if constexpr (is_run<L> && L::can.shared) {
      SCOPED_TRACE(std::string(L::name));
      const run own = begun();
      small_bench bench(lock_contention<L>::make(own, {.reads_percent = 50}),
                        {.size = 2, .kind = GetParam()});
      std::uint64_t exclusive = 0;
      std::uint64_t operations = 0;
      while (exclusive == 0 || exclusive == operations) {  // until both kinds were drawn
        const auto counters = bench.window();
        ASSERT_TRUE(counters) << counters.error().message();
        exclusive += bench.last().sum(0);
        operations += bench.last().operations;
      }
    }
  });
}

TEST_P(LockContention, HoldsTheLockForAsLongAsThereIsWork) {
  const run own = begun();
  constexpr std::uint64_t think_ns = 400'000;
  small_bench bench(lock_contention<robust_rw>::make(own, {.cs_ns = 200'000, .think_ns = think_ns}),
                    {.size = 1, .kind = GetParam()}, 1);
  // What comes between two is no part of either. A busy host may prolong each of the few operations
  // of one window, so there are as many windows as it takes; or the watchdog.
  for (bool left_out = false; !left_out;) {
    ASSERT_TRUE(bench.window());
    const auto& times = bench.last().times;
    EXPECT_EQ(times.hold.total(), bench.last().operations);
    // A quarter of the work, for a processor that has got faster since it was measured out.
    EXPECT_GE(times.hold.quantile(0), 50'000u);
    left_out = times.hold.quantile(0) < think_ns &&
               times.latency.quantile(0) < times.hold.quantile(0) + think_ns;
  }
}

TEST_P(LockContention, TellsOfHandoffsAndOfWhoWasBypassed) {
  const run own = begun();
  small_bench bench(lock_contention<robust_rw>::make(own, {}), {.size = 2, .kind = GetParam()}, 1);
  std::uint64_t handoffs = 0;
  std::uint64_t bypassed = 0;
  while (handoffs == 0 || bypassed == 0) {  // until both ran at once; or the watchdog
    ASSERT_TRUE(bench.window());
    handoffs += bench.last().times.handoff.total();
    bypassed += bench.last().times.bypassed.max();
  }
}

TEST_P(LockContention, TakesNoLockForOneWorkerAsTheBaseline) {
  expect_concludes<no_lock>(mode::exclusive, 1);
}

// --- Planted bugs.

#ifndef SHMARK_TSAN  // which reports the race itself
TEST_P(LockContention, FindsALockThatDoesNotExclude) {
  if (allowed_processors().size() < 2) GTEST_SKIP() << "two workers never run at the same time";
  const run own = begun();
  small_bench bench(lock_contention<no_lock>::make(own, {}), {.size = 3, .kind = GetParam()});
  auto counters = bench.window();
  while (counters) counters = bench.window();  // until two were in at once; or the watchdog
  EXPECT_EQ(counters.error().code, errc::corrupt);
  EXPECT_THAT(counters.error().message(), HasSubstr("no_lock"));
  EXPECT_THAT(counters.error().message(), HasSubstr("two workers in at once"));
}
#endif

// Excludes, but fails now and then.
class refusing_lock : public no_lock {
 public:
  static constexpr std::string_view name = "refusing_lock";
  struct state {
    std::atomic<int> acquired;
  };
  static std::expected<void, error> create(state&, const lock_home&) noexcept { return {}; }
  static std::expected<refusing_lock, error> attach(state& at) noexcept {
    return refusing_lock(at);
  }
  static void destroy(state&) noexcept {}
  std::expected<shmark::acquired, error> acquire(mode, deadline) noexcept {
    if (++state_->acquired == 100) return failure(errc::not_recoverable, "acquire lock", name);
    return shmark::acquired::ok;
  }

 private:
  explicit refusing_lock(state& at) noexcept : state_(&at) {}
  state* state_;
};
static_assert(lock<refusing_lock>);

TEST_P(LockContention, EndsWithTheErrorOfALockThatFails) {
  const run own = begun();
  small_bench bench(lock_contention<refusing_lock>::make(own, {}), {.size = 1, .kind = GetParam()});
  auto counters = bench.window();
  while (counters) counters = bench.window();
  EXPECT_EQ(counters.error().code, errc::not_recoverable);
  EXPECT_THAT(counters.error().message(), HasSubstr("refusing_lock"));
}

// Cannot be attached to.
class closed_lock : public no_lock {
 public:
  static constexpr std::string_view name = "closed_lock";
  static std::expected<closed_lock, error> attach(state&) noexcept {
    return failure(errc::corrupt, "attach lock", name);
  }
};
static_assert(lock<closed_lock>);

TEST_P(LockContention, EndsWithTheErrorOfALockThatCannotBeAttachedTo) {
  const run own = begun();
  small_bench bench(lock_contention<closed_lock>::make(own, {}), {.size = 2, .kind = GetParam()});
  const auto counters = bench.window();
  ASSERT_FALSE(counters);
  EXPECT_EQ(counters.error().code, errc::corrupt);
}

}  // namespace
}  // namespace shmark

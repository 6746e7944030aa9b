// The explorer on operations that keep their promises, and on some that do not.

#include "stress/explorer/explorer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/crew/run.h"
#include "lib/lock/robust_rw.h"
#include "lib/segment/posix.h"
#include "lib/store/layout.h"
#include "lib/store/store.h"
#include "lib/subject/no_lock.h"
#include "lib/subject/pthread_mutex.h"
#include "stress/explorer/catalog.h"
#include "stress/explorer/lock_operations.h"
#include "stress/explorer/store_operations.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using explorer::fault_kind;
using explorer::finding;
using explorer::operation;
using explorer::phase;
using explorer::scene;
using explorer::sight;
using result::verdict_kind;
using store_type = store<posix_segment, robust_rw>;
using store_scene = explorer::store_scene<store_type>;

operation named(const std::vector<operation>& all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &operation::name);
  if (found == all.end()) throw std::invalid_argument(std::string(name));
  return *found;
}
operation known(std::string_view name) { return named(explorer::catalog(), name); }
// The lone operations of another lock.
template <lock L>
operation of_lock(std::string_view name) {
  std::vector<operation> all;
  explorer::add_lone_operations<L>(all);
  return named(all, name);
}

explorer::outcome explore(const operation& what, const explorer::options& how) {
  auto in = run::begin();
  if (!in) throw std::runtime_error(in.error().message());
  const auto done = explorer::explore(what, how, *in, {});
  if (!done) throw std::runtime_error(done.error().message());
  EXPECT_TRUE(in->objects().empty());
  return *done;
}

std::string told(const explorer::outcome& done) {
  std::string text = explorer::table_line(done);
  for (const auto& each : done.findings) text += each + "\n";
  return text;
}

// What every exploration that passed has to show.
void expect_passed(const explorer::outcome& done) {
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GT(done.seen.deaths, 0U);
  EXPECT_EQ(done.seen.missed, 0U);
  EXPECT_LE(done.seen.states, done.seen.points);
  EXPECT_EQ(done.seen.of(sight::old_value) + done.seen.of(sight::new_value) +
                done.seen.of(sight::owner_died),
            done.seen.deaths)
      << told(done);
}

TEST(Explorer, KillsAtEveryInstructionOfAnAcquisitionAndItsRelease) {
  const auto done = explore(known("exclusive"), {.every = true});
  expect_passed(done);
  EXPECT_GE(done.seen.deaths, done.seen.points + done.seen.states);
  EXPECT_GE(done.seen.states, 5U);
  for (const auto what : {sight::old_value, sight::new_value, sight::owner_died}) {
    EXPECT_GT(done.seen.of(what), 0U) << told(done);
  }
}

TEST(Explorer, KillsOnceInEachDistinctCrashStateUnlessToldOtherwise) {
  const auto done = explore(known("shared_first"), {});
  expect_passed(done);
  EXPECT_EQ(done.seen.deaths, 2 * done.seen.states);
  EXPECT_EQ(done.seen.of(sight::old_value), done.seen.deaths);
}

// Two that run at once may be recorded in a moment that never comes again. What was recorded and is
// not met in any trial leaves it undecided; then once more.
explorer::outcome explore_until_decided(const operation& what, const explorer::options& how) {
  for (int attempt = 0;; ++attempt) {
    const auto done = explore(what, how);
    if (done.verdict() != verdict_kind::undecided || attempt == 9) return done;
  }
}

TEST(Explorer, KillsOneThatWaitsAndOneThatIsWaitedFor) {
  const auto waits = explore_until_decided(known("wait_exclusive"), {});
  expect_passed(waits);
  EXPECT_GT(waits.seen.asleep, 0U) << "nobody died in his sleep";
  expect_passed(explore_until_decided(known("hand_over"), {}));
}

TEST(Explorer, KillsWritersThatNeedANewSegmentOrGiveOneBack) {
  for (const char* name : {"write", "write_growing", "write_shrinking"}) {
    const auto done = explore(known(name), {});
    expect_passed(done);
    EXPECT_GT(done.seen.of(sight::old_value), 0U) << name;
    EXPECT_GT(done.seen.of(sight::new_value), 0U) << name;
  }
}

TEST(Explorer, KillsOneThatRepairsAStore) {
  auto what = known("write");
  what.prepare = [](const scene& in) {
    store_scene own(in, {100, 200});
    own.prepare();
    auto handle = own.open();
    auto change = handle.write();
    const auto value = explorer::value_of(store_scene::new_seed, 600);
    change->output().write(value.data(), value.size());
    _exit(0);
  };
  what.victim = [](const scene& in) {
    store_scene own(in, {100, 200});
    auto handle = own.open();
    explorer::begin_mark();
    static_cast<void>(handle.read());
    explorer::end_mark();
  };
  what.witness = {};
  const auto done = explore(what, {});
  expect_passed(done);
  EXPECT_GE(done.seen.states, 10U);
  EXPECT_EQ(done.seen.of(sight::old_value), done.seen.deaths);
}

TEST(Explorer, KillsAgainInRecovery) {
  auto what = known("exclusive");
  what.recoverers.resize(1);  // enough for one test
  const auto done = explore(what, {.fault = fault_kind::kill_in_recovery});
  expect_passed(done);
  EXPECT_GT(done.seen.states, explore(known("exclusive"), {}).seen.states);
  EXPECT_FALSE(done.died_at.empty()) << "where the recoverers died";
}

TEST(Explorer, KillsOneThatRemovesAStoreAndOneThatMakesIt) {
  expect_passed(explore(known("remove"), {}));
  expect_passed(explore(known("create"), {}));
}

// In one of the ways in which peers can come after: the program takes all, and has more operations
// of this kind, which take too long for a test.
operation in_one_way(std::string_view name) {
  auto what = known(name);
  what.variants = 1;
  return what;
}

TEST(Explorer, KillsOneThatPublishesSeveralVariablesTogether) {
  const auto done = explore(in_one_way("publish_together"), {});
  expect_passed(done);
  EXPECT_GE(done.seen.states, 100U);
  EXPECT_GT(done.seen.of(sight::old_value), 0U) << "nobody died before it was decided";
  EXPECT_GT(done.seen.of(sight::new_value), 0U) << "nobody died after";
}

TEST(Explorer, KillsOneThatMakesWhatIsSharedByGlue) {
  expect_passed(explore(in_one_way("make_shareable"), {}));
}

TEST(Explorer, SaysWhatIsBlockedByOneThatIsStopped) {
  constexpr explorer::options how{.fault = fault_kind::stop, .probe = 60ms};
  const auto done = explore(known("exclusive"), how);
  expect_passed(done);
  EXPECT_TRUE(done.stopped_at.contains({.probed = {1, 1, 1, 1}})) << "nobody ever gets on";
  EXPECT_TRUE(done.stopped_at.contains({.probed = {2, 2, 2, 2}})) << "nobody is ever blocked";
  const auto joins = explore(known("join"), how);
  expect_passed(joins);
  EXPECT_TRUE(joins.stopped_at.contains({.probed = {1, 1, 2, 2}})) << "newcomers are never blocked";
}

// How often a body has run, in whatever process.
class run_counter {
 public:
  run_counter()
      : count_(new(mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<int>(0)) {}
  run_counter(const run_counter&) = delete;
  run_counter& operator=(const run_counter&) = delete;
  ~run_counter() { munmap(count_, sizeof *count_); }
  int add() const noexcept { return count_->fetch_add(1); }

 private:
  std::atomic<int>* count_;
};

void expect_missed(const explorer::outcome& done) {
  EXPECT_EQ(done.verdict(), verdict_kind::undecided) << told(done);
  EXPECT_GT(done.seen.missed, 0U);
  EXPECT_FALSE(done.missed.empty());
}

TEST(Explorer, IsUndecidedWhereAVictimGoesAnotherWayThanItWasRecorded) {
  auto what = known("exclusive");
  const run_counter runs;
  what.victim = [&](const scene& in) {
    explorer::lock_scene<robust_rw> own(in);
    own.warm_up(mode::exclusive);
    const bool is_first = runs.add() == 0;
    explorer::begin_mark();
    if (is_first) {
      explorer::take(in, own, mode::exclusive);
      explorer::give(in, own, mode::exclusive);
    }
    explorer::end_mark();
  };
  expect_missed(explore(what, {}));
}

TEST(Explorer, IsUndecidedWhereAVictimComesToAPointInAnotherState) {
  auto what = known("exclusive");
  const run_counter runs;
  what.victim = [&](const scene& in) {
    explorer::lock_scene<robust_rw> own(in);
    own.warm_up(mode::exclusive);
    const std::uint64_t value = runs.add() == 0 ? 1 : 0;
    explorer::begin_mark();
    const_cast<volatile std::uint64_t&>(own.where().second) = value;
    const_cast<volatile std::uint64_t&>(own.where().second) = 0;
    explorer::end_mark();
  };
  expect_missed(explore(what, {}));
}

TEST(Explorer, IsVacuousWhereNobodyDied) {
  auto what = known("exclusive");
  what.recoverers.clear();
  const auto done = explore(what, {.fault = fault_kind::kill_in_recovery});
  EXPECT_EQ(done.verdict(), verdict_kind::vacuous);
}

TEST(Explorer, MakesAnEntryOfAnOutcome) {
  constexpr explorer::options how{};
  const auto done = explore(known("shared"), how);
  const auto entry = explorer::to_entry(done, how);
  EXPECT_EQ(entry.name, "Explore/operation:shared/fault:kill");
  ASSERT_TRUE(entry.stress);
  EXPECT_EQ(entry.stress->command,
            "bazel run -c opt //stress/explorer -- --operation=shared --kill");
  EXPECT_EQ(entry.counter("deaths"), static_cast<double>(done.seen.deaths));
  EXPECT_EQ(entry.counter("stuck"), 0.0);
}

// Each of these has a planted bug.

// One finding is enough.
constexpr explorer::options once{.findings_max = 1};
// For those who are stuck, which is to be found soon.
constexpr explorer::options impatient{.patience = 300ms, .findings_max = 1};

void expect_found(finding what, const explorer::outcome& done) {
  EXPECT_EQ(done.verdict(), verdict_kind::failed) << told(done);
  EXPECT_GT(done.seen.of(what), 0U) << told(done);
  EXPECT_FALSE(done.findings.empty());
}

TEST(ExplorerFinds, ALockThatItsDeadHolderKeeps) {
  expect_found(finding::stuck, explore(of_lock<pthread_mutex>("exclusive"), impatient));
}

TEST(ExplorerFinds, ALockThatExcludesNobody) {
  // Two peers have to be inside at the same time for that; sooner or later they are.
  auto done = explore(of_lock<no_lock>("exclusive"), once);
  while (done.verdict() != verdict_kind::failed)
    done = explore(of_lock<no_lock>("exclusive"), once);
  expect_found(finding::lost, done);
}

TEST(ExplorerFinds, ALockThatIsTakenFromAStoppedHolder) {
  expect_found(finding::broken, explore(of_lock<no_lock>("exclusive"),
                                        {.fault = fault_kind::stop, .findings_max = 1000}));
}

TEST(ExplorerFinds, AStoreThatIsTakenFromAStoppedHolder) {
  std::vector<operation> all;
  explorer::add_store_operations<store<posix_segment, no_lock>>(all);
  for (const char* name : {"write", "read"}) {
    expect_found(
        finding::broken,
        explore(named(all, name), {.fault = fault_kind::stop, .probe = 60ms, .findings_max = 1}));
  }
}

// Keeps a death to itself.
class discreet_lock : public robust_rw {
 public:
  static std::expected<discreet_lock, error> attach(state& at) noexcept {
    auto whole = robust_rw::attach(at);
    if (!whole) return std::unexpected(whole.error());
    return discreet_lock(*std::move(whole));
  }
  std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    auto got = robust_rw::acquire(how, until);
    if (got) *got = acquired::ok;
    return got;
  }

 private:
  explicit discreet_lock(robust_rw whole) noexcept : robust_rw(std::move(whole)) {}
};

// So that only a store's own bit says that a writer died.
TEST(Explorer, KillsAWriterWhoseLockSaysNothingOfDeaths) {
  std::vector<operation> all;
  explorer::add_store_operations<store<posix_segment, discreet_lock>>(all);
  expect_passed(explore(named(all, "write_growing"), {}));
}

TEST(ExplorerFinds, ADeathThatIsNotTold) {
  expect_found(finding::broken, explore(of_lock<discreet_lock>("exclusive"), once));
}

// Tells of deaths that were none.
class nervous_lock : public robust_rw {
 public:
  static std::expected<nervous_lock, error> attach(state& at) noexcept {
    auto whole = robust_rw::attach(at);
    if (!whole) return std::unexpected(whole.error());
    return nervous_lock(*std::move(whole));
  }
  std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    auto got = robust_rw::acquire(how, until);
    if (got) *got = acquired::owner_died;
    return got;
  }

 private:
  explicit nervous_lock(robust_rw whole) noexcept : robust_rw(std::move(whole)) {}
};

TEST(ExplorerFinds, ADeathThatIsToldAndWasNone) {
  expect_found(finding::broken, explore(of_lock<nervous_lock>("exclusive"), once));
}

// Writes of 200 bytes where there were 100, by a victim that goes about it in its own way.
using change = std::function<void(const scene&, store_scene&, store_type&)>;
operation write_by(const change& victims) {
  auto what = known("write");
  what.victim = [victims](const scene& in) {
    store_scene own(in, {100, 200});
    auto handle = own.open();
    static_cast<void>(handle.read());
    victims(in, own, handle);
  };
  return what;
}

TEST(ExplorerFinds, AWriterThatPublishesBeforeItsBytesAreComplete) {
  const auto hasty = write_by([](const scene& in, store_scene&, store_type&) {
    const auto segment = posix_segment::attach(in.key);
    auto* const bytes = segment->bytes().data();
    auto& block = *reinterpret_cast<detail::control*>(bytes);
    auto own = robust_rw::attach(*reinterpret_cast<robust_rw::state*>(block.lock_area.data()));
    const auto value = explorer::value_of(store_scene::new_seed, 200);
    explorer::begin_mark();
    in.shared().wrote = 1;
    in.enter(phase::taking);
    EXPECT_TRUE(own->acquire(mode::exclusive, deadline::never()));
    const std::uint64_t serial = detail::serial_of(block.word.load()) + 1;
    auto& spare = block.sides[serial % 2];
    spare.length = value.size();
    spare.checksum = detail::checksum(value);
    block.word.store(detail::word_of(serial));
    std::memcpy(bytes + sizeof block + (serial % 2) * store_scene::capacity, value.data(),
                value.size());
    own->release(mode::exclusive);
    in.enter(phase::done);
    explorer::end_mark();
  });
  expect_found(finding::torn, explore(hasty, once));
}

TEST(ExplorerFinds, AWriterThatAcknowledgesBeforeItPublishes) {
  const auto early = write_by([](const scene& in, store_scene& own, store_type& handle) {
    explorer::begin_mark();
    in.shared().wrote = 1;
    in.enter(phase::giving);
    own.write(handle, explorer::value_of(store_scene::new_seed, 200));
    in.enter(phase::done);
    explorer::end_mark();
  });
  expect_found(finding::lost, explore(early, once));
}

// Makes a segment that is recorded nowhere, and removes it a moment later.
void make_and_remove(const scene& in) {
  const auto made = posix_segment::create(segment_key::random_in(in.key.space), 100, 0600);
  if (made) static_cast<void>(made->unlink());
}

TEST(ExplorerFinds, AWriterThatMakesASegmentBeforeItRecordsIt) {
  const auto leaking = write_by([](const scene& in, store_scene& own, store_type& handle) {
    explorer::begin_mark();
    make_and_remove(in);
    own.change(handle);
    explorer::end_mark();
  });
  expect_found(finding::leaked, explore(leaking, once));
}

TEST(ExplorerFinds, ARecoveryThatLeaksWhenItIsCutShort) {
  auto what = known("write");
  what.recoverers = {[](const scene& in) {
    explorer::begin_mark();
    make_and_remove(in);
    explorer::end_mark();
  }};
  EXPECT_EQ(explore(what, once).verdict(), verdict_kind::passed) << "a leak without recovery";
  auto how = once;
  how.fault = fault_kind::kill_in_recovery;
  expect_found(finding::leaked, explore(what, how));
}

TEST(ExplorerFinds, AVictimThatEndsByItself) {
  const auto mortal = write_by([](const scene&, store_scene&, store_type&) {
    explorer::begin_mark();
    raise(SIGABRT);
  });
  expect_found(finding::broken, explore(mortal, once));
}

TEST(ExplorerFinds, AProberThatNeverJoins) {
  auto what = known("exclusive");
  what.prober = [](const scene& in) { in.await(explorer::over); };
  auto how = impatient;
  how.fault = fault_kind::stop;
  expect_found(finding::stuck, explore(what, how));
}

TEST(ExplorerFinds, AVictimThatHangsWhereNobodyIsInItsWay) {
  const auto hanging = write_by([](const scene& in, store_scene&, store_type&) {
    explorer::begin_mark();
    in.await(explorer::over);
  });
  expect_found(finding::stuck, explore(hanging, impatient));
}

}  // namespace
}  // namespace shmark

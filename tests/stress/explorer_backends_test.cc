// The explorer on what stands on System V segments and semaphores, on bugs that were planted there,
// and within a time that does not suffice. That nothing is left is looked after by :main.

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/posix.h"
#include "lib/segment/sysv.h"
#include "lib/store/layout.h"
#include "lib/store/store.h"
#include "stress/explorer/catalog.h"
#include "stress/explorer/explorer.h"
#include "stress/explorer/store_operations.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"

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
using store_type = store<sysv_segment, sysv_semaphore>;
using store_scene = explorer::store_scene<store_type>;

constexpr std::string_view backend = "sysv+sysv_semaphore";

operation named(const std::vector<operation>& all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &operation::name);
  if (found == all.end()) throw std::invalid_argument(std::string(name));
  return *found;
}
// In one of the ways in which peers can come after: the program takes all.
operation known(std::string_view name) {
  auto what = named(explorer::catalog_of(backend), explorer::name_on(backend, name));
  what.variants = 1;
  return what;
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
  for (const auto& each : done.missed) text += "missed: " + each + "\n";
  return text;
}

void expect_passed(const explorer::outcome& done) {
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GT(done.seen.of(sight::old_value), 0U) << told(done);
  EXPECT_GT(done.seen.of(sight::new_value), 0U) << told(done);
}

TEST(ExplorerOnSystemV, HasEveryOperationOnEveryBackend) {
  for (const auto each : explorer::backends) {
    for (const char* name : {"write", "create", "refer", "publish_together"}) {
      EXPECT_NO_THROW(named(explorer::catalog_of(each), explorer::name_on(each, name))) << each;
    }
  }
  EXPECT_EQ(explorer::name_on(explorer::backends.front(), "write"), "write");
  EXPECT_EQ(explorer::name_on(backend, "write"), "write@sysv+sysv_semaphore");
}

TEST(ExplorerOnSystemV, KillsAWriterThatNeedsANewSegment) {
  const auto done = explore(known("write_growing"), {});
  expect_passed(done);
  EXPECT_EQ(done.done.share(), 1);
  EXPECT_FALSE(done.died_at.empty());
}

// Of reads, which have few crash states.
TEST(ExplorerOnSystemV, KillsAgainInRecovery) {
  auto what = known("write");
  const explorer::body reads = [](const scene& in) {
    store_scene own(in, {100, 200});
    auto handle = own.open();
    explorer::begin_mark();
    static_cast<void>(handle.read());
    explorer::end_mark();
  };
  what.victim = reads;
  what.recoverers = {reads};
  const auto done = explore(what, {.fault = fault_kind::kill_in_recovery});
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_EQ(done.seen.of(sight::old_value), done.seen.deaths);
  EXPECT_EQ(done.done.beginnings, done.done.beginnings_max);
}

TEST(ExplorerOnSystemV, StopsAWriter) {
  const auto done = explore(known("write"), {.fault = fault_kind::stop, .probe = 10ms});
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_TRUE(done.stopped_at.contains({.probed = {2, 2, 2, 2}})) << "nobody is ever blocked";
}

key_t any_key() { return static_cast<key_t>(unpredictable_number() & 0x3fffffff) + 1; }

// Who removes what is left is none of those who end with it.
TEST(ExplorerOnSystemV, LeavesNothingWhenItIsKilled) {
  const key_t key = any_key();
  const support::shared<std::array<char, 128>> space;
  auto killed = support::child::start([&] {
    auto what = known("write");
    what.prepare = [&space, key, whole = getpid()](const scene& in) {
      std::ranges::copy(in.key.space.view(), space->begin());
      EXPECT_GE(shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600), 0);
      kill(whole, SIGKILL);
    };
    static_cast<void>(explore(what, {}));
  });
  EXPECT_EQ(killed.wait(), support::killed_by(SIGKILL));
  while (shmget(key, 0, 0) >= 0) sched_yield();
  // Its run's objects are for the next run, as soon as all of its processes have ended.
  const std::string_view explored(space->data());
  const auto of_run = "shmark." + std::string(explored.substr(0, explored.rfind('.')));
  while (!posix_segment::names(of_run).empty()) static_cast<void>(run::begin());
}

// Each of these has a planted bug.

void expect_found(finding what, const explorer::outcome& done) {
  EXPECT_EQ(done.verdict(), verdict_kind::failed) << told(done);
  EXPECT_GT(done.seen.of(what), 0U) << told(done);
}

constexpr explorer::options once{.findings_max = 1};

// The word that publishes is stored before the bytes are there.
TEST(ExplorerFindsOnSystemV, AWriterThatPublishesBeforeItsBytesAreComplete) {
  auto what = known("write");
  what.victim = [](const scene& in) {
    const auto segment = sysv_segment::attach(in.key);
    auto* const bytes = segment->bytes().data();
    auto& block = *reinterpret_cast<detail::control*>(bytes);
    auto own =
        sysv_semaphore::attach(*reinterpret_cast<sysv_semaphore::state*>(block.lock_area.data()));
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
  };
  expect_found(finding::torn, explore(what, once));
}

// A holder's death undoes nothing.
class lasting_semaphore : public sysv_semaphore {
 public:
  static std::expected<lasting_semaphore, error> attach(state& at) noexcept {
    auto whole = sysv_semaphore::attach(at);
    if (!whole) return std::unexpected(whole.error());
    return lasting_semaphore(*std::move(whole), semget(at.key.load(), 0, 0));
  }
  std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    auto got = sysv_semaphore::acquire(how, until);
    std::array<unsigned short, 3> counts{};
    // Setting them makes the system forget what was to be undone.
    if (got && semctl(id_, 0, GETALL, counts.data()) == 0) semctl(id_, 0, SETALL, counts.data());
    return got;
  }

 private:
  lasting_semaphore(sysv_semaphore whole, int id) noexcept
      : sysv_semaphore(std::move(whole)), id_(id) {}
  int id_;
};

TEST(ExplorerFindsOnSystemV, ALockThatItsDeadHolderKeeps) {
  std::vector<operation> all;
  explorer::add_store_operations<store<sysv_segment, lasting_semaphore>>(all);
  expect_found(finding::stuck,
               explore(named(all, "write"), {.patience = 300ms, .findings_max = 1}));
}

// By a victim that makes something under a key that is recorded nowhere, and removes it a moment
// later.
operation write_by(std::function<void(key_t)> make, key_t key) {
  auto what = known("write");
  what.victim = [make = std::move(make), key](const scene&) {
    explorer::begin_mark();
    make(key);
    explorer::end_mark();
  };
  return what;
}
TEST(ExplorerFindsOnSystemV, ASegmentThatIsRecordedNowhere) {
  const key_t key = any_key();
  const auto leaking = write_by(
      [](key_t of) { shmctl(shmget(of, 100, IPC_CREAT | IPC_EXCL | 0600), IPC_RMID, nullptr); },
      key);
  expect_found(finding::leaked, explore(leaking, once));
  EXPECT_EQ(shmget(key, 0, 0), -1) << "it has found it, and left it";
}

TEST(ExplorerFindsOnSystemV, SemaphoresThatAreRecordedNowhere) {
  const key_t key = any_key();
  const auto leaking = write_by(
      [](key_t of) { semctl(semget(of, 1, IPC_CREAT | IPC_EXCL | 0600), 0, IPC_RMID); }, key);
  expect_found(finding::leaked, explore(leaking, once));
  EXPECT_EQ(semget(key, 0, 0), -1) << "it has found them, and left them";
}

// Not enough time.

TEST(ExplorerInTime, IsUndecidedAndSaysWhatIsMissing) {
  for (const auto fault : {fault_kind::kill, fault_kind::kill_in_recovery}) {
    const explorer::options how{.fault = fault, .budget = 1ms, .seed = 3};
    const auto done = explore(known("write"), how);
    EXPECT_EQ(done.verdict(), verdict_kind::undecided) << told(done);
    EXPECT_LT(done.done.share(), 1);
    EXPECT_TRUE(explorer::what_is_missing(done).contains("missing")) << what_is_missing(done);
    EXPECT_TRUE(explorer::command_of("write", how).ends_with(" --seed=3"));
  }
}

TEST(ExplorerInTime, IsCompleteWhereTheTimeSuffices) {
  const auto done = explore(known("write"), {.budget = 1h});
  expect_passed(done);
  EXPECT_EQ(done.done.share(), 1);
  EXPECT_EQ(explorer::what_is_missing(done), "");
}

TEST(ExplorerCoverage, NamesLinesByHowOftenOneDiedThere) {
  const explorer::file_coverage of{.file = "lib/x.cc",
                                   .deaths = {{1, 0}, {2, 0}, {3, 9}, {5, 0}, {7, 10}, {8, 1000}}};
  EXPECT_EQ(of.text(), "   3 of    6; never: 1-2, 5; 1-9 times: 3; 10-99: 7; 1000 and more: 8");
  EXPECT_TRUE(explorer::coverage_table({of}).contains("lib/x.cc"));
}

}  // namespace
}  // namespace shmark

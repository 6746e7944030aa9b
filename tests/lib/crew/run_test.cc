#include "lib/crew/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/descriptor.h"
#include "lib/base/random.h"
#include "lib/lock/robust_rw.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/posix.h"
#include "lib/shm/domain.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::shared;
using support::steps;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

[[noreturn]] void hang() {
  for (;;) pause();
}

run begun() {
  auto made = run::begin();
  if (!made) throw std::runtime_error(made.error().message());
  return *std::move(made);
}

// What the system has of a run, after it has ended or while it has not.
struct traces {
  char domain[48];
  char space[96];
  std::int32_t semaphore_key;

  void note(const run& of, const sysv_semaphore::state* lock) {
    std::snprintf(domain, sizeof domain, "%s", of.domain().c_str());
    std::snprintf(space, sizeof space, "%s", std::string(of.space().view()).c_str());
    semaphore_key = lock == nullptr ? 0 : lock->key.load();
  }
  // Its objects in /dev/shm, also the one that it is alive by.
  [[nodiscard]] std::vector<std::string> objects() const {
    return posix_segment::names(std::string("shmark.") + space);
  }
  [[nodiscard]] bool has_semaphores() const { return semget(semaphore_key, 0, 0) >= 0; }
  // Until they are: another process may be about to sweep them, and be the only one who can.
  void sweep() const {
    while (!objects().empty() || has_semaphores()) static_cast<void>(run::begin());
  }
};

// Everything that a run can have: a domain with a variable, and locks.
class furnished_run {
 public:
  furnished_run() : run_(begun()) {
    auto names = domain<>::open(run_.domain());
    if (!names) throw std::runtime_error(names.error().message());
    auto value = names->variable<int>("value");
    if (!value || !value->write(1)) throw std::runtime_error("no variable");
    semaphores_.emplace(*lock_cell<sysv_semaphore>::create(run_));
    robust_.emplace(*lock_cell<robust_rw>::create(run_));
  }

  [[nodiscard]] run& get() noexcept { return run_; }
  [[nodiscard]] traces left() const {
    traces all{};
    all.note(run_, &semaphores_->state());
    return all;
  }

 private:
  run run_;
  std::optional<lock_cell<sysv_semaphore>> semaphores_;
  std::optional<lock_cell<robust_rw>> robust_;
};

// A process with a furnished run.
class supervisor {
 public:
  supervisor()
      : process_(child::start([this] {
          const furnished_run own;
          *left_ = own.left();
          // A worker, as of a crew whose kernel takes its time to kill it.
          const pid_t worker = fork();
          if (worker == 0) hang();
          *worker_ = worker;
          step_.reach(1);
          step_.await(2);
          kill(worker, SIGKILL);
          waitpid(worker, nullptr, 0);
        })) {
    step_.await(1);
  }

  [[nodiscard]] const traces& left() const noexcept { return *left_; }
  void kill_all_but_the_worker() { process_.kill(); }
  void kill_the_worker() {
    kill(*worker_, SIGKILL);
    // It is our child now (see tests/support/main.cc).
    while (waitpid(*worker_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  support::ending end() {
    step_.reach(2);
    return process_.wait();
  }

 private:
  shared<traces> left_;
  shared<pid_t> worker_;
  steps step_;
  child process_;
};

TEST(Run, NamesItsObjects) {
  const run own = begun();
  EXPECT_THAT(own.objects(), IsEmpty());
  {
    const auto cell = lock_cell<robust_rw>::create(own);
    ASSERT_TRUE(cell);
    ASSERT_EQ(own.objects().size(), 1u);
    EXPECT_THAT(own.objects().front(), HasSubstr(own.domain()));
    auto names = domain<>::open(own.domain());
    ASSERT_TRUE(names);
    ASSERT_TRUE(names->variable<int>("value"));
    EXPECT_GT(own.objects().size(), 2u);
    ASSERT_TRUE(names->cleanup());
    EXPECT_EQ(own.objects().size(), 1u);
  }
  EXPECT_THAT(own.objects(), IsEmpty()) << "what is removed by its maker is no leftover";
}

TEST(Run, LeavesNothingWhenItEnds) {
  traces left{};
  {
    furnished_run own;
    left = own.left();
    EXPECT_GT(left.objects().size(), 3u);
    EXPECT_TRUE(left.has_semaphores());
    own.get().end();
    EXPECT_THAT(left.objects(), IsEmpty());
    EXPECT_FALSE(left.has_semaphores());
    own.get().end();
  }
  EXPECT_THAT(left.objects(), IsEmpty());
  {
    const furnished_run other;
    left = other.left();
  }
  EXPECT_THAT(left.objects(), IsEmpty()) << "its destructor ends it";
  EXPECT_FALSE(left.has_semaphores());
}

TEST(Run, IsEndedByTheObjectThatItWasMovedTo) {
  traces left{};
  std::optional<run> last;
  {
    run first = begun();
    left.note(first, nullptr);
    last.emplace(std::move(first));
  }
  EXPECT_EQ(left.objects().size(), 1u);
  EXPECT_EQ(last->domain(), left.domain);
  last.reset();
  EXPECT_THAT(left.objects(), IsEmpty());
}

TEST(Run, IsNotEndedByAForkedChild) {
  furnished_run own;
  const auto before = own.left().objects();
  auto worker = child::start([&] {
    own.get().end();
    const run taken = std::move(own.get());
  });
  EXPECT_EQ(worker.wait(), exited(0));
  EXPECT_EQ(own.left().objects(), before);
  EXPECT_TRUE(own.left().has_semaphores());
}

TEST(Run, IsIndependentOfAnother) {
  furnished_run one;
  std::optional<furnished_run> other(std::in_place);
  EXPECT_NE(one.get().domain(), other->get().domain());
  const auto kept = one.left().objects();
  for (const auto& name : other->left().objects()) EXPECT_THAT(kept, Not(Contains(name)));
  other.reset();
  EXPECT_EQ(one.left().objects(), kept);
  EXPECT_TRUE(one.left().has_semaphores());
}

// Other tests begin runs at the same time, and may sweep before this one does: then another try.
TEST(Run, IsSweptByTheNextOneWhenItWasKilled) {
  bool reported = false;
  for (int attempt = 0; attempt < 100 && !reported; ++attempt) {
    supervisor dead;
    dead.kill_all_but_the_worker();
    dead.kill_the_worker();
    const run next = begun();
    for (const auto& sentence : next.swept()) {
      if (sentence.find(dead.left().domain) == std::string::npos) continue;
      reported = true;
      EXPECT_THAT(sentence, ContainsRegex("was killed .* removed [4-9] objects"));
      EXPECT_THAT(dead.left().objects(), IsEmpty());
      EXPECT_FALSE(dead.left().has_semaphores());
    }
    dead.left().sweep();
  }
  EXPECT_TRUE(reported);
}

TEST(Run, IsNeverSweptWhileItLives) {
  supervisor alive;
  const auto before = alive.left().objects();
  for (int i = 0; i < 20; ++i) {
    const run other = begun();
    EXPECT_THAT(other.swept(), Not(Contains(HasSubstr(alive.left().domain))));
  }
  EXPECT_EQ(alive.left().objects(), before);
  EXPECT_TRUE(alive.left().has_semaphores());
  EXPECT_EQ(alive.end(), exited(0));
  EXPECT_THAT(alive.left().objects(), IsEmpty());
  EXPECT_FALSE(alive.left().has_semaphores());
}

TEST(Run, IsNotSweptBeforeTheLastOfItsWorkersIsDead) {
  supervisor dead;
  dead.kill_all_but_the_worker();
  const auto before = dead.left().objects();
  EXPECT_GT(before.size(), 3u);
  for (int i = 0; i < 20; ++i) {
    const run other = begun();
    EXPECT_THAT(other.swept(), Not(Contains(HasSubstr(dead.left().domain))));
  }
  EXPECT_EQ(dead.left().objects(), before);
  EXPECT_TRUE(dead.left().has_semaphores());
  dead.kill_the_worker();
  dead.left().sweep();
}

TEST(Run, ThatHadOnlyBegunIsSweptWithoutAWord) {
  const shared<traces> left;
  auto dead = child::start([&] {
    const run own = begun();
    left->note(own, nullptr);
    raise(SIGKILL);
  });
  dead.wait();
  const run next = begun();
  EXPECT_THAT(next.swept(), Not(Contains(HasSubstr(left->domain))));
  left->sweep();
}

// Whoever removes a run may die before it is done, and then the next one must find the rest. To
// catch it in between, another process watches.
TEST(Run, LosesLastWhatItIsFoundBy) {
  for (const bool is_killed : {false, true}) {
    supervisor owner;
    steps watching;
    auto watcher = child::start([&] {
      const std::string alive = std::string("/shmark.") + owner.left().space + ".alive";
      watching.reach(1);
      while (descriptor(shm_open(alive.c_str(), O_RDONLY | O_CLOEXEC, 0))) {
      }
      EXPECT_THAT(owner.left().objects(), IsEmpty());
    });
    watching.await(1);
    if (is_killed) {
      owner.kill_all_but_the_worker();
      owner.kill_the_worker();
      owner.left().sweep();
    } else {
      EXPECT_EQ(owner.end(), exited(0));
    }
    EXPECT_EQ(watcher.wait(), exited(0)) << (is_killed ? "swept" : "ended");
  }
}

// Objects that look like locks with semaphores, but for what says that they are.
TEST(Run, RemovesNoSemaphoresButThoseOfItsLocks) {
  sysv_semaphore::state strangers{};
  ASSERT_TRUE(sysv_semaphore::create(strangers, {}));
  traces left{};
  {
    const run own = begun();
    left.note(own, &strangers);
    for (const auto lock_name : {robust_rw::name, sysv_semaphore::name}) {
      const auto object =
          posix_segment::create(segment_key::random_in(own.space()), 4096, 0600).value();
      auto* header = new (object.bytes().data()) detail::cell_header{};
      detail::stamp(*header, lock_name);
      if (lock_name == sysv_semaphore::name) ++header->magic[0];
      new (header + 1) sysv_semaphore::state{.key = strangers.key.load()};
    }
  }
  EXPECT_THAT(left.objects(), IsEmpty());
  EXPECT_TRUE(left.has_semaphores());
  sysv_semaphore::destroy(strangers);
}

// What another user can put into /dev/shm: a run that looks dead, and an object of it that names
// semaphores of ours.
class plant {
 public:
  plant(uid_t owner, mode_t mode, std::int32_t key) {
    // Its owner is the one who makes it, and only root may be another.
    auto planter = child::start([&] {
      if (owner != geteuid() && setresuid(owner, owner, owner) != 0) _exit(77);
      detail::cell_header header{};
      detail::stamp(header, sysv_semaphore::name);
      const sysv_semaphore::state state{.key = key};
      const auto put = [&](const std::string& name, bool has_lock) {
        const descriptor object(
            shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        ASSERT_TRUE(object);
        ASSERT_EQ(fchmod(object.number(), mode), 0);
        if (!has_lock) return;
        ASSERT_EQ(pwrite(object.number(), &header, sizeof header, 0), ssize_t{sizeof header});
        ASSERT_EQ(pwrite(object.number(), &state, sizeof state, sizeof header),
                  ssize_t{sizeof state});
      };
      put(lock(), true);
      put(alive(), false);
    });
    is_there_ = planter.wait() == exited(0);
  }
  plant(const plant&) = delete;
  plant& operator=(const plant&) = delete;
  ~plant() {
    shm_unlink(alive().c_str());
    shm_unlink(lock().c_str());
  }

  [[nodiscard]] bool is_there() const noexcept { return is_there_; }
  [[nodiscard]] const std::string& domain() const noexcept { return domain_; }

 private:
  [[nodiscard]] std::string alive() const { return name_ + ".alive"; }
  [[nodiscard]] std::string lock() const { return name_ + ".0000000000000001"; }

  std::string domain_ = fmt::format("run-{:016x}", unpredictable_number());
  std::string name_ = "/shmark." + detail::space_of(domain_);
  bool is_there_ = false;
};

void expect_not_believed(const plant& planted, const traces& semaphores) {
  ASSERT_TRUE(planted.is_there());
  const run own = begun();
  EXPECT_THAT(own.swept(), Not(Contains(HasSubstr(planted.domain()))));
  EXPECT_TRUE(semaphores.has_semaphores());
}

TEST(Run, BelievesNothingThatOthersCouldHaveWritten) {
  const run own = begun();
  const auto cell = lock_cell<sysv_semaphore>::create(own);
  ASSERT_TRUE(cell);
  traces left{};
  left.note(own, &cell->state());
  expect_not_believed(plant(geteuid(), 0666, left.semaphore_key), left);
}

TEST(Run, BelievesNothingOfAnotherUser) {
  constexpr uid_t nobody = 65534;
  const auto may_not = child::start([] { _exit(setuid(nobody) == 0 ? 0 : 77); }).wait();
  if (geteuid() == nobody || may_not == exited(77)) GTEST_SKIP() << "cannot become another user";
  const run own = begun();
  const auto cell = lock_cell<sysv_semaphore>::create(own);
  ASSERT_TRUE(cell);
  traces left{};
  left.note(own, &cell->state());
  expect_not_believed(plant(nobody, 0600, left.semaphore_key), left);
}

TEST(Run, CanBeBegunByManyAtOnceWhileOthersAreKilled) {
  constexpr std::size_t processes = 4;
  constexpr std::size_t rounds = 10;
  const shared<std::array<traces, processes * rounds>> left;
  std::vector<child> all;
  for (std::size_t i = 0; i < processes; ++i) {
    all.push_back(child::start([&, i] {
      for (std::size_t round = 0; round < rounds; ++round) {
        auto victim = child::start([&] {
          const furnished_run own;
          (*left)[i * rounds + round] = own.left();
          raise(SIGKILL);
        });
        EXPECT_EQ(victim.wait(), support::killed_by(SIGKILL));
        const furnished_run own;
        EXPECT_GT(own.left().objects().size(), 3u);
        EXPECT_TRUE(own.left().has_semaphores()) << "swept while it lived";
      }
    }));
  }
  for (auto& each : all) EXPECT_EQ(each.wait(), exited(0));
  for (const auto& each : *left) each.sweep();
}

// As containers do that share /dev/shm: the semaphores are out of the other's reach.
TEST(Run, IsLeftToThoseWhoCanRemoveItsSemaphores) {
  const auto may_not = child::start([] { _exit(unshare(CLONE_NEWIPC) == 0 ? 0 : 77); }).wait();
  if (may_not == exited(77)) GTEST_SKIP() << "no permission to make another IPC namespace";
  supervisor dead;
  dead.kill_all_but_the_worker();
  dead.kill_the_worker();
  auto elsewhere = child::start([&] {
    ASSERT_EQ(unshare(CLONE_NEWIPC), 0);
    for (int i = 0; i < 5; ++i) {
      EXPECT_THAT(begun().swept(), Not(Contains(HasSubstr(dead.left().domain))));
    }
  });
  EXPECT_EQ(elsewhere.wait(), exited(0));
  dead.left().sweep();
}

// --- Cells.

TEST(LockCell, IsALockAndACounterOfTheRun) {
  const run own = begun();
  const auto cell = lock_cell<robust_rw>::create(own);
  ASSERT_TRUE(cell);
  EXPECT_EQ(cell->guarded().acquisitions, 0u);
  auto worker = child::start([&] {
    auto handle = robust_rw::attach(cell->state());
    ASSERT_TRUE(handle);
    ASSERT_TRUE(handle->acquire(mode::exclusive, deadline::never()));
    cell->guarded().count();
    handle->release(mode::exclusive);
  });
  EXPECT_EQ(worker.wait(), exited(0));
  EXPECT_EQ(cell->guarded().acquisitions, 1u);
}

TEST(LockCell, GivesBackWhatItsLockTookFromTheSystem) {
  const run own = begun();
  traces left{};
  {
    auto cell = lock_cell<sysv_semaphore>::create(own);
    ASSERT_TRUE(cell);
    const lock_cell<sysv_semaphore> moved = *std::move(cell);
    left.note(own, &moved.state());
    EXPECT_TRUE(left.has_semaphores());
    EXPECT_EQ(own.objects().size(), 1u);
  }
  EXPECT_FALSE(left.has_semaphores());
  EXPECT_THAT(own.objects(), IsEmpty());
}

}  // namespace
}  // namespace shmark

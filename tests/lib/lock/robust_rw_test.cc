// What robust_rw promises beyond other locks (see lib/lock/robust_rw.h).

#include "lib/lock/robust_rw.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "lib/lock/roster.h"
#include "lib/segment/posix.h"
#include "tests/lib/lock/fixture.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"
#include "tests/support/unique_space.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::shared;
using support::steps;
using lock_under_test = shared_lock<robust_rw>;

constexpr std::array both_modes{mode::exclusive, mode::shared};

// Acquires and releases at once; what that came to.
std::string try_once(robust_rw& handle, mode how) {
  const auto got = handle.acquire(how, deadline::none());
  if (got) handle.release(how);
  return outcome(got);
}

// --- Deaths.

TEST(RobustRw, DoesNotReportADeadSharedHolder) {
  for (const mode how : both_modes) {
    const lock_under_test lock;
    holder dead(lock, mode::shared);
    dead.kill();
    auto handle = lock.open();
    EXPECT_EQ(outcome(handle.acquire(how, deadline::never())), "ok");
    handle.release(how);
  }
}

TEST(RobustRw, StaysDamagedWhileThoseWhoAreToldDieInWhateverMode) {
  for (const mode how : both_modes) {
    const lock_under_test lock;
    holder first(lock, mode::exclusive);
    first.kill();
    for (int i = 0; i < 3; ++i) {
      holder told(lock, how);
      EXPECT_EQ(told.told(), acquired::owner_died);
      told.kill();
    }
    auto handle = lock.open();
    EXPECT_EQ(try_once(handle, mode::exclusive), "owner_died");
    EXPECT_EQ(try_once(handle, mode::exclusive), "ok");
  }
}

TEST(RobustRw, StaysDamagedUntilOneWhoWasToldHasReleasedItFromExclusive) {
  const lock_under_test lock;
  holder first(lock, mode::exclusive);
  first.kill();
  auto handle = lock.open();
  EXPECT_EQ(try_once(handle, mode::shared), "owner_died");
  EXPECT_EQ(try_once(handle, mode::shared), "owner_died");
  EXPECT_EQ(try_once(handle, mode::exclusive), "owner_died");
  for (const mode how : both_modes) EXPECT_EQ(try_once(handle, how), "ok");
}

TEST(RobustRw, ReadersThatAreToldAreThereTogether) {
  const lock_under_test lock;
  holder first(lock, mode::exclusive);
  first.kill();
  holder second(lock, mode::shared);
  holder third(lock, mode::shared);
  EXPECT_EQ(second.told(), acquired::owner_died);
  EXPECT_EQ(third.told(), acquired::owner_died);
  auto handle = lock.open();
  EXPECT_EQ(try_once(handle, mode::exclusive), "would_block");
}

TEST(RobustRw, TheDeathOfAWriterThatWaitsForReadersIsNotReported) {
  const lock_under_test lock;
  holder reader(lock, mode::shared);
  steps step;
  auto writer = child::start([&] {
    auto own = lock.open();
    step.reach(1);
    static_cast<void>(own.acquire(mode::exclusive, deadline::never()));
  });
  step.await(1);
  writer.await_asleep();
  auto handle = lock.open();
  EXPECT_EQ(try_once(handle, mode::shared), "would_block") << "it would starve the writer";
  writer.kill();
  EXPECT_EQ(try_once(handle, mode::shared), "ok");
  EXPECT_EQ(try_once(handle, mode::exclusive), "would_block");
  EXPECT_EQ(reader.release(), exited(0));
  EXPECT_EQ(try_once(handle, mode::exclusive), "ok");
}

TEST(RobustRw, TheDeathOfAWriterThatHadWaitedForReadersIsReported) {
  const lock_under_test lock;
  auto handle = lock.open();
  EXPECT_EQ(try_once(handle, mode::shared), "ok");  // from now on there may be readers
  holder writer(lock, mode::exclusive);
  writer.kill();
  EXPECT_EQ(try_once(handle, mode::exclusive), "owner_died");
}

TEST(RobustRw, AWriterThatWaitsGoesOnWhenTheReaderIsKilled) {
  const lock_under_test lock;
  holder reader(lock, mode::shared);
  steps step;
  auto writer = child::start([&] {
    auto own = lock.open();
    step.reach(1);
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
    own.release(mode::exclusive);
  });
  step.await(1);
  writer.await_asleep();
  reader.kill();
  EXPECT_EQ(writer.wait(), exited(0));
}

TEST(RobustRw, AThreadThatEndsHoldingItSharedHoldsNothingAnyMore) {
  const lock_under_test lock;
  std::jthread([&] {
    auto own = lock.open();
    EXPECT_EQ(outcome(own.acquire(mode::shared, deadline::never())), "ok");
  }).join();
  auto handle = lock.open();
  EXPECT_EQ(try_once(handle, mode::exclusive), "ok");
}

[[noreturn]] void become_another_program() {
  execl("/bin/sleep", "sleep", "1000", nullptr);
  _exit(1);
}
// Returns when it has done so.
void await_another_program(const child& process) {
  const auto link = "/proc/" + std::to_string(process.pid()) + "/exe";
  std::error_code ignored;
  const auto ours = std::filesystem::read_symlink("/proc/self/exe");
  for (;;) {
    const auto now = std::filesystem::read_symlink(link, ignored);  // empty in the midst of it
    if (!now.empty() && now != ours) return;
    sched_yield();
  }
}

TEST(RobustRw, AHolderThatExecutesAnotherProgramHasDied) {
  for (const bool in_first_thread : {true, false}) {
    const lock_under_test lock;
    steps step;
    auto executing = child::start([&] {
      const auto body = [&] {
        auto own = lock.open();
        EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
        step.reach(1);
        become_another_program();
      };
      if (in_first_thread) body();
      std::jthread(body).join();
    });
    step.await(1);
    await_another_program(executing);
    auto handle = lock.open();
    EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::none())), "owner_died")
        << "in the first thread: " << in_first_thread;
    handle.release(mode::exclusive);
    executing.kill();
  }
}

TEST(RobustRw, ADeadHoldersPlaceInTheRosterIsTakenAndItsDeathStillReported) {
  const lock_under_test lock;
  const shared<robust_rw::state> other;
  ASSERT_TRUE(robust_rw::create(
      *other, {.space = lock.home().space, .beside = robust_rw::company(lock.state())}));
  holder dead(lock, mode::exclusive);
  dead.kill();
  steps step;
  auto successor = child::start([&] {
    auto own = robust_rw::attach(*other);
    EXPECT_EQ(outcome(own->acquire(mode::shared, deadline::never())), "ok");
    step.reach(1);
    step.await(2);
    own->release(mode::shared);
  });
  step.await(1);
  auto handle = lock.open();
  EXPECT_EQ(try_once(handle, mode::exclusive), "owner_died");
  EXPECT_EQ(try_once(handle, mode::exclusive), "ok");
  step.reach(2);
  EXPECT_EQ(successor.wait(), exited(0));
  robust_rw::destroy(*other);
}

// --- Downgrade and upgrade, beyond lock_conversion_test.cc.

TEST(RobustRw, ADowngradeAfterADeathMakesItWhole) {
  const lock_under_test lock;
  holder first(lock, mode::exclusive);
  first.kill();
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "owner_died");
  ASSERT_TRUE(handle.downgrade());
  holder reader(lock, mode::shared);
  EXPECT_EQ(reader.told(), acquired::ok);
  handle.release(mode::shared);
}

TEST(RobustRw, AnUpgradeIsRefusedWhileAWriterWaitsForReaders) {
  const lock_under_test lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::shared, deadline::never())), "ok");
  steps step;
  auto writer = child::start([&] {
    auto own = lock.open();
    step.reach(1);
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
    own.release(mode::exclusive);
  });
  step.await(1);
  writer.await_asleep();
  EXPECT_EQ(outcome(handle.upgrade(deadline::never())), "would_deadlock");
  handle.release(mode::shared);
  EXPECT_EQ(writer.wait(), exited(0));
}

// --- Fairness.

// The rosters' records as the lock's peers see them.
std::shared_ptr<detail::roster> roster_of(const lock_under_test& lock) {
  return *detail::roster::open({lock.home().space, robust_rw::company(lock.state())}, 0);
}

TEST(RobustRw, AReleaseWakesTheOneThatWaits) {
  const lock_under_test lock;
  auto handle = lock.open();
  for (const mode how : both_modes) {
    ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
    steps step;
    auto waiter = child::start([&] {
      auto own = lock.open();
      step.reach(1);
      EXPECT_EQ(outcome(own.acquire(how, deadline::never())), "ok");
      step.await(2);
      own.release(how);
    });
    step.await(1);
    waiter.await_asleep();
    const auto roster = roster_of(lock);
    ASSERT_EQ(roster->used(), 2U);
    const std::uint32_t before = roster->at(1).turn;
    handle.release(mode::exclusive);
    EXPECT_NE(roster->at(1).turn, before) << "it would sleep for its 50 ms";
    step.reach(2);
    EXPECT_EQ(waiter.wait(), exited(0));
  }
}

// One that has said that it waits, and neither comes nor ends.
TEST(RobustRw, OneThatDoesNotComeWhenItIsItsTurnLosesIt) {
  const lock_under_test lock;
  auto handle = lock.open();
  const auto roster = roster_of(lock);
  steps step;
  std::jthread idle([&] {
    const auto joined = detail::roster::join(roster, deadline::never());
    (*joined)->record->ticket = 0;  // before all others
    (*joined)->record->awaits = lock.state().number;
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  ASSERT_TRUE(handle.acquire(mode::exclusive, deadline::never()));
  auto other = child::start([&] {
    auto own = lock.open();
    for (std::uint32_t i = 0; i < 3 * robust_rw::patience; ++i) {
      ASSERT_TRUE(own.acquire(mode::exclusive, deadline::never()));
      own.release(mode::exclusive);
    }
  });
  other.await_asleep();  // from now on somebody waits
  for (std::uint32_t i = 0; i < 3 * robust_rw::patience; ++i) {
    handle.release(mode::exclusive);
    ASSERT_TRUE(handle.acquire(mode::exclusive, deadline::never()));
  }
  handle.release(mode::exclusive);
  EXPECT_EQ(other.wait(), exited(0));
  step.reach(2);
}

// On one processor nobody comes by while another runs: without a bound, a waiter would be overtaken
// for as long as the scheduler lets the other run.
void stay_on_one_processor() {
  cpu_set_t one;
  ASSERT_EQ(sched_getaffinity(0, sizeof one, &one), 0);
  std::size_t first = 0;
  while (!CPU_ISSET(first, &one)) ++first;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
}

TEST(RobustRw, OvertakesNobodyMoreOftenThanItSays) {
  constexpr int processes = 4;
  constexpr int times = 500'000;
  const lock_under_test lock;
  steps step;
  std::vector<child> all;
  for (int i = 0; i < processes; ++i) {
    all.push_back(child::start([&] {
      stay_on_one_processor();
      auto own = lock.open();
      step.meet(processes);
      for (int n = 0; n < times; ++n) {
        ASSERT_TRUE(own.acquire(mode::exclusive, deadline::never()));
        own.release(mode::exclusive);
      }
    }));
  }
  for (auto& one : all) EXPECT_EQ(one.wait(), exited(0));
  EXPECT_LE(lock.state().bypass_longest.load(), robust_rw::bypass_max(processes));
}

TEST(RobustRw, AWaiterThatIsStoppedHoldsNobodyUp) {
  const lock_under_test lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  steps step;
  auto stopped = child::start([&] {
    auto own = lock.open();
    step.reach(1);
    EXPECT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
    own.release(mode::exclusive);
  });
  step.await(1);
  stopped.await_asleep();
  stopped.stop();
  handle.release(mode::exclusive);
  // More often than it may be overtaken, so that it is its turn several times.
  for (std::uint32_t i = 0; i < 3 * robust_rw::patience; ++i) {
    ASSERT_TRUE(handle.acquire(mode::exclusive, deadline::never()));
    handle.release(mode::exclusive);
  }
  stopped.resume();
  EXPECT_EQ(stopped.wait(), exited(0));
}

// Where each holds it for long, `patience` of them take longer than anybody should wait.
TEST(RobustRw, OneThatWasWokenAndDiedHidesNobodyForLong) {
  const lock_under_test lock;
  auto handle = lock.open();
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  steps step;
  const auto wait_for_it = [&] {
    auto own = lock.open();
    ASSERT_EQ(outcome(own.acquire(mode::exclusive, deadline::never())), "ok");
    step.reach(1);
    own.release(mode::exclusive);
  };
  auto dead = child::start(wait_for_it);
  dead.await_asleep();
  dead.stop();
  handle.release(mode::exclusive);  // wakes it
  ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
  dead.kill();
  auto other = child::start(wait_for_it);
  other.await_asleep();
  for (std::uint32_t i = 0; i < robust_rw::patience / 2 && step.now() == 0; ++i) {
    handle.release(mode::exclusive);
    ASSERT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
    const auto long_enough = deadline::after(std::chrono::microseconds(500));
    while (!long_enough.passed()) continue;
  }
  EXPECT_EQ(step.now(), 1) << "it was overtaken each time";
  handle.release(mode::exclusive);
  EXPECT_EQ(other.wait(), exited(0));
}

// --- The roster.

TEST(RobustRw, LocksBesideOneAnotherAreHeldIndependently) {
  const lock_under_test lock;
  const shared<robust_rw::state> other;
  ASSERT_TRUE(robust_rw::create(
      *other, {.space = lock.home().space, .beside = robust_rw::company(lock.state())}));
  auto handle = lock.open();
  {
    auto own = robust_rw::attach(*other);
    ASSERT_TRUE(own);
    for (const mode how : both_modes) {
      ASSERT_EQ(outcome(handle.acquire(how, deadline::never())), "ok");
      for (const mode second : both_modes) EXPECT_EQ(try_once(*own, second), "ok");
      handle.release(how);
    }
  }
  robust_rw::destroy(*other);
  EXPECT_EQ(try_once(handle, mode::exclusive), "ok");
  const std::string objects = "shmark." + std::string(lock.home().space.view());
  EXPECT_EQ(posix_segment::names(objects).size(), 1U) << "the roster stays with its lock";
}

TEST(RobustRw, AThreadReadsEightLocksOfOneRosterAtATime) {
  const lock_under_test first;
  const lock_home beside{.space = first.home().space, .beside = robust_rw::company(first.state())};
  std::vector<std::unique_ptr<shared<robust_rw::state>>> states;
  std::vector<robust_rw> handles;
  for (std::size_t i = 0; i < 9; ++i) {
    states.push_back(std::make_unique<shared<robust_rw::state>>());
    ASSERT_TRUE(robust_rw::create(**states.back(), beside));
    handles.push_back(*robust_rw::attach(**states.back()));
  }
  for (std::size_t i = 0; i < 8; ++i) {
    ASSERT_EQ(outcome(handles[i].acquire(mode::shared, deadline::never())), "ok") << i;
  }
  EXPECT_EQ(outcome(handles[8].acquire(mode::shared, deadline::never())), "no_space");
  EXPECT_EQ(try_once(handles[8], mode::exclusive), "ok");
  EXPECT_EQ(child::start([&] {
              for (std::size_t i = 0; i < 8; ++i)
                EXPECT_EQ(try_once(handles[i], mode::exclusive), "would_block");
            }).wait(),
            exited(0));
  for (std::size_t i = 0; i < 8; ++i) handles[i].release(mode::shared);
  for (auto& handle : handles) EXPECT_EQ(try_once(handle, mode::exclusive), "ok");
}

TEST(RobustRw, TakesTwoThousandThreadsOfTwoHundredProcesses) {
  constexpr int processes = 200;
  constexpr int threads = 10;
  const lock_under_test lock;
  const shared<std::uint64_t> sum;
  steps inside;
  std::vector<child> all;
  for (int i = 0; i < processes; ++i) {
    all.push_back(child::start([&] {
      std::vector<std::jthread> mine;
      for (int n = 0; n < threads; ++n) {
        mine.emplace_back([&] {
          auto own = lock.open();
          ASSERT_TRUE(own.acquire(mode::shared, deadline::never()));
          inside.meet(processes * threads);  // all of them read at once
          own.release(mode::shared);
          ASSERT_TRUE(own.acquire(mode::exclusive, deadline::never()));
          ++*sum;
          own.release(mode::exclusive);
        });
      }
    }));
  }
  for (auto& one : all) EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(*sum, std::uint64_t{processes} * threads);
}

TEST(RobustRw, TwoHandlesOfAThreadReadTogetherAndTheLastLetsWritersIn) {
  const lock_under_test lock;
  auto first = lock.open();
  auto second = lock.open();
  ASSERT_EQ(outcome(first.acquire(mode::shared, deadline::never())), "ok");
  ASSERT_EQ(outcome(second.acquire(mode::shared, deadline::never())), "ok");
  EXPECT_EQ(outcome(first.upgrade(deadline::never())), "would_deadlock");
  first.release(mode::shared);
  EXPECT_EQ(outcome(first.acquire(mode::exclusive, deadline::never())), "would_deadlock");
  EXPECT_EQ(child::start([&] {
              auto own = lock.open();
              EXPECT_EQ(try_once(own, mode::exclusive), "would_block");
            }).wait(),
            exited(0));
  EXPECT_EQ(outcome(second.upgrade(deadline::never())), "ok");
  EXPECT_EQ(outcome(first.acquire(mode::shared, deadline::never())), "would_deadlock");
  second.release(mode::exclusive);
  EXPECT_EQ(try_once(first, mode::exclusive), "ok");
}

TEST(RobustRw, LeavesNothingWhenItIsDestroyed) {
  const auto space = support::unique_space();
  const shared<robust_rw::state> state;
  ASSERT_TRUE(robust_rw::create(*state, {.space = space}));
  {
    auto handle = robust_rw::attach(*state);
    ASSERT_TRUE(handle);
    EXPECT_EQ(try_once(*handle, mode::exclusive), "ok");
    EXPECT_EQ(posix_segment::names("shmark." + space).size(), 1U);
  }
  robust_rw::destroy(*state);
  EXPECT_TRUE(posix_segment::names("shmark." + space).empty());
  EXPECT_EQ(robust_rw::attach(*state).error().code, errc::not_found);
  EXPECT_TRUE(posix_segment::names("shmark." + space).empty());
}

TEST(RobustRwDeathTest, ReleasingInTheOtherModeStopsTheProgram) {
  const lock_under_test lock;
  EXPECT_DEATH(
      {
        auto handle = lock.open();
        EXPECT_EQ(outcome(handle.acquire(mode::exclusive, deadline::never())), "ok");
        handle.release(mode::shared);
      },
      "not held in this mode");
}

// --- Looking on.

// What is in an object in /dev/shm, as bytes.
std::vector<std::byte> bytes_of(const segment_key& key) {
  std::ifstream file("/dev/shm/" + std::string(key.text().view()), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

// One line for each that uses the lock: "holds_shared 1234".
std::vector<std::string> users_of(const lock_under_test& lock) {
  constexpr std::array names{"holds_exclusive", "holds_shared", "drains",
                             "enters",          "offered",      "waits"};
  const auto roster = bytes_of(robust_rw::roster_key(lock.state()));
  const auto seen = robust_rw::look(lock.state(), roster).value();
  std::vector<std::string> all;
  for (const auto& user : seen.users) {
    all.push_back(std::string(names[static_cast<std::size_t>(user.does)]) + " " +
                  std::to_string(user.thread) + (user.is_alive ? "" : " dead"));
  }
  return all;
}

template <class Process>
std::string line(const char* what, Process& of, const char* after = "") {
  return std::string(what) + " " + std::to_string(of.process().pid()) + after;
}

TEST(RobustRwLook, ShowsWhoHoldsItAndWhoWaitsTheLongestFirst) {
  const lock_under_test lock;
  holder writer(lock, mode::exclusive);
  waiter first(lock);
  waiter second(lock, mode::shared);
  EXPECT_EQ(users_of(lock), (std::vector{line("holds_exclusive", writer), line("waits", first),
                                         line("waits", second)}));
  EXPECT_EQ(writer.release(), exited(0));
  EXPECT_EQ(first.finish(), "ok");
  EXPECT_EQ(second.finish(), "ok");
  EXPECT_EQ(users_of(lock), std::vector<std::string>{});
}

TEST(RobustRwLook, ShowsEachReaderAndTheWriterThatWaitsForThem) {
  const lock_under_test lock;
  holder one(lock, mode::shared);
  holder other(lock, mode::shared);
  waiter writer(lock);
  EXPECT_EQ(users_of(lock), (std::vector{line("drains", writer), line("holds_shared", one),
                                         line("holds_shared", other)}));
  one.kill();
  EXPECT_EQ(users_of(lock), (std::vector{line("drains", writer), line("holds_shared", other)}));
  EXPECT_EQ(other.release(), exited(0));
  EXPECT_EQ(writer.finish(), "ok");
}

TEST(RobustRwLook, ShowsADeadOwnerUntilSomebodyTakesOver) {
  const lock_under_test lock;
  holder first(lock, mode::exclusive);
  const auto dead = line("holds_exclusive", first, " dead");
  first.kill();
  EXPECT_EQ(users_of(lock), std::vector{dead});
  holder told(lock, mode::exclusive);
  const auto roster = bytes_of(robust_rw::roster_key(lock.state()));
  EXPECT_TRUE(robust_rw::look(lock.state(), roster).value().is_damaged);
  EXPECT_EQ(told.release(), exited(0));
  EXPECT_FALSE(robust_rw::look(lock.state(), roster).value().is_damaged);
}

TEST(RobustRwLook, TakesAnyBytesForAViewOrAnError) {
  const lock_under_test lock;
  holder writer(lock, mode::exclusive);
  auto roster = bytes_of(robust_rw::roster_key(lock.state()));
  roster.resize(4096);
  for (std::size_t size = 0; size < 1024; ++size) {
    const std::vector<std::byte> cut(roster.begin(), roster.begin() + static_cast<long>(size));
    static_cast<void>(robust_rw::look(lock.state(), cut));
  }
  for (std::size_t bit = 0; bit < 512 * 8; ++bit) {
    const auto flip = std::byte{1} << bit % 8;
    roster[bit / 8] ^= flip;
    if (const auto seen = robust_rw::look(lock.state(), roster)) {
      EXPECT_LE(seen->users.size(), 32U);
    }
    roster[bit / 8] ^= flip;
  }
  const std::vector<std::byte> nothing(4096);
  EXPECT_EQ(robust_rw::look(lock.state(), nothing).error().code, errc::mismatch);
  EXPECT_EQ(writer.release(), exited(0));
}

}  // namespace
}  // namespace shmark

// Who takes part in a lock, and who of them lives (see lib/lock/roster.h).

#include "lib/lock/roster.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lib/lock/robust_rw.h"
#include "lib/segment/posix.h"
#include "tests/lib/lock/fixture.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"
#include "tests/support/unique_space.h"

namespace shmark::detail {
namespace {

using support::child;
using support::exited;
using support::shared;
using support::steps;

class Roster : public ::testing::Test {
 protected:
  ~Roster() override {
    table_.reset();
    roster::remove(key_);
  }
  [[nodiscard]] std::shared_ptr<roster> table() const { return table_; }
  [[nodiscard]] const segment_key& key() const { return key_; }
  // This thread's seat.
  [[nodiscard]] seat join() const {
    const auto joined = roster::join(table_, deadline::never());
    return joined ? (*joined)->self : 0;
  }
  // A child that has joined, and waits to be told to end.
  struct visitor {
    child process;
    seat place;
  };
  [[nodiscard]] visitor invite(steps& step) const {
    const shared<seat> place;
    auto process = child::start([&] {
      *place = join();
      step.reach(1);
      step.await(2);
    });
    step.await(1);
    return {std::move(process), *place};
  }

 private:
  segment_key key_ = segment_key::random_in(support::unique_space());
  std::shared_ptr<roster> table_ = roster::open(key_, 0).value();
};

TEST_F(Roster, AMemberIsAliveUntilItsProcessIsKilled) {
  steps step;
  auto guest = invite(step);
  ASSERT_NE(guest.place, 0U);
  EXPECT_TRUE(table()->is_alive(guest.place));
  EXPECT_TRUE(table()->watch(guest.place));
  guest.process.kill();
  EXPECT_FALSE(table()->is_alive(guest.place));
  EXPECT_FALSE(table()->watch(guest.place));
}

TEST_F(Roster, AMemberIsDeadAlsoWhileItsProcessIsAZombie) {
  steps step;
  auto guest = invite(step);
  guest.process.kill_without_reaping();
  EXPECT_FALSE(table()->is_alive(guest.place));
}

TEST_F(Roster, AThreadLeavesWhenItEnds) {
  const seat mine = join();
  seat other = 0;
  std::jthread([&] { other = join(); }).join();
  EXPECT_NE(mine, other);
  EXPECT_TRUE(table()->is_alive(mine));
  EXPECT_FALSE(table()->is_alive(other));
  EXPECT_EQ(table()->used(), 1U);
}

TEST_F(Roster, TheRecordOfADeadMemberIsTakenByTheNextUnderAnotherSeat) {
  steps first_step;
  auto first = invite(first_step);
  table()->record_of(first.place)->marks[3] = 77;
  first.process.kill();
  steps second_step;
  const auto second = invite(second_step);
  EXPECT_EQ(second.place & index_bits, first.place & index_bits);
  EXPECT_NE(second.place, first.place);
  EXPECT_EQ(table()->record_of(second.place)->marks[3], 0U);
  EXPECT_FALSE(table()->is_alive(first.place));
  EXPECT_TRUE(table()->is_alive(second.place));
}

TEST_F(Roster, AChildOfForkHasAPlaceOfItsOwn) {
  const seat mine = join();
  EXPECT_EQ(child::start([&] { EXPECT_NE(join(), mine); }).wait(), exited(0));
  EXPECT_TRUE(table()->is_alive(mine));
  EXPECT_EQ(join(), mine);
}

TEST_F(Roster, GrowsWithThoseWhoTakePart) {
  constexpr std::uint32_t many = 200;
  std::array<seat, many> seats;
  steps joined;
  steps leaving;
  std::vector<std::jthread> threads;
  for (seat& place : seats) {
    threads.emplace_back([&] {
      place = join();
      joined.add();
      leaving.await(1);
    });
  }
  joined.await(many);
  EXPECT_EQ(std::set<seat>(seats.begin(), seats.end()).size(), many);
  for (const seat place : seats) EXPECT_TRUE(table()->is_alive(place));
  EXPECT_EQ(table()->used(), many);
  leaving.reach(1);
  threads.clear();
  EXPECT_EQ(table()->used(), 0U);
}

TEST_F(Roster, BuriesNobodyWhoLives) {
  steps step;
  auto guest = invite(step);
  guest.process.stop();
  EXPECT_TRUE(table()->is_stopped(guest.place));
  for (const bool thorough : {false, true}) table()->bury_if_gone(guest.place, thorough);
  EXPECT_TRUE(table()->is_alive(guest.place));
  // Without a descriptor the kernel tells nothing of anybody.
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  table()->bury_if_gone(guest.place, true);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(table()->is_alive(guest.place));
  guest.process.resume();
  step.reach(2);
  EXPECT_EQ(guest.process.wait(), exited(0));
}

TEST_F(Roster, BuriesOneWhoseNumberIsAnothers) {
  steps step;
  auto guest = invite(step);
  // As after its death and another's birth under its number, of which the kernel told nobody.
  table()->record_of(guest.place)->started.fetch_add(1);
  table()->bury_if_gone(guest.place, false);
  EXPECT_TRUE(table()->is_alive(guest.place));
  table()->bury_if_gone(guest.place, true);
  EXPECT_FALSE(table()->is_alive(guest.place));
  guest.process.kill();
}

TEST_F(Roster, ATableThatIsNotTheOneThatWasMadeIsRefused) {
  const std::uint64_t number = table()->number();
  EXPECT_TRUE(roster::open(key(), number));
  EXPECT_EQ(roster::open(key(), number + 2).error().code, errc::corrupt);
}

TEST(RosterOfALock, ThatWasRemovedByOtherMeansIsNotMadeAgain) {
  const shared_lock<robust_rw> lock;
  const std::string space(lock.home().space.view());
  EXPECT_EQ(child::start([&] {
              auto handle = lock.open();
              EXPECT_TRUE(handle.acquire(mode::exclusive, deadline::never()));
            }).wait(),
            exited(0));
  ASSERT_TRUE(posix_segment::remove({lock.home().space, robust_rw::company(lock.state())}));
  EXPECT_EQ(robust_rw::attach(lock.state()).error().code, errc::corrupt);
  EXPECT_TRUE(posix_segment::names("shmark." + space).empty());
}

// A lock used by what is destroyed when the thread is at its end.
struct late_user {
  robust_rw* handle = nullptr;
  std::string* result = nullptr;
  ~late_user() {
    if (handle != nullptr) *result = outcome(handle->acquire(mode::exclusive, deadline::none()));
  }
};
thread_local late_user late;

TEST(RosterOfALock, RefusesAThreadThatIsAtItsEnd) {
  const shared_lock<robust_rw> lock;
  auto handle = lock.open();
  std::string result;
  std::jthread([&] {
    late.result = &result;  // made before the thread takes part in anything, so destroyed after
    late.handle = &handle;
    auto own = lock.open();
    ASSERT_TRUE(own.acquire(mode::exclusive, deadline::never()));
    own.release(mode::exclusive);
  }).join();
  EXPECT_EQ(result, "not_recoverable");
}

}  // namespace
}  // namespace shmark::detail

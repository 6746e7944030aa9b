// Locks with a planted bug each, which scenario `counter` must find.
#pragma once

#include <sched.h>
#include <semaphore.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <string_view>
#include <utility>

#include "lib/lock/lock.h"
#include "lib/lock/robust_rw.h"

namespace shmark::mutants {

enum class bug {
  excludes_nobody,
  lets_readers_in,       // beside a writer
  keeps_deaths_to_self,  // the next one is not told
  invents_deaths,
  loses_what_it_holds_when_refused,  // an upgrade
  lets_others_in_when_it_converts,   // a downgrade
};

// robust_rw with a bug.
template <bug Has>
class buggy_lock {
 public:
  static constexpr std::string_view name = "buggy_lock";
  static constexpr lock_traits can = robust_rw::can;
  using state = robust_rw::state;

  static std::expected<void, error> create(state& at, const lock_home& home) noexcept {
    return robust_rw::create(at, home);
  }
  static std::expected<buggy_lock, error> attach(state& at) noexcept {
    SHMARK_ASSIGN_OR_RETURN(auto whole, robust_rw::attach(at));
    return buggy_lock(std::move(whole));
  }
  static void destroy(state& at) noexcept { robust_rw::destroy(at); }

  std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    if (!takes(how)) return acquired::ok;
    auto got = whole_.acquire(how, until);
    holds_ = got.has_value();
    if (Has == bug::keeps_deaths_to_self && got) return acquired::ok;
    if (Has == bug::invents_deaths && got && how == mode::exclusive) return acquired::owner_died;
    return got;
  }
  void release(mode how) noexcept {
    if (std::exchange(holds_, false)) whole_.release(how);
  }
  std::expected<void, error> downgrade() noexcept {
    if (!holds_) return {};
    if (Has != bug::lets_others_in_when_it_converts) return whole_.downgrade();
    whole_.release(mode::exclusive);
    if (auto got = whole_.acquire(mode::shared, deadline::never()); !got) {
      return std::unexpected(got.error());
    }
    return {};
  }
  std::expected<acquired, error> upgrade(deadline until) noexcept {
    if (!holds_) return acquire(mode::exclusive, until);
    auto got = whole_.upgrade(until);
    if (Has == bug::loses_what_it_holds_when_refused && !got) release(mode::shared);
    return got;
  }

 private:
  explicit buggy_lock(robust_rw whole) noexcept : whole_(std::move(whole)) {}
  static constexpr bool takes(mode how) noexcept {
    return Has != bug::excludes_nobody && (Has != bug::lets_readers_in || how == mode::exclusive);
  }
  robust_rw whole_;
  bool holds_ = false;
};
static_assert(lock<buggy_lock<bug::excludes_nobody>>);

// What the locks below have in common: a state, a handle that knows it, and waiting for a
// condition.
template <class State>
class waiting_lock {
 public:
  using state = State;
  static constexpr lock_traits can{.timed = true};
  static void destroy(state&) noexcept {}

 protected:
  explicit waiting_lock(state& at) noexcept : state_(&at) {}
  template <class Condition>
  static std::expected<acquired, error> await(deadline until, Condition&& holds) noexcept {
    while (!holds()) {
      if (until.passed()) return failure(errc::timed_out, "acquire lock", "");
      sched_yield();
    }
    return acquired::ok;
  }
  state* state_;
};

// Three workers take turns: each waits for the one before, which may not want it.
struct turns {
  std::atomic<int> attached;
  std::atomic<int> turn;
};
class lock_in_turns : public waiting_lock<turns> {
 public:
  static constexpr std::string_view name = "lock_in_turns";
  static constexpr int users = 3;
  static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    at.attached = at.turn = 0;
    return {};
  }
  static std::expected<lock_in_turns, error> attach(state& at) noexcept {
    return lock_in_turns(at);
  }
  std::expected<acquired, error> acquire(mode, deadline until) noexcept {
    return await(until, [&] { return state_->turn == me_; });
  }
  void release(mode) noexcept { state_->turn = (me_ + 1) % users; }

 private:
  explicit lock_in_turns(state& at) noexcept : waiting_lock(at), me_(at.attached++ % users) {}
  int me_;
};
static_assert(lock<lock_in_turns>);

// A holder that holds it for longer than 1 ms has lost it.
struct lease {
  std::atomic<std::int64_t> end_ns;
};
class lock_by_lease : public waiting_lock<lease> {
 public:
  static constexpr std::string_view name = "lock_by_lease";
  static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    at.end_ns = 0;
    return {};
  }
  static std::expected<lock_by_lease, error> attach(state& at) noexcept {
    return lock_by_lease(at);
  }
  std::expected<acquired, error> acquire(mode, deadline until) noexcept {
    return await(until, [&] {
      constexpr std::int64_t length_ns = 1'000'000;
      const std::int64_t now_ns = monotonic_ns();
      std::int64_t end_ns = state_->end_ns;
      return now_ns >= end_ns && state_->end_ns.compare_exchange_strong(end_ns, now_ns + length_ns);
    });
  }
  void release(mode) noexcept { state_->end_ns = 0; }

 private:
  using waiting_lock::waiting_lock;
};
static_assert(lock<lock_by_lease>);

// Takes a wait that a signal has interrupted for one that has got it.
class lock_that_trusts_waits : public waiting_lock<sem_t> {
 public:
  static constexpr std::string_view name = "lock_that_trusts_waits";
  static constexpr lock_traits can{};
  static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    sem_init(&at, 1, 1);
    return {};
  }
  static std::expected<lock_that_trusts_waits, error> attach(state& at) noexcept {
    return lock_that_trusts_waits(at);
  }
  std::expected<acquired, error> acquire(mode, deadline until) noexcept {
    if (until.is_none() && sem_trywait(state_) != 0) {
      return failure(errc::would_block, "acquire lock", name);
    }
    if (!until.is_none()) static_cast<void>(sem_wait(state_));
    return acquired::ok;
  }
  void release(mode) noexcept { sem_post(state_); }

 private:
  using waiting_lock::waiting_lock;
};
static_assert(lock<lock_that_trusts_waits>);

}  // namespace shmark::mutants

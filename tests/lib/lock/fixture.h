// What tests of locks have in common: a lock in shared memory, a process that holds it, and one
// that waits for it.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <array>
#include <expected>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/lock/lock.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"
#include "tests/support/unique_space.h"

namespace shmark {

inline constexpr std::array both_modes{mode::exclusive, mode::shared};

// One word for what acquiring came to: "ok", "owner_died", "timed_out" and so on.
[[nodiscard]] inline std::string outcome(const std::expected<acquired, error>& got) {
  if (!got) return std::string(name_of(got.error().code));
  return *got == acquired::ok ? "ok" : "owner_died";
}

// A lock that this process and those it forks share, destroyed at the end.
template <lock L>
class shared_lock {
 public:
  explicit shared_lock(mode_t may_use = 0600) {
    home_.mode = may_use;
    expect(L::create(*state_, home_));
  }
  ~shared_lock() { L::destroy(*state_); }

  // A new handle.
  [[nodiscard]] L open() const {
    auto handle = L::attach(*state_);
    expect(handle);
    return *std::move(handle);
  }
  [[nodiscard]] typename L::state& state() const noexcept { return *state_; }
  [[nodiscard]] const lock_home& home() const noexcept { return home_; }

 private:
  template <class T>
  static void expect(const std::expected<T, error>& done) {
    if (!done) throw std::runtime_error(done.error().message());
  }

  lock_home home_{.space = support::unique_space()};
  support::shared<typename L::state> state_;
};

// Acquires by a new handle, and releases if it got it. Returns the outcome.
template <lock L>
[[nodiscard]] std::string take_and_release(const shared_lock<L>& lock, mode how = mode::exclusive,
                                           deadline until = deadline::none()) {
  auto handle = lock.open();
  const auto got = handle.acquire(how, until);
  if (got) handle.release(how);
  return outcome(got);
}

// Whether nobody holds the lock, and nobody has died holding it.
template <lock L>
[[nodiscard]] bool is_free(const shared_lock<L>& lock) {
  return take_and_release(lock) == "ok";
}

// A child that holds the lock from the end of the constructor on.
template <lock L>
class holder {
 public:
  holder(const shared_lock<L>& lock, mode how)
      : process_(support::child::start([this, &lock, how] { hold(lock, how); })) {
    step_.await(holding);
  }

  [[nodiscard]] support::child& process() noexcept { return process_; }
  // What it was told when it acquired.
  [[nodiscard]] acquired told() const noexcept { return *told_; }
  // Has it release the lock, and returns when it has ended.
  support::ending release() {
    step_.reach(letting_go);
    return process_.wait();
  }
  // Has it end in the middle, without releasing.
  support::ending exit_holding() {
    step_.reach(walking_off);
    return process_.wait();
  }
  // Kills it in the middle.
  void kill() { process_.kill(); }

 private:
  enum : std::uint32_t { holding = 1, letting_go, walking_off };

  void hold(const shared_lock<L>& lock, mode how) {
    auto handle = lock.open();
    const auto got = handle.acquire(how, deadline::never());
    if (!got) throw std::runtime_error(got.error().message());
    *told_ = *got;
    step_.reach(holding);
    step_.await(letting_go);
    if (step_.now() == letting_go) handle.release(how);
  }

  support::steps step_;
  support::shared<acquired> told_;
  support::child process_;
};

// A child that waits for the lock, which somebody holds, from the end of the constructor on. When
// it has got it, it calls `body`, releases the lock, and ends.
template <lock L>
class waiter {
 public:
  explicit waiter(
      const shared_lock<L>& lock, mode how = mode::exclusive, deadline until = deadline::never(),
      const std::function<void()>& body = [] {})
      : process_(support::child::start([&] { ask(lock, how, until, body); })) {
    step_.await(1);
    process_.await_asleep();
  }

  [[nodiscard]] support::child& process() noexcept { return process_; }
  // Returns the outcome of its waiting, when it has ended.
  [[nodiscard]] std::string finish() {
    EXPECT_EQ(process_.wait(), support::exited(0));
    return std::string(told_->view());
  }

 private:
  void ask(const shared_lock<L>& lock, mode how, deadline until,
           const std::function<void()>& body) {
    auto handle = lock.open();
    step_.reach(1);
    const auto got = handle.acquire(how, until);
    *told_ = outcome(got);
    if (!got) return;
    body();
    handle.release(how);
  }

  support::steps step_;
  support::shared<short_text> told_;
  support::child process_;
};

}  // namespace shmark

// Segments and locks that end their process, so that tests see what a death at each step leaves.
//
//     mortal::dies_at_each_step([&] { … a store<mortal_segment<S>, mortal_lock<L>> … },
//                               [&] { … look, with a store<S, L>, which has the same bytes … });
//
// A step lies before and after every call to a segment or a lock, unmapping included: between any
// two of them everything that other processes can see has been done that was to be done by then.
// Instead of dying, a process can do something else at its turn. Creating can also be refused, as
// on a machine without memory.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstddef>
#include <expected>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/lock/lock.h"
#include "lib/segment/segment.h"
#include "tests/support/child.h"

namespace shmark {

// Of this process, inherited by the children it forks.
struct mortal {
  // The process is killed at its n-th step from now; 0: never.
  static inline int steps_left = 0;
  // What it does then, if it is not to be killed.
  static inline std::function<void()> interlude;
  // Segments that are larger than this, in bytes, cannot be made.
  static inline std::size_t largest = std::numeric_limits<std::size_t>::max();
  static inline int locks_left = std::numeric_limits<int>::max();  // that can be made
  static inline bool opens_locks = true;

  static void step() noexcept {
    if (steps_left == 0 || --steps_left != 0) return;
    if (!interlude) kill(getpid(), SIGKILL);
    interlude();
  }

  // Runs `body` in a child that dies at its first step, in another that dies at its second, and so
  // on until one gets to the end; `check` after each. Returns how many have died.
  template <class Body, class Check>
  static int dies_at_each_step(const Body& body, const Check& check) {
    for (int deaths = 0;; ++deaths) {
      SCOPED_TRACE("the child died at step " + std::to_string(deaths + 1));
      auto doomed = support::child::start([&] {
        steps_left = deaths + 1;
        body();
        steps_left = 0;
      });
      const auto how = doomed.wait();
      check();
      if (how == support::exited(0)) return deaths;
      EXPECT_EQ(how, support::killed_by(SIGKILL));
      if (how != support::killed_by(SIGKILL)) return deaths;
    }
  }

  // Runs `body` with `between` in it, at its first step, then at its second, and so on until it has
  // no more, or a test has failed; `prepare` before and `check` after each. Returns how many there
  // were.
  template <class Prepare, class Body, class Between, class Check>
  static int interrupted_at_each_step(const Prepare& prepare, const Body& body,
                                      const Between& between, const Check& check) {
    for (int steps = 0;; ++steps) {
      SCOPED_TRACE("interrupted at step " + std::to_string(steps + 1));
      bool has_been = false;
      prepare();
      interlude = [&] {
        has_been = true;
        between();
      };
      steps_left = steps + 1;
      body();
      steps_left = 0;
      interlude = nullptr;
      check();
      if (!has_been || ::testing::Test::HasFailure()) return steps;
    }
  }
};

// A machine that refuses to make locks, or to open them, for as long as this lives.
class machine_without_locks {
 public:
  machine_without_locks(bool to_make, bool to_open) noexcept {
    mortal::locks_left = to_make ? 0 : std::numeric_limits<int>::max();
    mortal::opens_locks = !to_open;
  }
  ~machine_without_locks() {
    mortal::locks_left = std::numeric_limits<int>::max();
    mortal::opens_locks = true;
  }
  machine_without_locks(const machine_without_locks&) = delete;
  machine_without_locks& operator=(const machine_without_locks&) = delete;
};

// A machine that refuses to make more than one lock, for as long as this lives.
class machine_with_one_lock {
 public:
  machine_with_one_lock() noexcept { mortal::locks_left = 1; }
  ~machine_with_one_lock() { mortal::locks_left = std::numeric_limits<int>::max(); }
  machine_with_one_lock(const machine_with_one_lock&) = delete;
  machine_with_one_lock& operator=(const machine_with_one_lock&) = delete;
};

// A machine on which no larger segments can be made, for as long as this lives.
class small_machine {
 public:
  explicit small_machine(std::size_t largest) noexcept { mortal::largest = largest; }
  ~small_machine() { mortal::largest = std::numeric_limits<std::size_t>::max(); }
  small_machine(const small_machine&) = delete;
  small_machine& operator=(const small_machine&) = delete;
};

template <named_segment S>
class mortal_segment {
 public:
  static constexpr std::string_view kind = S::kind;
  static constexpr segment_traits can = S::can;

  [[nodiscard]] static std::expected<mortal_segment, error> create(const segment_key& key,
                                                                   std::size_t size, mode_t mode,
                                                                   owners whose = owners::own) {
    mortal::step();
    if (size > mortal::largest) return failure(errc::no_space, "create segment", key.text());
    return wrapped(S::create(key, size, mode, whose));
  }
  [[nodiscard]] static std::expected<mortal_segment, error> attach(const segment_key& key,
                                                                   owners whose = owners::own) {
    mortal::step();
    return wrapped(S::attach(key, whose));
  }
  [[nodiscard]] static std::expected<mortal_segment, error> open_or_create(
      const segment_key& key, std::size_t size, mode_t mode, const segment_initializer& init,
      owners whose = owners::own) {
    mortal::step();
    const segment_initializer stepping(
        [&init](std::span<std::byte> fresh) {
          mortal::step();
          auto done = init(fresh);
          mortal::step();
          return done;
        },
        [&init](std::span<std::byte> unfinished) {
          mortal::step();
          init.clear(unfinished);
          mortal::step();
        });
    return wrapped(S::open_or_create(key, size, mode, stepping, whose));
  }
  [[nodiscard]] static std::expected<void, error> remove(const segment_key& key) {
    mortal::step();
    auto done = S::remove(key);
    mortal::step();
    return done;
  }
  [[nodiscard]] static std::expected<bool, error> is_attached(const segment_key& key) {
    mortal::step();
    return S::is_attached(key);
  }
  [[nodiscard]] std::expected<void, error> unlink() const {
    mortal::step();
    auto done = real_.unlink();
    mortal::step();
    return done;
  }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return real_.bytes(); }
  [[nodiscard]] segment_access access() const noexcept { return real_.access(); }

  mortal_segment(mortal_segment&&) noexcept = default;
  mortal_segment& operator=(mortal_segment&&) noexcept = default;
  ~mortal_segment() {
    if (bytes().empty()) return;
    mortal::step();
    {
      const S unmapped = std::move(real_);
    }
    mortal::step();
  }

 private:
  explicit mortal_segment(S real) noexcept : real_(std::move(real)) {}
  static std::expected<mortal_segment, error> wrapped(std::expected<S, error> got) {
    mortal::step();
    if (!got) return std::unexpected(got.error());
    return mortal_segment(*std::move(got));
  }

  S real_;
};

template <lock L>
class mortal_lock {
 public:
  static constexpr std::string_view name = L::name;
  static constexpr lock_traits can = L::can;
  using state = typename L::state;

  [[nodiscard]] static std::expected<void, error> create(state& at,
                                                         const lock_home& home) noexcept {
    mortal::step();
    if (mortal::locks_left == 0) return failure(errc::no_space, "create lock", "");
    --mortal::locks_left;
    auto done = L::create(at, home);
    mortal::step();
    return done;
  }
  [[nodiscard]] static std::expected<mortal_lock, error> attach(state& at) noexcept {
    mortal::step();
    if (!mortal::opens_locks) return failure(errc::no_space, "attach lock", "");
    auto got = L::attach(at);
    if (!got) return std::unexpected(got.error());
    return mortal_lock(*std::move(got));
  }
  static void destroy(state& at) noexcept {
    mortal::step();
    L::destroy(at);
    mortal::step();
  }
  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    mortal::step();
    auto got = real_.acquire(how, until);
    mortal::step();
    return got;
  }
  void release(mode how) noexcept {
    mortal::step();
    real_.release(how);
    mortal::step();
  }

 private:
  explicit mortal_lock(L real) noexcept : real_(std::move(real)) {}
  L real_;
};

}  // namespace shmark

// Scenario `neighbours`: what becomes of a lock's promises when those who share it are no good
// company. One scene after the other, each with a few processes and one that asks for the lock:
//
//   forks     the holder forks: its child must not hold what it holds, nor be able to release it
//   (L3,
//             L5; intruded)
//   stopped   the holder is stopped: its lock is its own all the same (L4; intruded)
//   keeps     the holder keeps it beyond the deadline of whoever asks: that one is told timed_out,
//             not before it (torn) and not much later (stuck), and has nothing of it then
//   crowd     readers come and go so that there is always one, unless the lock has them wait for a
//             writer: it gets in (stuck). Of locks that promise it, as the caller says
//   reused    the holder is killed, and its number given to another process, where the system lets
//             us choose (root; clone3(2), set_tid): the lock is free, and tells of the death (torn)
//             if it promises to. Of locks that are crash-safe
//
// Whoever does not come to an end within the patience is stuck. The seed only draws the order.
//
// Process and thread safety, and errors: as all scenarios; the subject needs no domain.
#pragma once

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/futex.h"
#include "lib/base/random.h"
#include "lib/crew/crew.h"
#include "lib/crew/run.h"
#include "lib/lock/lock.h"
#include "lib/segment/anonymous.h"
#include "stress/scenario/scenario.h"

namespace shmark::stress {

namespace detail {

// What one who asked for the lock was told.
struct reply {
  std::atomic<std::uint32_t> outcome;     // 0: none yet; 1: ok; 2: owner_died; else 3 + the errc
  std::atomic<std::uint32_t> came_early;  // 1: before the deadline

  void note(const std::expected<acquired, error>& got, deadline until) noexcept {
    came_early.store(until.passed() ? 0 : 1);
    outcome.store(got ? 1 + static_cast<std::uint32_t>(*got)
                      : 3 + static_cast<std::uint32_t>(got.error().code));
  }
  [[nodiscard]] bool is_grant() const noexcept { return outcome == 1 || outcome == 2; }
  [[nodiscard]] bool is(errc code) const noexcept {
    return outcome.load() == 3 + static_cast<std::uint32_t>(code);
  }
  [[nodiscard]] std::string text() const;
};

// What the cast of a scene share.
struct stage {
  futex_word step;  // how far the scene is; only rises
  std::atomic<std::uint32_t> child_was_let_in;
  std::atomic<std::uint64_t> entries;  // of readers
  reply answer;

  void reach(std::uint32_t to) noexcept;
  // Whether it has come so far before the deadline.
  [[nodiscard]] bool await(std::uint32_t to, deadline until) const noexcept;
};

// A crew that plays one scene, and what it came to. Once something is found, or the user
// interrupts, the scene is over: nobody enters, and nothing comes true any more.
class scene {
 public:
  scene(stage& on, const options& chosen, outcome& seen);

  [[nodiscard]] stage& on() noexcept { return *stage_; }
  // Errors: those of starting a process.
  std::expected<void, error> enter(int index, const crew::body& part);
  // Whether the scene has come so far in time; else somebody is stuck, which is noted.
  bool comes_to(std::uint32_t step, const char* what);
  // Whether that one has ended well, in time; else that is noted.
  bool ends(int index, const char* what);
  void stop(int index);
  void resume(int index);
  // Kills it, has another process take its number, if that can be had, and calls `body`.
  bool replaced(int index, const std::function<void()>& body);
  void find(std::uint64_t& counter, std::string sentence);
  [[nodiscard]] counts& seen() noexcept { return seen_->seen; }

 private:
  [[nodiscard]] deadline patience() const noexcept;
  [[nodiscard]] bool is_over() const noexcept {
    return seen_->interrupted || !seen_->seen.faultless();
  }

  stage* stage_;
  const options* chosen_;
  outcome* seen_;
  crew cast_;
};

// In a child of this process, with no word of what it says; returns when that has ended.
void in_a_child(const std::function<void()>& body);

// All scenes, on one lock.
template <lock L>
class neighbourhood {
 public:
  neighbourhood(typename L::state& state, stage& on, const options& chosen, outcome& seen)
      : state_(&state), scene_(on, chosen, seen) {}

  std::expected<void, error> forks() {
    SHMARK_RETURN_IF_ERROR(scene_.enter(0, [this] {
      return hold([this](L& lock) {
        in_a_child([&] {
          if (lock.acquire(mode::exclusive, deadline::none())) on().child_was_let_in.store(1);
        });
        // What cannot know who releases is not asked to.
        if (L::can.crash_safe) in_a_child([&] { lock.release(mode::exclusive); });
      });
    }));
    if (!scene_.comes_to(holding, "a holder that forks")) return {};
    if (on().child_was_let_in.load() != 0) {
      scene_.find(scene_.seen().intruded, "a child of fork was let in beside its parent");
      return {};
    }
    SHMARK_RETURN_IF_ERROR(expect_refusal(deadline::none(), "after its holder has forked"));
    return let_go();
  }

  std::expected<void, error> stopped() {
    SHMARK_RETURN_IF_ERROR(scene_.enter(0, [this] { return hold(); }));
    if (!scene_.comes_to(holding, "a holder")) return {};
    scene_.stop(0);
    SHMARK_RETURN_IF_ERROR(expect_refusal(deadline::none(), "while its holder is stopped"));
    if constexpr (L::can.timed) {
      SHMARK_RETURN_IF_ERROR(
          expect_refusal(deadline::after(long_enough), "while its holder is stopped"));
    }
    scene_.resume(0);
    return let_go();
  }

  std::expected<void, error> keeps() {
    for (const mode how : {mode::exclusive, mode::shared}) {
      SHMARK_RETURN_IF_ERROR(scene_.enter(0, [this] { return hold(); }));
      if (!scene_.comes_to(holding, "a holder")) return {};
      SHMARK_RETURN_IF_ERROR(
          expect_refusal(deadline::after(short_span), "while another holds", how));
      if (on().answer.is(errc::timed_out) && on().answer.came_early.load() != 0) {
        scene_.find(scene_.seen().torn, "timed out before the deadline");
      }
      SHMARK_RETURN_IF_ERROR(let_go());
      SHMARK_RETURN_IF_ERROR(expect_grant(1));
    }
    return {};
  }

  std::expected<void, error> crowd() {
    constexpr int readers = 3;
    for (int i = 1; i <= readers; ++i) {
      SHMARK_RETURN_IF_ERROR(scene_.enter(i, [this] { return read_in_turns(); }));
    }
    if (!scene_.comes_to(holding, "readers")) return {};
    SHMARK_RETURN_IF_ERROR(ask(mode::exclusive, deadline::never()));
    const bool got_in = scene_.ends(0, "a writer among readers that are always there");
    on().reach(over);
    for (int i = 1; got_in && i <= readers; ++i) scene_.ends(i, "a reader");
    return {};
  }

  std::expected<void, error> reused() {
    SHMARK_RETURN_IF_ERROR(scene_.enter(0, [this] { return hold(); }));
    if (!scene_.comes_to(holding, "a holder")) return {};
    std::expected<void, error> asked;
    const bool is_killed =
        scene_.replaced(0, [&] { asked = expect_grant(L::can.reports_owner_death ? 2 : 1); });
    if (!is_killed) return {};
    SHMARK_RETURN_IF_ERROR(asked);
    return expect_grant(1);
  }

 private:
  static constexpr auto short_span = std::chrono::milliseconds(10);
  static constexpr auto long_enough = std::chrono::milliseconds(50);
  enum : std::uint32_t { holding = 1, over = 2 };

  [[nodiscard]] stage& on() noexcept { return scene_.on(); }

  // A part: holds the lock until that is over.
  int hold(const std::function<void(L&)>& meanwhile = {}) {
    auto lock = L::attach(*state_);
    if (!lock || !lock->acquire(mode::exclusive, deadline::never())) return 1;
    if (meanwhile) meanwhile(*lock);
    on().reach(holding);
    static_cast<void>(on().await(over, deadline::never()));
    lock->release(mode::exclusive);
    return 0;
  }
  // A part: stays until another has come, if it comes soon.
  int read_in_turns() {
    constexpr auto stay = std::chrono::milliseconds(5);
    auto lock = L::attach(*state_);
    if (!lock) return 1;
    while (on().step.load() < over) {
      if (!lock->acquire(mode::shared, deadline::never())) return 1;
      const std::uint64_t own = ++on().entries;
      if (own > 10) on().reach(holding);
      const auto until = deadline::after(stay);
      while (on().entries.load() == own && on().step.load() < over && !until.passed()) usleep(50);
      lock->release(mode::shared);
    }
    return 0;
  }

  // Enters one who asks, in place 0 or 1.
  std::expected<void, error> ask(mode how, deadline until, int place = 0) {
    on().answer.outcome.store(0);
    return scene_.enter(place, [this, how, until] {
      auto lock = L::attach(*state_);
      if (!lock) return 1;
      const auto got = lock->acquire(how, until);
      on().answer.note(got, until);
      if (got) lock->release(how);
      return 0;
    });
  }
  std::expected<void, error> expect_refusal(deadline until, const char* when,
                                            mode how = mode::exclusive) {
    ++scene_.seen().overlapped;
    SHMARK_RETURN_IF_ERROR(ask(how, until, 1));
    if (!scene_.ends(1, "one who asks, with a deadline")) return {};
    ++scene_.seen().reads;
    if (on().answer.is_grant()) {
      scene_.find(scene_.seen().intruded, fmt::format("another got the lock {}", when));
    } else if (!on().answer.is(until.is_none() ? errc::would_block : errc::timed_out)) {
      scene_.find(scene_.seen().torn,
                  fmt::format("{}, one who asked was told {}", when, on().answer.text()));
    }
    return {};
  }
  std::expected<void, error> expect_grant(std::uint32_t outcome) {
    SHMARK_RETURN_IF_ERROR(ask(mode::exclusive, deadline::never(), 1));
    if (!scene_.ends(1, "one who asks for what nobody holds")) return {};
    ++scene_.seen().changes;
    if (on().answer.outcome.load() != outcome) {
      scene_.find(scene_.seen().torn, fmt::format("one who asks for what nobody holds was told {}",
                                                  on().answer.text()));
    }
    return {};
  }
  std::expected<void, error> let_go() {
    on().reach(over);
    if (scene_.ends(0, "a holder")) on().step.store(0);
    return {};
  }

  typename L::state* state_;
  scene scene_;
};

template <lock L>
std::expected<void, error> play(int number, const options& chosen, const run& in, stage& on,
                                outcome& seen) {
  SHMARK_ASSIGN_OR_RETURN(auto cell, lock_cell<L>::create(in));
  on.step.store(0);
  on.child_was_let_in.store(0);
  on.entries.store(0);
  neighbourhood<L> among(cell.state(), on, chosen, seen);
  switch (number) {
    case 0:
      return among.forks();
    case 1:
      return among.stopped();
    case 2:
      if constexpr (L::can.timed) return among.keeps();
      return {};
    case 3:
      if constexpr (L::can.crash_safe) return among.reused();
      return {};
    default:
      return among.crowd();
  }
}

using play_scene = std::function<std::expected<void, error>(int number, stage& on, outcome& seen)>;

// Scene after scene, until the time is up, or something is found.
[[nodiscard]] std::expected<outcome, error> play_all(const options& chosen,
                                                     const progress_callback& tell, int scenes,
                                                     const play_scene& play);

}  // namespace detail

struct neighbours_rules {
  bool lets_writers_in = false;  // the lock promises that readers starve no writer
};

// Errors: no_space, and those of making the lock, which keep it from going on.
template <lock L>
[[nodiscard]] std::expected<outcome, error> run_neighbours(const options& chosen,
                                                           const progress_callback& tell,
                                                           const run& in,
                                                           const neighbours_rules& rules = {}) {
  const int scenes = L::can.shared && rules.lets_writers_in ? 5 : 4;
  return detail::play_all(chosen, tell, scenes, [&](int number, detail::stage& on, outcome& seen) {
    return detail::play<L>(number, chosen, in, on, seen);
  });
}

}  // namespace shmark::stress

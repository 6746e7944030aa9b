// A small reader-writer lock for processes, to plant bugs in (planted.h). Without one it keeps all
// of L1 to L5 and whatever its traits say; it is slow, and meant to be read.
//
// A table of seats says who holds it: the truth, from which all else can be made again. Whatever
// changes the lock does so under a guard, a word with its owner's identity in it.
//
//   acquire  under the guard: count, and take a seat, or wait for the turn to change and look again
//   release  under the guard: give back the seat, and count down; then change the turn, and wake
//   all death    in the guard: whoever wants it next takes it over, and counts the seats anew;
//            outside: who has waited in vain for 2 ms, or is about to give up, looks which seats
//            are those of the dead, and clears them. A dead writer's leaves the mark `damaged`
//            until somebody has had the lock exclusively
//   fairness readers let waiting writers go first, for 20 ms each: a stopped writer is in the way
//            of nobody for longer
//
// Held by processes, not by threads: a thread that ends while it holds goes on holding. A wait for
// the guard, which its owner has for less than a microsecond unless it is stopped, may go 50 ms
// beyond a deadline; a release waits for it as long as that takes.
//
// What survives a crash: all of it. Up to 64 hold it, or wait where others see it, at once; more
// have to wait for a seat, too.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstdint>
#include <expected>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/futex.h"
#include "lib/base/process.h"
#include "lib/lock/lock.h"
#include "stress/mutants/identity.h"
#include "stress/mutants/planted.h"

namespace shmark::mutants {

template <lock_bug bug>
class mutant_lock {
 public:
  static constexpr std::string_view name = name_of(bug);
  static constexpr lock_traits can{.shared = true,
                                   .timed = true,
                                   .crash_safe = true,
                                   .reports_owner_death = true,
                                   .convertible = true};
  struct state {
    std::atomic<seat> guard;  // who changes the rest; 0: nobody
    futex_word turn;          // +1 whenever somebody lets go
    std::atomic<std::uint32_t> is_made;
    std::atomic<std::uint32_t> damaged;
    // As the seats say; whoever upgrades is a reader.
    std::atomic<std::uint32_t> readers;
    std::atomic<std::uint32_t> writers;
    std::array<std::atomic<seat>, 64> seats;
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    auto* made = new (&at) state{};
    made->is_made.store(1);
    return {};
  }
  [[nodiscard]] static std::expected<mutant_lock, error> attach(state& at) noexcept {
    if (at.is_made.load() == 0) return failure(errc::not_found, "use lock", name);
    return mutant_lock(at);
  }
  static void destroy(state& at) noexcept { at.is_made.store(0); }

  mutant_lock(mutant_lock&& other) noexcept
      : state_(other.state_),
        self_(other.self_),
        seat_(std::exchange(other.seat_, nullptr)),
        part_(std::exchange(other.part_, part::nothing)) {}
  mutant_lock& operator=(mutant_lock&& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(self_, other.self_);
    std::swap(seat_, other.seat_);
    std::swap(part_, other.part_);
    return *this;
  }
  ~mutant_lock() = default;

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    know_oneself();
    if (part_ != part::nothing) return failure(errc::would_deadlock, "acquire lock", name);
    return get(how == mode::exclusive ? part::exclusive : part::shared, until);
  }

  void release(mode how) noexcept {
    know_oneself();
    SHMARK_CHECK(part_ == held_in(how), "released a lock that is not held");
    enter_guard(deadline::never());
    if (how == mode::exclusive) state_->damaged.store(0);
    sit(part::nothing);
    if constexpr (bug == lock_bug::counts_down_twice) {
      if (how == mode::shared && state_->readers.load() != 0 && somebody(part::waits)) {
        count(state_->readers, -1);
      }
    }
    leave_guard();
    call();
  }

  [[nodiscard]] std::expected<void, error> downgrade() noexcept {
    know_oneself();
    SHMARK_CHECK(part_ == part::exclusive, "downgraded a lock that is not held exclusively");
    enter_guard(deadline::never());
    state_->damaged.store(0);
    sit(part::shared);
    leave_guard();
    call();
    return {};
  }

  [[nodiscard]] std::expected<acquired, error> upgrade(deadline until) noexcept {
    know_oneself();
    SHMARK_CHECK(part_ == part::shared, "upgraded a lock that is not held shared");
    if constexpr (bug == lock_bug::lets_go_to_upgrade) {
      release(mode::shared);
      auto got = acquire(mode::exclusive, until);
      // Has to hold it when it fails, at least.
      if (!got && !acquire(mode::shared, deadline::never()))
        return failure(errc::system, "upgrade lock", name);
      return got;
    }
    return get(part::exclusive, until);
  }

 private:
  static constexpr std::int64_t ns_per_ms = 1'000'000;
  static constexpr std::int64_t slice_ns = 2 * ns_per_ms;
  static constexpr std::int64_t patience_ns = 20 * ns_per_ms;
  static constexpr std::int64_t grace_ns = 50 * ns_per_ms;

  explicit mutant_lock(state& at) noexcept : state_(&at), self_(own_seat()) {}

  static constexpr part held_in(mode how) noexcept {
    return how == mode::exclusive ? part::exclusive : part::shared;
  }

  // What the parent held is not a child's.
  void know_oneself() noexcept {
    if constexpr (bug == lock_bug::keeps_identity_over_fork) return;
    const seat now = own_seat();
    if (now == self_) return;
    self_ = now;
    seat_ = nullptr;
    part_ = part::nothing;
  }

  // --- The guard.

  // Errors: nothing, but false if the deadline has passed and somebody is stopped in there.
  bool enter_guard(deadline until) noexcept {
    const std::int64_t began_ns = monotonic_ns();
    for (int tries = 0;; ++tries) {
      seat owner = 0;
      if (state_->guard.compare_exchange_strong(owner, self_)) return true;
      if (tries < 100) continue;
      if (gone(owner) && state_->guard.compare_exchange_strong(owner, self_)) {
        if constexpr (bug != lock_bug::counts_as_the_dead_left_them) count_anew();
        return true;
      }
      if (until.passed() && monotonic_ns() - began_ns > grace_ns) return false;
      const std::array watched{futex_watch{&state_->turn, state_->turn.load()}};
      futex_wait(watched, ns_per_ms);
    }
  }
  void leave_guard() noexcept { state_->guard.store(0); }

  // --- Under the guard.

  static void count(std::atomic<std::uint32_t>& number, int by) noexcept {
    number.store(number.load() + static_cast<std::uint32_t>(by));
  }

  std::atomic<std::uint32_t>* counted_in(part what) noexcept {
    if (what == part::exclusive) return &state_->writers;
    return what == part::shared || what == part::upgrades ? &state_->readers : nullptr;
  }

  // Changes what we do, and the counts with it. Requires: a seat, unless there was none and is to
  // be none.
  void sit(part what) noexcept {
    auto* const before = counted_in(part_);
    auto* const after = counted_in(what);
    seat_->store(what == part::nothing ? 0 : with(self_, what));
    if (before != nullptr) count(*before, -1);
    if (after != nullptr) count(*after, 1);
    part_ = what;
    if (what == part::nothing) seat_ = nullptr;
  }

  [[nodiscard]] bool take_seat() noexcept {
    if (seat_ != nullptr) return true;
    const auto free = std::ranges::find_if(state_->seats, [](auto& each) { return each == 0; });
    if (free == state_->seats.end()) return false;
    seat_ = &*free;
    return true;
  }

  // Whether another has this part.
  [[nodiscard]] bool somebody(part what) noexcept {
    return std::ranges::any_of(
        state_->seats, [&](auto& each) { return &each != seat_ && part_of(each.load()) == what; });
  }

  void count_anew() noexcept {
    std::uint32_t readers = 0;
    std::uint32_t writers = 0;
    for (auto& each : state_->seats) {
      auto* const counted = counted_in(part_of(each.load()));
      readers += counted == &state_->readers;
      writers += counted == &state_->writers;
    }
    state_->readers.store(readers);
    state_->writers.store(writers);
  }

  // Whether we may have it now.
  [[nodiscard]] bool is_free_for(part wanted, bool is_patient, deadline until) noexcept {
    if (state_->writers.load() != 0) return false;
    if (wanted == part::exclusive) {
      if constexpr (bug == lock_bug::tries_past_readers) {
        if (until.is_none() && part_ == part::nothing) return true;
      }
      return state_->readers.load() == (is_reading() ? 1U : 0U);
    }
    if (somebody(part::upgrades)) return false;
    if constexpr (bug == lock_bug::starves_writers) return true;
    return !is_patient || !somebody(part::waits);
  }
  [[nodiscard]] bool is_reading() const noexcept {
    return part_ == part::shared || part_ == part::upgrades;
  }

  // --- Waiting.

  std::expected<acquired, error> get(part wanted, deadline until) noexcept {
    const std::int64_t began_ns = monotonic_ns();
    bool has_looked_for_dead = false;
    for (;;) {
      const std::uint32_t turn = state_->turn.load();
      const bool is_patient = monotonic_ns() - began_ns < patience_ns;
      const auto answer = look(wanted, is_patient, until);
      if (answer == ask::got) return told(until);
      const bool is_over = answer == ask::deadlock || has_passed(until);
      if (is_over && has_looked_for_dead) {
        return refuse(answer == ask::deadlock ? errc::would_deadlock
                      : until.is_none()       ? errc::would_block
                                              : errc::timed_out);
      }
      if (is_over || !sleep(turn, until)) {
        bury_the_dead(until);
        has_looked_for_dead = is_over;
      }
    }
  }

  static bool has_passed(deadline until) noexcept {
    if constexpr (bug == lock_bug::ignores_deadlines) return until.is_none();
    return until.passed();
  }

  enum class ask : std::uint8_t { got, blocked, deadlock };

  ask look(part wanted, bool is_patient, deadline until) noexcept {
    std::optional<bool> is_free;
    if constexpr (bug == lock_bug::decides_before_it_may) {
      is_free = is_free_for(wanted, is_patient, until);
    }
    if (!enter_guard(until)) return ask::blocked;
    const ask answer = look_inside(wanted, is_patient, until, is_free);
    leave_guard();
    return answer;
  }

  ask look_inside(part wanted, bool is_patient, deadline until,
                  std::optional<bool> is_free) noexcept {
    if (!is_free) is_free = is_free_for(wanted, is_patient, until);
    if (part_ == part::shared && somebody(part::upgrades)) return ask::deadlock;
    if (*is_free) {
      if (!take_seat()) return ask::blocked;
      if constexpr (bug == lock_bug::lets_readers_pass_an_upgrade) {
        if (is_reading()) {
          seat_->store(with(self_, part::exclusive));
          part_ = part::exclusive;
          return ask::got;
        }
      }
      sit(wanted);
      return ask::got;
    }
    // Let the others see that we wait, for as long as we do.
    if (wanted == part::exclusive && !until.is_none()) {
      if (!take_seat()) return ask::blocked;
      if (part_ == part::nothing) sit(part::waits);
      if (part_ == part::shared) sit(part::upgrades);
    }
    return ask::blocked;
  }

  std::expected<acquired, error> told(deadline until) noexcept {
    if constexpr (bug == lock_bug::holds_after_timing_out) {
      if (!until.is_none() && until.passed()) {
        part_ = part::nothing;
        seat_ = nullptr;
        return failure(errc::timed_out, "acquire lock", name);
      }
    }
    if constexpr (bug == lock_bug::tells_only_once) {
      return state_->damaged.exchange(0) != 0 ? acquired::owner_died : acquired::ok;
    }
    return state_->damaged.load() != 0 ? acquired::owner_died : acquired::ok;
  }

  // Nobody counts who waits, so that this needs no guard.
  std::unexpected<error> refuse(errc why) noexcept {
    if (part_ == part::waits) {
      seat_->store(0);
      seat_ = nullptr;
      part_ = part::nothing;
    } else if (part_ == part::upgrades) {
      seat_->store(with(self_, part::shared));
      part_ = part::shared;
    }
    call();  // those who have let us go first
    return failure(why, "acquire lock", name);
  }

  // Returns false if nobody has let go meanwhile.
  bool sleep(std::uint32_t turn, deadline until) noexcept {
    std::int64_t span_ns = std::min(slice_ns, until.remaining_ns());
    if constexpr (bug == lock_bug::sleeps_through_a_release) turn = state_->turn.load();
    if constexpr (bug == lock_bug::sleeps_through_a_release ||
                  bug == lock_bug::sleeps_through_a_death) {
      span_ns = std::min(until.remaining_ns(), 86'400'000 * ns_per_ms);
    }
    const std::array watched{futex_watch{&state_->turn, turn}};
    futex_wait(watched, span_ns);
    return state_->turn.load() != turn;
  }
  void call() noexcept {
    state_->turn.fetch_add(1);
    futex_wake(state_->turn, INT_MAX);
  }

  // --- The dead.

  [[nodiscard]] static bool gone(seat whose) noexcept {
    if constexpr (bug == lock_bug::trusts_process_number) return has_ended(process_of(whose));
    if constexpr (bug == lock_bug::takes_stopped_for_dead) {
      if (process_state(process_of(whose)) == 'T') return true;
    }
    return is_gone(whose);
  }

  void bury_the_dead(deadline until) noexcept {
    if constexpr (bug == lock_bug::no_recovery) return;
    for (auto& each : state_->seats) {
      const seat whose = each.load();
      if (whose == 0 || who_of(whose) == self_ || !gone(whose)) continue;
      if constexpr (bug == lock_bug::sweeps_only_writers) {
        if (part_of(whose) != part::exclusive) continue;
      }
      if (!enter_guard(until)) return;
      const bool is_still_his =
          bug == lock_bug::sweeps_what_has_changed ? each.load() != 0 : each.load() == whose;
      if (is_still_his) clear(each, part_of(whose));
      leave_guard();
      call();
    }
  }

  // The mark first: were we to die in between, the next would find the seat again.
  void clear(std::atomic<seat>& dead, part what) noexcept {
    if constexpr (bug != lock_bug::keeps_a_death_to_itself) {
      if (what == part::exclusive) state_->damaged.store(1);
    }
    dead.store(0);
    if constexpr (bug == lock_bug::counts_as_the_dead_left_them) {
      if (auto* const counted = counted_in(what)) count(*counted, -1);
      return;
    }
    count_anew();
  }

  state* state_;
  seat self_;
  std::atomic<seat>* seat_ = nullptr;  // where we hold it, or wait
  part part_ = part::nothing;
};
static_assert(convertible_lock<mutant_lock<lock_bug::none>>);

}  // namespace shmark::mutants

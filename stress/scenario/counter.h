// Scenario `counter`: workers take a lock, exclusively and shared, with and without deadlines, and
// count under it (counters.h); some are killed, at random moments or aimed while they hold it.
//
// What it checks
//   exclusion      an exclusive holder meets nobody, from its first step to its last; a shared one
//                  sees nothing change (intruded). Who was killed is nobody; who was stopped is
//                  somebody. Where the lock converts, nobody comes in between; a refused upgrade
//                  leaves it held.
//   deaths         who comes after a holder that was killed in the midst of a change is told, if
//                  the lock says that it tells, and told no oftener than somebody was killed (torn)
//   conservation   every acknowledged change is there, none that nobody began, and both counters
//                  are the sum of all (lost, torn)
//   progress       somebody always gets on, and at the end all do (stuck)
// and that workers end only when killed or asked to (died), and that nothing stays in the system
// (leaked).
//
// Where the lock tells of deaths, or is freed by them without a word, the next exclusive holder
// repairs; a shared one, which cannot, looks whether a mark is a dead one's, and leaves it at that.
// A lock without a shared mode is taken exclusively by those who read.
//
// A lock that is not crash-safe is killed like any other, if that is asked: that it fails then is
// the truth about it, and the findings say that it promised nothing else. Without kills
// (kill_gap_ms 0) such a lock passes if faults of another kind have landed.
//
// Process and thread safety, and errors: as all scenarios; the subject needs no domain.
#pragma once

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/lock/lock.h"
#include "stress/checker/history.h"
#include "stress/checker/leaks.h"
#include "stress/scenario/actor.h"
#include "stress/scenario/counters.h"
#include "stress/scenario/scenario.h"
#include "stress/scenario/supervisor.h"
#include "stress/scenario/worker_log.h"

namespace shmark::stress {

namespace detail {

// A worker of the scenario.
template <lock L>
class clerk final : actor {
 public:
  clerk(int index, std::uint64_t life, const counters& shared, const worker_logs& logs, L lock,
        std::uint64_t seed)
      : actor(index, logs, seed), self_(index, life), counters_(&shared), lock_(std::move(lock)) {}

  // Operates until asked to stop. Returns an exit status.
  int work() {
    settle();
    while (!logs_->stopped()) {
      const bool done = operate();
      log_->doing.store(phase::idle, std::memory_order_release);
      if (!done) return 1;
      linger();
    }
    return 0;
  }

 private:
  // Finds out whether the predecessor's last change is there: nobody else writes that number.
  void settle() {
    check_own();
    log_->settle_at(counters_->done(index()));
  }
  void check_own() {
    const numbers_of_changes own = log_->numbers();
    const std::uint64_t done = counters_->done(index());
    if (const auto missing = unaccounted(own, done); missing != 0) {
      report(log_->lost, missing,
             fmt::format("has {} changes acknowledged and {} begun, but {} are there",
                         own.acknowledged, own.intended, done));
    }
  }

  // What makes rare things happen: others run meanwhile.
  void linger() {
    if (random_.below(4) == 0) {
      sched_yield();
    } else {
      for (auto left = random_.below(200); left != 0; --left) asm volatile("pause");
    }
  }
  [[nodiscard]] deadline patience() {
    const auto drawn = random_.below(8);
    if (drawn == 0) return deadline::none();
    if (L::can.timed && drawn == 1) {
      constexpr int longest_ns = 200'000;
      return deadline::after(std::chrono::nanoseconds(random_.below(longest_ns)));
    }
    return deadline::never();
  }
  // What a lock may answer to a deadline; anything else ends the worker.
  [[nodiscard]] static bool is_refusal(const error& why, deadline until) noexcept {
    if (why.code == errc::would_block) return until.is_none();
    return why.code == errc::timed_out && !until.is_never();
  }

  bool operate() {
    overlaps_ = logs_->enter_operation(index());
    reads_ = random_.below(2) == 0;
    mode how = reads_ && L::can.shared ? mode::shared : mode::exclusive;
    const auto until = patience();
    const auto got = lock_.acquire(how, until);
    if (!got) return is_refusal(got.error(), until) || tolerate(got.error());
    if (how == mode::exclusive) logs_->note_acquired(index());
    const bool goes_on = how == mode::exclusive ? as_writer(*got, how) : as_reader(*got, how);
    lock_.release(how);
    acknowledge();
    return goes_on;
  }
  // After the release: before it, a death would have to be repaired.
  void acknowledge() {
    if (!made_) return;
    log_->acknowledged.store(log_->intended.load(), std::memory_order_release);
    made_ = false;
    count(log_->changes, overlaps_);
  }

  void report_intruder(const char* to_whom) {
    const auto other = counters_->holder();
    report(log_->intruded, 1,
           other.is_nobody() || other == self_
               ? fmt::format("{}, and somebody changed the counters meanwhile", to_whom)
               : fmt::format("{}, and so did worker {}", to_whom, other.worker()));
  }

  // With the lock held exclusively: sees that one is alone, and what the dead have left. Whether
  // all is well.
  bool take_over(acquired how) {
    const auto left = counters_->holder();
    if (how == acquired::owner_died) counters_->note_told();
    if (!left.is_nobody() && is_alive(left, *logs_)) {
      report_intruder("held the lock exclusively");
      return false;
    }
    counters_->enter(self_);
    if (left.is_nobody()) {
      const auto missing = counters_->unaccounted_for();
      if (missing != 0) report(log_->lost, missing, "found counters that miss changes");
      return missing == 0;
    }
    if (L::can.reports_owner_death && how == acquired::ok) report_untold(left);
    const auto wrong = counters_->repair();
    if (wrong) report(log_->torn, 1, "came after a death: " + *wrong);
    return !wrong;
  }
  void report_untold(const holder_mark& dead) {
    report(log_->torn, 1,
           fmt::format("was not told that worker {} was killed holding the lock", dead.worker()));
  }

  // The caller holds the lock exclusively, and releases it in mode `how` after. Whether the worker
  // can go on.
  bool as_writer(acquired got, mode& how) {
    {
      const holding_mark mark(*log_);
      if (!take_over(got)) return true;
      if (reads_) {
        check_own();
        count(log_->reads, overlaps_);
        counters_->leave();
        return true;
      }
      change();
      counters_->leave();
    }
    if constexpr (convertible_lock<L>) {
      if (random_.below(8) == 0) return step_down(how);
    }
    return true;
  }
  void change() {
    const std::uint64_t number = log_->acknowledged.load() + 1;
    log_->intended.store(number, std::memory_order_release);
    const auto value = counters_->step_first();
    linger();
    counters_->step_number(index(), number);
    linger();
    counters_->step_second(value);
    made_ = true;
    if (counters_->holder() != self_ || counters_->first() != value ||
        counters_->second() != value) {
      report_intruder("held the lock exclusively");
    }
  }

  // The caller holds the lock shared, and releases it in mode `how` after.
  bool as_reader(acquired got, mode& how) {
    const auto left = counters_->holder();
    if (!left.is_nobody()) {
      if (is_alive(left, *logs_)) {
        report_intruder("held the lock shared");
        return true;
      }
      if (L::can.reports_owner_death && got == acquired::ok) report_untold(left);
    } else if (counters_->first() != counters_->second()) {
      report(log_->torn, 1, fmt::format("read {} and {}", counters_->first(), counters_->second()));
    }
    if (!stays_as_it_is(left, counters_->first())) return true;
    check_own();
    if constexpr (convertible_lock<L>) {
      if (random_.below(8) == 0) return step_up(left, how);
    }
    count(log_->reads, overlaps_);
    return true;
  }
  // For shared holders.
  bool stays_as_it_is(const holder_mark& left, std::uint64_t value) {
    linger();
    if (counters_->holder() == left && counters_->first() == value) return true;
    report_intruder("held the lock shared");
    return false;
  }

  // From exclusive to shared, with nobody in between.
  bool step_down(mode& how) {
    const auto value = counters_->first();
    if (const auto done = lock_.downgrade(); !done) return tolerate(done.error());
    how = mode::shared;
    stays_as_it_is({}, value);
    return true;
  }
  // From shared to exclusive. Whoever is refused still holds it shared.
  bool step_up(const holder_mark& left, mode& how) {
    const auto value = counters_->first();
    const auto until = patience();
    const auto got = lock_.upgrade(until);
    if (!got) {
      if (got.error().code != errc::would_deadlock && !is_refusal(got.error(), until)) {
        return tolerate(got.error());
      }
      stays_as_it_is(left, value);
      return true;
    }
    how = mode::exclusive;
    logs_->note_acquired(index());
    const holding_mark mark(*log_);
    if (counters_->holder() != left || counters_->first() != value) {
      report_intruder("upgraded the lock");
    } else if (take_over(*got)) {
      change();
    }
    counters_->leave();
    return true;
  }

  holder_mark self_;
  const counters* counters_;
  L lock_;
  bool overlaps_ = false;  // the operation that this worker is in
  bool reads_ = false;     // and whether it is a read,
  bool made_ = false;      // and whether it has made a change
};

template <lock L>
int work_as_clerk(typename L::state& state, int index, std::uint64_t life, const counters& shared,
                  const worker_logs& logs, std::uint64_t seed) {
  auto lock = L::attach(state);
  if (!lock) {
    logs.of(index).give_up(lock.error());
    return 1;
  }
  return clerk<L>(index, life, shared, logs, *std::move(lock), seed).work();
}

// Exclusively, also of a lock that knows no deadlines.
template <lock L>
std::expected<acquired, error> acquire_within(L& lock, std::chrono::nanoseconds span) {
  const auto until = deadline::after(span);
  if constexpr (L::can.timed) return lock.acquire(mode::exclusive, until);
  for (;;) {
    auto got = lock.acquire(mode::exclusive, deadline::none());
    if (got || got.error().code != errc::would_block || until.passed()) return got;
    sched_yield();
  }
}

// The last look, when no worker lives any more.
template <lock L>
void audit(typename L::state& state, const counters& shared, const worker_logs& logs,
           const options& chosen, outcome& result) {
  const auto found = [&](std::uint64_t& counter, std::uint64_t by, const std::string& sentence) {
    counter += by;
    result.findings.push_back("at the end: " + sentence);
  };
  auto lock = L::attach(state);
  if (!lock) return found(result.seen.torn, 1, lock.error().message());
  const auto got = acquire_within(*lock, chosen.patience);
  if (!got) return found(result.seen.stuck, 1, got.error().message());
  if (*got == acquired::owner_died) shared.note_told();
  if (const auto left = shared.holder(); !left.is_nobody()) {
    if (L::can.reports_owner_death && *got == acquired::ok) {
      found(result.seen.torn, 1, "nobody is told that a holder was killed");
    }
    if (const auto wrong = shared.repair()) found(result.seen.torn, 1, *wrong);
    shared.leave();
  }
  if (const auto missing = shared.unaccounted_for(); missing != 0) {
    found(result.seen.lost, missing, "counters miss changes");
  }
  for (int i = 0; i < chosen.workers; ++i) {
    const numbers_of_changes own = logs.of(i).numbers();
    if (const auto missing = unaccounted(own, shared.done(i)); missing != 0) {
      found(result.seen.lost, missing,
            fmt::format("worker {} has {} changes acknowledged and {} begun, but {} are there", i,
                        own.acknowledged, own.intended, shared.done(i)));
    }
  }
  lock->release(mode::exclusive);
}

template <lock L>
std::expected<supervision, error> operate_on_counter(typename L::state& state,
                                                     const options& chosen,
                                                     const progress_callback& tell) {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, counters::create(chosen.workers));
  SHMARK_ASSIGN_OR_RETURN(const auto logs, worker_logs::create(chosen.workers));
  const worker_body body = [&](int worker, std::uint64_t life) {
    return work_as_clerk<L>(state, worker, life, shared, logs,
                            seed_of_life(chosen.seed, worker, life));
  };
  SHMARK_ASSIGN_OR_RETURN(auto result, supervise(chosen, logs, body, tell));
  counts& seen = result.seen.seen;
  if (seen.stuck == 0) audit<L>(state, shared, logs, chosen, result.seen);
  seen.recoveries = L::can.reports_owner_death ? shared.told() : shared.repaired();
  // Of those who are killed last nobody knows after an interrupt: nobody waits for them.
  const std::uint64_t deaths = seen.kills_in_operation + seen.died;
  if (!result.seen.interrupted && seen.stuck == 0 && shared.told() > deaths) {
    ++seen.torn;
    result.seen.findings.push_back(fmt::format(
        "told of {} deaths, but {} workers have died in an operation", shared.told(), deaths));
  }
  if (!L::can.crash_safe && seen.kills != 0 && !seen.faultless()) {
    result.seen.findings.push_back(fmt::format(
        "{} does not promise to survive its holder's death: run it with --kill_gap_ms=0", L::name));
  }
  return result;
}

}  // namespace detail

// Errors: no_space, and those of making the lock, which keep it from beginning.
template <lock L>
[[nodiscard]] std::expected<outcome, error> run_counter(const options& chosen,
                                                        const progress_callback& tell,
                                                        const run& in) {
  const auto before = system_objects::now();
  std::expected<supervision, error> result;
  {
    SHMARK_ASSIGN_OR_RETURN(auto cell, lock_cell<L>::create(in));
    result = detail::operate_on_counter<L>(cell.state(), chosen, tell);
  }
  if (!result) return std::unexpected(result.error());
  result->processes.insert(getpid());
  detail::find_leaks({}, in, before, result->processes, result->seen);
  return result->seen;
}

}  // namespace shmark::stress

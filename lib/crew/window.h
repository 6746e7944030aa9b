// Windows: timed stretches in which all workers of a crew do the same operation over and over.
//
//     auto windows = window_crew::start({.size = 4}, [&](window_worker& self) {
//       auto lock = robust_rw::attach(state);
//       while (self.next()) {
//         self.run([&] { … one operation … });
//       }
//     });
//     auto result = (*windows)->run(100ms);
//
// Protocol. `round` is a futex word in shared memory, counted up by the supervisor: odd to prepare,
// even to go. Each worker tells that it has prepared, and later that it has finished, through one
// eventfd; so the supervisor waits for workers, deaths and interrupts in one poll(2). All have
// prepared before any goes. The clock starts when the supervisor says go; each worker stops at the
// first look at `stop` after the time is up, and counts its own time to its own end: so a worker
// that the scheduler made wait is charged for it, and overshoot is not free.
//
// One operation in `time_every` is timed, by two looks at the clock or more (see sample.h). Where
// that is more often than once in 10 us of processor time, as the window before has shown, fewer
// are: one in 2, 3, … times as many, the same in the whole of a window. So let one go before that
// is to be measured, for this and to get warm.
//
// Closed and open loop. Without a rate, each worker begins an operation when its last one has
// ended: while one is held up, others that would have come meanwhile are not even asked, and their
// waits are in no statistics (*coordinated omission*). With a rate, each operation has a time at
// which it is to begin, whatever became of those before it; its latency from then is the
// distribution `intended`. Times are equally spaced, and workers take turns. A worker that is late
// begins at once until it has caught up; one that is early sleeps, so `intended` includes how late
// a sleeper is woken: the same of a subject that does nothing shows how much that is.
//
// Source: G. Tene, "How NOT to Measure Latency", Strange Loop 2015; wrk2.
//
// Process and thread safety: run() from the thread that started the crew. What survives a worker's
// death: everything but its result; run() then fails, and says who died.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/base/descriptor.h"
#include "lib/base/error.h"
#include "lib/base/futex.h"
#include "lib/crew/crew.h"
#include "lib/crew/sample.h"
#include "lib/measure/clock.h"
#include "lib/segment/anonymous.h"

namespace shmark {

// What a worker hands back; in shared memory, each on cache lines of its own.
struct alignas(64) worker_result : distributions {
  std::uint64_t operations;
  std::uint64_t planned;  // operations that should have begun; only with a rate
  unsigned timed_every;   // one in so many was timed; 0: none
  bool is_elsewhere;      // another program did them, and says what it knows of them
  std::int64_t elapsed_ns;
  std::int64_t cpu_ns;                    // processor time that the worker has used of these
  std::uint64_t voluntary_switches;       // to another process or thread, because it waited
  std::uint64_t involuntary_switches;     // because its time was up, or somebody else's had come
  std::array<std::uint64_t, 4> counters;  // the workload's own
  bool failed;
  error why;  // if it failed
};

namespace detail {

struct window_control {
  alignas(64) futex_word round;
  alignas(64) std::atomic<std::uint32_t> stop;
  std::atomic<std::uint32_t> quit;
  std::atomic<std::int64_t> start_ns;
  std::atomic<std::int64_t> length_ns;
  // Of so many batches of `time_every` operations, the first is begun by one that is timed.
  std::atomic<std::uint32_t> batches_per_sample{1};
};

// A worker's own.
struct window_slot {
  worker_result result;
  futex_word told;  // the round of which it has told that its part is done
};

}  // namespace detail

// How often a worker looks whether its time is up.
enum class stop_check {
  every_operation,  // a load and a branch for each
  every_sample,     // once in time_every operations: for those that cost little more
};

// When a worker's operations are to begin, in ns from the window's begin. No interval: at once.
struct pace {
  double first_ns = 0;
  double interval_ns = 0;
};

// A worker's side.
class window_worker {
 public:
  window_worker(int index, unsigned time_every, pace at, detail::window_control& control,
                detail::window_slot& slot, int done) noexcept
      : index_(index),
        time_every_(time_every),
        pace_(at),
        control_(&control),
        result_(&slot.result),
        told_(&slot.told),
        done_(done) {}

  [[nodiscard]] int index() const noexcept { return index_; }

  // Waits for the next window; false when there is none any more. Between next() and run() is the
  // place to prepare: it is not timed, and nobody goes before all are ready.
  [[nodiscard]] bool next() noexcept;

  // Does `operation` until the window ends, and at least once, so that every worker has a rate even
  // if the scheduler let it in when the window was over. Call it once for each next(). It is called
  // with a probe (sample.h), or without an argument if it takes none. In an open loop each
  // operation is timed.
  template <stop_check Check = stop_check::every_operation, class Operation>
  void run(Operation&& operation);

  // The same for operations that another program does: `elsewhere(from_ns, length, result)` has it
  // do them from the window's beginning, a point in time, for so long, returns when it has, and
  // fills in operations, times and histogram.
  template <class Elsewhere>
  void run_elsewhere(Elsewhere&& elsewhere);

  // One operation in so many is to be timed.
  [[nodiscard]] unsigned time_every() const noexcept { return time_every_; }

  // Of the last run().
  [[nodiscard]] std::uint64_t operations() const noexcept { return result_->operations; }
  // The workload's own counters, for the result of this window. Set them after run().
  [[nodiscard]] std::array<std::uint64_t, 4>& counters() noexcept { return result_->counters; }

  // Ends this worker's part with an error, which run() of the crew returns.
  void fail(const error& why) noexcept;

 private:
  void wait_for(std::uint32_t round) noexcept;
  void tell() noexcept;
  [[nodiscard]] bool stopped() const noexcept {
    return control_->stop.load(std::memory_order_relaxed) != 0;
  }

  template <stop_check Check, class Operation>
  std::uint64_t run_closed(probing& probes, Operation& operation);
  template <class Operation>
  std::uint64_t run_open(probing& probes, Operation& operation);
  // Sleeps until then, unless the window ends first.
  // False: the window ended before.
  [[nodiscard]] bool sleep_until(std::int64_t begin_ns) const noexcept;

  int index_;
  unsigned time_every_;
  pace pace_;
  detail::window_control* control_;
  worker_result* result_;
  futex_word* told_;
  int done_;
  std::uint32_t round_ = 0;
};

// All workers' results of one window.
struct window_result {
  std::vector<double> worker_ops_per_s;
  std::vector<std::array<std::uint64_t, 4>> counters;
  distributions times;
  std::uint64_t operations = 0;
  std::uint64_t planned = 0;
  unsigned timed_every = 0;
  bool is_elsewhere = false;
  double ops_per_s = 0;     // the sum of the workers' rates
  std::int64_t cpu_ns = 0;  // of all workers, as what follows
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;

  [[nodiscard]] double ns_per_operation() const noexcept { return 1e9 / ops_per_s; }
  [[nodiscard]] double cpu_ns_per_operation() const noexcept {
    return static_cast<double>(cpu_ns) / static_cast<double>(operations);
  }
  [[nodiscard]] std::uint64_t sum(std::size_t counter) const noexcept;
};

struct window_options {
  crew_options workers;
  // One operation in so many, or fewer (see above); 1: every one, which costs the probe each time;
  // 0: none.
  unsigned time_every = 64;
  double rate_per_s = 0;  // of operations that are to begin, by all workers together; 0: closed
  // For how long worker 0 is stopped in the middle of each window (SIGSTOP). Requires: processes.
  std::chrono::nanoseconds stop{0};
  // For how long workers may prepare, or end, before they count as stuck. All that they do between
  // two waits takes far less.
  std::chrono::nanoseconds patience = std::chrono::seconds(60);
};

// The supervisor's side.
class window_crew {
 public:
  using body = std::function<void(window_worker&)>;

  // Starts the workers; they wait for their first window. Errors: no_space.
  [[nodiscard]] static std::expected<std::unique_ptr<window_crew>, error> start(
      const window_options& options, const body& work);
  window_crew(const window_crew&) = delete;
  window_crew& operator=(const window_crew&) = delete;
  ~window_crew();

  // One window. Errors: worker_died, interrupted, timed_out if workers do not stop (they are then
  // named), and whatever a worker failed with. The crew is of no use after an error.
  [[nodiscard]] std::expected<window_result, error> run(std::chrono::nanoseconds length);
  // One in which no worker is stopped, whatever the options say: to get warm. Errors: the same.
  [[nodiscard]] std::expected<window_result, error> run_undisturbed(
      std::chrono::nanoseconds length);

 private:
  window_crew(const window_options& options, anonymous_segment memory, descriptor done);
  [[nodiscard]] detail::window_control& control() const noexcept;
  [[nodiscard]] std::span<detail::window_slot> slots() const noexcept;
  void announce(std::uint32_t round) noexcept;
  void space_samples(const window_result& last) noexcept;
  std::expected<void, error> wait_for_all(const char* attempted);
  std::expected<void, error> let_run(deadline until);
  [[nodiscard]] std::expected<void, error> judge(const crew::event& event) const;
  std::expected<void, error> let_run_and_stop_one(std::chrono::nanoseconds length);
  template <class Let>
  std::expected<window_result, error> run_by(std::chrono::nanoseconds length, Let&& let);
  [[nodiscard]] std::string stuck() const;
  [[nodiscard]] window_result gather() const;

  window_options options_;
  anonymous_segment memory_;  // control, then one slot per worker
  descriptor done_;
  std::uint32_t round_ = 0;
  crew crew_;  // last: its end comes first
};

namespace detail {

// Calls it with the probe if it takes one.
template <class Operation, class Probe>
void carry_out(Operation& operation, Probe& probe) {
  if constexpr (std::invocable<Operation&, Probe&>) {
    operation(probe);
  } else {
    operation();
  }
}

// What a thread has used so far.
struct usage {
  std::int64_t cpu_ns;
  std::uint64_t voluntary_switches;
  std::uint64_t involuntary_switches;
};
[[nodiscard]] usage usage_of_thread() noexcept;

// How closely timed operations look, so that at most a few percent of the time are spent on it: one
// in so many at everything; the others at their phases only where operations take so long that it
// does not matter, on average, lest those that wait are seen more often.
constexpr std::uint64_t close_look_every = 8;
constexpr double phases_every_ns = 12'000;

// Of processor time, between two operations that are timed. A probe costs 40 to 80 ns in all, so it
// is at most 0.8% of what is measured; where workers contend, it also lets another go first, and
// costs several times as much.
constexpr double sample_every_ns = 10'000;

}  // namespace detail

template <stop_check Check, class Operation>
void window_worker::run(Operation&& operation) {
  probing probes{.to = result_, .ns_per_tick = ns_per_tick(), .worker = index_};
  tell();
  wait_for(++round_);
  const detail::usage before = detail::usage_of_thread();
  result_->operations =
      pace_.interval_ns == 0 ? run_closed<Check>(probes, operation) : run_open(probes, operation);
  const detail::usage after = detail::usage_of_thread();
  result_->cpu_ns = after.cpu_ns - before.cpu_ns;
  result_->voluntary_switches = after.voluntary_switches - before.voluntary_switches;
  result_->involuntary_switches = after.involuntary_switches - before.involuntary_switches;
  result_->elapsed_ns = monotonic_ns() - control_->start_ns.load(std::memory_order_relaxed);
}

template <stop_check Check, class Operation>
std::uint64_t window_worker::run_closed(probing& probes, Operation& operation) {
  constexpr unsigned untimed_batch = 64;
  // Not to be looked for through `this` after each operation: on some processors no load begins
  // before an operation's last atomic access has ended, and three in a row then cost as much.
  const std::atomic<std::uint32_t>& stop = control_->stop;
  const auto is_over = [&stop] { return stop.load(std::memory_order_relaxed) != 0; };
  const bool is_probed = time_every_ != 0;
  const unsigned untimed = is_probed ? time_every_ - 1 : untimed_batch;
  const unsigned batches_per_sample =
      time_every_ == 1 ? 1 : control_->batches_per_sample.load(std::memory_order_relaxed);
  const auto phases_every =
      static_cast<std::uint64_t>(detail::phases_every_ns / probes.ns_per_tick);
  const std::uint64_t begin = ticks();
  std::uint64_t last = begin;  // when the last timed one began
  std::uint64_t operations = 0;
  std::uint64_t timed = 0;
  unsigned batches_left = 1;  // until the next timed one
  no_probe none(probes);
  result_->timed_every = time_every_ * batches_per_sample;
  do {  // at least once: a worker that was scheduled too late has a result, too
    unsigned left = untimed;
    if (is_probed && --batches_left == 0) {
      batches_left = batches_per_sample;
      const bool has_time = last - begin > timed * phases_every;
      timing_probe probe(probes, time_every_ == 1 || timed % detail::close_look_every == 0
                                     ? look::others
                                     : (has_time ? look::phases : look::whole));
      detail::carry_out(operation, probe);
      probe.end();
      last = probe.from();
      ++timed;
    } else if (is_probed) {
      ++left;
    }
    const unsigned all = left;
    for (; left != 0; --left) {
      if constexpr (Check == stop_check::every_operation) {
        if (is_over()) break;
      }
      detail::carry_out(operation, none);
    }
    operations += all - left;
  } while (!is_over());
  return operations + timed;
}

template <class Operation>
std::uint64_t window_worker::run_open(probing& probes, Operation& operation) {
  result_->timed_every = 1;
  const std::int64_t start_ns = control_->start_ns.load(std::memory_order_relaxed);
  std::uint64_t operations = 0;
  const auto begin_ns = [&](std::uint64_t of) {
    return pace_.first_ns + pace_.interval_ns * static_cast<double>(of);
  };
  do {
    const double planned_ns = begin_ns(operations);
    const bool is_due = sleep_until(start_ns + static_cast<std::int64_t>(planned_ns));
    if (operations != 0 && stopped()) break;  // one that is not due yet
    timing_probe probe(probes, look::others);
    detail::carry_out(operation, probe);
    probe.end();
    // Not by ticks, whose length is measured: over a whole window, a hundred us could be wrong.
    const auto ended_ns = static_cast<double>(monotonic_ns() - start_ns);
    if (is_due) {
      result_->intended.add(static_cast<std::uint64_t>(std::max(0.0, ended_ns - planned_ns)));
    }
    ++operations;
  } while (!stopped());
  const auto elapsed_ns = static_cast<double>(monotonic_ns() - start_ns);
  result_->planned = std::max(
      operations,
      static_cast<std::uint64_t>(std::max(0.0, elapsed_ns - pace_.first_ns) / pace_.interval_ns));
  return operations;
}

template <class Elsewhere>
void window_worker::run_elsewhere(Elsewhere&& elsewhere) {
  tell();
  wait_for(++round_);
  elsewhere(control_->start_ns.load(std::memory_order_relaxed),
            std::chrono::nanoseconds(control_->length_ns.load(std::memory_order_relaxed)),
            *result_);
  result_->timed_every = time_every_;
  result_->is_elsewhere = true;
}

}  // namespace shmark

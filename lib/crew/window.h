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
// One operation in `time_every` is timed, by two looks at the clock (see clock.h).
//
// Process and thread safety: run() from the thread that started the crew. What survives a worker's
// death: everything but its result; run() then fails, and says who died.
#pragma once

#include <atomic>
#include <chrono>
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
#include "lib/measure/clock.h"
#include "lib/measure/histogram.h"
#include "lib/segment/anonymous.h"

namespace shmark {

// What a worker hands back; in shared memory, each on cache lines of its own.
struct alignas(64) worker_result {
  std::uint64_t operations;
  std::int64_t elapsed_ns;
  std::int64_t cpu_ns;                    // processor time that the worker has used of these
  std::array<std::uint64_t, 4> counters;  // the workload's own
  histogram latency;                      // of the timed operations
  bool failed;
  error why;  // if it failed
};

namespace detail {

struct window_control {
  alignas(64) futex_word round;
  alignas(64) std::atomic<std::uint32_t> stop;
  std::atomic<std::uint32_t> quit;
  std::atomic<std::int64_t> start_ns;
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

// A worker's side.
class window_worker {
 public:
  window_worker(int index, unsigned time_every, detail::window_control& control,
                detail::window_slot& slot, int done) noexcept
      : index_(index),
        time_every_(time_every),
        control_(&control),
        result_(&slot.result),
        told_(&slot.told),
        done_(done) {}

  [[nodiscard]] int index() const noexcept { return index_; }

  // Waits for the next window; false when there is none any more. Between next() and run() is the
  // place to prepare: it is not timed, and nobody goes before all are ready.
  [[nodiscard]] bool next() noexcept;

  // Does `operation` until the window ends, and at least once, so that every worker has a rate even
  // if the scheduler let it in when the window was over. Call it once for each next().
  template <stop_check Check = stop_check::every_operation, class Operation>
  void run(Operation&& operation) noexcept(noexcept(operation()));

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

  int index_;
  unsigned time_every_;
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
  histogram latency;
  std::uint64_t operations = 0;
  double ops_per_s = 0;     // the sum of the workers' rates
  std::int64_t cpu_ns = 0;  // of all workers

  [[nodiscard]] double ns_per_operation() const noexcept { return 1e9 / ops_per_s; }
  [[nodiscard]] double cpu_ns_per_operation() const noexcept {
    return static_cast<double>(cpu_ns) / static_cast<double>(operations);
  }
  [[nodiscard]] std::uint64_t sum(std::size_t counter) const noexcept;
};

struct window_options {
  crew_options workers;
  unsigned time_every = 64;  // 1: every operation, which costs the probe each time
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

 private:
  window_crew(const window_options& options, anonymous_segment memory, descriptor done);
  [[nodiscard]] detail::window_control& control() const noexcept;
  [[nodiscard]] std::span<detail::window_slot> slots() const noexcept;
  void announce(std::uint32_t round) noexcept;
  std::expected<void, error> wait_for_all(const char* attempted);
  std::expected<void, error> let_run(deadline until);
  [[nodiscard]] std::expected<void, error> judge(const crew::event& event) const;
  [[nodiscard]] std::string stuck() const;
  [[nodiscard]] window_result gather() const;

  window_options options_;
  anonymous_segment memory_;  // control, then one slot per worker
  descriptor done_;
  std::uint32_t round_ = 0;
  crew crew_;  // last: its end comes first
};

template <stop_check Check, class Operation>
void window_worker::run(Operation&& operation) noexcept(noexcept(operation())) {
  const double tick = ns_per_tick();
  tell();
  wait_for(++round_);
  const std::int64_t cpu_from_ns = thread_cpu_ns();
  std::uint64_t operations = 0;
  const unsigned every = time_every_;
  do {  // at least once: a worker that was scheduled too late has a result, too
    const std::uint64_t from = ticks();
    operation();
    result_->latency.add(static_cast<std::uint64_t>(static_cast<double>(ticks() - from) * tick));
    unsigned left = every - 1;
    for (; left != 0; --left) {
      if constexpr (Check == stop_check::every_operation) {
        if (stopped()) break;
      }
      operation();
    }
    operations += every - left;
  } while (!stopped());
  result_->operations = operations;
  result_->cpu_ns = thread_cpu_ns() - cpu_from_ns;
  result_->elapsed_ns = monotonic_ns() - control_->start_ns.load(std::memory_order_relaxed);
}

}  // namespace shmark

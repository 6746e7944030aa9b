// What is measured of single operations: by a worker, of some of them (see window.h).
//
// An operation that has phases tells of them; one that has none takes no argument.
//
//     self.run([&](auto& probe) {
//       probe.asks(trace);                     // of a lock
//       lock.acquire(…);
//       probe.acquired(trace);                 // ends the wait
//       …
//       probe.releases(trace);
//       lock.release(…);
//       probe.released();                      // ends the hold
//     });
//
// In operations that are not timed all of this compiles to nothing, but for one comparison by those
// who pass a trace.
//
// Terms
//   wait      from an operation's begin until acquired()
//   hold      from there until released(), or to the operation's end
//   handoff   from a holder's release until the next to acquire has the lock, if that is another
//             worker
//   bypassed  how many acquisitions of others went first between asking and having
//
// Process and thread safety: a probe belongs to one operation of one worker. A trace lies in shared
// memory, and is written by whoever holds the lock that it is about, exclusively.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "lib/measure/clock.h"
#include "lib/measure/histogram.h"

namespace shmark {

// Durations in ns, but for `bypassed`, which counts.
struct distributions {
  histogram latency;   // whole operations
  histogram intended;  // the same, from when they should have begun; only if that was planned
  histogram wait;
  histogram hold;
  histogram handoff;
  histogram bypassed;
  std::array<histogram, 2> own;  // the workload's

  void merge(const distributions& other) noexcept {
    latency.merge(other.latency);
    intended.merge(other.intended);
    wait.merge(other.wait);
    hold.merge(other.hold);
    handoff.merge(other.handoff);
    bypassed.merge(other.bypassed);
    for (std::size_t i = 0; i < own.size(); ++i) own[i].merge(other.own[i]);
  }
};

// What a lock's exclusive holders leave to those who come after.
struct lock_trace {
  std::uint64_t acquisitions = 0;    // counted by the workload: the state that the lock guards
  std::uint64_t released_ticks = 0;  // when the last holder let go, if it looked; 0: it did not
  std::int32_t released_by = 0;      // worker

  // For those who do not hold the lock: any number up to the present one.
  [[nodiscard]] std::uint64_t peek() noexcept {
    return std::atomic_ref(acquisitions).load(std::memory_order_relaxed);
  }
  void count() noexcept {
    std::atomic_ref(acquisitions).store(acquisitions + 1, std::memory_order_relaxed);
  }
};

// What probes of one worker have in common.
struct probing {
  distributions* to;
  double ns_per_tick;
  std::int32_t worker;

  [[nodiscard]] std::uint64_t ns(std::uint64_t ticks) const noexcept {
    return static_cast<std::uint64_t>(static_cast<double>(ticks) * ns_per_tick);
  }
  // Somebody else's release was noted; `from` is when this operation began, or 0.
  [[gnu::cold, gnu::noinline]] void take_handoff(lock_trace& trace, std::uint64_t from) noexcept {
    const std::uint64_t now = ticks();
    const std::uint64_t released = trace.released_ticks;
    trace.released_ticks = 0;
    // Who began later has not waited for it: the lock was idle meanwhile.
    if (trace.released_by != worker && now > released && from < released) {
      to->handoff.add(ns(now - released));
    }
  }
};

// Of an operation that is not timed.
class no_probe {
 public:
  static constexpr bool is_timed = false;
  explicit no_probe(probing& of) noexcept : of_(&of) {}

  void asks(lock_trace&) const noexcept {}
  void acquired() const noexcept {}
  void acquired(lock_trace& trace) const noexcept {
    if (trace.released_ticks != 0) [[unlikely]]
      of_->take_handoff(trace, 0);
  }
  void releases(lock_trace&) const noexcept {}
  void released() const noexcept {}
  void is(std::size_t) const noexcept {}

 private:
  probing* of_;
};

// How much is looked at in an operation that is timed.
enum class look : std::uint8_t {
  whole,   // how long it takes
  phases,  // also its phases: more looks at the clock
  others,  // also at what others do meanwhile, which costs them a little, too
};

// Of one that is.
class timing_probe {
 public:
  static constexpr bool is_timed = true;
  timing_probe(probing& of, look how) noexcept : of_(&of), how_(how), from_(ticks()) {}
  timing_probe(const timing_probe&) = delete;
  timing_probe& operator=(const timing_probe&) = delete;

  void asks(lock_trace& trace) noexcept {
    if (how_ == look::others) acquisitions_ = trace.peek();
  }
  void acquired() noexcept {
    if (how_ != look::whole) acquired_ = ticks();
  }
  void acquired(lock_trace& trace) noexcept {
    acquired();
    if (trace.released_ticks != 0) of_->take_handoff(trace, from_);
    if (how_ == look::others) of_->to->bypassed.add(trace.peek() - acquisitions_);
  }
  void releases(lock_trace& trace) noexcept {
    if (how_ != look::others) return;
    trace.released_by = of_->worker;
    trace.released_ticks = ticks();
  }
  // What comes after is no part of the operation.
  void released() noexcept { ended_ = ticks(); }
  // In ticks, when it began.
  [[nodiscard]] std::uint64_t from() const noexcept { return from_; }
  // Which of the workload's own distributions it belongs to.
  void is(std::size_t which) noexcept { own_ = &of_->to->own[which]; }

  // The operation has ended. In ticks, when.
  std::uint64_t end() noexcept {
    const std::uint64_t now = ended_ != 0 ? ended_ : ticks();
    distributions& to = *of_->to;
    to.latency.add(of_->ns(now - from_));
    if (acquired_ != 0) {
      to.wait.add(of_->ns(acquired_ - from_));
      to.hold.add(of_->ns(now - acquired_));
    }
    if (own_ != nullptr) own_->add(of_->ns(now - from_));
    return now;
  }

 private:
  probing* of_;
  look how_;
  std::uint64_t from_;
  std::uint64_t acquired_ = 0;
  std::uint64_t ended_ = 0;
  std::uint64_t acquisitions_ = 0;
  histogram* own_ = nullptr;
};

}  // namespace shmark

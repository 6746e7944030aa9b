// What each worker notes about itself, in memory that outlives it: the supervisor reads it when the
// worker has been killed, and the worker's successor goes on from there.
//
// Process and thread safety: a log is written by its one worker, or by the supervisor while that
// does not run; anybody may read. Every store is a release: what a log says has been done was done.
// What survives a crash: everything.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>
#include <utility>

#include "lib/base/error.h"
#include "lib/segment/anonymous.h"
#include "stress/checker/history.h"

namespace shmark::stress {

// What a worker was doing.
enum class phase : std::uint32_t {
  idle,
  in_operation,  // from just before the call to just after
  holding,       // the lock: set once it is held, cleared before it is released
};

struct alignas(64) worker_log {
  std::atomic<phase> doing;
  // Set by the supervisor before it sends the signal that kills, since what the dead was doing
  // stays there to be read; cleared for the successor, once `doing` is.
  std::atomic<std::uint32_t> doomed;
  std::atomic<std::uint64_t> life;          // how many have been in this place before
  std::atomic<std::uint64_t> intended;      // see checker/history.h
  std::atomic<std::uint64_t> acknowledged;  //
  std::atomic<std::uint64_t> changes;
  std::atomic<std::uint64_t> reads;
  std::atomic<std::uint64_t> overlapped;  // changes and reads, by enter_operation()
  std::atomic<std::uint64_t> lost;
  std::atomic<std::uint64_t> torn;
  std::atomic<std::uint64_t> intruded;
  std::atomic<std::uint64_t> signals;               // handled,
  std::atomic<std::uint64_t> signals_in_operation;  // and of these, inside an operation
  std::atomic<std::uint32_t> has_finding;
  std::array<char, 300> finding;  // the first one, as a sentence
  std::atomic<std::uint32_t> has_failure;
  error failure;  // why the worker gave up, if it did

  void add(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
    // Only the worker itself writes, so no read-modify-write instruction is needed.
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_release);
  }
  [[nodiscard]] numbers_of_changes numbers() const noexcept {
    return {.acknowledged = acknowledged.load(), .intended = intended.load()};
  }
  // From here on, exactly these changes are done.
  void settle_at(std::uint64_t done) noexcept {
    acknowledged.store(done, std::memory_order_release);
    intended.store(done, std::memory_order_release);
  }
  // Notes what went wrong, unless something was noted before.
  void find(std::string_view sentence) noexcept;
  [[nodiscard]] std::string_view found() const noexcept;

  // For the handler of a signal, in the worker.
  void note_signal() noexcept {
    add(signals);
    if (doing.load(std::memory_order_relaxed) != phase::idle) add(signals_in_operation);
  }

  // Notes why this worker gives up.
  void give_up(const error& why) noexcept {
    failure = why;
    has_failure.store(1, std::memory_order_release);
  }
};
static_assert(std::atomic<phase>::is_always_lock_free);

// The logs of all workers, and the wish that all of them stop.
class worker_logs {
 public:
  // Errors: no_space.
  [[nodiscard]] static std::expected<worker_logs, error> create(int workers);

  [[nodiscard]] std::span<worker_log> all() const noexcept;
  [[nodiscard]] worker_log& of(int worker) const noexcept {
    return all()[static_cast<std::size_t>(worker)];
  }
  // Marks this worker as inside an operation; true if another one is inside one as well. That one
  // is alive: a mark that a killed worker left up does not count, nor does that of one that is
  // about to be killed. Of two operations that overlap, the one that began later finds out; if
  // they begin at once, at least one does. Costs a look at each worker's log, up to the first
  // that is inside one.
  [[nodiscard]] bool enter_operation(int worker) const noexcept;

  // How long it takes from a holder's death until another has the lock: the supervisor asks for the
  // next acquisition by anybody but the victim, which the first one to acquire then notes.
  void watch_recovery(int victim) const noexcept;
  // When that was, in ns of monotonic_ns(); 0: not yet.
  [[nodiscard]] std::int64_t recovered_ns() const noexcept {
    return common().recovered_ns.load(std::memory_order_acquire);
  }
  void end_watch() const noexcept { common().victim.store(0, std::memory_order_release); }
  // For workers that have just acquired the lock. Costs a load while nobody asks.
  void note_acquired(int worker) const noexcept {
    if (common().victim.load(std::memory_order_acquire) != 0) [[unlikely]]
      answer_watch(worker);
  }

  // Of all workers together.
  [[nodiscard]] std::uint64_t signals_in_operation() const noexcept {
    return sum(&worker_log::signals_in_operation);
  }
  [[nodiscard]] std::uint64_t changes() const noexcept { return sum(&worker_log::changes); }
  [[nodiscard]] std::uint64_t reads() const noexcept { return sum(&worker_log::reads); }

  // Asks all workers to end after the operation that they are in.
  void stop() const noexcept { common().wish.store(1, std::memory_order_release); }
  [[nodiscard]] bool stopped() const noexcept {
    return common().wish.load(std::memory_order_acquire) != 0;
  }

 private:
  worker_logs(anonymous_segment memory, int workers) noexcept
      : memory_(std::move(memory)), workers_(workers) {}
  struct shared_by_all {
    std::atomic<std::uint32_t> wish;  // 1: end
    std::atomic<int> victim;          // the worker + 1 whose recovery is watched; 0: none is
    std::atomic<std::int64_t> recovered_ns;
  };
  [[nodiscard]] shared_by_all& common() const noexcept;
  void answer_watch(int worker) const noexcept;
  [[nodiscard]] std::uint64_t sum(std::atomic<std::uint64_t> worker_log::* count) const noexcept;

  anonymous_segment memory_;  // what is shared, on a cache line of its own, then the logs
  int workers_;
};

}  // namespace shmark::stress

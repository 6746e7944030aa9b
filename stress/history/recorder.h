// Records what each worker does, in memory that outlives it.
//
//     auto records = recorder::create(workers, 100'000);     // in the supervisor, before it forks
//     records->begin(worker, access::write, value);          // in a worker
//     … the operation …
//     records->complete(worker, value, serial);
//     auto all = records->collect();                         // in the supervisor, in the end
//
// A record is published before its operation begins, and completed after it has ended; a worker
// that is killed in between leaves a pending one, and its successor goes on behind it. Killed while
// it writes a record, it leaves none, or a pending one.
//
// The times hold whatever processor and compiler reorder, so that an order that a history shows did
// exist: nothing of an operation is done before the time of its call was read, nor is anything of
// it still on its way to other processors when the time of its return is read. For this, both calls
// have a full fence. It hides nothing that a program could see: without a clock, a worker learns of
// another's return only by reading what that wrote afterwards.
//
// Process and thread safety: each worker's records are written by it alone, and by its successor.
// collect() when no worker lives.
// What survives a crash: everything, for as long as the process that made it lives.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/segment/anonymous.h"
#include "stress/history/history.h"

namespace shmark::stress {

class recorder {
  struct record {
    std::int64_t called_ns;
    std::atomic<std::int64_t> returned_ns;  // 0: it has not
    std::uint64_t kind;
    std::uint64_t value;
    std::uint64_t serial;
  };

 public:
  // Memory that one operation takes.
  static constexpr std::size_t bytes_per_operation = sizeof(record);

  // For workers 0 to `workers` - 1. Memory is used as it is written. Errors: no_space.
  [[nodiscard]] static std::expected<recorder, error> create(int workers,
                                                             std::size_t operations_per_worker);

  [[nodiscard]] bool full(int worker) const noexcept {
    return place_of(worker).count.load(std::memory_order_relaxed) == per_worker_;
  }

  // Requires: !full(worker). `value`: that is written; 0 of a read.
  void begin(int worker, access kind, std::uint64_t value) const noexcept {
    auto& count = place_of(worker).count;
    const std::uint64_t number = count.load(std::memory_order_relaxed);
    record& next = records_of(worker)[number];
    next.kind = static_cast<std::uint64_t>(kind);
    next.value = value;
    next.called_ns = monotonic_ns();
    count.store(number + 1, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  // The operation that was begun last has returned: with what was read or written, and its serial
  // number, 0 if there is none.
  void complete(int worker, std::uint64_t value, std::uint64_t serial) const noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::int64_t now_ns = monotonic_ns();
    const std::uint64_t count = place_of(worker).count.load(std::memory_order_relaxed);
    record& last = records_of(worker)[count - 1];
    last.value = value;
    last.serial = serial;
    last.returned_ns.store(now_ns, std::memory_order_release);
  }

  // All of it, in no order.
  [[nodiscard]] std::vector<operation> collect() const;

 private:
  struct alignas(64) place {
    std::atomic<std::uint64_t> count;
  };

  recorder(anonymous_segment memory, int workers, std::size_t per_worker) noexcept
      : memory_(std::move(memory)), workers_(workers), per_worker_(per_worker) {}

  [[nodiscard]] static std::size_t bytes_per_worker(std::size_t operations) noexcept;
  [[nodiscard]] std::byte* begin_of(int worker) const noexcept {
    return memory_.bytes().data() +
           static_cast<std::size_t>(worker) * bytes_per_worker(per_worker_);
  }
  [[nodiscard]] place& place_of(int worker) const noexcept {
    return *reinterpret_cast<place*>(begin_of(worker));
  }
  [[nodiscard]] std::span<record> records_of(int worker) const noexcept {
    return {reinterpret_cast<record*>(begin_of(worker) + sizeof(place)), per_worker_};
  }

  anonymous_segment memory_;  // by worker: its count, then its records
  int workers_;
  std::size_t per_worker_;
};

}  // namespace shmark::stress

// What the lock of scenario `counter` guards: two counters that are equal but for the midst of a
// change, and how many changes each worker has made; and the mark of whoever is about to change
// them.
//
//     enter         the mark is this holder's
//     change        (1) first + 1   (2) the worker's own number   (3) second + 1
//     leave         there is no mark
//
// The worker's own number decides: a change is made when that is there. So whoever comes after one
// that was killed between two steps makes both counters what the sum of all workers' numbers is;
// and who is killed over that leaves what the next can repair likewise.
//
// Process and thread safety: lies in memory that the workers inherit. Everything is atomic, so that
// a lock that lets two in at once does not make the checker undefined. What survives a crash:
// everything.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/segment/anonymous.h"
#include "stress/scenario/worker_log.h"

namespace shmark::stress {

// Who is in the midst of a change: a worker, and its how many-th life. The default is nobody.
class holder_mark {
 public:
  holder_mark() noexcept = default;
  holder_mark(int worker, std::uint64_t life) noexcept
      : bits_(life * places + static_cast<std::uint64_t>(worker) + 1) {}
  [[nodiscard]] static holder_mark of_bits(std::uint64_t bits) noexcept {
    holder_mark mark;
    mark.bits_ = bits;
    return mark;
  }
  [[nodiscard]] std::uint64_t bits() const noexcept { return bits_; }
  [[nodiscard]] bool is_nobody() const noexcept { return bits_ == 0; }
  // Requires: somebody.
  [[nodiscard]] int worker() const noexcept { return static_cast<int>(bits_ % places) - 1; }
  [[nodiscard]] std::uint64_t life() const noexcept { return bits_ / places; }
  bool operator==(const holder_mark&) const = default;

 private:
  static constexpr std::uint64_t places = 2048;  // more than there can be workers
  std::uint64_t bits_ = 0;
};

// Whether that one has neither been killed nor is about to be: then its lock is its own. One that
// was killed, and whose lock the system has freed, is never taken for alive.
[[nodiscard]] bool is_alive(const holder_mark& who, const worker_logs& logs) noexcept;

class counters {
 public:
  // Errors: no_space.
  [[nodiscard]] static std::expected<counters, error> create(int workers);

  [[nodiscard]] holder_mark holder() const noexcept {
    return holder_mark::of_bits(common().holder.load(std::memory_order_acquire));
  }
  void enter(const holder_mark& who) const noexcept {
    common().holder.store(who.bits(), std::memory_order_release);
  }
  void leave() const noexcept { common().holder.store(0, std::memory_order_release); }

  // The three steps of a change. The first returns what both counters will be.
  [[nodiscard]] std::uint64_t step_first() const noexcept;
  void step_number(int worker, std::uint64_t number) const noexcept;
  void step_second(std::uint64_t value) const noexcept;

  [[nodiscard]] std::uint64_t first() const noexcept {
    return common().first.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t second() const noexcept {
    return common().second.load(std::memory_order_acquire);
  }
  // How many changes a worker has made.
  [[nodiscard]] std::uint64_t done(int worker) const noexcept;
  [[nodiscard]] std::uint64_t sum_of_done() const noexcept;

  // How many changes are not in a counter, or are there though nobody made them; 0 if all is well.
  // For exclusive holders, between two changes.
  [[nodiscard]] std::uint64_t unaccounted_for() const noexcept;
  // Ends the change in whose midst somebody was killed. Says what is there that no single death
  // explains. For exclusive holders.
  [[nodiscard]] std::optional<std::string> repair() const;

  // How often somebody was told of a death, and how often one had left a mark.
  [[nodiscard]] std::uint64_t told() const noexcept { return common().told.load(); }
  [[nodiscard]] std::uint64_t repaired() const noexcept { return common().repaired.load(); }
  void note_told() const noexcept { ++common().told; }

 private:
  struct shared_by_all {
    std::atomic<std::uint64_t> holder;
    std::atomic<std::uint64_t> first;
    alignas(64) std::atomic<std::uint64_t> second;
    alignas(64) std::atomic<std::uint64_t> told;
    std::atomic<std::uint64_t> repaired;
  };

  counters(anonymous_segment memory, int workers) noexcept
      : memory_(std::move(memory)), workers_(workers) {}
  [[nodiscard]] shared_by_all& common() const noexcept;
  [[nodiscard]] std::span<std::atomic<std::uint64_t>> numbers() const noexcept;

  anonymous_segment memory_;
  int workers_;
};

}  // namespace shmark::stress

// N workers acquire and release a lock as fast as they can, or with work to do meanwhile, and count
// under it: all the same one, or one of several, which shows what is due to the lock and what to
// the machine.
//
// In exclusive mode, and of mixed acquisitions those that are exclusive, the counts show whether
// the lock excluded. In shared mode nobody writes, since that would be another measurement, and so
// nothing is checked: that readers and writers exclude each other is for
// tests/lib/lock/lock_conformance_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <utility>
#include <vector>

#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/lock/lock.h"
#include "lib/measure/busy_work.h"
#include "lib/measure/clock.h"
#include "lib/workload/workload.h"

namespace shmark {

// How a lock is used.
struct lock_load {
  // Of acquisitions, how many percent are shared; the others are exclusive. Between 0 and 100 they
  // are drawn.
  int reads_percent = 0;
  std::size_t locks = 1;       // worker i uses lock i modulo this; at least 1
  std::uint32_t cs_ns = 0;     // of work while a lock is held
  std::uint32_t think_ns = 0;  // of work between two
  std::uint64_t seed = 1;

  [[nodiscard]] bool is_mixed() const noexcept { return reads_percent > 0 && reads_percent < 100; }
};

template <lock L>
class lock_contention final : public workload {
 public:
  // Requires: L can be shared, if any acquisition is. Errors: no_space, and those of the lock.
  [[nodiscard]] static std::expected<std::unique_ptr<workload>, error> make(const run& owner,
                                                                            lock_load how) {
    std::vector<lock_cell<L>> cells;
    for (std::size_t i = 0; i < how.locks; ++i) {
      SHMARK_ASSIGN_OR_RETURN(auto cell, lock_cell<L>::create(owner));
      cells.push_back(std::move(cell));
    }
    return std::unique_ptr<workload>(new lock_contention(std::move(cells), how));
  }

  void work(window_worker& self) override {
    auto& cell = cells_[static_cast<std::size_t>(self.index()) % cells_.size()];
    auto handle = L::attach(cell.state());
    if (!handle) return self.fail(handle.error());
    while (self.next()) {
      auto done = how_.cs_ns == 0 && how_.think_ns == 0 && !how_.is_mixed()
                      ? only_lock(self, *handle, cell.guarded())
                      : lock_and_work(self, *handle, cell.guarded());
      if (!done) return self.fail(done.error());
    }
  }

  std::expected<counters, error> conclude(const window_result& result) override {
    counted_ += result.sum(exclusive_count);
    std::uint64_t made = 0;
    for (const auto& cell : cells_) made += cell.guarded().acquisitions;
    if (made != counted_) {
      return failure(errc::corrupt, "trust lock", L::name,
                     because{"it let two workers in at once: counts made under it are lost"},
                     "do not use it");
    }
    counters own;
    // A lock that bounds how often others are let past one that waits says how often they were.
    if constexpr (requires(typename L::state& state) { state.bypass_longest; }) {
      const auto& state = cells_.front().state();
      own["bypass_longest"] = static_cast<double>(state.bypass_longest.load());
      own["bypass_max"] = static_cast<double>(L::bypass_max(result.worker_ops_per_s.size()));
    }
    return own;
  }

 private:
  static constexpr std::size_t exclusive_count = 0;  // in a worker's counters: acquisitions

  lock_contention(std::vector<lock_cell<L>> cells, const lock_load& how) noexcept
      : cells_(std::move(cells)),
        how_(how),
        inside_(busy_work::of(how.cs_ns)),
        between_(busy_work::of(how.think_ns)) {}

  // Apart from lock_and_work(): what that asks of each operation would be a part of its time.
  std::expected<void, error> only_lock(window_worker& self, L& handle, lock_trace& guarded) const {
    std::expected<void, error> failed;
    if (how_.reads_percent == 0) {
      self.run(
          [&](auto& probe) { once<mode::exclusive>(handle, guarded, probe, failed, [] {}, true); });
      self.counters()[exclusive_count] = self.operations();
    } else if constexpr (L::can.shared) {
      self.run([&](auto& probe) { once<mode::shared>(handle, guarded, probe, failed, [] {}); });
    }
    return failed;
  }

  std::expected<void, error> lock_and_work(window_worker& self, L& handle,
                                           lock_trace& guarded) const {
    std::expected<void, error> failed;
    random_source random(how_.seed + static_cast<std::uint64_t>(self.index()));
    const auto reads = static_cast<std::uint32_t>(how_.reads_percent);
    std::uint64_t exclusive = 0;
    // Readers in between, and a lock that nobody wants for a while, are no part of a handoff.
    const bool hands_over = how_.think_ns == 0 && !how_.is_mixed();
    // Drawn between two operations: it is no part of what an operation waits.
    bool is_read = random.below(100) < reads;
    self.run([&](auto& probe) {
      if (is_read) {
        if constexpr (L::can.shared) once<mode::shared>(handle, guarded, probe, failed, inside_);
      } else {
        once<mode::exclusive>(handle, guarded, probe, failed, inside_, hands_over);
        ++exclusive;
      }
      between_();
      is_read = random.below(100) < reads;
    });
    self.counters()[exclusive_count] = exclusive;
    return failed;
  }

  template <mode How, class Probe, class Work>
  static void once(L& handle, lock_trace& guarded, Probe& probe, std::expected<void, error>& failed,
                   const Work& work, bool hands_over = false) {
    if constexpr (How == mode::exclusive) probe.asks(guarded);
    const auto got = handle.acquire(How, deadline::never());
    if (!got) [[unlikely]] {
      note_failure(got.error(), failed);
      return;
    }
    if constexpr (How == mode::exclusive) {
      probe.acquired(guarded);
      guarded.count();
      work();
      if (hands_over) probe.releases(guarded);
    } else {
      probe.acquired();
      keep(guarded.acquisitions);
      work();
    }
    handle.release(How);
    probe.released();
  }

  std::vector<lock_cell<L>> cells_;
  lock_load how_;
  busy_work inside_;
  busy_work between_;
  std::uint64_t counted_ = 0;
};

}  // namespace shmark

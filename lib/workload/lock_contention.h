// N workers acquire and release a lock as fast as they can, and count under it: all the same one,
// or one of several, which shows what is due to the lock and what to the machine.
//
// In exclusive mode the counts show whether the lock excluded. In shared mode nobody writes, since
// that would be another measurement, and so nothing is checked: that readers and writers exclude
// each other is for tests/lib/lock/lock_conformance_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <utility>
#include <vector>

#include "lib/crew/run.h"
#include "lib/lock/lock.h"
#include "lib/measure/clock.h"
#include "lib/workload/workload.h"

namespace shmark {

template <lock L>
class lock_contention final : public workload {
 public:
  // Worker i uses lock i modulo `locks` (at least 1). Errors: no_space, and those of the lock.
  [[nodiscard]] static std::expected<std::unique_ptr<workload>, error> make(const run& owner,
                                                                            mode how,
                                                                            std::size_t locks = 1) {
    std::vector<lock_cell<L>> cells;
    for (std::size_t i = 0; i < locks; ++i) {
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
      std::expected<void, error> failed;
      self.run([&] {
        const auto got = handle->acquire(how_, deadline::never());
        if (!got) [[unlikely]] {
          note_failure(got.error(), failed);
          return;
        }
        if (how_ == mode::exclusive) {
          ++cell.guarded();
        } else {
          keep(cell.guarded());
        }
        handle->release(how_);
      });
      if (!failed) return self.fail(failed.error());
    }
  }

  std::expected<counters, error> conclude(const window_result& result) override {
    counted_ += how_ == mode::exclusive ? result.operations : 0;
    std::uint64_t made = 0;
    for (const auto& cell : cells_) made += cell.guarded();
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
  lock_contention(std::vector<lock_cell<L>> cells, mode how) noexcept
      : cells_(std::move(cells)), how_(how) {}

  std::vector<lock_cell<L>> cells_;
  mode how_;
  std::uint64_t counted_ = 0;
};

}  // namespace shmark

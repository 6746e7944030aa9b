// N workers acquire and release one lock as fast as they can, and count under it.
#pragma once

#include <expected>
#include <memory>

#include "lib/crew/run.h"
#include "lib/lock/lock.h"
#include "lib/measure/clock.h"
#include "lib/workload/workload.h"

namespace shmark {

template <lock L>
class lock_contention final : public workload {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<workload>, error> make(const run& owner,
                                                                            mode how) {
    SHMARK_ASSIGN_OR_RETURN(auto cell, lock_cell<L>::create(owner));
    return std::unique_ptr<workload>(new lock_contention(std::move(cell), how));
  }

  void work(window_worker& self) override {
    auto handle = L::attach(cell_.state());
    if (!handle) return self.fail(handle.error());
    while (self.next()) {
      std::expected<void, error> failed;
      self.run([&] {
        const auto got = handle->acquire(how_, deadline::never());
        if (!got) [[unlikely]] {
          failed = std::unexpected(got.error());
          return;
        }
        if (how_ == mode::exclusive) {
          ++cell_.guarded();
        } else {
          keep(cell_.guarded());
        }
        handle->release(how_);
      });
      if (!failed) return self.fail(failed.error());
    }
  }

  std::expected<counters, error> conclude(const window_result& result) override {
    counted_ += how_ == mode::exclusive ? result.operations : 0;
    if (cell_.guarded() != counted_) {
      return failure(errc::corrupt, "trust lock", L::name,
                     "it let two workers in at once: counts made under it are lost");
    }
    return counters{};
  }

 private:
  lock_contention(lock_cell<L> cell, mode how) noexcept : cell_(std::move(cell)), how_(how) {}

  lock_cell<L> cell_;
  mode how_;
  std::uint64_t counted_ = 0;
};

}  // namespace shmark

// What the hardware allows, in the same loop as everything else: the least that any subject can
// cost.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <new>
#include <string_view>

#include "lib/measure/clock.h"
#include "lib/segment/anonymous.h"
#include "lib/workload/workload.h"

namespace shmark {

enum class limit_op {
  nothing,       // the loop itself
  acquire_load,  // of a shared word: the least that a cached read costs
  clock,         // looking at the clock
  exchange_pair  // compare and exchange, then a release store: the least that a lock costs
};

[[nodiscard]] constexpr std::string_view name_of(limit_op op) noexcept {
  switch (op) {
    case limit_op::nothing:
      return "nothing";
    case limit_op::acquire_load:
      return "acquire_load";
    case limit_op::clock:
      return "clock";
    case limit_op::exchange_pair:
      return "exchange_pair";
  }
  return "";
}

template <limit_op Op>
class limit final : public workload {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<workload>, error> make() {
    SHMARK_ASSIGN_OR_RETURN(auto memory, anonymous_segment::create(64));
    return std::unique_ptr<workload>(new limit(std::move(memory)));
  }

  void work(window_worker& self) override {
    auto& word =
        *std::launder(reinterpret_cast<std::atomic<std::uint64_t>*>(memory_.bytes().data()));
    while (self.next()) {
      self.run<stop_check::every_sample>([&word] { once(word); });
    }
  }
  std::expected<counters, error> conclude(const window_result&) override { return counters{}; }

 private:
  explicit limit(anonymous_segment memory) : memory_(std::move(memory)) {
    new (memory_.bytes().data()) std::atomic<std::uint64_t>(0);
  }

  static void once([[maybe_unused]] std::atomic<std::uint64_t>& word) noexcept {
    if constexpr (Op == limit_op::nothing) {
      asm volatile("");
    } else if constexpr (Op == limit_op::acquire_load) {
      keep(word.load(std::memory_order_acquire));
    } else if constexpr (Op == limit_op::clock) {
      keep(ticks());
    } else {
      std::uint64_t free = 0;
      keep(word.compare_exchange_strong(free, 1, std::memory_order_acquire));
      word.store(0, std::memory_order_release);
    }
  }

  anonymous_segment memory_;
};

}  // namespace shmark

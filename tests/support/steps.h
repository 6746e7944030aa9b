// How processes of a test wait for each other: a number that only rises.
//
//     steps step;                       // before the fork
//     auto holder = child::start([&] {
//       acquire(…);
//       step.reach(1);                  // it holds
//       step.await(2);                  // until the parent has looked
//     });
//     step.await(1);
//     …
//     step.reach(2);
//
// With add() it counts arrivals: N processes add(1) and await(N) to start together.
//
// Waiting is a futex, so a waiter costs no processor time and no test needs to sleep. What is
// written before reach() or add() is seen after the await() that it ends.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <limits>

#include "tests/support/shared.h"

namespace shmark::support {

class steps {
 public:
  // Raises the number to `step`, unless it is there or beyond.
  void reach(std::uint32_t step) noexcept {
    std::uint32_t now = value_->load();
    while (now < step && !value_->compare_exchange_weak(now, step)) {
    }
    wake();
  }
  // Raises it by `by`; returns what it was before.
  std::uint32_t add(std::uint32_t by = 1) noexcept {
    const std::uint32_t before = value_->fetch_add(by);
    wake();
    return before;
  }
  // Waits until it is `step` or more.
  void await(std::uint32_t step) const noexcept {
    for (std::uint32_t now = value_->load(); now < step; now = value_->load()) {
      syscall(SYS_futex, &*value_, FUTEX_WAIT, now, nullptr, nullptr, 0);
    }
  }
  // For processes that are to start together: arrives, and waits until `all` have.
  void meet(std::uint32_t all) noexcept {
    add();
    await(all);
  }
  [[nodiscard]] std::uint32_t now() const noexcept { return value_->load(); }

 private:
  void wake() const noexcept {
    syscall(SYS_futex, &*value_, FUTEX_WAKE, std::numeric_limits<int>::max(), nullptr, nullptr, 0);
  }

  shared<std::atomic<std::uint32_t>> value_;
};

}  // namespace shmark::support

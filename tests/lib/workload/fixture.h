// What tests of workloads have in common: a workload run small.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <stdexcept>
#include <utility>

#include "lib/base/error.h"
#include "lib/crew/crew.h"
#include "lib/crew/run.h"
#include "lib/crew/window.h"
#include "lib/workload/workload.h"

namespace shmark {

[[nodiscard]] inline run begun() {
  auto made = run::begin();
  if (!made) throw std::runtime_error(made.error().message());
  return *std::move(made);
}

// A workload and its workers. The test stops where one of them cannot be made.
class small_bench {
 public:
  small_bench(std::expected<std::unique_ptr<workload>, error> made, const crew_options& workers,
              unsigned time_every = 64)
      : work_(value_of(std::move(made))),
        crew_(value_of(window_crew::start({.workers = workers, .time_every = time_every},
                                          [this](window_worker& self) { work_->work(self); }))) {}

  // One window, and what the workload concludes from it.
  [[nodiscard]] std::expected<workload::counters, error> window(
      std::chrono::nanoseconds length = std::chrono::milliseconds(2)) {
    SHMARK_ASSIGN_OR_RETURN(last_, crew_->run(length));
    return work_->conclude(last_);
  }
  // What the last window measured.
  [[nodiscard]] const window_result& last() const noexcept { return last_; }

 private:
  template <class T>
  static T value_of(std::expected<T, error> made) {
    if (!made) throw std::runtime_error(made.error().message());
    return *std::move(made);
  }

  std::unique_ptr<workload> work_;
  std::unique_ptr<window_crew> crew_;  // after it: workers end before what they work on
  window_result last_;
};

}  // namespace shmark

// Progress: somebody completes an operation every now and then, or something hangs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace shmark::stress {

// Told the number of completed operations again and again, it notices when that stands still.
class progress_watch {
 public:
  progress_watch(std::chrono::nanoseconds patience, std::int64_t now_ns) noexcept
      : patience_ns_(patience.count()), since_ns_(now_ns) {}

  // Whether the number has been the same for longer than the patience.
  [[nodiscard]] bool stands_still(std::uint64_t completed, std::int64_t now_ns) noexcept;

 private:
  std::int64_t patience_ns_;
  std::int64_t since_ns_;
  std::uint64_t completed_ = 0;
};

// Where a process is, as far as the kernel tells: "in futex_wait_queue", "running", "unknown".
// Source: proc_pid_stack(5), proc_pid_wchan(5); the former is for root only.
[[nodiscard]] std::string whereabouts(pid_t process);

}  // namespace shmark::stress

// Progress: somebody completes an operation every now and then, or something hangs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
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

// Where a process is, as far as the kernel tells: "in futex_wait_queue", "running", "stopped",
// "unknown". Source: proc_pid_stack(5), proc_pid_wchan(5); the former is for root only.
[[nodiscard]] std::string whereabouts(pid_t process);

// What processes have called, the innermost first: "futex_wait < pthread_mutex_lock < work". By
// gdb(1), or else eu-stack(1) of elfutils, whichever is installed and may trace them. With neither:
// the instruction that one comes back to from the kernel, as an offset into its file, or nothing
// while it runs ("libc.so.6+0x8a1b3, system call 202"). gdb takes seconds, for it reads all symbols
// first; nobody waits for longer than 30 for each tool. Source: proc_pid_syscall(5),
// proc_pid_maps(5).
[[nodiscard]] std::map<pid_t, std::string> call_stacks(std::span<const pid_t> processes);

namespace detail {

// The parts of call_stacks(), without whatever they do not know. What a shell command prints: for
// each process a line "process 4711", and its frames ("#3 0x5 in work (…) at …").
[[nodiscard]] std::map<pid_t, std::string> stacks_told_by(const std::string& command);
[[nodiscard]] std::string return_from_kernel(pid_t process);

}  // namespace detail

}  // namespace shmark::stress

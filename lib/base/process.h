// Which process is which.
//
// A process number is used again after its owner has gone; together with the time at which the
// process started it names one process for as long as the machine runs. Numbers mean something
// within one PID namespace only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace shmark {

// When the process started, in clock ticks (sysconf(_SC_CLK_TCK)) since the machine did; nothing if
// there is no such process. A zombie is still there. Source: proc_pid_stat(5), field 22.
[[nodiscard]] std::optional<std::uint64_t> start_ticks(pid_t process) noexcept;

// Whether the process is over: there is none, or a zombie that nobody has waited for yet.
[[nodiscard]] bool has_ended(pid_t process) noexcept;

// How a process ended that its parent has not waited for yet, as of waitpid(2): for others than its
// parent. Nothing if there is no such process. Source: proc_pid_stat(5), field 52.
[[nodiscard]] std::optional<int> ended_with(pid_t process) noexcept;

// The state of a process, or of a thread by its number, as a letter of proc_pid_stat(5): 'R' while
// it runs, 'S' while it sleeps, 'Z' for a zombie; 0 if there is none, or the kernel does not tell.
[[nodiscard]] char process_state(pid_t process) noexcept;

// How often this process descends from a fork since the program began: changes in every child, so
// that what is recorded with it can be told from the parent's. Costs one load.
[[nodiscard]] std::uint32_t fork_depth() noexcept;

}  // namespace shmark

// A forked process, and one that is executed instruction by instruction: ptrace(2).
//
// Both die with this process, and with their objects. Who waits for them has called
// expect_children() first, in its only thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/error.h"

namespace shmark::explorer {

// From now on the end of a child, and its every stop, wakes this process where it waits below, and
// nowhere else: SIGCHLD is blocked.
void expect_children() noexcept;

class process {
 public:
  // Runs `body` in a child, which then ends with status 0 and without destructors. It leaves Ctrl-C
  // to its parent. Errors: no_space.
  [[nodiscard]] static std::expected<process, error> start(const std::function<void()>& body);
  // The same of one that hears of Ctrl-C as its parent does.
  [[nodiscard]] static std::expected<process, error> start_interruptible(
      const std::function<void()>& body);
  process(process&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  process& operator=(process&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~process() { kill(); }

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // How it ended, as waitpid(2) says; nothing if it has not by then, or Ctrl-C came first.
  [[nodiscard]] std::optional<int> wait(deadline until) noexcept;
  // SIGKILL, and reaps it. Does nothing if that has happened.
  void kill() noexcept;
  // Somebody else has reaped it.
  void forget() noexcept { pid_ = 0; }

 protected:
  explicit process(pid_t pid) noexcept : pid_(pid) {}
  pid_t pid_;
};

// An instruction of a run: the `repeat`-th time (a string instruction is repeated) in the
// `arrival`-th time that the process came to this address since its mark.
struct place_in_run {
  std::uint64_t address = 0;
  std::uint32_t arrival = 0;
  std::uint32_t repeat = 0;
  bool operator==(const place_in_run&) const = default;
};

enum class motion : std::uint8_t {
  stands,    // before its next instruction
  finished,  // at its end mark
  ended,     // it has ended by itself, or got a signal
  blocked,   // it still sleeps in a system call at the deadline
};

class tracee : public process {
 public:
  // Starts `body`, and goes as far as its begin mark. Errors: no_space; timed_out or worker_died if
  // it doesn't get there.
  [[nodiscard]] static std::expected<tracee, error> start(const std::function<void()>& body,
                                                          deadline until);

  [[nodiscard]] std::uint64_t address() const noexcept;
  enum class instruction : std::uint8_t { ordinary, system_call, end_mark };
  [[nodiscard]] instruction next() noexcept;
  // The number of the system call that it is about to make, if that comes next.
  [[nodiscard]] long system_call() const noexcept;
  // That may wait for somebody: for a futex, for semaphores of
  // System V, or for a lock on a file.
  [[nodiscard]] bool is_about_to_wait() const noexcept;
  // That may change what the kernel keeps for it, and undoes when it dies: descriptors, locks on
  // files, semaphores of System V.
  [[nodiscard]] bool is_about_to_change_the_kernel() const noexcept;
  // What the kernel looks at when the process dies holding robust mutexes: the first of its list,
  // and the one that is just being locked or unlocked.
  struct robust_list {
    std::uint64_t first;
    std::int64_t offset;
    std::uint64_t pending;
    bool operator==(const robust_list&) const = default;
  };
  [[nodiscard]] robust_list robust() const noexcept;

  // One instruction on.
  [[nodiscard]] motion step(deadline until) noexcept;
  // The same for a system call that may sleep; returns when it sleeps (blocked), or has returned.
  [[nodiscard]] motion step_into_sleep() noexcept;
  // On to `to`, at full speed but for where the address is met before. Stops at `event` on its way,
  // if there is one and it comes first, to call `at_event`.
  [[nodiscard]] motion go(const place_in_run& to, const std::optional<place_in_run>& event,
                          const std::function<void()>& at_event, deadline until) noexcept;
  // On, at full speed, until it has made this system call.
  [[nodiscard]] motion go_past(long number, deadline until) noexcept;
  // Lets it go, to come to its end by itself.
  void let_go() noexcept;
  // Lets it go, stopped by SIGSTOP as by anybody's.
  void leave_stopped() noexcept;
  void resume() noexcept;

 private:
  explicit tracee(process of) noexcept : process(std::move(of)) {}
  // By its place in user_regs_struct.
  [[nodiscard]] long register_at(std::size_t offset) const noexcept;
  [[nodiscard]] motion await_stop(bool may_sleep, deadline until) noexcept;
  void set_address(std::uint64_t to) noexcept;
  [[nodiscard]] long word_at(std::uint64_t address) const noexcept;
  void put_byte(std::uint64_t address, std::uint8_t byte) noexcept;

  std::uint64_t robust_head_ = 0;
  std::unordered_map<std::uint64_t, instruction> known_;
};

}  // namespace shmark::explorer

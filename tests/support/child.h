// A forked process as an object of a test.
//
//     auto holder = child::start([&] { EXPECT_EQ(…); step.reach(1); step.await(2); });
//     …
//     EXPECT_EQ(holder.wait(), exited(0));
//
// The body runs in the child, which then ends without destructors or listeners: status 0, or 1 if a
// GoogleTest assertion failed in it, or it threw (the message is printed as usual). A child that
// has not been waited for is killed and reaped with its object. It also dies with the thread that
// started it, so that an aborted test leaves no processes.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <functional>
#include <ostream>
#include <utility>
#include <vector>

namespace shmark::support {

// How a process ended.
struct ending {
  bool by_signal = false;
  int number = 0;  // the exit status, or the signal
  bool operator==(const ending&) const = default;
};
[[nodiscard]] constexpr ending exited(int status) noexcept { return {false, status}; }
[[nodiscard]] constexpr ending killed_by(int signal) noexcept { return {true, signal}; }
std::ostream& operator<<(std::ostream& out, const ending& how);

class child {
 public:
  [[nodiscard]] static child start(const std::function<void()>& body);

  child(child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  child& operator=(child&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~child();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  // Waits until it has ended, and reaps it. Requires: not yet reaped.
  ending wait();
  // Kills it by SIGKILL and reaps it. Requires: not yet reaped.
  ending kill();
  // Kills it by SIGKILL, waits until it is dead, and leaves it unreaped: a zombie.
  void kill_without_reaping();
  // Sends a signal, and returns at once.
  void send(int signal) const;
  // Stops it by SIGSTOP; returns when it has stopped.
  void stop();
  void resume() const { send(SIGCONT); }
  // Returns when it sleeps in the kernel (proc_pid_stat(5), state S). Once a child has said that
  // it is about to call something that blocks, and blocks nowhere else, it then waits in there.
  void await_asleep() const;

 private:
  explicit child(pid_t pid) noexcept : pid_(pid) {}
  pid_t pid_;
};

// The children of a process, zombies included, by proc_pid_stat(5).
[[nodiscard]] std::vector<pid_t> children_of(pid_t process);

}  // namespace shmark::support

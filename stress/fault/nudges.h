// Faults that a worker survives: it is stopped for a while (SIGSTOP, SIGCONT), or gets a signal
// that it handles and that interrupts what it waits for (SIGUSR1, without SA_RESTART).
//
// At most one is stopped at a time. Who is stopped inside an operation may hold what others need,
// and goes on after a while. Who is stopped between two operations holds nothing: it stays stopped
// until somebody else has completed one, so that a lock that waits for it is found stuck.
//
// Process and thread safety: for the supervisor's thread. Source: signal(7).
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <limits>

#include "stress/fault/killer.h"

namespace shmark::stress {

// When a fault of some kind is due: after a gap that is drawn, if there is one at all.
class schedule {
 public:
  static constexpr std::int64_t never_ns = std::numeric_limits<std::int64_t>::max();

  // `mean_gap`: 0 for never.
  schedule(std::uint64_t seed, std::chrono::nanoseconds mean_gap) noexcept;
  [[nodiscard]] std::int64_t due_ns() const noexcept { return due_ns_; }
  // From now on, the next.
  void draw(std::int64_t now_ns) noexcept;
  [[nodiscard]] killer& random() noexcept { return random_; }

 private:
  std::chrono::nanoseconds mean_gap_;
  killer random_;
  std::int64_t due_ns_ = never_ns;
};

// A stop, from the signal to the one that ends it.
class stop {
 public:
  // When it is to end at the latest, if it depends on nothing else.
  static constexpr std::int64_t length_ns = 5'000'000;

  // Sends the signal.
  stop(int worker, pid_t process) noexcept;
  [[nodiscard]] int worker() const noexcept { return worker_; }
  // Whether the process stands still by now; it may have had to wait for a processor to stop on.
  // Tells so once.
  [[nodiscard]] bool has_begun(std::int64_t now_ns) noexcept;
  // Whether it has lasted long enough; `others` is how many operations others have completed.
  // Requires: has_begun() told so, and wait_for() was called since, if others are waited for.
  [[nodiscard]] bool is_over(std::uint64_t others, std::int64_t now_ns) const noexcept;
  // It lasts until that many operations are completed.
  void wait_for(std::uint64_t others) noexcept { until_others_ = others; }
  // Lets it go on.
  void end() const noexcept;

 private:
  int worker_;
  pid_t process_;
  std::int64_t began_ns_ = 0;  // 0: not yet
  std::uint64_t until_others_ = 0;
};

// The handler of SIGUSR1 while this lives; children inherit it. It calls what heard_by() was given
// in the same process, or does nothing.
class signal_handler {
 public:
  signal_handler() noexcept;
  signal_handler(const signal_handler&) = delete;
  signal_handler& operator=(const signal_handler&) = delete;
  ~signal_handler();

  // `note` must be async-signal-safe; `to` is what it is called with.
  static void heard_by(void (*note)(void* to), void* to) noexcept;

 private:
  struct sigaction before_;
};

}  // namespace shmark::stress

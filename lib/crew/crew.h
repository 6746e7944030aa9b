// A crew: N workers, forked from this process (or, for comparison and for ThreadSanitizer, threads
// of it), which is their supervisor.
//
//     crew workers({.size = 4});
//     for (int i = 0; i < 4; ++i) workers.start(i, [&] { return work(i); });
//     while (running) handle(workers.wait(deadline::never(), {}));
//
// A worker's death is seen at once, through its pidfd. If the supervisor dies, however it dies, the
// kernel kills its workers (PR_SET_PDEATHSIG); if the crew's life ends first, its destructor kills
// the processes and reaps them, and waits for threads. Workers ignore Ctrl-C: it is the
// supervisor's business.
//
// Process and thread safety: use it from the thread that made it, only. A worker's body runs in a
// copy of the supervisor's memory: what it is to hand back goes into shared memory. It ends by
// _exit: no destructors of the supervisor's objects run twice.
//
// Source: pidfd_open(2), prctl(2).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/descriptor.h"
#include "lib/base/error.h"
#include "lib/crew/processors.h"

namespace shmark {

enum class workers_are { processes, threads };
[[nodiscard]] constexpr std::string_view name_of(workers_are kind) noexcept {
  return kind == workers_are::processes ? "processes" : "threads";
}

struct crew_options {
  int size = 1;  // 1 to 1024
  workers_are kind = workers_are::processes;
  pinning pin = pinning::spread;
};
constexpr int crew_size_max = 1024;

class crew {
 public:
  using body = std::function<int()>;  // returns the worker's exit status

  explicit crew(const crew_options& options);
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew();

  [[nodiscard]] int size() const noexcept { return options_.size; }

  // Starts worker `index`, 0 to size - 1. Requires: it is not running. Errors: no_space (too many
  // processes), invalid.
  [[nodiscard]] std::expected<void, error> start(int index, const body& work);

  // Sends a signal to a running worker. Requires: processes.
  void signal(int index, int number) noexcept;

  struct death {
    int index;
    pid_t process;
    int status;  // as of waitpid(2)
    // "worker 3 (process 4711) was killed by signal 9 (Killed)".
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool clean() const noexcept { return status == 0; }
  };
  // What wait() saw first: a worker's end (now reaped, and free to be started again), an interrupt
  // (see interrupt.h), one of `descriptors` readable, or, if none of these, the deadline.
  struct event {
    std::optional<death> ended;
    bool interrupted = false;
    int descriptor = -1;
  };
  [[nodiscard]] event wait(deadline until, std::initializer_list<int> descriptors);

  // Whether the worker runs, or has ended and was not reported by wait() yet.
  [[nodiscard]] bool running(int index) const noexcept;
  [[nodiscard]] pid_t process(int index) const noexcept;
  // "worker 3 (process 4711)". Requires: it runs.
  [[nodiscard]] std::string text(int index) const;

 private:
  struct worker {
    pid_t process = 0;
    descriptor handle;  // pidfd, or for a thread an eventfd that it raises at its end
    std::thread thread;
    int thread_status = 0;
  };

  std::expected<void, error> start_process(int index, const body& work);
  std::expected<void, error> start_thread(int index, const body& work);
  death reap(int index);

  // In the worker.
  void pin(int index) const noexcept;

  crew_options options_;
  std::vector<int> processors_;  // in turn for workers; none: they are not pinned
  std::vector<worker> workers_;
};

}  // namespace shmark

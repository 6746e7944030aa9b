#include "lib/base/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "lib/base/check.h"

namespace shmark {
namespace {

constexpr int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

std::atomic<int> arrived{0};
int pipe_ends[2] = {-1, -1};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

void on_signal(int number) {
  const int saved = errno;
  int none = 0;
  if (arrived.compare_exchange_strong(none, number)) {
    // The pipe is empty and does not block: one byte always fits.
    [[maybe_unused]] const auto written = write(pipe_ends[1], "", 1);
  }
  errno = saved;
}

void handle_all(void (*handler)(int)) noexcept {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int number : signals) sigaction(number, &action, nullptr);
}

}  // namespace

void catch_interrupts() noexcept {
  if (pipe_ends[0] < 0) {
    SHMARK_CHECK(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) == 0, "no descriptors left for a pipe");
  }
  struct sigaction hang_up = {};
  sigaction(SIGHUP, nullptr, &hang_up);
  handle_all(on_signal);
  if (hang_up.sa_handler == SIG_IGN) sigaction(SIGHUP, &hang_up, nullptr);  // nohup(1)
}

void ignore_interrupts() noexcept { handle_all(SIG_IGN); }

int interrupted() noexcept { return arrived.load(std::memory_order_relaxed); }

int interrupt_descriptor() noexcept { return pipe_ends[0]; }

}  // namespace shmark

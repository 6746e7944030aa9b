#include "tests/support/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/base/check.h"
#include "lib/base/deadline.h"

namespace shmark::support {

// One guard. They lie in a fixed place, because a signal handler and a child that has just been
// forked read them, and neither may allocate.
struct slot {
  std::atomic<bool> used;
  std::atomic<bool> armed;
  std::int64_t until_ns;
  timer_t timer;
  char message[256];
};

namespace {

std::array<slot, 64> slots;

void on_timer(int, siginfo_t* info, void*) {
  const auto* late = static_cast<const slot*>(info->si_value.sival_ptr);
  [[maybe_unused]] const auto written =
      write(STDERR_FILENO, late->message, std::strlen(late->message));
  signal(SIGABRT, SIG_DFL);
  std::abort();
}

void arm(slot& guard) noexcept {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMAX;
  event.sigev_value.sival_ptr = &guard;
  SHMARK_CHECK(timer_create(CLOCK_MONOTONIC, &event, &guard.timer) == 0, "no timer for a watchdog");
  itimerspec when = {};
  when.it_value = {.tv_sec = guard.until_ns / 1'000'000'000,
                   .tv_nsec = guard.until_ns % 1'000'000'000};
  timer_settime(guard.timer, TIMER_ABSTIME, &when, nullptr);
  guard.armed = true;
}

// Timers do not pass to a child; its guards are armed anew.
void arm_in_child() noexcept {
  for (auto& guard : slots) {
    if (guard.armed) arm(guard);
  }
}

bool prepare() noexcept {
  struct sigaction action = {};
  action.sa_sigaction = on_timer;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGRTMAX, &action, nullptr);
  return pthread_atfork(nullptr, nullptr, arm_in_child) == 0;
}

slot& free_slot() noexcept {
  for (auto& guard : slots) {
    if (!guard.used.exchange(true)) return guard;
  }
  SHMARK_CHECK(false, "too many watchdogs at once");
  std::abort();
}

}  // namespace

watchdog::watchdog(std::string_view what, std::chrono::milliseconds longest) : slot_(&free_slot()) {
  [[maybe_unused]] static const bool prepared = prepare();
  slot_->until_ns = monotonic_ns() + std::chrono::nanoseconds(longest).count();
  std::snprintf(slot_->message, sizeof slot_->message,
                "watchdog: still running after %g s, so it hangs: %.*s\n",
                static_cast<double>(longest.count()) / 1e3, static_cast<int>(what.size()),
                what.data());
  arm(*slot_);
}

watchdog::~watchdog() {
  slot_->armed = false;
  timer_delete(slot_->timer);
  slot_->used = false;
}

}  // namespace shmark::support

#include "lib/base/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "lib/base/deadline.h"

namespace shmark {
namespace {

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

void wait_for_one(const futex_watch& watch, std::int64_t span_ns) noexcept {
  const timespec span = to_timespec(span_ns);
  syscall(SYS_futex, watch.word, FUTEX_WAIT, watch.value, &span, nullptr, 0);
}

// Whether the kernel could.
bool wait_for_any(std::span<const futex_watch> words, std::int64_t span_ns) noexcept {
  std::array<futex_waitv, 8> list{};
  const std::size_t count = std::min(words.size(), list.size());
  std::transform(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count), list.begin(),
                 [](const futex_watch& watch) {
                   return futex_waitv{.val = watch.value,
                                      .uaddr = reinterpret_cast<std::uintptr_t>(watch.word),
                                      .flags = FUTEX_32,
                                      .__reserved = 0};
                 });
  const timespec end = to_timespec(monotonic_ns() + span_ns);
  return syscall(SYS_futex_waitv, list.data(), count, 0, &end, CLOCK_MONOTONIC) >= 0 ||
         errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT;
}

}  // namespace

void futex_wait(std::span<const futex_watch> words, std::int64_t span_ns) noexcept {
  constexpr std::int64_t blind_ns = 2'000'000;
  static std::atomic<bool> can_wait_for_any{true};
  if (words.size() == 1) return wait_for_one(words.front(), span_ns);
  if (can_wait_for_any.load(std::memory_order_relaxed)) {
    if (wait_for_any(words, span_ns)) return;
    can_wait_for_any.store(false, std::memory_order_relaxed);
  }
  wait_for_one(words.front(), std::min(span_ns, blind_ns));
}

void futex_wake(const futex_word& word, int count) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
}

}  // namespace shmark

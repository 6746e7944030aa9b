#include "lib/measure/clock.h"

#include <time.h>

#include <algorithm>
#include <array>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace shmark {
namespace {

bool counter_is_constant() noexcept {
#if defined(__x86_64__)
  // CPUID 8000_0007h, EDX bit 8: "invariant TSC" (Intel SDM volume 3, 18.17; AMD APM volume 3).
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
  return false;
#endif
}

double measure_tick() noexcept {
  if (!detail::has_constant_counter) return 1;
  constexpr std::int64_t span_ns = 20'000'000;
  const std::int64_t from_ns = monotonic_ns();
  const std::uint64_t from = ticks();
  std::int64_t to_ns = from_ns;
  while (to_ns - from_ns < span_ns) to_ns = monotonic_ns();
  return static_cast<double>(to_ns - from_ns) / static_cast<double>(ticks() - from);
}

}  // namespace

const bool detail::has_constant_counter = counter_is_constant();

double ns_per_tick() noexcept {
  static const double measured = measure_tick();
  return measured;
}

double probe_ns() noexcept {
  std::array<std::uint64_t, 1001> spans;
  for (auto& span : spans) {
    const std::uint64_t from = ticks();
    span = ticks() - from;
  }
  const auto median = spans.begin() + spans.size() / 2;
  std::nth_element(spans.begin(), median, spans.end());
  return static_cast<double>(*median) * ns_per_tick();
}

std::int64_t thread_cpu_ns() noexcept {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * detail::ns_per_s + used.tv_nsec;
}

}  // namespace shmark

// No test here bounds how long anything takes: only what a clock may never do.

#include "lib/measure/clock.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <cstdint>

#include "lib/base/deadline.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;

// Keeps this thread on the processor that it is on.
class staying_here {
 public:
  staying_here() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &here);
    sched_setaffinity(0, sizeof here, &here);
  }
  ~staying_here() { sched_setaffinity(0, sizeof before_, &before_); }
  staying_here(const staying_here&) = delete;
  staying_here& operator=(const staying_here&) = delete;

 private:
  cpu_set_t before_;
};

TEST(Ticks, NeverGoBackOnOneCore) {
  const staying_here one_core;
  std::uint64_t before = ticks();
  for (int i = 0; i < 1'000'000; ++i) {
    const std::uint64_t now = ticks();
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST(Ticks, GoOn) {
  const std::uint64_t before = ticks();
  while (ticks() == before) {
  }
}

TEST(NsPerTick, IsMeasuredOnce) {
  const double first = ns_per_tick();
  EXPECT_GT(first, 0);
  EXPECT_EQ(ns_per_tick(), first);
}

TEST(NsPerTick, AgreesWithTheMonotonicClock) {
  const staying_here one_core;
  // A pause between looking at the one clock and at the other falsifies either measurement: then
  // another one is better. Clocks that differ do so every time.
  double ratio = 0;
  for (int attempt = 0; attempt < 20 && !(ratio > 0.9 && ratio < 1.1); ++attempt) {
    const std::uint64_t from = ticks();
    const std::int64_t from_ns = monotonic_ns();
    const auto until = deadline::after(50ms);
    while (!until.passed()) {
    }
    const auto span = static_cast<double>(ticks() - from);
    ratio = span * ns_per_tick() / static_cast<double>(monotonic_ns() - from_ns);
  }
  EXPECT_GT(ratio, 0.9);
  EXPECT_LT(ratio, 1.1);
}

TEST(ProbeNs, IsNotNegativeAndFinite) {
  EXPECT_GE(probe_ns(), 0);
  EXPECT_LT(probe_ns(), 1e9);
}

}  // namespace
}  // namespace shmark

// bazel run -c opt //bench:plain_loop
//
// One lock and one codec in plain loops, without anything of the harness: what //bench says of
// Lock/lock:robust_rw/mode:exclusive/procs:1 and Codec/codec:direct/shape:map100/op:encode is to be
// the same. It shares with it only the subjects and the value.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "lib/codec/codec.h"
#include "lib/codec/direct.h"
#include "lib/lock/robust_rw.h"
#include "lib/subject/shapes.h"

// The median of 15 stretches of so many calls, in ns for one.
template <class F>
double median_ns(int calls, F&& call) {
  double ns[15];
  for (double& each : ns) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call();
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
    each = taken.count() / calls;
  }
  std::ranges::sort(ns);
  return ns[7];
}

int main() {
  using namespace shmark;
  static robust_rw::state state;
  if (!robust_rw::create(state, {.space = "plain_loop"})) return 1;
  static volatile std::uint64_t guarded = 0;  // as there: what the lock is for
  {
    auto lock = robust_rw::attach(state);
    if (!lock) return 1;
    std::printf("robust_rw, exclusive: %.1f ns\n", median_ns(2'000'000, [&] {
                  if (!lock->acquire(mode::exclusive, deadline::never())) std::abort();
                  guarded = guarded + 1;
                  lock->release(mode::exclusive);
                }));
  }
  const auto value = shapes::map100::make();
  buffer bytes;
  std::printf("direct, map100, encode: %.0f ns\n", median_ns(30'000, [&] {
                bytes.clear();
                if (!direct::encode(value, bytes)) std::abort();
              }));
  robust_rw::destroy(state);
}

#include "lib/crew/probe_cost.h"

#include <algorithm>
#include <memory>

namespace shmark {
namespace {

// The shortest of several tries, in ns for one batch of as many empty operations as usual, the
// first of which `first` does.
template <class First>
double batch_ns(First&& first) {
  constexpr int tries = 5;
  constexpr int batches = 500;
  constexpr int usual = 64;
  std::uint64_t best = UINT64_MAX;
  for (int i = 0; i < tries; ++i) {
    const std::uint64_t from = ticks();
    for (int k = 0; k < batches; ++k) {
      first();
      for (int left = usual - 1; left != 0; --left) asm volatile("" : "+r"(left));
    }
    best = std::min(best, ticks() - from);
  }
  return static_cast<double>(best) * ns_per_tick() / batches;
}

// What it costs to time one of them: in a loop of others, as it is when measuring, since the
// processor has to do with the clock what it had put off.
template <class Operation>
double probe_ns(distributions& to, look how, Operation&& operation) {
  probing probes{.to = &to, .ns_per_tick = ns_per_tick(), .worker = 0};
  const double with = batch_ns([&] {
    timing_probe probe(probes, how);
    operation(probe);
    probe.end();
  });
  const double without = batch_ns([] { asm volatile(""); });
  return std::max(0.0, with - without);
}

struct costs {
  double plain_ns;   // of an operation without phases
  double phases_ns;  // of one that waits and holds
  double look_ns;    // of one look at the clock and a place to put it
};

costs measure() {
  const auto to = std::make_unique<distributions>();
  costs made{.plain_ns = probe_ns(*to, look::whole, [](timing_probe&) {}),
             .phases_ns = probe_ns(*to, look::phases,
                                   [](timing_probe& probe) {
                                     probe.acquired();
                                     probe.released();
                                   }),
             .look_ns = 0};
  made.look_ns = std::max(0.0, made.phases_ns - made.plain_ns) / 2;
  return made;
}

}  // namespace

double probe_cost_ns(const distributions& times) noexcept {
  static const costs each = measure();
  const auto count = [](const histogram& of) { return static_cast<double>(of.total()); };
  const double phased = count(times.wait);
  return (count(times.latency) - phased) * each.plain_ns + phased * each.phases_ns +
         (count(times.bypassed) + count(times.handoff)) * each.look_ns;
}

}  // namespace shmark

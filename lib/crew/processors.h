// Which processors there are, and which worker is to run on which.
//
// Process and thread safety: functions without state; they read /sys.
//
// Source: sched_setaffinity(2); Documentation/ABI/stable/sysfs-devices-system-cpu of Linux. The
// names of the orders are those of will-it-scale and of libslock.
#pragma once

#include <string_view>
#include <vector>

namespace shmark {

enum class pinning {
  none,            // where the scheduler likes
  spread,          // worker i on processor i, round and round; those of different cores come first
  packed,          // the same, but all of one core come first, and all cores of one package
  oversubscribed,  // all workers on one processor: what it costs to wait for who does not run
};

[[nodiscard]] std::string_view name_of(pinning how) noexcept;

// The processors that this process may run on, rising; never empty.
[[nodiscard]] std::vector<int> allowed_processors();

// A processor, and where it is.
struct placed_processor {
  int number;
  int package;
  int core;  // within its package
  bool operator==(const placed_processor&) const = default;
};
// Numbers of those, in the order in which workers get them; empty for pinning::none.
[[nodiscard]] std::vector<int> in_order(std::vector<placed_processor> all, pinning how);

// The same of this machine's allowed processors. One whose place the system does not tell counts as
// a core of its own.
[[nodiscard]] std::vector<int> processors_for(pinning how);

// Has the calling thread run on that processor only. A refusal costs nothing but precision.
void pin_to(int processor) noexcept;

}  // namespace shmark

// What every scenario is given, and what it tells.
//
// A scenario is a workload on shared state, faults that hit its workers, and checkers that say
// whether the state has kept its promises.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lib/measure/histogram.h"
#include "lib/result/result.h"

namespace shmark::stress {

struct options {
  std::string program = "//stress";  // for the command that repeats it
  std::string scenario = "transfer";
  std::string lock = "robust_rw";  // of scenario `counter`: see counter_locks.h
  int workers = 8;                 // 1 to crew_size_max
  double seconds = 60;             // more than 0; a failure ends the run early
  std::uint64_t seed = 0;          // of everything random
  double kill_gap_ms = 2.5;        // mean time from kill to kill; 0: nobody is killed
  // How many kills of a hundred are aimed at a worker that holds the lock at that moment. By the
  // time the signal arrives it may have released it, so fewer hit.
  double aimed_percent = 0;
  // Mean time from one stop to the next (SIGSTOP, for some ms or until others get on), and from one
  // signal that is handled, and interrupts what a worker waits for, to the next; 0: none.
  double stop_gap_ms = 0;
  double signal_gap_ms = 0;
  // Enough kills inside an operation, or faults of any kind inside one, to end the run early; 0:
  // there are never enough.
  std::uint64_t enough_kills = 0;
  std::uint64_t enough_faults = 0;
  // After how long without a completed operation of some kind the run counts as stuck.
  std::chrono::nanoseconds patience = std::chrono::seconds(10);
};

// All should be 0 from `lost` on.
struct counts {
  std::uint64_t changes = 0;  // acknowledged
  std::uint64_t reads = 0;
  std::uint64_t overlapped = 0;  // of both: those begun while another worker was inside one
  std::uint64_t kills = 0;
  std::uint64_t kills_in_operation = 0;  // of these; those holding the lock included
  std::uint64_t kills_holding = 0;       // of these
  std::uint64_t stops = 0;
  std::uint64_t stops_in_operation = 0;  // of these; those holding the lock included
  std::uint64_t stops_holding = 0;       // of these
  std::uint64_t signals = 0;             // that were handled, and interrupted
  std::uint64_t signals_in_operation = 0;
  std::uint64_t recoveries = 0;  // how often a dead writer was cleaned up after
  std::uint64_t lost = 0;        // acknowledged changes that are not there, or changes nobody made
  std::uint64_t torn = 0;        // values that were not whole, or not in order
  std::uint64_t intruded = 0;    // holders that met somebody whom their lock should keep out
  std::uint64_t stuck = 0;       // workers that made no progress
  std::uint64_t died = 0;        // workers that ended by themselves
  std::uint64_t leaked = 0;      // objects left in the system
  std::uint64_t broken = 0;      // histories that are not linearizable

  counts& operator+=(const counts& other) noexcept;

  // Of any kind, inside an operation.
  [[nodiscard]] std::uint64_t faults() const noexcept {
    return kills_in_operation + stops_in_operation + signals_in_operation;
  }
  [[nodiscard]] std::uint64_t operations() const noexcept { return changes + reads; }
  [[nodiscard]] bool faultless() const noexcept {
    return lost == 0 && torn == 0 && intruded == 0 && stuck == 0 && died == 0 && leaked == 0 &&
           broken == 0;
  }
};

// failed: something was found. undecided: the run was cut short, or nothing was done. vacuous: no
// fault landed inside an operation, or no two operations overlapped.
[[nodiscard]] result::verdict_kind verdict_of(const counts& seen, bool interrupted) noexcept;

// What a checker of histories was given.
struct history_counts {
  std::uint64_t operations = 0;
  std::uint64_t overlapped = 0;  // of these: with another, from call to return
  std::uint64_t pending = 0;     // of these: their workers were killed inside them
  double seconds = 0;            // that it took to judge them

  history_counts& operator+=(const history_counts& other) noexcept;
};

struct outcome {
  counts seen;
  history_counts checked;
  bool interrupted = false;
  bool undecided = false;             // a checker could not tell
  double elapsed_s = 0;               // in which the workers worked
  double cpu_s = 0;                   // processor time of all workers
  std::vector<std::string> findings;  // a sentence for each, of what went wrong; may be cut short
  // From the signal that killed a holder until another worker has the lock, in ns: includes the
  // time in which the victim waits for a processor to die on. Of some of them, one at a time.
  histogram recovery;

  [[nodiscard]] result::verdict_kind verdict() const noexcept {
    return verdict_of(seen, interrupted || undecided);
  }
};

struct progress {
  double seconds_left = 0;
  std::uint64_t kills = 0;
};
// Called a few times a second while a scenario runs.
using progress_callback = std::function<void(const progress&)>;

}  // namespace shmark::stress

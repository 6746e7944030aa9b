// One life of a lock or store, or a stretch of one: peers, a victim that is brought to a point, the
// fault, and peers that must get on.
//
// A trial is carried out by a process of its own, which is forked for it (see nursery.h) and traces
// the victim. What it is to do, and what came of it, lies in memory that it shares with who asks.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "stress/explorer/crash_state.h"
#include "stress/explorer/explorer.h"
#include "stress/explorer/operation.h"
#include "stress/explorer/scene.h"
#include "stress/explorer/tracee.h"

namespace shmark::explorer {

// An instruction that was met when a run was recorded.
struct point {
  place_in_run where;
  std::uint64_t ours = 0;   // the instruction, or the last of our own code before it
  std::uint64_t state = 0;  // its crash state
  std::uint64_t shape = 0;  // what another run has there as well; see crash_state.h
  std::uint32_t index = 0;
  phase its{};
  bool waits = false;  // the next is a system call that may wait
};

// Where to bring a process, and whether into the system call that comes next.
struct target {
  point at;
  bool inside = false;
  bool is_new = false;                // the first of its crash state
  std::optional<place_in_run> event;  // what is to be raised on the way there
};

enum class task : std::uint8_t {
  prepare,          // makes what is explored, and leaves it
  record,           // executes the victim to its end mark, noting all points
  kill,             // brings the victim to a point and kills it; peers get on
  stop,             // the same, but stops it, looks what peers can get, and lets it go on
  kill_and_leave,   // kills the victim, and leaves what it left
  record_recovery,  // of what was left so: executes the recoverer to its end; peers get on
  kill_recovery,  // of what was left so: brings the recoverer to a point and kills it; peers get on
};

// What is asked for, and the answer.
struct stage {
  task what{};
  int variant = 0;
  std::size_t recoverer = 0;  // which
  target to;

  bool is_over = false;   // the trial came to its end
  bool is_there = false;  // the process came to the point, or to its end mark
  bool sleeps = false;    // inside the system call
  access had;             // what peers could get
  std::optional<error> failed;
  std::size_t points = 0;  // recorded
  std::optional<place_in_run> event;
  std::optional<std::size_t> event_index;  // before which point it was raised

  board notes;
};

// Requires: a process of its own. `points` is where points are recorded.
void carry_out(const operation& what, const options& how, const segment_key& key, stage& on,
               std::span<point> points);

}  // namespace shmark::explorer

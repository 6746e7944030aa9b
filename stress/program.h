// A stress program: what //stress is for the scenarios that there are, and what yours is for a lock
// of your own.
//
//     // my_lock_stress.cc
//     #include "my_lock.h"
//     #include "stress/program.h"
//     #include "stress/scenario/counter.h"
//     constexpr shmark::stress::scenario mine[] = {
//         {"counter", "count under my_lock", &shmark::stress::run_counter<my_lock>}};
//     int main(int argc, char** argv) {
//       return shmark::stress::main_of("//:my_lock_stress", mine, argc, argv);
//     }
//
// With shmark_stress_test (stress/defs.bzl) it is a test.
#pragma once

#include <span>

#include "stress/stress.h"

namespace shmark::stress {

// Parses the flags, runs one of the scenarios (the last one, if none is asked for), prints what
// came of it, and returns the exit status; see --help. `label`: what `bazel run` knows the program
// by, for the command that repeats a run. Requires: one scenario or more.
[[nodiscard]] int main_of(const char* label, std::span<const scenario> scenarios, int argc,
                          char** argv);

}  // namespace shmark::stress

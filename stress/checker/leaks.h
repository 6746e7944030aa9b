// Leaks: System V segments and semaphores that a run's processes have made and left. (Objects in
// /dev/shm are found by their names: see lib/crew/run.h.)
//
// Source: proc_sysvipc(5), semctl(2). A segment tells who made it. A semaphore set tells only who
// used it last, so one that was made and never used is not found.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

namespace shmark::stress {

struct system_objects {
  std::set<int> segments;    // by their ids
  std::set<int> semaphores;  // sets of them, by their ids

  // All that this process may see, now.
  [[nodiscard]] static system_objects now();
};

// A sentence for each object that was not there before, and that one of `makers` has made (or, of
// semaphores, used last).
[[nodiscard]] std::vector<std::string> leaks_since(const system_objects& before,
                                                   const std::set<pid_t>& makers);

}  // namespace shmark::stress

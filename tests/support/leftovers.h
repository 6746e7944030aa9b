// What a test has left behind.
//
// A test that creates what outlives it fills the machine: shared memory and semaphores stay until
// somebody removes them. So :main looks after every test, fails it for each leftover with a line
// that names it, and then removes it, so that the next test starts clean.
//
// Looked for, and how other programs' things are told from this one's (tests run side by side):
//   objects in /dev/shm  names that contain program_space(), and those this program or a child it
//                        forked made by shm_open, or gave their name to by linkat
//   SysV segments and semaphores   those that this program or a forked child made
//   child processes, descriptors   of this process
// To know what was made, shm_open, linkat, shmget and semget are defined here, in front of libc's,
// and take notes.
// Programs that a test executes are seen by the names in program_space() only.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace shmark::support {

class leftovers {
 public:
  // From here on: forgets what was made before, and notes which descriptors are open.
  leftovers();

  // One line for each thing that has been made since and is still there. Children get `patience`
  // to end: those of one that was killed may not have heard of it yet. The ended are reaped.
  [[nodiscard]] std::vector<std::string> find(
      std::chrono::seconds patience = std::chrono::seconds(5)) const;

  // Removes, kills and closes what find() finds.
  void remove() const;

 private:
  std::map<int, std::string> descriptors_;  // number → what it refers to
};

}  // namespace shmark::support

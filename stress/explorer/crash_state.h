// What a death at this moment would leave in memory: all bytes of all objects whose names begin
// alike, and of all System V segments that were made (system_v.h), with their permissions; and the
// values of semaphores. With it belong, of a crash state, what the kernel is going to do on behalf
// of the dead: the list of its robust mutexes, and what it keeps besides (descriptors, locks on
// files, what is undone of semaphores), which cannot be read, so that it counts as changed by each
// system call that may change it; see trial.cc.
//
// A System V segment is read where the process that is executed has it mapped: were it mapped here,
// too, it would count as in use by one more. One that nobody has mapped does not change.
//
// Two instructions of one run with equal crash states cannot be told apart by anybody who comes
// after; whatever else the process has goes with it. What is random or differs from process to
// process (names, thread numbers, addresses) is the same throughout a run, so states of one run are
// compared as they are, and those of different runs never.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lib/segment/segment.h"
#include "stress/explorer/system_v.h"

namespace shmark::explorer {

class crash_state {
 public:
  // Of the objects in /dev/shm whose names begin with `prefix`, and of System V's. `executed` is
  // the process that changes them, which this one traces, and which stands still whenever anything
  // is asked here.
  crash_state(std::string prefix, pid_t executed);
  crash_state(const crash_state&) = delete;
  crash_state& operator=(const crash_state&) = delete;
  ~crash_state();

  // Which objects there are, and how large: to be asked after each system call.
  void look_for_objects();
  // Whether anything differs from when this was asked last.
  [[nodiscard]] bool has_changed();
  // A number for what was there when has_changed() was asked last.
  [[nodiscard]] std::uint64_t hash() const noexcept;
  // The same of what is alike in every run of an operation: how many objects there are, how large,
  // which of their words are not 0, which words of the one under the key `main` differ from what
  // they were when this was made, and the values of semaphores. (Elsewhere they may by chance be
  // the same: when a process was started.)
  [[nodiscard]] std::uint64_t shape(const segment_key& main) const noexcept;

 private:
  struct object {
    ino_t inode = 0;
    std::span<const std::byte> mapped{};
    std::vector<std::byte> seen{};
    std::vector<std::byte> first{};  // what it was; nothing of one that was made later
  };
  struct segment {
    system_v_segment its{};
    std::uint64_t mapped_at = 0;  // by the process that is executed; 0: it has not mapped it
    std::vector<std::byte> now{};
    std::vector<std::byte> seen{};
    std::vector<std::byte> first{};
  };
  void look_for_segments();
  void look_for_semaphores();
  void read_mapped();
  static void unmap(object& one) noexcept;
  static void map(object& one, const std::string& name);

  std::string prefix_;
  pid_t executed_;
  std::map<std::string, object> objects_;
  std::map<key_t, segment> segments_;
  std::map<key_t, std::vector<unsigned short>> semaphores_;
  bool are_others_ = true;
};

}  // namespace shmark::explorer

// What a death at this moment would leave in memory: all bytes of all objects whose names begin
// alike. With it belong, of a crash state, what the kernel is going to do on behalf of the dead:
// the list of its robust mutexes, and what it keeps besides (descriptors, locks on files,
// semaphores and their undoing), which cannot be read, so that it counts as changed by each system
// call that may change it; see trial.cc.
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
#include <string_view>
#include <vector>

namespace shmark::explorer {

class crash_state {
 public:
  // Of the objects in /dev/shm whose names begin with `prefix`.
  explicit crash_state(std::string prefix);
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
  // which of their words are not 0, and which words of the object `main` differ from what they were
  // when this was made. (Elsewhere they may by chance be the same: when a process was started.)
  [[nodiscard]] std::uint64_t shape(std::string_view main) const noexcept;

 private:
  struct object {
    ino_t inode = 0;
    std::span<const std::byte> mapped{};
    std::vector<std::byte> seen{};
    std::vector<std::byte> first{};  // what it was; nothing of one that was made later
  };
  static void unmap(object& one) noexcept;
  static void map(object& one, const std::string& name);

  std::string prefix_;
  std::map<std::string, object> objects_;
  bool are_others_ = true;
};

}  // namespace shmark::explorer

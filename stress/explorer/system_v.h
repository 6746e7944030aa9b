// System V segments and semaphores that an exploration's processes make. They have no names that
// begin alike, and the kernel does not say who made a set of semaphores; so each key is noted
// before something is made under it: this program has shmget(2) and semget(2) of its own, which
// note it and then do what the system's do.
//
// Process and thread safety: notes are shared with all processes that are forked while they are
// kept, and anybody may make something at any time; the rest is for one process at a time. What
// survives a crash: a key is noted before there is anything under it, so that a process that is
// killed at any instruction makes nothing unknown. If the explorer itself is killed, a process that
// keeps to itself, and hears when all the others have ended, removes what they have left.
//
// Source: shmget(2), semget(2), semctl(2), proc(5) (how mappings of segments are shown).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lib/base/descriptor.h"
#include "lib/base/error.h"

namespace shmark::explorer {

struct system_v_segment {
  key_t key = 0;
  int id = 0;
  mode_t mode = 0;  // its permissions
  std::size_t size = 0;

  // Its bytes, as they are; it is mapped no longer than that takes. As many as asked for, or none
  // if it has gone.
  [[nodiscard]] std::vector<std::byte> copy() const;
};

struct system_v_semaphores {
  key_t key = 0;
  int id = 0;
  mode_t mode = 0;
  std::vector<unsigned short> values{};
};

// Keys are noted as long as this lives. One at a time. Whoever was forked meanwhile has ended when
// it does.
class system_v_notes {
 public:
  system_v_notes();
  system_v_notes(const system_v_notes&) = delete;
  system_v_notes& operator=(const system_v_notes&) = delete;
  ~system_v_notes();

 private:
  descriptor line_;  // closed when all are gone who have inherited it
  pid_t heir_ = 0;   // who then removes what is left
};

// What was made since notes are kept, or since all was removed, and is there: by rising keys.
// Nothing, where none are kept.
[[nodiscard]] std::vector<system_v_segment> segments_made();
[[nodiscard]] std::vector<system_v_semaphores> semaphores_made();

// Make them again, as they were. Errors: exists, no_space.
[[nodiscard]] std::expected<void, error> make_again(const system_v_segment& one,
                                                    std::span<const std::byte> bytes);
[[nodiscard]] std::expected<void, error> make_again(const system_v_semaphores& one);

// Removes all that was made.
void remove_system_v() noexcept;

// Where a process has segments mapped, by their ids.
[[nodiscard]] std::map<int, std::uint64_t> mappings_of_segments(pid_t pid);

}  // namespace shmark::explorer

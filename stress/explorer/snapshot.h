// Copies of objects in /dev/shm, and of System V segments and semaphores, from which they can be
// made again.
//
// All that a store or a lock is lies in these. So once no process that has them open is left,
// putting back what was copied is as good as doing again what led there, a death included: what the
// kernel does at one has then been done to these bytes: semaphores have the values that they have
// when all is undone that a dead process has to be undone.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "stress/explorer/system_v.h"

namespace shmark::explorer {

class snapshot {
 public:
  snapshot() = default;
  // Of all objects whose names begin with `prefix`, and of all that system_v.h knows of. Requires:
  // nobody changes them. Errors: as open(2) and read(2).
  [[nodiscard]] static std::expected<snapshot, error> of(const std::string& prefix);
  // Makes them. Requires: none is there. Segments are then those of a maker who is dead, as all are
  // who had to do with them. Errors: no_space, exists.
  [[nodiscard]] std::expected<void, error> put_back() const;

 private:
  struct object {
    std::string name;
    mode_t mode;
    off_t size;
    std::vector<std::byte> bytes;  // as many as have memory; the rest is a hole
  };
  static std::expected<object, error> copy_of(const std::string& name);
  static std::expected<void, error> make(const object& one);

  [[nodiscard]] std::expected<void, error> make_segments() const;

  struct segment {
    system_v_segment its;
    std::vector<std::byte> bytes;
  };
  std::vector<object> objects_;
  std::vector<segment> segments_;
  std::vector<system_v_semaphores> semaphores_;
};

// Removes all objects whose names begin with `prefix`, and all that system_v.h knows of.
void remove_objects(const std::string& prefix) noexcept;

}  // namespace shmark::explorer

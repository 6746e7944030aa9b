// Copies of objects in /dev/shm, from which they can be made again.
//
// All that a store or a lock is lies in its objects. So once no process that has them open is left,
// putting back what was copied is as good as doing again what led there, a death included: what the
// kernel does at one has then been done to these bytes.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <string>
#include <vector>

#include "lib/base/error.h"

namespace shmark::explorer {

class snapshot {
 public:
  snapshot() = default;
  // Of all objects whose names begin with `prefix`. Requires: nobody changes them. Errors: as
  // open(2) and read(2).
  [[nodiscard]] static std::expected<snapshot, error> of(const std::string& prefix);
  // Makes them. Requires: none is there. Errors: no_space, exists.
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

  std::vector<object> objects_;
};

// Removes all objects whose names begin with `prefix`.
void remove_objects(const std::string& prefix) noexcept;

}  // namespace shmark::explorer

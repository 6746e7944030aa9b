// System V shared memory by key. See shared_memory.h.
//
// A key is any number but 0, which would mean "private": agreed upon, or made from a path by
// ftok(3). All programs of the machine share the same keys.
//
// What differs from POSIX objects: a segment keeps the length that it was made with, so a size
// beyond it is an error, and emptying it clears its bytes and leaves its length. The umask does not
// apply. The kernel sets no pages aside: when memory is short, whoever touches one first may be
// killed.
//
// Source: shmget(2), shmat(2), shmctl(2), sysvipc(7).
#pragma once

#include <sys/types.h>

#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "lib/base/error.h"
#include "lib/mapping/shared_memory.h"

namespace shmark {

enum class sysv_key : key_t {};

class sysv_memory : public shared_memory {
 public:
  static constexpr std::string_view kind = "sysv";
  static constexpr mapping_traits can{.named = true};

  // See `named_memory` in shared_memory.h.
  [[nodiscard]] std::expected<memory_status, error> stat() const noexcept;
  [[nodiscard]] std::expected<void, error> chmod(mode_t perms) const noexcept;
  [[nodiscard]] std::expected<void, error> chown(std::optional<uid_t> owner,
                                                 std::optional<gid_t> group) const noexcept;

 private:
  friend std::expected<sysv_memory, error> shared_open(sysv_key key, open_mode mode,
                                                       const open_options& options) noexcept;
  sysv_memory(mapping mapped, std::span<std::byte> bytes, bool writable, short_text name,
              int id) noexcept
      : shared_memory(std::move(mapped), bytes, writable, name), id_(id) {}

  int id_;  // the system's; while it is mapped here, it is no other segment's
};
static_assert(named_memory<sysv_memory>);

// Opens a segment and maps it; the handle shows it, or a part of it. If that fails, a segment that
// was made for it is removed again. Errors:
//   not_found  there is none, and the mode does not make one
//   exists     there is one, and O_EXCL was given
//   denied     its permissions say so; modes that write need the one to read, too
//   no_space   memory or segments are used up (ipcs -l)
//   invalid    key 0; an option is out of range; it is too short
[[nodiscard]] std::expected<sysv_memory, error> shared_open(
    sysv_key key, open_mode mode = open_mode::read, const open_options& options = {}) noexcept;

// Takes the key away. Whoever has the segment mapped keeps it; the next to use the key makes
// another. Errors: not_found; denied, to all but its owner and its maker; invalid, for key 0.
[[nodiscard]] std::expected<void, error> shared_remove(sysv_key key) noexcept;

}  // namespace shmark

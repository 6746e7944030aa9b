// POSIX shared memory by name: a file in /dev/shm. See shared_memory.h.
//
// A name is portable if it has one slash, at its beginning, and at most 253 characters after it
// (glibc's limit); all others are refused, also those that Linux would take. Those that begin with
// "/shmark." are for lib/segment: leave them to it.
//
// Memory. What is opened for writing has all its memory when shared_open() returns, also where the
// object had holes; what is opened for reading has no holes left either. So a full /dev/shm is an
// error of shared_open() and never a SIGBUS later. Emptying an object (modes that create, O_TRUNC)
// clears its bytes where they are and then cuts off what is too long: memory that somebody has
// mapped below the new end never goes missing.
//
// Process safety: a name is there a moment before its object has a length and memory; who opens it
// then, without a size, is told that it is empty.
//
// Source: shm_open(3), shm_overview(7), mmap(2), posix_fallocate(3).
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "lib/base/descriptor.h"
#include "lib/base/error.h"
#include "lib/mapping/shared_memory.h"

namespace shmark {

class posix_memory : public shared_memory {
 public:
  static constexpr std::string_view kind = "posix";
  static constexpr mapping_traits can{.named = true, .lengthening = true};

  // See `named_memory` in shared_memory.h.
  [[nodiscard]] std::expected<memory_status, error> stat() const noexcept;
  [[nodiscard]] std::expected<void, error> chmod(mode_t perms) const noexcept;
  [[nodiscard]] std::expected<void, error> chown(std::optional<uid_t> owner,
                                                 std::optional<gid_t> group) const noexcept;

 private:
  friend std::expected<posix_memory, error> shared_open(std::string_view name, open_mode mode,
                                                        const open_options& options) noexcept;
  posix_memory(mapping mapped, std::span<std::byte> bytes, bool writable, short_text name,
               descriptor object) noexcept
      : shared_memory(std::move(mapped), bytes, writable, name), object_(std::move(object)) {}

  descriptor object_;
};
static_assert(named_memory<posix_memory>);

// Opens an object and maps it, or a part of it. If that fails, an object that was made for it is
// removed again, and one that was there has lost nothing by a want of memory. Errors:
//   not_found  there is none, and the mode does not make one
//   exists     there is one, and O_EXCL was given
//   denied     its permissions say so; modes that write need the one to read, too
//   no_space   /dev/shm is full, or descriptors or address space are used up
//   invalid    the name is not portable; an option is out of range; nothing is there to be mapped;
//              it is too short and was to be read only; something else has that name (a FIFO)
//   system     anything else, such as a limit on file sizes (RLIMIT_FSIZE, with SIGXFSZ ignored)
[[nodiscard]] std::expected<posix_memory, error> shared_open(
    std::string_view name, open_mode mode = open_mode::read,
    const open_options& options = {}) noexcept;

// Takes the name away. Whoever has the object mapped keeps it; the next to use the name makes
// another. Errors: not_found, denied; invalid, if the name is not portable.
[[nodiscard]] std::expected<void, error> shared_unlink(std::string_view name) noexcept;

}  // namespace shmark

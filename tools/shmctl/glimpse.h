// A segment as one sees it who only looks on: its bytes are copied, nothing is locked, and nothing
// in it changes. What is copied may be of several moments.
//
// POSIX objects are read from their files in /dev/shm, so that nobody takes them for open on our
// account. A System V segment can be read only while it is attached: for as long as a glimpse of it
// lives, which should be short, others take it for open.
//
//     auto seen = glimpse::of(medium::posix, {"1000.default", 0});
//     const auto block = seen->bytes(0, 512);
//
// Thread safety: one thread at a time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/descriptor.h"
#include "lib/base/error.h"
#include "lib/segment/mapping.h"
#include "lib/segment/segment.h"

namespace shmark::inspector {

enum class medium : std::uint8_t { posix, sysv };
[[nodiscard]] std::string_view name_of(medium what) noexcept;

class glimpse {
 public:
  // The segment of a key. Errors: not_found, denied, mismatch (it is no segment, but a pipe or the
  // like).
  [[nodiscard]] static std::expected<glimpse, error> of(medium where, const segment_key& key);
  // An object by its name in /dev/shm.
  [[nodiscard]] static std::expected<glimpse, error> of_object(const std::string& name);
  // A System V segment by the system's number for it.
  [[nodiscard]] static std::expected<glimpse, error> of_id(int id);

  // As the system's tools call it: "shmark.1000.default", "0x1a2b3c4d".
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] uid_t owner() const noexcept { return owner_; }
  [[nodiscard]] mode_t mode() const noexcept { return mode_; }
  // Whether somebody had it mapped just before we looked; if that is known.
  [[nodiscard]] std::optional<bool> is_open() const noexcept { return is_open_; }
  // Whether its first contents are still being made.
  [[nodiscard]] bool is_unfinished() const noexcept;
  // What tells it from a later one of the same name.
  [[nodiscard]] std::uint64_t identity() const noexcept { return identity_; }

  // A copy of these bytes, or of as many of them as there are. Throws std::bad_alloc.
  [[nodiscard]] std::vector<std::byte> bytes(std::uint64_t offset, std::uint64_t count) const;
  // Copies to where they are wanted; returns how many there were.
  std::size_t copy(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  glimpse() = default;

  std::string name_;
  std::uint64_t size_ = 0;
  uid_t owner_ = 0;
  mode_t mode_ = 0;
  std::optional<bool> is_open_;
  std::uint64_t identity_ = 0;
  descriptor file_;                // POSIX
  std::optional<mapping> mapped_;  // System V
};

// What the system says of a System V segment without attaching it; nothing if it has gone, or is
// not for us to read.
struct sysv_facts {
  key_t key;
  uid_t user;
  mode_t mode;
  std::uint64_t size;
  bool is_open;
};
[[nodiscard]] std::optional<sysv_facts> sysv_status(int id);

// The numbers of all System V segments that this user may look at.
[[nodiscard]] std::vector<int> sysv_ids();
// Of an object in /dev/shm, also of one that may not be read. Nothing: it is not there.
[[nodiscard]] std::optional<uid_t> owner_of_object(const std::string& name);

}  // namespace shmark::inspector

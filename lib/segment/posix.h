// A POSIX shared memory object: a file in /dev/shm. See segment.h.
//
// Under a key {"1000.demo", 0} its name is /shmark.1000.demo.
//
// Two locks of the kernel lie on an object, which do not know of each other:
//
//   flock               guards the making of first contents, and removal by a handle. Held for that
//                       long only; the kernel drops it when its holder dies.
//   an OFD read lock    tells that the object is mapped. It belongs to an open file description,
//   on its first byte   and so does a mapping: the lock is taken on the description before that is
//                       mapped, the descriptor is closed, and description and lock live until the
//                       last mapping made of it is gone, whether by munmap, exec or death, and in
//                       forked children too. is_attached() asks, through a description of its own,
//                       whether a write lock would be granted, and places none.
//
// An object is made without a name, and named when it has its mode and both locks. That goes
// through /proc (see open(2), O_TMPFILE).
//
// A child that another thread forks amid an attach() inherits the descriptor, and counts as having
// the object mapped until it execs or ends.
//
// Source: shm_open(3), shm_overview(7), flock(2), mmap(2), fcntl_locking(2), "Open file description
// locks".
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/segment/mapping.h"
#include "lib/segment/segment.h"

namespace shmark {

class posix_segment {
 public:
  static constexpr std::string_view kind = "posix";
  static constexpr segment_traits can{.named = true};

  [[nodiscard]] static std::expected<posix_segment, error> create(const segment_key& key,
                                                                  std::size_t size, mode_t mode,
                                                                  owners whose = owners::own);
  [[nodiscard]] static std::expected<posix_segment, error> attach(const segment_key& key,
                                                                  owners whose = owners::own);
  [[nodiscard]] static std::expected<posix_segment, error> open_or_create(
      const segment_key& key, std::size_t size, mode_t mode, const segment_initializer& init,
      owners whose = owners::own);
  [[nodiscard]] static std::expected<void, error> remove(const segment_key& key);
  [[nodiscard]] static std::expected<bool, error> is_attached(const segment_key& key);
  [[nodiscard]] std::expected<void, error> unlink() const;

  // As open_or_create(), with memory for the first `reserved` bytes only: before anybody touches
  // more, somebody calls reserve().
  [[nodiscard]] static std::expected<posix_segment, error> open_or_create_growing(
      const segment_key& key, std::size_t size, std::size_t reserved, mode_t mode,
      const segment_initializer& init, owners whose = owners::own);
  // Sees to it that the first `size` bytes have memory. Errors: no_space; not_found, if the segment
  // has been removed.
  [[nodiscard]] std::expected<void, error> reserve(std::size_t size) const;

  // The names, without a leading slash, of all objects in /dev/shm that begin with `prefix`.
  // Throws std::bad_alloc.
  [[nodiscard]] static std::vector<std::string> names(std::string_view prefix);

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return mapped_.bytes(); }
  [[nodiscard]] segment_access access() const noexcept { return access_; }

 private:
  posix_segment(mapping mapped, const segment_key& key, ino_t inode, segment_access by) noexcept
      : mapped_(std::move(mapped)), key_(key), inode_(inode), access_(by) {}
  static std::expected<posix_segment, error> map(int object, const segment_key& key, owners whose);
  static std::expected<posix_segment, error> fill(int object, const segment_key& key,
                                                  std::size_t size, std::size_t reserved,
                                                  mode_t mode, const segment_initializer& init,
                                                  owners whose);
  // Whether an object opened by this segment's name is still this segment. Errors: not_found.
  [[nodiscard]] std::expected<void, error> check_name(int object, const char* attempted) const;

  mapping mapped_;
  segment_key key_;
  ino_t inode_;  // tells it from a later object of the same name
  segment_access access_;
};
static_assert(named_segment<posix_segment>);

}  // namespace shmark

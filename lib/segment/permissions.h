// What owners and permission bits of a segment mean, to both kinds that have them.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <expected>

#include "lib/base/error.h"
#include "lib/segment/segment.h"

namespace shmark::detail {

// While first contents are being made, a segment carries its owner's execute bit, which shared
// memory has no use for.
inline constexpr mode_t being_made = S_IXUSR;

// Whoever can write to a segment can make its users do what he likes.
inline constexpr mode_t others_write = S_IWGRP | S_IWOTH;

// Whether a segment may be made with this mode. Errors: invalid.
[[nodiscard]] std::expected<void, error> check_mode(mode_t mode, owners whose,
                                                    const segment_key& key) noexcept;

// Whether this user may make one of these owners'. Errors: denied.
[[nodiscard]] std::expected<void, error> check_maker(owners whose, const segment_key& key) noexcept;
// Whether one that is there may be used. Errors: denied.
[[nodiscard]] std::expected<void, error> check_owner(uid_t owner, mode_t mode, owners whose,
                                                     const segment_key& key) noexcept;

// The permissions alone, without what marks a segment as being made.
[[nodiscard]] constexpr mode_t permissions_of(mode_t mode) noexcept {
  return mode & (S_IRWXU | S_IRWXG | S_IRWXO) & ~being_made;
}

// "it belongs to user 1000 (mode 0600)".
[[nodiscard]] because it_belongs_to(uid_t owner, mode_t mode) noexcept;

// What a maker who died left unfinished, and the caller may not clear away.
[[nodiscard]] std::unexpected<error> left_unfinished(uid_t owner, const segment_key& key) noexcept;

}  // namespace shmark::detail

#include "lib/segment/permissions.h"

#include <unistd.h>

#include <cstdio>

namespace shmark::detail {
namespace {

because others_can_write(mode_t mode) noexcept {
  char text[short_text::capacity];
  std::snprintf(text, sizeof text, "mode %04o lets other users write to it", permissions_of(mode));
  return {text};
}

}  // namespace

because it_belongs_to(uid_t owner, mode_t mode) noexcept {
  char text[short_text::capacity];
  std::snprintf(text, sizeof text, "it belongs to user %u (mode %04o)", owner,
                permissions_of(mode));
  return {text};
}

std::expected<void, error> check_mode(mode_t mode, owners whose, const segment_key& key) noexcept {
  if (whose.are_sharing() || (mode & others_write) == 0) return {};
  return failure(errc::invalid, "create segment", key.text(), others_can_write(mode),
                 "use a mode such as 0600 or, if you trust all who could, owners::any");
}

std::expected<void, error> check_maker(owners whose, const segment_key& key) noexcept {
  if (whose.include(geteuid(), geteuid())) return {};
  return failure(errc::denied, "create segment", key.text(),
                 because{"another user's are made by that user only"}, "run as that user");
}

std::expected<void, error> check_owner(uid_t owner, mode_t mode, owners whose,
                                       const segment_key& key) noexcept {
  if (!whose.include(owner, geteuid())) {
    return failure(errc::denied, "attach segment", key.text(), it_belongs_to(owner, mode),
                   "run as that user or, if you trust all who can write it, use owners::any");
  }
  if (!whose.are_sharing() && (mode & others_write) != 0) {
    return failure(errc::denied, "attach segment", key.text(), others_can_write(mode),
                   "change its mode to 0600 or, if you trust all who can, use owners::any");
  }
  return {};
}

std::unexpected<error> left_unfinished(uid_t owner, const segment_key& key) noexcept {
  char text[short_text::capacity];
  std::snprintf(text, sizeof text, "user %u has begun to make it, and not finished", owner);
  return failure(errc::denied, "create segment", key.text(), because{text},
                 "have that user, or root, open it or remove it");
}

}  // namespace shmark::detail

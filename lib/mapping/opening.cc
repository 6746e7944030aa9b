#include "lib/mapping/opening.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <limits>

namespace shmark::detail {
namespace {

constexpr auto longest = static_cast<std::size_t>(std::numeric_limits<off_t>::max());

std::unexpected<error> refusal(const short_text& name, const char* found, const char* remedy) {
  return failure(errc::invalid, opening_memory, name, because{found}, remedy);
}

std::unexpected<error> too_short(const short_text& name, std::size_t length, const char* remedy) {
  std::array<char, 64> found;
  std::snprintf(found.data(), found.size(), "it ends at byte %zu", length);
  return refusal(name, found.data(), remedy);
}

}  // namespace

std::expected<void, error> check_perms(mode_t perms, const char* attempted,
                                       const short_text& name) noexcept {
  if ((perms & ~mode_t{ACCESSPERMS}) == 0) return {};
  return failure(errc::invalid, attempted, name, because{"there are no such permissions"},
                 "use at most 0777, in octal");
}

std::expected<opening, error> opening_of(open_mode mode, const open_options& options,
                                         const short_text& name) noexcept {
  const bool made_by_mode = mode == open_mode::create_write || mode == open_mode::create_read_write;
  const opening how{.writable = mode != open_mode::read,
                    .creates = made_by_mode || (options.flags & O_CREAT) != 0,
                    .exclusive = (options.flags & O_EXCL) != 0,
                    .truncates = made_by_mode || (options.flags & O_TRUNC) != 0};
  if ((options.flags & ~(O_CREAT | O_EXCL | O_TRUNC)) != 0) {
    return refusal(name, "it does not know these flags", "use O_CREAT, O_EXCL and O_TRUNC only");
  }
  if (!how.writable && (how.creates || how.truncates)) {
    return refusal(name, "it would be empty", "open it for writing");
  }
  if (how.exclusive && !how.creates) {
    return refusal(name, "O_EXCL is about making it", "use a mode that makes it, or O_CREAT");
  }
  if (how.creates && options.size == 0) {
    return refusal(name, "what is made needs a size", "give one");
  }
  if (options.size > longest || options.offset > longest - options.size) {
    return refusal(name, "nothing is that long", "give a smaller size or offset");
  }
  SHMARK_RETURN_IF_ERROR(check_perms(options.perms, opening_memory, name));
  return how;
}

std::expected<window, error> window_of(std::size_t length, bool may_lengthen,
                                       const open_options& options,
                                       const short_text& name) noexcept {
  const window asked{options.offset, options.size};
  if (asked.size != 0) {
    if (asked.end() <= length || may_lengthen) return asked;
    return too_short(name, length, "ask for less, or have it made longer");
  }
  if (length == 0) {
    return refusal(name, "it is empty", "give a size, if it is yours to write; or await its maker");
  }
  if (asked.offset >= length) return too_short(name, length, "give a smaller offset");
  return window{asked.offset, length - asked.offset};
}

}  // namespace shmark::detail

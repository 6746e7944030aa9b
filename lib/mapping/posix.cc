#include "lib/mapping/posix.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "lib/mapping/opening.h"

namespace shmark {
namespace {

using detail::opening;
using detail::opening_memory;
using detail::window;

// A portable name as system calls want it, without memory of its own.
class object_name {
 public:
  static std::expected<object_name, error> of(std::string_view name, const char* attempted) {
    if (!is_portable(name)) {
      return failure(errc::invalid, attempted, name, because{"the name is not portable"},
                     "use a slash and up to 253 other characters, none of them a slash");
    }
    return object_name(name);
  }
  [[nodiscard]] const char* c_str() const noexcept { return text_.data(); }

 private:
  static constexpr std::size_t longest = NAME_MAX - 1;  // with the slash; see shm_open in glibc

  explicit object_name(std::string_view name) noexcept { std::ranges::copy(name, text_.data()); }
  static bool is_portable(std::string_view name) noexcept {
    if (!name.starts_with('/') || name.size() > longest) return false;
    const auto rest = name.substr(1);
    return !rest.empty() && rest != "." && rest != ".." && !rest.contains('/') &&
           !rest.contains('\0');
  }

  std::array<char, longest + 1> text_{};
};

std::unexpected<error> no_object(const short_text& name) {
  return failure(errc::invalid, opening_memory, name, because{"it is no shared memory"},
                 "see what it is (ls -l /dev/shm), or choose another name");
}

struct opened {
  descriptor object;
  bool made;
};

std::expected<opened, error> open_object(const object_name& name, const opening& how, mode_t perms,
                                         const short_text& shown) {
  // A FIFO that somebody has put there must not keep us waiting.
  const int access = (how.writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK;
  for (;;) {
    // In two steps, to know who made it: whoever fails removes what he made, and nothing else.
    if (how.creates) {
      descriptor made(shm_open(name.c_str(), access | O_CREAT | O_EXCL, perms));
      if (made) return opened{std::move(made), true};
      if (errno != EEXIST || how.exclusive) return system_failure(errno, opening_memory, shown);
    }
    descriptor found(shm_open(name.c_str(), access, 0));
    if (found) return opened{std::move(found), false};
    // A folder (of which shm_open says EINVAL), a link, a socket.
    if (errno == EINVAL || errno == EISDIR || errno == ELOOP || errno == ENXIO) {
      return no_object(shown);
    }
    const bool gone_meanwhile = how.creates && errno == ENOENT;
    if (!gone_meanwhile) return system_failure(errno, opening_memory, shown);
  }
}

std::expected<std::size_t, error> length_of(int object, const short_text& name) {
  struct stat status;
  if (fstat(object, &status) != 0) return system_failure(errno, opening_memory, name);
  if (S_ISREG(status.st_mode)) return static_cast<std::size_t>(status.st_size);
  return no_object(name);
}

// Lengthens the object, if need be, and fills its holes. tmpfs takes back what it gave if it cannot
// give all.
std::expected<void, error> reserve(int object, const window& part, const short_text& name) {
  int failed;
  do {
    failed =
        posix_fallocate(object, static_cast<off_t>(part.offset), static_cast<off_t>(part.size));
  } while (failed == EINTR);
  if (failed != 0) return system_failure(failed, opening_memory, name);
  return {};
}

// Not by ftruncate(2) to 0 or by punching holes: others who have it mapped would meet SIGBUS, or
// lose memory that they had reserved. Holes are clear, and filling them could fail half way.
std::expected<void, error> clear(int object, std::size_t size, const short_text& name) {
  static constexpr std::array<std::byte, 16384> zeros{};
  const auto end = static_cast<off_t>(size);
  for (off_t at = 0; at < end;) {
    at = lseek(object, at, SEEK_DATA);
    if (at < 0 && errno == ENXIO) break;  // there are but holes
    if (at < 0) return system_failure(errno, opening_memory, name);
    const off_t hole = std::min(lseek(object, at, SEEK_HOLE), end);
    while (at < hole) {
      const auto part = std::min(zeros.size(), static_cast<std::size_t>(hole - at));
      const auto done = pwrite(object, zeros.data(), part, at);
      if (done < 0 && errno != EINTR) return system_failure(errno, opening_memory, name);
      if (done > 0) at += done;
    }
  }
  return {};
}

// What is to be mapped, with all its memory, of an object that was so long.
struct prepared {
  window part;
  std::size_t length;
};

std::expected<prepared, error> prepare(int object, const opening& how, const open_options& options,
                                       const short_text& name) {
  SHMARK_ASSIGN_OR_RETURN(const auto length, length_of(object, name));
  SHMARK_ASSIGN_OR_RETURN(const auto part, detail::window_of(length, how.writable, options, name));
  if (how.writable) SHMARK_RETURN_IF_ERROR(reserve(object, part, name));
  return prepared{part, length};
}

// After all that can fail for want of memory.
std::expected<void, error> empty(int object, const prepared& what, const short_text& name) {
  const auto end = what.part.end();
  if (what.length > end && ftruncate(object, static_cast<off_t>(end)) != 0) {
    return system_failure(errno, opening_memory, name);
  }
  return clear(object, std::min(what.length, end), name);
}

// Also reading from a hole takes memory, and only who may write can reserve it: here the kernel is
// asked to read all pages, and answers with an error where a load would be SIGBUS.
std::expected<void, error> fill_holes(int object, const window& part, const mapping& mapped,
                                      const short_text& name) {
  const auto hole = lseek(object, static_cast<off_t>(part.offset), SEEK_HOLE);
  if (hole < 0 || static_cast<std::size_t>(hole) >= part.end()) return {};
  const auto bytes = mapped.bytes();
  int failed;
  do failed = madvise(bytes.data(), bytes.size(), MADV_POPULATE_READ) != 0 ? errno : 0;
  while (failed == EINTR);
  if (failed == EFAULT || failed == ENOMEM) return system_failure(ENOSPC, opening_memory, name);
  return {};  // EINVAL: a kernel older than 5.14 does not know how
}

}  // namespace

std::expected<posix_memory, error> shared_open(std::string_view name, open_mode mode,
                                               const open_options& options) noexcept {
  SHMARK_ASSIGN_OR_RETURN(const auto path, object_name::of(name, opening_memory));
  SHMARK_ASSIGN_OR_RETURN(const auto how, detail::opening_of(mode, options, name));
  SHMARK_ASSIGN_OR_RETURN(auto found, open_object(path, how, options.perms, name));
  auto mapped = [&]() -> std::expected<posix_memory, error> {
    const int object = found.object.number();
    SHMARK_ASSIGN_OR_RETURN(const auto what, prepare(object, how, options, name));
    const auto& part = what.part;
    // Mappings begin on pages, parts anywhere.
    const auto skipped = part.offset % static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const auto size = skipped + part.size;
    void* address = mmap(nullptr, size, how.writable ? PROT_READ | PROT_WRITE : PROT_READ,
                         MAP_SHARED, object, static_cast<off_t>(part.offset - skipped));
    if (address == MAP_FAILED) return system_failure(errno, opening_memory, name);
    mapping pages(address, size, unmap_pages);
    if (!how.writable) SHMARK_RETURN_IF_ERROR(fill_holes(object, part, pages, name));
    if (how.truncates) SHMARK_RETURN_IF_ERROR(empty(object, what, name));
    const auto bytes = pages.bytes().subspan(skipped);
    return posix_memory(std::move(pages), bytes, how.writable, name, std::move(found.object));
  }();
  if (!mapped && found.made) shm_unlink(path.c_str());
  return mapped;
}

std::expected<void, error> shared_unlink(std::string_view name) noexcept {
  constexpr const char* attempted = "unlink shared memory";
  SHMARK_ASSIGN_OR_RETURN(const auto path, object_name::of(name, attempted));
  if (shm_unlink(path.c_str()) != 0) return system_failure(errno, attempted, name);
  return {};
}

std::expected<memory_status, error> posix_memory::stat() const noexcept {
  struct stat status;
  if (fstat(object_.number(), &status) != 0) {
    return system_failure(errno, "look at shared memory", name());
  }
  return memory_status{.size = static_cast<std::size_t>(status.st_size),
                       .perms = status.st_mode & ACCESSPERMS,
                       .owner = status.st_uid,
                       .group = status.st_gid};
}

std::expected<void, error> posix_memory::chmod(mode_t perms) const noexcept {
  constexpr const char* attempted = "change the permissions of shared memory";
  SHMARK_RETURN_IF_ERROR(detail::check_perms(perms, attempted, name()));
  if (fchmod(object_.number(), perms) != 0) return system_failure(errno, attempted, name());
  return {};
}

std::expected<void, error> posix_memory::chown(std::optional<uid_t> owner,
                                               std::optional<gid_t> group) const noexcept {
  constexpr auto same = static_cast<uid_t>(-1);
  if (fchown(object_.number(), owner.value_or(same), group.value_or(same)) != 0) {
    return system_failure(errno, "change the owner of shared memory", name());
  }
  return {};
}

}  // namespace shmark

#include "lib/segment/posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include "lib/base/descriptor.h"
#include "lib/segment/permissions.h"

namespace shmark {
namespace {

using detail::being_made;

// Where shm_open(3) keeps objects.
constexpr std::string_view directory = "/dev/shm/";

// Without memory of its own: removal must not fail for want of it.
class object_name {
 public:
  explicit object_name(const segment_key& key) noexcept {
    const auto text = key.text();
    std::ranges::copy(text.view(), std::ranges::copy(directory, path_).out);
  }
  [[nodiscard]] const char* path() const noexcept { return path_; }
  // As shm_open(3) takes it, with its slash.
  [[nodiscard]] const char* c_str() const noexcept { return path_ + directory.size() - 1; }

 private:
  char path_[directory.size() + short_text::capacity + 1] = {};
};

// The OFD lock of those who have an object mapped; see posix.h.
struct flock attachment(short type) noexcept {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  return lock;
}

std::expected<void, error> mark_attached(int object, const segment_key& key) {
  const auto mark = attachment(F_RDLCK);
  if (fcntl(object, F_OFD_SETLK, &mark) == 0) return {};
  return system_failure(errno, "mark segment as attached", key.text());
}

std::expected<descriptor, error> open_object(const segment_key& key, int access,
                                             const char* attempted) {
  if (!key.valid()) return failure(errc::invalid, attempted, key.space);
  const object_name name(key);
  descriptor opened(shm_open(name.c_str(), access | O_CLOEXEC, 0));
  if (opened) return opened;
  auto refusal = system_error(errno, attempted, key.text());
  struct stat status;
  if (refusal.code == errc::denied && lstat(name.path(), &status) == 0) {
    refusal.why = detail::it_belongs_to(status.st_uid, status.st_mode).why;
  }
  return std::unexpected(refusal);
}

// An object that exists already, with its mode, gets a name.
std::expected<void, error> name_object(int object, const segment_key& key) {
  char unnamed[32];
  std::snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", object);
  if (linkat(AT_FDCWD, unnamed, AT_FDCWD, object_name(key).path(), AT_SYMLINK_FOLLOW) == 0) {
    return {};
  }
  if (errno != ENOENT) return system_failure(errno, "create segment", key.text());
  return std::unexpected(
      error{errc::system, ENOENT, "create segment", key.text(), "mount /proc, which it needs"});
}

// An empty one, which has its mode and its mark, and is locked (see object_lock), before it has its
// name: another user who came first could not finish it.
std::expected<descriptor, error> make_object(const segment_key& key, mode_t mode, owners whose) {
  if (!key.valid()) return failure(errc::invalid, "create segment", key.space);
  SHMARK_RETURN_IF_ERROR(detail::check_maker(whose, key));
  descriptor made(open(directory.data(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
  if (!made) return system_failure(errno, "create segment", key.text());
  // Again: open(2) has heeded the umask.
  if (whose.are_sharing() && fchmod(made.number(), mode) != 0) {
    return system_failure(errno, "create segment", key.text());
  }
  SHMARK_RETURN_IF_ERROR(mark_attached(made.number(), key));
  if (flock(made.number(), LOCK_EX) != 0) return system_failure(errno, "lock segment", key.text());
  SHMARK_RETURN_IF_ERROR(name_object(made.number(), key));
  return made;
}

// Without O_CREAT on what is there, which the system refuses when that is another user's
// (fs.protected_regular in proc_sys_fs(5)), before anybody could say why.
std::expected<descriptor, error> open_or_make_object(const segment_key& key, mode_t mode,
                                                     owners whose) {
  for (;;) {
    auto opened = open_object(key, O_RDWR, "open or create segment");
    if (opened || opened.error().code != errc::not_found) return opened;
    auto made = make_object(key, mode, whose);
    if (made || made.error().code != errc::exists) return made;
  }
}

// tmpfs reserves the pages, so that a full /dev/shm shows here and not as SIGBUS at a later store.
std::expected<void, error> allocate(int object, std::size_t size, const segment_key& key) {
  if (size == 0) return failure(errc::invalid, "create segment of size 0", key.text());
  int failed;
  do failed = posix_fallocate(object, 0, static_cast<off_t>(size));
  while (failed == EINTR);
  if (failed != 0) return system_failure(failed, "create segment", key.text());
  return {};
}

// Requires: the object's lock. What cannot be mapped is left as it is: whoever left it may have
// taken nothing.
void clear(int object, std::size_t size, const segment_initializer& init) {
  if (size == 0) return;
  void* const address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
  if (address == MAP_FAILED) return;
  init.clear({static_cast<std::byte*>(address), size});
  munmap(address, size);
}

// An object has size 0 before it is marked as being made.
bool finished(const struct stat& status) {
  return status.st_size != 0 && (status.st_mode & being_made) == 0;
}

std::expected<struct stat, error> status_of(int object, const segment_key& key, owners whose) {
  struct stat status;
  if (fstat(object, &status) != 0) return system_failure(errno, "attach segment", key.text());
  SHMARK_RETURN_IF_ERROR(detail::check_owner(status.st_uid, status.st_mode, whose, key));
  return status;
}

// Holds flock(2) on an object; acquiring it again by the same descriptor is nothing. Unlocks
// explicitly: a mapping keeps the open file, and with it the lock, beyond the descriptor's end.
class object_lock {
 public:
  static std::expected<object_lock, error> acquire(int object, const segment_key& key) {
    while (flock(object, LOCK_EX) != 0) {
      if (errno != EINTR) return system_failure(errno, "lock segment", key.text());
    }
    return object_lock(object);
  }
  object_lock(object_lock&& other) noexcept : object_(std::exchange(other.object_, -1)) {}
  object_lock& operator=(object_lock&&) = delete;
  ~object_lock() {
    if (object_ >= 0) flock(object_, LOCK_UN);
  }

 private:
  explicit object_lock(int object) noexcept : object_(object) {}
  int object_;
};

}  // namespace

std::expected<posix_segment, error> posix_segment::map(int object, const segment_key& key,
                                                       owners whose) {
  SHMARK_ASSIGN_OR_RETURN(const auto status, status_of(object, key, whose));
  SHMARK_RETURN_IF_ERROR(mark_attached(object, key));
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
  if (address == MAP_FAILED) return system_failure(errno, "map segment", key.text());
  return posix_segment(mapping(address, size, unmap_pages), key, status.st_ino,
                       {status.st_uid, detail::permissions_of(status.st_mode)});
}

std::expected<posix_segment, error> posix_segment::create(const segment_key& key, std::size_t size,
                                                          mode_t mode, owners whose) {
  SHMARK_RETURN_IF_ERROR(detail::check_mode(mode, whose, key));
  SHMARK_ASSIGN_OR_RETURN(const auto object, make_object(key, mode, whose));
  SHMARK_ASSIGN_OR_RETURN(const auto locked, object_lock::acquire(object.number(), key));
  auto made = [&]() -> std::expected<posix_segment, error> {
    SHMARK_RETURN_IF_ERROR(allocate(object.number(), size, key));
    return map(object.number(), key, whose);
  }();
  if (!made) shm_unlink(object_name(key).c_str());
  return made;
}

std::expected<posix_segment, error> posix_segment::attach(const segment_key& key, owners whose) {
  SHMARK_ASSIGN_OR_RETURN(const auto object, open_object(key, O_RDWR, "attach segment"));
  SHMARK_ASSIGN_OR_RETURN(const auto status, status_of(object.number(), key, whose));
  if (!finished(status)) return failure(errc::not_found, "attach segment", key.text());
  return map(object.number(), key, whose);
}

std::expected<posix_segment, error> posix_segment::open_or_create(const segment_key& key,
                                                                  std::size_t size, mode_t mode,
                                                                  const segment_initializer& init,
                                                                  owners whose) {
  return open_or_create_growing(key, size, size, mode, init, whose);
}

std::expected<posix_segment, error> posix_segment::open_or_create_growing(
    const segment_key& key, std::size_t size, std::size_t reserved, mode_t mode,
    const segment_initializer& init, owners whose) {
  SHMARK_RETURN_IF_ERROR(detail::check_mode(mode, whose, key));
  if (!detail::check_maker(whose, key)) return attach(key, whose);
  for (;;) {
    SHMARK_ASSIGN_OR_RETURN(const auto object, open_or_make_object(key, mode, whose));
    // Before waiting for a stranger.
    SHMARK_RETURN_IF_ERROR(status_of(object.number(), key, whose));
    SHMARK_ASSIGN_OR_RETURN(const auto locked, object_lock::acquire(object.number(), key));
    SHMARK_ASSIGN_OR_RETURN(const auto status, status_of(object.number(), key, whose));
    if (status.st_nlink == 0) continue;  // removed while we waited: it is not the one any more
    if (finished(status)) return map(object.number(), key, whose);
    auto made = fill(object.number(), key, size, reserved, mode, init, whose);
    if (!made) shm_unlink(object_name(key).c_str());
    return made;
  }
}

std::expected<posix_segment, error> posix_segment::fill(int object, const segment_key& key,
                                                        std::size_t size, std::size_t reserved,
                                                        mode_t mode,
                                                        const segment_initializer& init,
                                                        owners whose) {
  SHMARK_ASSIGN_OR_RETURN(const auto status, status_of(object, key, whose));
  // Its maker may have died, and another one have asked for another mode.
  if (whose == owners::own) mode = status.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
  if (fchmod(object, mode | being_made) != 0) {
    if (errno == EPERM) return detail::left_unfinished(status.st_uid, key);
    return system_failure(errno, "create segment", key.text());
  }
  // He may have left a part of it: begin with an empty one.
  clear(object, static_cast<std::size_t>(status.st_size), init);
  if (ftruncate(object, 0) != 0) {
    return system_failure(errno, "create segment", key.text());
  }
  SHMARK_RETURN_IF_ERROR(allocate(object, reserved, key));
  if (reserved < size && ftruncate(object, static_cast<off_t>(size)) != 0) {
    return system_failure(errno, "create segment", key.text());
  }
  SHMARK_ASSIGN_OR_RETURN(auto made, map(object, key, whose));
  SHMARK_RETURN_IF_ERROR(init(made.bytes()));
  if (fchmod(object, mode & ~being_made) != 0) {
    return system_failure(errno, "create segment", key.text());
  }
  return made;
}

std::expected<void, error> posix_segment::remove(const segment_key& key) {
  if (!key.valid()) return failure(errc::invalid, "remove segment", key.space);
  if (shm_unlink(object_name(key).c_str()) != 0) {
    return system_failure(errno, "remove segment", key.text());
  }
  return {};
}

std::expected<bool, error> posix_segment::is_attached(const segment_key& key) {
  constexpr const char* attempted = "see who has attached segment";
  SHMARK_ASSIGN_OR_RETURN(const auto object, open_object(key, O_RDONLY, attempted));
  auto wanted = attachment(F_WRLCK);
  if (fcntl(object.number(), F_OFD_GETLK, &wanted) != 0) {
    return system_failure(errno, attempted, key.text());
  }
  // Asked after: nobody has what was removed and let go in between.
  struct stat status;
  if (fstat(object.number(), &status) != 0) return system_failure(errno, attempted, key.text());
  if (status.st_nlink == 0) return failure(errc::not_found, attempted, key.text());
  return wanted.l_type != F_UNLCK;
}

std::expected<void, error> posix_segment::check_name(int object, const char* attempted) const {
  struct stat status;
  if (fstat(object, &status) != 0) return system_failure(errno, attempted, key_.text());
  if (status.st_ino == inode_ && status.st_nlink != 0) return {};
  return failure(errc::not_found, attempted, key_.text());
}

std::expected<void, error> posix_segment::unlink() const {
  constexpr const char* attempted = "remove segment";
  SHMARK_ASSIGN_OR_RETURN(const auto object, open_object(key_, O_RDWR, attempted));
  SHMARK_RETURN_IF_ERROR(check_name(object.number(), attempted));  // before waiting for a stranger
  // Other handles, and those who fill an object, unlink it under its lock only. remove() takes a
  // name at its word and asks nobody: whoever mixes it with this can lose a newer object.
  SHMARK_ASSIGN_OR_RETURN(const auto locked, object_lock::acquire(object.number(), key_));
  SHMARK_RETURN_IF_ERROR(check_name(object.number(), attempted));
  return remove(key_);
}

std::expected<void, error> posix_segment::reserve(std::size_t size) const {
  constexpr const char* attempted = "grow segment";
  SHMARK_ASSIGN_OR_RETURN(const auto object, open_object(key_, O_RDWR, attempted));
  SHMARK_RETURN_IF_ERROR(check_name(object.number(), attempted));
  return allocate(object.number(), std::min(size, bytes().size()), key_);
}

std::vector<std::string> posix_segment::names(std::string_view prefix) {
  std::vector<std::string> found;
  // Not by std::filesystem, which takes several times as long: the explorer asks again and again.
  const std::unique_ptr<DIR, int (*)(DIR*)> all(opendir(directory.data()), closedir);
  if (all == nullptr) return found;  // no /dev/shm: no objects
  while (const dirent* const entry = readdir(all.get())) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(prefix)) found.emplace_back(name);
  }
  return found;
}

}  // namespace shmark

#include "lib/subject/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/process.h"
#include "lib/segment/segment.h"

namespace shmark {
namespace {

// What the kernel is asked for; nothing: to give back what there is.
using wanted = std::optional<mode>;

// The whole object, by a description of the caller's own. Returns what the system does.
int call_fcntl(int object, wanted how, bool wait) noexcept {
  struct flock what{};
  what.l_type = F_UNLCK;
  if (how) what.l_type = *how == mode::exclusive ? F_WRLCK : F_RDLCK;
  what.l_whence = SEEK_SET;
  return fcntl(object, wait ? F_OFD_SETLKW : F_OFD_SETLK, &what);
}
int call_flock(int object, wanted how, bool wait) noexcept {
  int what = LOCK_UN;
  if (how) what = *how == mode::exclusive ? LOCK_EX : LOCK_SH;
  return ::flock(object, wait ? what : what | LOCK_NB);
}

// Not disturbed by signals. Returns 0 or an errno: EAGAIN if another holds it.
int set_lock(file_lock_kind kind, const descriptor& object, wanted how, bool wait) noexcept {
  const auto call = kind == file_lock_kind::ofd ? call_fcntl : call_flock;
  while (call(object.number(), how, wait) != 0) {
    if (errno == EACCES) return EAGAIN;
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

template <file_lock_kind Kind>
std::expected<descriptor, error> file_lock<Kind>::open_object(const state& at, int flags) noexcept {
  const auto* text = at.object.data();
  if (text[0] == '\0' || std::memchr(text, '\0', at.object.size()) == nullptr) {
    return failure(errc::not_found, "open lock", name);
  }
  descriptor opened(shm_open(text, O_RDWR | O_CLOEXEC | flags, 0600));
  if (!opened) return system_failure(errno, "open lock", text);
  return opened;
}

template <file_lock_kind Kind>
std::expected<void, error> file_lock<Kind>::create(state& at, const lock_home& home) noexcept {
  for (;;) {
    at = {};
    const auto object = segment_key::random_in(home.space).text();
    const auto name_there = object.view();
    if (name_there.size() + 2 > at.object.size()) {
      return failure(errc::invalid, "make a lock in the space", home.space, "use a shorter one");
    }
    at.object[0] = '/';
    std::memcpy(at.object.data() + 1, name_there.data(), name_there.size());
    const auto made = open_object(at, O_CREAT | O_EXCL);
    if (made) return {};
    at = {};  // it is somebody else's: never remove that
    if (made.error().code != errc::exists) return std::unexpected(made.error());
  }
}

template <file_lock_kind Kind>
std::expected<file_lock<Kind>, error> file_lock<Kind>::attach(state& at) noexcept {
  SHMARK_ASSIGN_OR_RETURN(auto object, open_object(at, 0));
  return file_lock(at, std::move(object));
}

template <file_lock_kind Kind>
void file_lock<Kind>::destroy(state& at) noexcept {
  if (at.object[0] == '/' && std::memchr(at.object.data(), '\0', at.object.size()) != nullptr) {
    shm_unlink(at.object.data());
  }
  at = {};
}

template <file_lock_kind Kind>
file_lock<Kind>::file_lock(state& at, descriptor object) noexcept
    : state_(&at), object_(std::move(object)), opened_at_(fork_depth()) {}

template <file_lock_kind Kind>
bool file_lock<Kind>::holds() const noexcept {
  return held_.has_value() && opened_at_ == fork_depth();
}

template <file_lock_kind Kind>
std::expected<acquired, error> file_lock<Kind>::acquire(mode how, deadline until) noexcept {
  if (holds()) return failure(errc::would_deadlock, "acquire lock", name);
  if (opened_at_ != fork_depth()) {
    // The parent's description is its lock, and stays its own.
    SHMARK_ASSIGN_OR_RETURN(auto object, open_object(*state_, 0));
    object_ = std::move(object);
    opened_at_ = fork_depth();
    held_.reset();
  }
  const int failed = set_lock(Kind, object_, how, !until.is_none());
  if (failed != 0) return system_failure(failed, "acquire lock", name);
  held_ = how;
  return acquired::ok;
}

template <file_lock_kind Kind>
void file_lock<Kind>::release(mode how) noexcept {
  SHMARK_CHECK(holds() && *held_ == how, "released a lock that is not held in this mode");
  held_.reset();
  SHMARK_CHECK(set_lock(Kind, object_, {}, false) == 0, "the kernel does not know of the lock");
}

template class file_lock<file_lock_kind::ofd>;
template class file_lock<file_lock_kind::flock>;

}  // namespace shmark

#include "lib/subject/ofd_lock.h"

#include <fcntl.h>
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

// The whole object, by a description of the caller's own. Returns 0 or an errno.
int set_lock(const descriptor& object, short type, bool wait) noexcept {
  struct flock what{};
  what.l_type = type;
  what.l_whence = SEEK_SET;
  while (fcntl(object.number(), wait ? F_OFD_SETLKW : F_OFD_SETLK, &what) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

std::expected<descriptor, error> open_object(const ofd_lock::state& at, int flags) noexcept {
  const auto* text = at.object.data();
  if (text[0] == '\0' || std::memchr(text, '\0', at.object.size()) == nullptr) {
    return failure(errc::not_found, "open lock", ofd_lock::name);
  }
  descriptor opened(shm_open(text, O_RDWR | O_CLOEXEC | flags, 0600));
  if (!opened) return system_failure(errno, "open lock", text);
  return opened;
}

}  // namespace

std::expected<void, error> ofd_lock::create(state& at, const lock_home& home) noexcept {
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

std::expected<ofd_lock, error> ofd_lock::attach(state& at) noexcept {
  SHMARK_ASSIGN_OR_RETURN(auto object, open_object(at, 0));
  return ofd_lock(at, std::move(object));
}

void ofd_lock::destroy(state& at) noexcept {
  if (at.object[0] == '/' && std::memchr(at.object.data(), '\0', at.object.size()) != nullptr) {
    shm_unlink(at.object.data());
  }
  at = {};
}

ofd_lock::ofd_lock(state& at, descriptor object) noexcept
    : state_(&at), object_(std::move(object)), opened_at_(fork_depth()) {}

bool ofd_lock::holds() const noexcept { return held_.has_value() && opened_at_ == fork_depth(); }

std::expected<acquired, error> ofd_lock::acquire(mode how, deadline until) noexcept {
  if (holds()) return failure(errc::would_deadlock, "acquire lock", name);
  if (opened_at_ != fork_depth()) {
    // The parent's description is its lock, and stays its own.
    SHMARK_ASSIGN_OR_RETURN(auto object, open_object(*state_, 0));
    object_ = std::move(object);
    opened_at_ = fork_depth();
    held_.reset();
  }
  const auto type = static_cast<short>(how == mode::exclusive ? F_WRLCK : F_RDLCK);
  const int failed = set_lock(object_, type, !until.is_none());
  if (failed == EACCES) return system_failure(EAGAIN, "acquire lock", name);
  if (failed != 0) return system_failure(failed, "acquire lock", name);
  held_ = how;
  return acquired::ok;
}

void ofd_lock::release(mode how) noexcept {
  SHMARK_CHECK(holds() && *held_ == how, "released a lock that is not held in this mode");
  held_.reset();
  SHMARK_CHECK(set_lock(object_, F_UNLCK, false) == 0, "the kernel does not know of the lock");
}

}  // namespace shmark

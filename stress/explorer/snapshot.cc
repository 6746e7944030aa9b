#include "stress/explorer/snapshot.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "lib/base/descriptor.h"
#include "lib/segment/posix.h"

namespace shmark::explorer {
namespace {

// What read(2) or write(2) does until all of it is done.
template <class Call, class Bytes>
bool for_all(Call call, int file, Bytes bytes) {
  while (!bytes.empty()) {
    const auto count = call(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

std::expected<snapshot, error> snapshot::of(const std::string& prefix) {
  snapshot all;
  for (const auto& name : posix_segment::names(prefix)) {
    SHMARK_ASSIGN_OR_RETURN(auto one, copy_of(name));
    all.objects_.push_back(std::move(one));
  }
  for (const auto& one : segments_made()) all.segments_.push_back({one, one.copy()});
  all.semaphores_ = semaphores_made();
  return all;
}

auto snapshot::copy_of(const std::string& name) -> std::expected<object, error> {
  const descriptor file(shm_open(("/" + name).c_str(), O_RDONLY | O_CLOEXEC, 0));
  struct stat status;
  if (!file || fstat(file.number(), &status) != 0) {
    return system_failure(errno, "copy", short_text(name));
  }
  constexpr blkcnt_t block = 512;
  const off_t filled = std::min<off_t>(status.st_size, status.st_blocks * block);
  object one{name, status.st_mode, status.st_size, {}};
  one.bytes.resize(static_cast<std::size_t>(filled));
  if (!for_all(read, file.number(), std::span(one.bytes))) {
    return system_failure(errno, "copy", short_text(name));
  }
  return one;
}

std::expected<void, error> snapshot::put_back() const {
  for (const auto& one : objects_) SHMARK_RETURN_IF_ERROR(make(one));
  for (const auto& one : semaphores_) SHMARK_RETURN_IF_ERROR(make_again(one));
  return make_segments();
}

std::expected<void, error> snapshot::make_segments() const {
  if (segments_.empty()) return {};
  const pid_t maker = fork();
  if (maker < 0) return system_failure(errno, "start", "a process of an exploration");
  if (maker == 0) {
    for (const auto& one : segments_) {
      if (auto made = make_again(one.its, one.bytes); !made) _exit(made.error().sys_errno);
    }
    _exit(0);
  }
  int status = 0;
  while (waitpid(maker, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return {};
  return system_failure(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR, "make again",
                        "System V segments");
}

std::expected<void, error> snapshot::make(const object& one) {
  const auto path = "/" + one.name;
  const descriptor file(shm_open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file || !for_all(write, file.number(), std::span(one.bytes)) ||
      ftruncate(file.number(), one.size) != 0 || fchmod(file.number(), one.mode) != 0) {
    return system_failure(errno, "make again", short_text(one.name));
  }
  return {};
}

void remove_objects(const std::string& prefix) noexcept {
  for (const auto& name : posix_segment::names(prefix)) shm_unlink(("/" + name).c_str());
  remove_system_v();
}

}  // namespace shmark::explorer

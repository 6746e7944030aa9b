#include "tools/shmctl/glimpse.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/segment/permissions.h"
#include "lib/segment/posix.h"
#include "lib/segment/sysv.h"

namespace shmark::inspector {
namespace {

constexpr const char* attempted = "look at segment";

// Whole words, where they are such, so that none of them is torn. Requires: `from` is aligned.
void copy_words(const std::byte* from, std::span<std::byte> into) noexcept {
  using word = std::uint64_t;
  std::size_t at = 0;
  for (; at + sizeof(word) <= into.size(); at += sizeof(word)) {
    const word value = __atomic_load_n(reinterpret_cast<const word*>(from + at), __ATOMIC_ACQUIRE);
    std::memcpy(into.data() + at, &value, sizeof value);
  }
  for (; at < into.size(); ++at) {
    const auto value =
        __atomic_load_n(reinterpret_cast<const unsigned char*>(from + at), __ATOMIC_RELAXED);
    into[at] = static_cast<std::byte>(value);
  }
}

}  // namespace

std::string_view name_of(medium what) noexcept { return what == medium::posix ? "posix" : "sysv"; }

std::expected<glimpse, error> glimpse::of_object(const std::string& name) {
  // Neither what a link points to nor who might be at a pipe's other end.
  constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  glimpse made;
  made.file_ = descriptor(open(("/dev/shm/" + name).c_str(), flags));
  if (!made.file_) return system_failure(errno, attempted, name);
  struct stat status;
  if (fstat(made.file_.number(), &status) != 0) return system_failure(errno, attempted, name);
  if (!S_ISREG(status.st_mode)) {
    return failure(errc::mismatch, attempted, name, because{"it is no segment"});
  }
  made.name_ = name;
  made.size_ = static_cast<std::uint64_t>(status.st_size);
  made.owner_ = status.st_uid;
  made.mode_ = status.st_mode & 07777;
  made.identity_ = status.st_ino;
  return made;
}

std::expected<glimpse, error> glimpse::of_id(int id) {
  const auto name_of_id = fmt::format("number {}", id);
  shmid_ds status;
  if (shmctl(id, IPC_STAT, &status) != 0) {
    return system_failure(errno == EINVAL ? EIDRM : errno, attempted, name_of_id);
  }
  void* address = shmat(id, nullptr, SHM_RDONLY);
  if (address == reinterpret_cast<void*>(-1)) {
    return system_failure(errno == EINVAL ? EIDRM : errno, attempted, name_of_id);
  }
  glimpse made;
  made.mapped_.emplace(address, status.shm_segsz,
                       [](void* mapped, std::size_t) noexcept { shmdt(mapped); });
  made.name_ = fmt::format("0x{:08x}", static_cast<unsigned>(status.shm_perm.__key));
  made.size_ = status.shm_segsz;
  made.owner_ = status.shm_perm.uid;
  made.mode_ = status.shm_perm.mode & 0777U;
  made.is_open_ = status.shm_nattch != 0;
  made.identity_ = static_cast<std::uint64_t>(id);
  return made;
}

std::expected<glimpse, error> glimpse::of(medium where, const segment_key& key) {
  if (where == medium::posix) {
    auto made = of_object(std::string(key.text().view()));
    if (!made) return made;
    if (const auto attached = posix_segment::is_attached(key)) made->is_open_ = *attached;
    return made;
  }
  const int id = shmget(sysv_segment::system_key(key), 0, 0);
  if (id < 0) return system_failure(errno, attempted, key.text());
  return of_id(id);
}

bool glimpse::is_unfinished() const noexcept {
  return size_ == 0 || (mode_ & detail::being_made) != 0;
}

std::size_t glimpse::copy(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset >= size_) return 0;
  into = into.first(std::min<std::uint64_t>(into.size(), size_ - offset));
  if (mapped_) {
    copy_words(mapped_->bytes().data() + offset, into);
    return into.size();
  }
  std::size_t done = 0;
  while (done < into.size()) {
    const auto got = pread(file_.number(), into.data() + done, into.size() - done,
                           static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::vector<std::byte> glimpse::bytes(std::uint64_t offset, std::uint64_t count) const {
  std::vector<std::byte> copied(offset < size_ ? std::min<std::uint64_t>(count, size_ - offset)
                                               : 0);
  copied.resize(copy(offset, copied));
  return copied;
}

std::optional<sysv_facts> sysv_status(int id) {
  shmid_ds status;
  if (shmctl(id, IPC_STAT, &status) != 0) return {};
  constexpr mode_t permissions = 0777;  // beside flags of the system's
  return sysv_facts{.key = status.shm_perm.__key,
                    .user = status.shm_perm.uid,
                    .mode = status.shm_perm.mode & permissions,
                    .size = status.shm_segsz,
                    .is_open = status.shm_nattch != 0};
}

std::optional<uid_t> owner_of_object(const std::string& name) {
  struct stat status;
  if (lstat(("/dev/shm/" + name).c_str(), &status) != 0) return {};
  return status.st_uid;
}

std::vector<int> sysv_ids() {
  std::vector<int> ids;
  shmid_ds status;
  shm_info info;
  const int last = shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info));
  for (int index = 0; index <= last; ++index) {
    const int id = shmctl(index, SHM_STAT, &status);
    if (id >= 0) ids.push_back(id);
  }
  return ids;
}

}  // namespace shmark::inspector

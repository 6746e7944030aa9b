#include "lib/mapping/sysv.h"

#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "lib/mapping/opening.h"

namespace shmark {
namespace {

using detail::opening;
using detail::opening_memory;

short_text text_of(sysv_key key) noexcept {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "key 0x%08x", static_cast<unsigned>(key));
  return text.data();
}

std::expected<void, error> check_key(sysv_key key, const char* attempted) noexcept {
  if (std::to_underlying(key) != IPC_PRIVATE) return {};
  return failure(errc::invalid, attempted, text_of(key),
                 because{"by this key nobody would find it again"},
                 "use another, or shared_anonymous()");
}

// For calls by id, where EINVAL says that the id is no longer anybody's.
std::unexpected<error> id_failure(int sys_errno, const char* attempted, const short_text& name) {
  return system_failure(sys_errno == EINVAL ? EIDRM : sys_errno, attempted, name);
}

struct found_segment {
  int id;
  bool made;
};

std::expected<found_segment, error> find(key_t key, const opening& how, const open_options& options,
                                         const short_text& name) {
  for (;;) {
    // In two steps, to know who made it: whoever fails removes what he made, and nothing else.
    if (how.creates) {
      const int id = shmget(key, options.offset + options.size,
                            IPC_CREAT | IPC_EXCL | static_cast<int>(options.perms));
      if (id >= 0) return found_segment{id, true};
      if (errno != EEXIST || how.exclusive) return system_failure(errno, opening_memory, name);
    }
    const int id = shmget(key, 0, 0);
    if (id >= 0) return found_segment{id, false};
    const bool gone_meanwhile = how.creates && errno == ENOENT;
    if (!gone_meanwhile) return system_failure(errno, opening_memory, name);
  }
}

std::expected<mapping, error> attach(int id, const opening& how, const short_text& name) {
  void* address = shmat(id, nullptr, how.writable ? 0 : SHM_RDONLY);
  if (address == reinterpret_cast<void*>(-1)) return id_failure(errno, opening_memory, name);
  const auto detach = [](void* mapped, std::size_t) noexcept { shmdt(mapped); };
  shmid_ds status;
  if (shmctl(id, IPC_STAT, &status) != 0) {
    const int failed = errno;
    detach(address, 0);
    return id_failure(failed, opening_memory, name);
  }
  return mapping(address, status.shm_segsz, detach);
}

}  // namespace

std::expected<sysv_memory, error> shared_open(sysv_key key, open_mode mode,
                                              const open_options& options) noexcept {
  const auto name = text_of(key);
  SHMARK_RETURN_IF_ERROR(check_key(key, opening_memory));
  SHMARK_ASSIGN_OR_RETURN(const auto how, detail::opening_of(mode, options, name));
  const auto map = [&](const found_segment& found) -> std::expected<sysv_memory, error> {
    SHMARK_ASSIGN_OR_RETURN(auto whole, attach(found.id, how, name));
    SHMARK_ASSIGN_OR_RETURN(const auto part,
                            detail::window_of(whole.bytes().size(), false, options, name));
    if (how.truncates && !found.made) std::ranges::fill(whole.bytes(), std::byte{0});
    const auto bytes = whole.bytes().subspan(part.offset, part.size);
    return sysv_memory(std::move(whole), bytes, how.writable, name, found.id);
  };
  for (;;) {
    SHMARK_ASSIGN_OR_RETURN(const auto found, find(std::to_underlying(key), how, options, name));
    auto mapped = map(found);
    if (mapped) return mapped;
    if (found.made) shmctl(found.id, IPC_RMID, nullptr);
    const bool gone_meanwhile = how.creates && mapped.error().code == errc::not_found;
    if (!gone_meanwhile) return mapped;
  }
}

std::expected<void, error> shared_remove(sysv_key key) noexcept {
  constexpr const char* attempted = "remove shared memory";
  SHMARK_RETURN_IF_ERROR(check_key(key, attempted));
  const int id = shmget(std::to_underlying(key), 0, 0);
  if (id < 0) return system_failure(errno, attempted, text_of(key));
  if (shmctl(id, IPC_RMID, nullptr) != 0) return id_failure(errno, attempted, text_of(key));
  return {};
}

std::expected<memory_status, error> sysv_memory::stat() const noexcept {
  shmid_ds status;
  if (shmctl(id_, IPC_STAT, &status) != 0) {
    return id_failure(errno, "look at shared memory", name());
  }
  return memory_status{.size = status.shm_segsz,
                       .perms = mode_t{status.shm_perm.mode} & ACCESSPERMS,
                       .owner = status.shm_perm.uid,
                       .group = status.shm_perm.gid};
}

std::expected<void, error> sysv_memory::chmod(mode_t perms) const noexcept {
  constexpr const char* attempted = "change the permissions of shared memory";
  SHMARK_RETURN_IF_ERROR(detail::check_perms(perms, attempted, name()));
  shmid_ds status;
  if (shmctl(id_, IPC_STAT, &status) != 0) return id_failure(errno, attempted, name());
  status.shm_perm.mode = static_cast<unsigned short>(perms);
  if (shmctl(id_, IPC_SET, &status) != 0) return id_failure(errno, attempted, name());
  return {};
}

std::expected<void, error> sysv_memory::chown(std::optional<uid_t> owner,
                                              std::optional<gid_t> group) const noexcept {
  constexpr const char* attempted = "change the owner of shared memory";
  shmid_ds status;
  if (shmctl(id_, IPC_STAT, &status) != 0) return id_failure(errno, attempted, name());
  status.shm_perm.uid = owner.value_or(status.shm_perm.uid);
  status.shm_perm.gid = group.value_or(status.shm_perm.gid);
  if (shmctl(id_, IPC_SET, &status) != 0) return id_failure(errno, attempted, name());
  return {};
}

}  // namespace shmark

#include "lib/segment/sysv.h"

#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "lib/base/deadline.h"
#include "lib/base/hash.h"
#include "lib/base/process.h"
#include "lib/segment/permissions.h"

namespace shmark {
namespace {

using detail::being_made;

// Folded to the 31 bits of a key.
key_t well_known_key(std::string_view space) noexcept {
  const std::uint64_t hash = fnv1a(space);
  const auto folded = static_cast<key_t>((hash ^ (hash >> 31)) & 0x7fffffff);
  return folded != 0 ? folded : 1;
}

// For calls by id, where EINVAL says that the id is no longer anybody's.
std::unexpected<error> id_failure(int sys_errno, const char* attempted, const segment_key& key) {
  return system_failure(sys_errno == EINVAL ? EIDRM : sys_errno, attempted, key.text());
}

std::expected<shmid_ds, error> status_of(int id, const segment_key& key, const char* attempted) {
  shmid_ds status;
  if (shmctl(id, IPC_STAT, &status) != 0) return id_failure(errno, attempted, key);
  return status;
}

// Removed, and mapped by somebody.
bool is_removed(const shmid_ds& status) noexcept { return (status.shm_perm.mode & SHM_DEST) != 0; }

// Whether the process that made the segment is gone: it has ended, or its number belongs to one who
// started after the segment was made. (Both times have whole seconds, so a number used again within
// the same second looks alive; whoever waits for it has a deadline.)
bool maker_is_gone(const shmid_ds& status) noexcept {
  if (status.shm_cpid == 0) return false;  // it lives in a PID namespace that we cannot see into
  if (has_ended(status.shm_cpid)) return true;
  const auto started = start_ticks(status.shm_cpid);
  if (!started) return false;
  timespec now;
  timespec since_boot;
  clock_gettime(CLOCK_REALTIME, &now);
  clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const auto ticks_per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  const time_t started_at =
      now.tv_sec - since_boot.tv_sec + static_cast<time_t>(*started / ticks_per_second);
  return started_at > status.shm_ctime + 1;
}

std::expected<int, error> find(const segment_key& key, const char* attempted) {
  if (!key.valid()) return failure(errc::invalid, attempted, key.space);
  const int id = shmget(sysv_segment::system_key(key), 0, 0);
  if (id < 0) return system_failure(errno, attempted, key.text());
  return id;
}

std::expected<void, error> set_mode(int id, mode_t mode, const segment_key& key) {
  SHMARK_ASSIGN_OR_RETURN(auto status, status_of(id, key, "create segment"));
  status.shm_perm.mode = static_cast<unsigned short>(mode);
  if (shmctl(id, IPC_SET, &status) != 0) return id_failure(errno, "create segment", key);
  return {};
}

std::expected<void, error> remove_id(int id, const segment_key& key) {
  SHMARK_ASSIGN_OR_RETURN(const auto status, status_of(id, key, "remove segment"));
  if (is_removed(status)) return failure(errc::not_found, "remove segment", key.text());
  if (shmctl(id, IPC_RMID, nullptr) != 0) return id_failure(errno, "remove segment", key);
  return {};
}

std::expected<void, error> check_owner(const shmid_ds& status, const segment_key& key,
                                       owners whose) {
  return detail::check_owner(status.shm_perm.uid, status.shm_perm.mode, whose, key);
}

// By its id, so that never another segment goes that took the key since. Errors: denied.
std::expected<void, error> clear_away_if_abandoned(const segment_key& key,
                                                   const segment_initializer& init, owners whose) {
  constexpr const char* attempted = "clear away segment";
  const auto id = find(key, attempted);
  if (!id) return {};
  const auto status = status_of(*id, key, attempted);
  if (!status || !check_owner(*status, key, whose) || !maker_is_gone(*status)) return {};
  // Only now does the mark mean anything: until its end the maker may have finished.
  const auto at_last = status_of(*id, key, attempted);
  if (!at_last || (at_last->shm_perm.mode & being_made) == 0) return {};
  // Of one that another has removed meanwhile nothing is mapped.
  if (void* const address = shmat(*id, nullptr, 0); address != reinterpret_cast<void*>(-1)) {
    init.clear({static_cast<std::byte*>(address), at_last->shm_segsz});
    shmdt(address);
  }
  if (shmctl(*id, IPC_RMID, nullptr) != 0 && errno == EPERM) {
    return detail::left_unfinished(at_last->shm_perm.uid, key);
  }
  return {};
}

}  // namespace

key_t sysv_segment::system_key(const segment_key& key) noexcept {
  return key.number == 0 ? well_known_key(key.space.view())
                         : static_cast<key_t>(key.number & 0x7fffffff);
}

std::expected<sysv_segment, error> sysv_segment::map(int id, const segment_key& key, owners whose) {
  SHMARK_ASSIGN_OR_RETURN(const auto status, status_of(id, key, "attach segment"));
  SHMARK_RETURN_IF_ERROR(check_owner(status, key, whose));
  void* address = shmat(id, nullptr, 0);
  if (address == reinterpret_cast<void*>(-1)) return id_failure(errno, "attach segment", key);
  const auto detach = [](void* mapped, std::size_t) noexcept { shmdt(mapped); };
  return sysv_segment(mapping(address, status.shm_segsz, detach), key, id,
                      {status.shm_perm.uid, detail::permissions_of(status.shm_perm.mode)});
}

std::expected<sysv_segment, error> sysv_segment::create(const segment_key& key, std::size_t size,
                                                        mode_t mode, owners whose) {
  SHMARK_RETURN_IF_ERROR(detail::check_mode(mode, whose, key));
  if (!key.valid()) return failure(errc::invalid, "create segment", key.space);
  SHMARK_RETURN_IF_ERROR(detail::check_maker(whose, key));
  const int id = shmget(system_key(key), size, IPC_CREAT | IPC_EXCL | static_cast<int>(mode));
  if (id < 0) return system_failure(errno, "create segment", key.text());
  auto made = map(id, key, whose);
  if (!made) shmctl(id, IPC_RMID, nullptr);
  return made;
}

std::expected<sysv_segment, error> sysv_segment::attach(const segment_key& key, owners whose) {
  SHMARK_ASSIGN_OR_RETURN(const int id, find(key, "attach segment"));
  SHMARK_ASSIGN_OR_RETURN(const auto status, status_of(id, key, "attach segment"));
  SHMARK_RETURN_IF_ERROR(check_owner(status, key, whose));  // its mode may look like our mark
  if ((status.shm_perm.mode & being_made) != 0) {
    return failure(errc::not_found, "attach segment", key.text());
  }
  return map(id, key, whose);
}

std::expected<sysv_segment, error> sysv_segment::open_or_create(const segment_key& key,
                                                                std::size_t size, mode_t mode,
                                                                const segment_initializer& init,
                                                                owners whose) {
  if (!detail::check_maker(whose, key)) return attach(key, whose);
  constexpr auto patience = std::chrono::seconds(10);
  const auto give_up = deadline::after(patience);
  for (;;) {
    auto made = create(key, size, mode | being_made, whose);
    if (made) return fill(*std::move(made), mode, init);
    if (made.error().code != errc::exists) return made;
    auto attached = attach(key, whose);
    if (attached || attached.error().code != errc::not_found) return attached;
    SHMARK_RETURN_IF_ERROR(clear_away_if_abandoned(key, init, whose));
    if (give_up.passed()) {
      return failure(errc::timed_out, "wait for the maker of segment", key.text(),
                     "see who made it (ipcs -m -p), and remove it (ipcrm)");
    }
    constexpr timespec pause{.tv_sec = 0, .tv_nsec = 200'000};
    nanosleep(&pause, nullptr);
  }
}

std::expected<sysv_segment, error> sysv_segment::fill(sysv_segment made, mode_t mode,
                                                      const segment_initializer& init) {
  auto done = init(made.bytes());
  if (done) done = set_mode(made.id_, mode, made.key_);
  if (done) return made;
  static_cast<void>(made.unlink());
  return std::unexpected(done.error());
}

std::expected<void, error> sysv_segment::remove(const segment_key& key) {
  SHMARK_ASSIGN_OR_RETURN(const int id, find(key, "remove segment"));
  return remove_id(id, key);
}

std::expected<bool, error> sysv_segment::is_attached(const segment_key& key) {
  constexpr const char* attempted = "see who has attached segment";
  SHMARK_ASSIGN_OR_RETURN(const int id, find(key, attempted));
  SHMARK_ASSIGN_OR_RETURN(const auto status, status_of(id, key, attempted));
  if (is_removed(status)) return failure(errc::not_found, attempted, key.text());
  return status.shm_nattch != 0;
}

std::expected<void, error> sysv_segment::unlink() const { return remove_id(id_, key_); }

}  // namespace shmark

#include "stress/explorer/system_v.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <set>
#include <sstream>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/interrupt.h"

namespace shmark::explorer {
namespace {

// Keys, each noted before it is used; 0: none, or it could not be had.
class key_list {
 public:
  [[gnu::section("system_v_calls")]] std::atomic<key_t>& add(key_t key) noexcept {
    const std::size_t at = count_.fetch_add(1);
    SHMARK_CHECK(at < keys_.size(), "an exploration makes too much in one trial");
    keys_[at].store(key);
    return keys_[at];
  }
  [[nodiscard]] std::set<key_t> all() const {
    std::set<key_t> found;
    for (std::size_t at = 0; at < std::min(count_.load(), keys_.size()); ++at) {
      if (const key_t key = keys_[at].load(); key != 0) found.insert(key);
    }
    return found;
  }
  void clear() noexcept {
    for (std::size_t at = 0; at < std::min(count_.load(), keys_.size()); ++at) keys_[at].store(0);
    count_.store(0);
  }

 private:
  std::atomic<std::size_t> count_;
  std::array<std::atomic<key_t>, 1U << 14U> keys_;
};
struct notes {
  key_list segments;
  key_list semaphores;
};
notes* kept = nullptr;  // shared by all processes forked since

std::unexpected<error> cannot(const char* attempted, const char* kind, key_t key) {
  return system_failure(errno, attempted, short_text(fmt::format("{} {:#x}", kind, key)));
}

union semaphore_argument {
  int value;
  semid_ds* status;
  unsigned short* values;
};

constexpr mode_t permissions = 0777;

}  // namespace
}  // namespace shmark::explorer

// Apart from what counts as this program's code (source.h): a death inside is one in the caller's
// system call.
#define SHMARK_OUTSIDE [[gnu::section("system_v_calls")]]

namespace {

// Whoever comes next of those who define them: a test that takes notes of its own, or the system.
template <class Call>
Call next_of(const char* name) noexcept {
  return reinterpret_cast<Call>(dlsym(RTLD_NEXT, name));
}
const auto next_shmget = next_of<int (*)(key_t, std::size_t, int)>("shmget");
const auto next_semget = next_of<int (*)(key_t, int, int)>("semget");

// Nothing, if nothing is to be made, or no notes are kept.
SHMARK_OUTSIDE std::atomic<key_t>* note(shmark::explorer::key_list shmark::explorer::notes::* list,
                                        key_t key, int flags) noexcept {
  using shmark::explorer::kept;
  if (kept == nullptr || key == IPC_PRIVATE || (flags & IPC_CREAT) == 0) return nullptr;
  return &(kept->*list).add(key);
}
SHMARK_OUTSIDE int settle(std::atomic<key_t>* noted, int id) noexcept {
  if (id < 0 && noted != nullptr) noted->store(0);  // it is somebody else's
  return id;
}

}  // namespace

extern "C" SHMARK_OUTSIDE int shmget(key_t key, std::size_t size, int flags) noexcept {
  auto* const noted = note(&shmark::explorer::notes::segments, key, flags);
  return settle(noted, next_shmget(key, size, flags));
}
extern "C" SHMARK_OUTSIDE int semget(key_t key, int count, int flags) noexcept {
  auto* const noted = note(&shmark::explorer::notes::semaphores, key, flags);
  return settle(noted, next_semget(key, count, flags));
}

namespace shmark::explorer {

system_v_notes::system_v_notes() {
  void* const at = mmap(nullptr, sizeof(notes), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  SHMARK_CHECK(at != MAP_FAILED, "no memory left for an exploration");
  SHMARK_CHECK(kept == nullptr, "two explorations at once");
  kept = new (at) notes;
  int ends[2];
  SHMARK_CHECK(pipe2(ends, O_CLOEXEC) == 0, "no descriptors left for an exploration");
  line_ = descriptor(ends[1]);
  const descriptor end(ends[0]);
  heir_ = fork();
  SHMARK_CHECK(heir_ >= 0, "no process left for an exploration");
  if (heir_ != 0) return;
  setsid();  // no signal to the others is for it
  line_ = descriptor();
  ignore_interrupts();
  for (char nothing = 0; read(end.number(), &nothing, 1) < 0 && errno == EINTR;) {
  }
  remove_system_v();
  _exit(0);
}

system_v_notes::~system_v_notes() {
  line_ = descriptor();
  while (waitpid(heir_, nullptr, 0) < 0 && errno == EINTR) {
  }
  munmap(std::exchange(kept, nullptr), sizeof(notes));
}

std::vector<system_v_segment> segments_made() {
  std::vector<system_v_segment> all;
  if (kept == nullptr) return all;
  for (const key_t key : kept->segments.all()) {
    shmid_ds status;
    const int id = shmget(key, 0, 0);
    if (id < 0 || shmctl(id, IPC_STAT, &status) != 0) continue;
    all.push_back({key, id, status.shm_perm.mode & permissions, status.shm_segsz});
  }
  return all;
}

std::vector<system_v_semaphores> semaphores_made() {
  std::vector<system_v_semaphores> all;
  if (kept == nullptr) return all;
  for (const key_t key : kept->semaphores.all()) {
    semid_ds status;
    const int id = semget(key, 0, 0);
    if (id < 0 || semctl(id, 0, IPC_STAT, semaphore_argument{.status = &status}) != 0) continue;
    system_v_semaphores one{key, id, status.sem_perm.mode & permissions, {}};
    one.values.resize(status.sem_nsems);
    if (semctl(id, 0, GETALL, semaphore_argument{.values = one.values.data()}) != 0) continue;
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<std::byte> system_v_segment::copy() const {
  void* const at = shmat(id, nullptr, SHM_RDONLY);
  if (at == reinterpret_cast<void*>(-1)) return {};
  const auto* const first = static_cast<const std::byte*>(at);
  std::vector<std::byte> bytes(first, first + size);
  shmdt(at);
  return bytes;
}

std::expected<void, error> make_again(const system_v_segment& one,
                                      std::span<const std::byte> bytes) {
  const auto failed = [&] { return cannot("make again", "segment", one.key); };
  const int id = shmget(one.key, one.size, IPC_CREAT | IPC_EXCL | static_cast<int>(one.mode));
  if (id < 0) return failed();
  void* const at = shmat(id, nullptr, 0);
  if (at == reinterpret_cast<void*>(-1)) return failed();
  std::memcpy(at, bytes.data(), bytes.size());
  shmdt(at);
  return {};
}

std::expected<void, error> make_again(const system_v_semaphores& one) {
  const auto failed = [&] { return cannot("make again", "semaphores", one.key); };
  const int id = semget(one.key, static_cast<int>(one.values.size()),
                        IPC_CREAT | IPC_EXCL | static_cast<int>(one.mode));
  if (id < 0) return failed();
  auto values = one.values;
  if (semctl(id, 0, SETALL, semaphore_argument{.values = values.data()}) != 0) return failed();
  return {};
}

void remove_system_v() noexcept {
  if (kept == nullptr) return;
  for (const auto& one : segments_made()) shmctl(one.id, IPC_RMID, nullptr);
  for (const auto& one : semaphores_made()) semctl(one.id, 0, IPC_RMID);
  kept->segments.clear();
  kept->semaphores.clear();
}

std::map<int, std::uint64_t> mappings_of_segments(pid_t pid) {
  std::map<int, std::uint64_t> all;
  std::ifstream file(fmt::format("/proc/{}/maps", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.find("/SYSV") == std::string::npos) continue;
    std::uint64_t begin = 0;
    std::string word;
    int id = 0;  // where files have their inodes
    std::istringstream columns(line);
    if (columns >> std::hex >> begin >> word >> word >> word >> word >> std::dec >> id) {
      all.emplace(id, begin);
    }
  }
  return all;
}

}  // namespace shmark::explorer

#include "tests/support/leftovers.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <string_view>
#include <system_error>

#include "lib/base/check.h"
#include "lib/base/deadline.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/unique_space.h"

namespace shmark::support {
namespace {

// A list in shared memory that any process of the test appends to. A process that is killed while
// it does loses its note and harms nobody.
template <class T, std::size_t Capacity>
struct notes {
  struct note {
    std::atomic<bool> written;
    T entry;
  };
  std::atomic<std::size_t> count;
  std::array<note, Capacity> entries;

  void add(const T& entry) noexcept {
    const std::size_t at = count.fetch_add(1);
    SHMARK_CHECK(at < Capacity, "the test makes more than its leftovers can be looked for");
    entries[at].entry = entry;
    entries[at].written.store(true, std::memory_order_release);
  }
  [[nodiscard]] std::set<T> all() const {
    std::set<T> known;
    for (const auto& each : std::span(entries).first(count.load())) {
      if (each.written.load(std::memory_order_acquire)) known.insert(each.entry);
    }
    return known;
  }
  void forget() noexcept {
    for (auto& each : std::span(entries).first(count.load())) each.written = false;
    count = 0;
  }
};

using object_name = std::array<char, 128>;
constexpr object_name no_name{};

struct everything_made {
  notes<int, 1 << 20> segments;
  notes<int, 1 << 20> semaphores;
  notes<object_name, 1 << 17> objects;
};

// Made at the first use, which may be in another file's static initialisation.
everything_made& made() {
  static const shared<everything_made> all;
  return *all;
}
[[maybe_unused]] const everything_made& made_before_any_fork = made();

void note_object(const char* name) {
  object_name copy = no_name;
  std::snprintf(copy.data(), copy.size(), "%s", *name == '/' ? name + 1 : name);
  made().objects.add(copy);
}

std::set<std::string> objects_left() {
  std::set<std::string> left;
  for (const auto& name : made().objects.all()) {
    const std::string text = name.data();
    if (access(("/dev/shm/" + text).c_str(), F_OK) == 0) left.insert(text);
  }
  std::error_code ignored;  // no /dev/shm: no objects
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", ignored)) {
    const auto name = entry.path().filename().string();
    if (name.find(program_space()) != std::string::npos) left.insert(name);
  }
  return left;
}

std::set<int> segments_left() {
  auto ids = made().segments.all();
  std::erase_if(ids, [](int id) {
    shmid_ds status;
    return shmctl(id, IPC_STAT, &status) != 0 && errno != EACCES;
  });
  return ids;
}

std::set<int> semaphores_left() {
  auto ids = made().semaphores.all();
  std::erase_if(ids, [](int id) {
    semid_ds status;
    return semctl(id, 0, IPC_STAT, &status) != 0 && errno != EACCES;
  });
  return ids;
}

// Reaps all children that have ended. Returns whether there are others.
bool reap() {
  for (;;) {
    const pid_t reaped = waitpid(-1, nullptr, WNOHANG | __WALL);
    if (reaped == 0) return true;
    if (reaped < 0 && errno != EINTR) return false;
  }
}

// Those that have not ended after `patience`.
std::vector<pid_t> children_left(std::chrono::seconds patience) {
  const auto until = deadline::after(patience);
  while (reap()) {
    if (until.passed()) break;
    sched_yield();
  }
  return reap() ? children_of(getpid()) : std::vector<pid_t>{};
}

std::map<int, std::string> open_descriptors() {
  std::map<int, std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the one that this loop reads from
    auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    const int number = std::atoi(entry.path().filename().c_str());
    if (!gone && !target.ends_with("/fd")) found.emplace(number, std::move(target));
  }
  return found;
}

// Those that are not in `before`, or are something else now.
std::map<int, std::string> descriptors_left(const std::map<int, std::string>& before) {
  auto found = open_descriptors();
  std::erase_if(found, [&](const auto& entry) {
    const auto known = before.find(entry.first);
    return known != before.end() && known->second == entry.second;
  });
  return found;
}

}  // namespace

leftovers::leftovers() : descriptors_(open_descriptors()) {
  made().segments.forget();
  made().semaphores.forget();
  made().objects.forget();
}

std::vector<std::string> leftovers::find(std::chrono::seconds patience) const {
  std::vector<std::string> lines;
  for (const pid_t process : children_left(patience)) {
    lines.push_back("child process " + std::to_string(process) + " is still running");
  }
  for (const auto& name : objects_left()) lines.push_back("shared memory object /dev/shm/" + name);
  for (const int id : segments_left()) {
    lines.push_back("SysV shared memory segment " + std::to_string(id) + " (ipcs -m)");
  }
  for (const int id : semaphores_left()) {
    lines.push_back("SysV semaphore set " + std::to_string(id) + " (ipcs -s)");
  }
  for (const auto& [number, target] : descriptors_left(descriptors_)) {
    lines.push_back("descriptor " + std::to_string(number) + " is open: " + target);
  }
  return lines;
}

void leftovers::remove() const {
  for (const pid_t process : children_left({})) {
    kill(process, SIGKILL);
    waitpid(process, nullptr, __WALL);
  }
  for (const auto& name : objects_left()) shm_unlink(("/" + name).c_str());
  for (const int id : segments_left()) shmctl(id, IPC_RMID, nullptr);
  for (const int id : semaphores_left()) semctl(id, 0, IPC_RMID);
  for (const auto& entry : descriptors_left(descriptors_)) close(entry.first);
}

}  // namespace shmark::support

// In front of libc's: calls of the whole program end here.

int shmget(key_t key, std::size_t size, int flags) noexcept {
  const auto id = static_cast<int>(syscall(SYS_shmget, key, size, flags));
  const bool creates = (flags & IPC_CREAT) != 0 || key == IPC_PRIVATE;
  if (id >= 0 && creates) shmark::support::made().segments.add(id);
  return id;
}

int semget(key_t key, int count, int flags) noexcept {
  const auto id = static_cast<int>(syscall(SYS_semget, key, count, flags));
  const bool creates = (flags & IPC_CREAT) != 0 || key == IPC_PRIVATE;
  if (id >= 0 && creates) shmark::support::made().semaphores.add(id);
  return id;
}

int shm_open(const char* name, int flags, mode_t mode) {
  using function = int (*)(const char*, int, mode_t);
  static const auto next = reinterpret_cast<function>(dlsym(RTLD_NEXT, "shm_open"));
  SHMARK_CHECK(next != nullptr, "libc has no shm_open");
  const int object = next(name, flags, mode);
  if (object >= 0 && (flags & O_CREAT) != 0) shmark::support::note_object(name);
  return object;
}

int linkat(int old_in, const char* old_path, int new_in, const char* new_path, int flags) noexcept {
  const auto done =
      static_cast<int>(syscall(SYS_linkat, old_in, old_path, new_in, new_path, flags));
  constexpr std::string_view directory = "/dev/shm/";
  if (done == 0 && std::string_view(new_path).starts_with(directory)) {
    shmark::support::note_object(new_path + directory.size());
  }
  return done;
}

#include "lib/crew/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>

#include "lib/base/interrupt.h"
#include "lib/base/random.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/permissions.h"
#include "lib/shm/domain.h"

namespace shmark {
namespace {

constexpr std::string_view alive_suffix = ".alive";
constexpr std::string_view run_prefix = "run-";
constexpr std::size_t id_length = 16;
constexpr char cell_magic[8] = {'s', 'h', 'm', 'a', 'r', 'k', 'L', '\n'};

std::string object_prefix(std::string_view domain) { return "shmark." + detail::space_of(domain); }
std::string alive_name(std::string_view domain) {
  return object_prefix(domain).append(alive_suffix);
}

// Names in /dev/shm are anybody's to make: what another user has put there, or could have written
// into, says nothing about runs of ours.
bool is_ours(const descriptor& object) {
  struct stat status;
  return fstat(object.number(), &status) == 0 && status.st_uid == geteuid() &&
         (status.st_mode & detail::others_write) == 0;
}

// The lock on a run's `.alive`, if nobody else has it, and it is ours. `domain` is a new one
// (flags: O_CREAT) or another run's (flags: 0; it may have ended by now).
std::expected<std::optional<descriptor>, error> take(std::string_view domain, int flags) {
  const std::string name = "/" + alive_name(domain);
  for (;;) {
    descriptor object(shm_open(name.c_str(), O_RDWR | O_CLOEXEC | flags, 0600));
    if (!object && errno == ENOENT && flags == 0) return std::nullopt;
    if (!object) return system_failure(errno, "begin a run", short_text(name));
    if (!is_ours(object)) return std::nullopt;
    if (flock(object.number(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return std::nullopt;
      const int refused = errno;
      if (flags != 0) shm_unlink(name.c_str());
      return system_failure(refused, "begin a run", short_text(name));
    }
    struct stat status;
    if (fstat(object.number(), &status) == 0 && status.st_nlink != 0) return object;
    // Swept between our two calls: begin again.
  }
}

// All objects of a run but `.alive`.
std::vector<std::string> objects_of(std::string_view domain) {
  auto names = posix_segment::names(object_prefix(domain));
  std::erase(names, alive_name(domain));
  return names;
}

// Where the System V semaphores of this process are; 0 if the system does not say.
std::uint64_t ipc_namespace() noexcept {
  struct stat status;
  return stat("/proc/self/ns/ipc", &status) == 0 ? status.st_ino : 0;
}

// What a lock has taken from the system; only sysv_semaphore takes anything.
struct semaphores {
  std::uint64_t ipc_namespace;
  std::int32_t key;
};

// Those of the lock that lies in an object, if one of that kind does.
std::optional<semaphores> semaphores_in(const std::string& name) {
  const descriptor object(shm_open(("/" + name).c_str(), O_RDWR | O_CLOEXEC, 0));
  detail::cell_header header;
  sysv_semaphore::state state;
  if (!object || !is_ours(object) ||
      pread(object.number(), &header, sizeof header, 0) != sizeof header ||
      pread(object.number(), &state, sizeof state, sizeof header) != sizeof state ||
      std::memcmp(header.magic, cell_magic, sizeof cell_magic) != 0) {
    return {};
  }
  header.lock_name[sizeof header.lock_name - 1] = '\0';
  if (sysv_semaphore::name != std::string_view(header.lock_name)) return {};
  return semaphores{header.ipc_namespace, state.key};
}

// Whether it has something that can be removed in another namespace only.
bool is_elsewhere(std::string_view domain) {
  return std::ranges::any_of(objects_of(domain), [here = ipc_namespace()](const auto& name) {
    const auto found = semaphores_in(name);
    return found && found->ipc_namespace != here;
  });
}

// Removes a run's objects. Requires: its lock is held. Returns how many are gone: those of another
// user may stay.
std::size_t remove_objects(std::string_view domain) {
  auto gone = objects_of(domain);
  if (auto opened = shmark::domain<>::open_existing(domain)) {
    static_cast<void>(opened->cleanup());  // what it cannot remove goes below
  }
  for (const auto& name : objects_of(domain)) {
    if (const auto found = semaphores_in(name)) {
      sysv_semaphore::state state{.key = found->key};
      sysv_semaphore::destroy(state);
    }
    shm_unlink(("/" + name).c_str());
  }
  const auto left = objects_of(domain);
  std::erase_if(gone,
                [&](const auto& name) { return std::ranges::find(left, name) != left.end(); });
  return gone.size();
}

std::vector<std::string> sweep() {
  const std::string prefix = object_prefix(run_prefix);
  std::set<std::string> domains;
  for (const auto& name : posix_segment::names(prefix)) {
    const auto id = name.substr(prefix.size(), id_length);
    if (id.size() == id_length) domains.insert(std::string(run_prefix) + id);
  }
  std::vector<std::string> report;
  for (const auto& domain : domains) {
    const auto taken = take(domain, 0);
    if (!taken || !*taken) continue;  // it is alive, or has cleaned up after itself
    if (is_elsewhere(domain)) continue;
    const auto count = remove_objects(domain);
    shm_unlink(("/" + alive_name(domain)).c_str());
    if (count == 0) continue;  // it had only just begun
    report.push_back(fmt::format(
        "an earlier run, {}, was killed before it could clean up: removed {} object{} of its in "
        "/dev/shm",
        domain, count, count == 1 ? "" : "s"));
  }
  return report;
}

}  // namespace

void detail::stamp(cell_header& header, std::string_view lock_name) noexcept {
  std::copy_n(lock_name.begin(), std::min(lock_name.size(), sizeof header.lock_name - 1),
              header.lock_name);
  header.ipc_namespace = ipc_namespace();
  std::memcpy(header.magic, cell_magic, sizeof cell_magic);
}

run::run(std::string domain, descriptor alive, std::vector<std::string> swept) noexcept
    : domain_(std::move(domain)),
      alive_(std::move(alive)),
      swept_(std::move(swept)),
      owner_(getpid()) {}

run::run(run&& other) noexcept
    : domain_(std::move(other.domain_)),
      alive_(std::move(other.alive_)),
      swept_(std::move(other.swept_)),
      owner_(std::exchange(other.owner_, 0)) {}

run::~run() { end(); }

std::expected<run, error> run::begin() {
  auto swept = sweep();
  for (;;) {
    std::string domain = fmt::format("{}{:016x}", run_prefix, unpredictable_number());
    SHMARK_ASSIGN_OR_RETURN(auto alive, take(domain, O_CREAT));
    if (alive) return run(std::move(domain), *std::move(alive), std::move(swept));
  }
}

short_text run::space() const noexcept { return short_text(detail::space_of(domain_)); }

std::vector<std::string> run::objects() const { return objects_of(domain_); }

void run::end() noexcept {
  if (owner_ != getpid()) return;
  owner_ = 0;
  try {
    remove_objects(domain_);
    shm_unlink(("/" + alive_name(domain_)).c_str());
  } catch (const std::bad_alloc&) {
    // The next run finds it.
  }
}

std::expected<run, error> begin_run(const program& of) {
  catch_interrupts();
  auto begun = run::begin();
  if (begun) {
    for (const auto& found : begun->swept()) of.say(found);
  }
  return begun;
}

}  // namespace shmark

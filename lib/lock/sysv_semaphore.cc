#include "lib/lock/sysv_semaphore.h"

#include <sys/ipc.h>
#include <sys/sem.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <span>

#include "lib/base/check.h"
#include "lib/base/process.h"
#include "lib/base/random.h"

namespace shmark {
namespace {

constexpr unsigned short readers = 0;
constexpr unsigned short writers = 1;
constexpr unsigned short upgraders = 2;
constexpr int how_many = 3;

constexpr short undone = SEM_UNDO;  // at the process's end
constexpr short at_once = IPC_NOWAIT;
constexpr short both = undone | at_once;

short_text name_of_key(key_t key) noexcept {
  char text[32];
  std::snprintf(text, sizeof text, "semaphore 0x%08x", static_cast<unsigned>(key));
  return text;
}

// semop, with a deadline, not disturbed by signals. Returns 0 or an errno.
int operate(int id, std::span<sembuf> operations, deadline until) noexcept {
  for (;;) {
    const timespec left = until.remaining();
    const bool bounded = !until.is_never() && !until.is_none();
    if (semtimedop(id, operations.data(), operations.size(), bounded ? &left : nullptr) == 0) {
      return 0;
    }
    if (errno == EAGAIN && bounded) return ETIMEDOUT;
    if (errno != EINTR) return errno;
    // A signal wins over a time that is over, so that a rain of them would make this last.
    if (bounded && until.passed()) return ETIMEDOUT;
  }
}

// (5) of the header. Returns 0 or an errno: EAGAIN if others hold it shared.
int upgrade_at_once(int id) noexcept {
  std::array<sembuf, 4> change{
      {{readers, -1, both}, {readers, 0, at_once}, {writers, 0, at_once}, {writers, 1, both}}};
  return operate(id, change, deadline::none());
}

// EDEADLK if another upgrades.
int wait_to_upgrade(int id, deadline until) noexcept {
  std::array<sembuf, 2> announce{{{upgraders, 0, at_once}, {upgraders, 1, both}}};
  if (const int failed = operate(id, announce, deadline::none()); failed != 0) {
    return failed == EAGAIN ? EDEADLK : failed;
  }
  std::array<sembuf, 5> change{{{readers, -1, undone},
                                {readers, 0, 0},
                                {writers, 0, 0},
                                {writers, 1, undone},
                                {upgraders, -1, undone}}};
  const int failed = operate(id, change, until);
  if (failed != 0) {
    std::array<sembuf, 1> withdraw{{{upgraders, -1, both}}};
    static_cast<void>(operate(id, withdraw, deadline::none()));  // if they are still there
  }
  return failed;
}

// Why an upgrade cannot be at once: EDEADLK if another upgrades, or EAGAIN.
int why_not_at_once(int id) noexcept {
  std::array<sembuf, 1> look{{{upgraders, 0, at_once}}};
  const int failed = operate(id, look, deadline::none());
  if (failed == 0) return EAGAIN;
  return failed == EAGAIN ? EDEADLK : failed;
}

std::unexpected<error> refusal(int failed, const char* attempted, std::string_view lock) noexcept {
  if (failed == EIDRM || failed == EINVAL) {
    return failure(errc::not_found, attempted, lock, because{"its semaphores have been removed"},
                   "remove and recreate what they guard");
  }
  if (failed == EDEADLK) {
    return failure(errc::would_deadlock, attempted, lock,
                   because{"another upgrades it, and waits for this one"},
                   "release it, and acquire it exclusively");
  }
  return system_failure(failed, attempted, lock);
}

}  // namespace

std::expected<void, error> sysv_semaphore::create(state& at, const lock_home& home) noexcept {
  const int flags = IPC_CREAT | IPC_EXCL | static_cast<int>(home.mode);
  for (;;) {
    const auto key = static_cast<key_t>(unpredictable_number() & 0x7fffffff);
    if (key == IPC_PRIVATE) continue;
    at.key.store(key, std::memory_order_relaxed);
    if (semget(key, how_many, flags) >= 0) return {};
    const int failed = errno;
    at.key.store(0, std::memory_order_relaxed);  // it is somebody else's: never remove that
    if (failed == ENOSPC) {
      return std::unexpected(error{errc::no_space, failed, "create semaphores", "",
                                   "look for leftovers (ipcs -s, ipcrm -s), or raise kernel.sem"});
    }
    if (failed != EEXIST) return system_failure(failed, "create semaphores", "");
  }
}

std::expected<sysv_semaphore, error> sysv_semaphore::attach(state& at) noexcept {
  const key_t key = at.key.load(std::memory_order_relaxed);
  if (key == 0) return failure(errc::corrupt, "attach semaphores", "without a key");
  const int id = semget(key, how_many, 0);
  if (id < 0 && errno == EINVAL) {
    return failure(errc::mismatch, "attach semaphores", name_of_key(key),
                   because{"the set has fewer than this version's"});
  }
  if (id < 0) return system_failure(errno, "attach semaphores", name_of_key(key));
  return sysv_semaphore(id);
}

void sysv_semaphore::destroy(state& at) noexcept {
  const key_t key = at.key.load(std::memory_order_relaxed);
  if (key == 0) return;
  const int id = semget(key, 0, 0);
  if (id >= 0 && semctl(id, 0, IPC_RMID) != 0 && errno == EPERM) return;  // its owner may need it
  at.key.store(0, std::memory_order_relaxed);
}

bool sysv_semaphore::holds() const noexcept {
  return held_.has_value() && held_since_fork_ == fork_depth();
}

std::expected<acquired, error> sysv_semaphore::acquire(mode how, deadline until) noexcept {
  if (holds()) return failure(errc::would_deadlock, "acquire lock", name);
  const auto flag = static_cast<short>(until.is_none() ? IPC_NOWAIT : 0);
  const auto count_up = static_cast<short>(flag | SEM_UNDO);
  std::array<sembuf, 3> exclusive{{{readers, 0, flag}, {writers, 0, flag}, {writers, 1, count_up}}};
  std::array<sembuf, 2> shared{{{writers, 0, flag}, {readers, 1, count_up}}};
  const int failed =
      how == mode::exclusive ? operate(id_, exclusive, until) : operate(id_, shared, until);
  if (failed != 0) return refusal(failed, "acquire lock", name);
  held_ = how;
  held_since_fork_ = fork_depth();
  return acquired::ok;
}

void sysv_semaphore::release(mode how) noexcept {
  SHMARK_CHECK(holds() && *held_ == how, "released a lock that is not held in this mode");
  held_.reset();
  std::array<sembuf, 1> count_down{{{how == mode::exclusive ? writers : readers, -1, both}}};
  const int failed = operate(id_, count_down, deadline::none());
  SHMARK_CHECK(failed == 0 || failed == EIDRM || failed == EINVAL,
               "the semaphores do not count what this handle holds");
}

std::expected<bool, error> sysv_semaphore::is_held_exclusively() const noexcept {
  std::array<sembuf, 1> look{{{writers, 0, at_once}}};
  const int failed = operate(id_, look, deadline::none());
  if (failed != 0 && failed != EAGAIN) return refusal(failed, "look at lock", name);
  return failed == EAGAIN;
}

std::expected<void, error> sysv_semaphore::downgrade() noexcept {
  SHMARK_CHECK(holds() && *held_ == mode::exclusive,
               "downgraded a lock that is not held exclusively");
  std::array<sembuf, 2> change{{{writers, -1, both}, {readers, 1, both}}};
  const int failed = operate(id_, change, deadline::none());
  if (failed != 0) return refusal(failed, "downgrade lock", name);
  held_ = mode::shared;
  return {};
}

std::expected<acquired, error> sysv_semaphore::upgrade(deadline until) noexcept {
  SHMARK_CHECK(holds() && *held_ == mode::shared, "upgraded a lock that is not held shared");
  int failed = upgrade_at_once(id_);
  if (failed == EAGAIN) {
    failed = until.is_none() ? why_not_at_once(id_) : wait_to_upgrade(id_, until);
  }
  if (failed != 0) return refusal(failed, "upgrade lock", name);
  held_ = mode::exclusive;
  return acquired::ok;
}

std::expected<sysv_semaphore::view, error> sysv_semaphore::look(std::int32_t key) noexcept {
  constexpr const char* attempted = "look at";
  const auto name = name_of_key(key);
  if (key == 0) return failure(errc::not_found, attempted, name);
  const int id = semget(key, 0, 0);
  if (id < 0) return system_failure(errno, attempted, name);
  semid_ds status{};
  union {
    int value;
    semid_ds* status;
    unsigned short* values;
  } argument{.status = &status};
  if (semctl(id, 0, IPC_STAT, argument) != 0) return system_failure(errno, attempted, name);
  if (status.sem_nsems != how_many) {
    return failure(errc::mismatch, attempted, name, because{"it is another program's set"});
  }
  // -1 where it has gone meanwhile.
  const auto ask = [id](unsigned short which, int what) { return semctl(id, which, what); };
  const int counts[] = {ask(readers, GETVAL), ask(writers, GETVAL), ask(readers, GETZCNT),
                        ask(writers, GETZCNT)};
  for (const int count : counts) {
    if (count < 0) return system_failure(errno, attempted, name);
  }
  return view{.id = id,
              .readers = static_cast<std::uint32_t>(counts[0]),
              .last_reader = std::max(ask(readers, GETPID), 0),
              .writers = static_cast<std::uint32_t>(counts[1]),
              .last_writer = std::max(ask(writers, GETPID), 0),
              .waiting = static_cast<std::uint32_t>(counts[2] + counts[3]),
              .since = status.sem_otime};
}

}  // namespace shmark

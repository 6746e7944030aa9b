#include "lib/lock/sysv_semaphore.h"

#include <sys/ipc.h>
#include <sys/sem.h>

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
constexpr int how_many = 2;

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
  if (failed == EIDRM || failed == EINVAL) {
    return failure(errc::not_found, "acquire lock", name,
                   because{"its semaphores have been removed"},
                   "remove and recreate what they guard");
  }
  if (failed != 0) return system_failure(failed, "acquire lock", name);
  held_ = how;
  held_since_fork_ = fork_depth();
  return acquired::ok;
}

void sysv_semaphore::release(mode how) noexcept {
  SHMARK_CHECK(holds() && *held_ == how, "released a lock that is not held in this mode");
  held_.reset();
  std::array<sembuf, 1> count_down{{{how == mode::exclusive ? writers : readers, -1,
                                     static_cast<short>(SEM_UNDO | IPC_NOWAIT)}}};
  const int failed = operate(id_, count_down, deadline::none());
  SHMARK_CHECK(failed == 0 || failed == EIDRM || failed == EINVAL,
               "the semaphores do not count what this handle holds");
}

}  // namespace shmark

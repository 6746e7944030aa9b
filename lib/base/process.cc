#include "lib/base/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/base/descriptor.h"

namespace shmark {
namespace {

std::atomic<std::uint32_t> depth{0};

[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { depth.fetch_add(1, std::memory_order_relaxed); });

// What the kernel says of a process, as fields with a space between; see proc_pid_stat(5).
class status_line {
 public:
  explicit status_line(pid_t process) noexcept {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(process));
    const descriptor file(open(path, O_RDONLY | O_CLOEXEC));
    const auto length = file ? read(file.number(), text_, sizeof text_ - 1) : 0;
    text_[length > 0 ? length : 0] = '\0';
  }

  // Where the field begins; nullptr if there is no such process. Requires: number >= 3.
  [[nodiscard]] const char* field(int number) const noexcept {
    // The second is the program's name in parentheses, which may hold anything: count from its end.
    const char* at = std::strrchr(text_, ')');
    for (int passed = 2; at != nullptr && passed < number; ++passed) at = std::strchr(at + 1, ' ');
    return at == nullptr ? nullptr : at + 1;
  }

 private:
  char text_[1024];
};

}  // namespace

std::optional<std::uint64_t> start_ticks(pid_t process) noexcept {
  const status_line status(process);
  const char* ticks = status.field(22);
  if (ticks == nullptr) return {};
  return std::strtoull(ticks, nullptr, 10);
}

std::optional<int> ended_with(pid_t process) noexcept {
  const status_line status(process);
  const char* code = status.field(52);
  if (code == nullptr) return {};
  return static_cast<int>(std::strtol(code, nullptr, 10));
}

char process_state(pid_t process) noexcept {
  const status_line status(process);
  const char* state = status.field(3);
  return state == nullptr ? '\0' : *state;
}

bool has_ended(pid_t process) noexcept {
  if (kill(process, 0) != 0 && errno == ESRCH) return true;
  const status_line status(process);
  const char* state = status.field(3);
  // Without descriptors, or without /proc, nothing is known: then it is taken for alive.
  if (state == nullptr || (*state != 'Z' && *state != 'X')) return false;
  // Of a process whose first thread has ended and others have not, the state says Z as well.
  const char* threads = status.field(20);
  return threads == nullptr || std::strtol(threads, nullptr, 10) <= 1;
}

std::uint32_t fork_depth() noexcept { return depth.load(std::memory_order_relaxed); }

}  // namespace shmark

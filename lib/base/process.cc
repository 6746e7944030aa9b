#include "lib/base/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lib/base/descriptor.h"

namespace shmark {
namespace {

std::atomic<std::uint32_t> depth{0};

[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { depth.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

std::optional<std::uint64_t> start_ticks(pid_t process) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(process));
  const descriptor file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  char text[1024];
  const auto length = read(file.number(), text, sizeof text - 1);
  if (length <= 0) return {};
  text[length] = '\0';
  // The second field is the program's name in parentheses, which may hold anything: count from its
  // end. After it come field 3, field 4, and so on, a space each.
  const char* at = std::strrchr(text, ')');
  for (int field = 2; at != nullptr && field < 22; ++field) at = std::strchr(at + 1, ' ');
  if (at == nullptr) return {};
  return std::strtoull(at + 1, nullptr, 10);
}

std::uint32_t fork_depth() noexcept { return depth.load(std::memory_order_relaxed); }

}  // namespace shmark

#include "lib/mapping/anonymous.h"

#include <sys/mman.h>

#include <cerrno>

namespace shmark {

std::expected<anonymous_memory, error> shared_anonymous(std::size_t size) noexcept {
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return system_failure(errno, "map shared memory", "");
  mapping mapped(address, size, unmap_pages);
  const auto bytes = mapped.bytes();
  return anonymous_memory(std::move(mapped), bytes);
}

}  // namespace shmark

#include "lib/segment/anonymous.h"

#include <sys/mman.h>

#include <cerrno>

namespace shmark {

void unmap_pages(void* address, std::size_t size) noexcept { munmap(address, size); }

std::expected<anonymous_segment, error> anonymous_segment::create(std::size_t size) {
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return system_failure(errno, "map shared memory", "");
  return anonymous_segment(mapping(address, size, unmap_pages));
}

}  // namespace shmark

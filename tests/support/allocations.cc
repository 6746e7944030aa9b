#include "tests/support/allocations.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace shmark::support {

constinit std::size_t largest_allocation = 0;
constinit int allocations_left = -1;

}  // namespace shmark::support

void* operator new(std::size_t size) {
  using namespace shmark::support;
  largest_allocation = std::max(largest_allocation, size);
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

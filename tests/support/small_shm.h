// A /dev/shm that is soon full, and nobody else's.
#pragma once

#include <cstddef>

namespace shmark::support {

// Puts an empty /dev/shm of `bytes` before the real one, for this process only and for good: to be
// called in a child (child.h). Returns false, and changes nothing that matters, where the system
// does not allow it: it takes root or user namespaces, and only one thread.
[[nodiscard]] bool enter_small_shm(std::size_t bytes);

}  // namespace shmark::support

// All operations that the program explores: a further one is an entry in lock_operations.h,
// store_operations.h, domain_operations.h or shareable_operations.h.
#pragma once

#include <vector>

#include "stress/explorer/operation.h"

namespace shmark::explorer {

// On robust_rw, and on stores in POSIX segments under it, and what stands on them.
[[nodiscard]] const std::vector<operation>& catalog();

}  // namespace shmark::explorer

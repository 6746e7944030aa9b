// All operations that the program explores: a further one is an entry in lock_operations.h or
// store_operations.h.
#pragma once

#include <vector>

#include "stress/explorer/operation.h"

namespace shmark::explorer {

// On robust_rw, and on stores in POSIX segments under it.
[[nodiscard]] const std::vector<operation>& catalog();

}  // namespace shmark::explorer

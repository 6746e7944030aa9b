// The operations of a backend: those on its stores, and on what stands on them. One file compiles
// them for each backend, for they are many.
#pragma once

#include <vector>

#include "lib/shm/backend.h"
#include "stress/explorer/domain_operations.h"
#include "stress/explorer/operation.h"
#include "stress/explorer/shareable_operations.h"
#include "stress/explorer/store_operations.h"

namespace shmark::explorer {

template <class Backend>
void add_backend_operations(std::vector<operation>& to) {
  add_store_operations<store_on<Backend>>(to);
  add_domain_operations<Backend>(to);
  add_shareable_operations<Backend>(to);
}

// By their names on it, which are plain.
[[nodiscard]] std::vector<operation> posix_semaphore_operations();
[[nodiscard]] std::vector<operation> sysv_operations();
[[nodiscard]] std::vector<operation> sysv_semaphore_operations();

}  // namespace shmark::explorer

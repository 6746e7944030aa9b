#include "stress/explorer/backend_operations.h"

namespace shmark::explorer {

std::vector<operation> sysv_semaphore_operations() {
  std::vector<operation> made;
  add_backend_operations<sysv_semaphore_backend>(made);
  return made;
}

}  // namespace shmark::explorer

#include "stress/explorer/catalog.h"

#include "lib/lock/robust_rw.h"
#include "lib/segment/posix.h"
#include "lib/shm/backend.h"
#include "lib/store/store.h"
#include "stress/explorer/domain_operations.h"
#include "stress/explorer/lock_operations.h"
#include "stress/explorer/shareable_operations.h"
#include "stress/explorer/store_operations.h"

namespace shmark::explorer {

const std::vector<operation>& catalog() {
  static const auto all = [] {
    std::vector<operation> made;
    add_lone_operations<robust_rw>(made);
    add_contended_operations<robust_rw>(made);
    add_store_operations<store<posix_segment, robust_rw>>(made);
    add_domain_operations<default_backend>(made);
    add_shareable_operations<default_backend>(made);
    return made;
  }();
  return all;
}

}  // namespace shmark::explorer

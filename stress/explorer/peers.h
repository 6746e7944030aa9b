// What is explored of locks and stores that are compared with ours: of each the same few
// operations, named "SUBJECT/OPERATION".
#pragma once

#include <string>
#include <vector>

#include "stress/explorer/operation.h"

namespace shmark::explorer {

// A lock or a store.
struct surveyed {
  std::string name;
  bool crash_safe = false;           // what it promises
  bool reports_owner_death = false;  // the same
  std::vector<operation> operations{};
};

// Ours and its peers. Operations of locks: exclusive, wait_exclusive, hand_over, and shared if it
// has that; of stores: replace, look. Those that this build lacks: lib/subject/missing_peers.h.
[[nodiscard]] const std::vector<surveyed>& all_surveyed();

}  // namespace shmark::explorer

#include "stress/scenario/scenario.h"

namespace shmark::stress {

result::verdict_kind verdict_of(const counts& seen, bool interrupted) noexcept {
  using enum result::verdict_kind;
  if (!seen.faultless()) return failed;
  if (interrupted || seen.operations() == 0) return undecided;
  return seen.kills_in_operation == 0 || seen.overlapped == 0 ? vacuous : passed;
}

}  // namespace shmark::stress

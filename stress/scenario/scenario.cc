#include "stress/scenario/scenario.h"

namespace shmark::stress {

result::verdict_kind verdict_of(const counts& seen, bool interrupted) noexcept {
  using enum result::verdict_kind;
  if (!seen.faultless()) return failed;
  if (interrupted || seen.operations() == 0) return undecided;
  return seen.faults() == 0 || seen.overlapped == 0 ? vacuous : passed;
}

counts& counts::operator+=(const counts& other) noexcept {
  for (const auto count :
       {&counts::changes, &counts::reads, &counts::overlapped, &counts::kills,
        &counts::kills_in_operation, &counts::kills_holding, &counts::stops,
        &counts::stops_in_operation, &counts::stops_holding, &counts::signals,
        &counts::signals_in_operation, &counts::recoveries, &counts::lost, &counts::torn,
        &counts::intruded, &counts::stuck, &counts::died, &counts::leaked, &counts::broken}) {
    this->*count += other.*count;
  }
  return *this;
}

history_counts& history_counts::operator+=(const history_counts& other) noexcept {
  operations += other.operations;
  overlapped += other.overlapped;
  pending += other.pending;
  seconds += other.seconds;
  return *this;
}

}  // namespace shmark::stress

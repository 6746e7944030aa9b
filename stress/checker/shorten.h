// The part of a history that is enough to see that it is not linearizable: for people, and for
// files.
//
// Thread safety: a pure function.
#pragma once

#include <cstddef>

#include "stress/checker/linearizability.h"
#include "stress/history/history.h"

namespace shmark::stress {

// What had been seen by the first moment at which no order explained it any more: operations that
// had not returned by then are pending. With serial numbers, it begins as late as it can, too, at a
// number whose value is known. It is not linearizable, and nobody need believe that the whole is
// not: what is left out could not have made it so.
//
// Takes about 40 checks of at most the whole. Requires: the history is not linearizable.
[[nodiscard]] history shorten(const history& all, std::size_t states_max = order_states_max);

}  // namespace shmark::stress

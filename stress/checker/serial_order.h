// The order that serial numbers say, checked: see linearizability.h.
//
// Thread safety: a pure function.
#pragma once

#include <optional>
#include <string>

#include "stress/history/history.h"

namespace shmark::stress {

// What contradicts it, as a sentence, which names two operations where two are enough; nothing if
// the history is linearizable in that order. Requires: the history has serial numbers.
[[nodiscard]] std::optional<std::string> contradiction_by_serial(const history& all);

}  // namespace shmark::stress

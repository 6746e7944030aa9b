// The exploration of a mutant, as a trial: it is killed once in each crash state of its operations.
#pragma once

#include <expected>
#include <span>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "stress/explorer/operation.h"
#include "stress/mutants/campaign.h"
#include "stress/scenario/scenario.h"

namespace shmark::mutants {

// Until something is found. Of `chosen` it takes the patience alone: how long it lasts depends on
// how many states there are.
[[nodiscard]] std::expected<seen, error> explore(std::span<const explorer::operation> all,
                                                 const stress::options& chosen, const run& in);

}  // namespace shmark::mutants

// What a run measures first: what measuring itself costs here, and how much launches of the same
// differ from each other; so that it can say what differences it can resolve.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "bench/driver.h"
#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"

namespace shmark::bench {

// Takes about a second, or less if windows are shorter than usual. Errors: those of launches.
[[nodiscard]] std::expected<result::calibration_info, error> calibrate(const options& how,
                                                                       const result::context& about,
                                                                       const run& owner);

}  // namespace shmark::bench

// What a benchmark run and a stress run have shown, in a few sentences.
#pragma once

#include <string>
#include <vector>

#include "lib/result/result.h"

namespace shmark::tour {

// A sentence each; what a run does not contain is left out. Times are medians over repetitions.
[[nodiscard]] std::vector<std::string> summary(const result::run& bench, const result::run& stress);

}  // namespace shmark::tour

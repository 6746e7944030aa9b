// An exploration by a program that people watch.
#pragma once

#include <expected>

#include "stress/explorer/explorer.h"

namespace shmark::explorer {

// As explore(), with a line on the terminal that says how far it has come.
[[nodiscard]] std::expected<outcome, error> explore_with_progress(const operation& what,
                                                                  const options& how,
                                                                  const run& in);

}  // namespace shmark::explorer

#include "stress/explorer/progress.h"

#include <fmt/format.h>

#include "lib/base/progress_line.h"

namespace shmark::explorer {

std::expected<outcome, error> explore_with_progress(const operation& what, const options& how,
                                                    const run& in) {
  progress_line line;
  const auto tell = [&](const progress& now) {
    if (now.trials % 16 != 0) return;
    line.show(
        fmt::format("{}, {}: {} of {}", what.name, name_of(how.fault), now.trials, now.trials_max));
  };
  return explore(what, how, in, tell);
}

}  // namespace shmark::explorer

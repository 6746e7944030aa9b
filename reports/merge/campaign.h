// Many stress runs as one: the shards of a test, the runs of a campaign.
//
// Thread safety: pure functions.
#pragma once

#include <expected>
#include <span>
#include <string>

#include "lib/base/error.h"
#include "lib/result/result.h"

namespace shmark::reports {

struct named_run {
  std::string file{};
  result::run run{};
};

// A run with one entry for each name, in the order in which names appear: counts are added; of
// recovery_p50_ns, recovery_p99_ns and recovery_max_ns the greatest stays, which for a quantile is
// an upper bound of that of all; failure_bound is that of all kills inside an operation. The
// verdict is the worst one (failed, undecided, vacuous, passed), the command that of the first run
// that has it; findings are kept, the first 100 of each name. Its context is the first run's, with
// this command.
//
// Requires runs that are not empty. Errors: invalid, if there is an entry that is of no stress run;
// exists, if two are the same run (of one name and seed, with equal counts), which would count it
// twice.
[[nodiscard]] std::expected<result::run, error> merge(std::span<const named_run> runs,
                                                      const std::string& command);

// As a table for people: a line for each name, then one for all, then what failed and how to repeat
// it, then what it proves if nothing did.
[[nodiscard]] std::string summary(const result::run& merged);

// Whether all passed.
[[nodiscard]] bool passed(const result::run& merged) noexcept;

}  // namespace shmark::reports

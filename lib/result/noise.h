// Which differences of a benchmark's results are no more than noise, by its repetitions and by the
// calibration of the run that they are of.
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <vector>

#include "lib/result/result.h"

namespace shmark::result {

// What of an entry is compared between two runs, in ns: its real time; but of an open loop
// intended_p50_ns, since there real time is one divided by the rate that was asked for. Nothing of
// an open loop whose operations were not timed.
[[nodiscard]] std::optional<double> compared_ns(const entry& of);

// Of one benchmark's entries (aggregates are passed over), as a relative difference of two runs'
// medians: see lib/measure/noise_floor.h. Not below what the calibration lets expect. 0: nothing is
// known.
[[nodiscard]] double noise_floor_of(const std::vector<const entry*>& of, const context& about);

// Of two series that are compared by compared_ns(), of one run or of two: by the repetitions of
// both together. Of 100 pairs between which there is no difference about 95 differ by no more. 0:
// nothing is known.
[[nodiscard]] double joint_noise_floor_of(const std::vector<const entry*>& one,
                                          const context& about_one,
                                          const std::vector<const entry*>& another,
                                          const context& about_another);

}  // namespace shmark::result

// Which share of two runs' benchmarks agree within the noise floor that the runs themselves state.
// If nothing has changed in between, about 95 of 100 should: fewer, and the floor promises too
// much; all, and it is higher than it must be, as where the calibration decides.
//
// Open loops are judged by intended_p50_ns, since their rate is given; without it they are left
// out.
//
// Unlike a comparison it takes the floor of each benchmark, not one threshold for all, and judges
// the harness rather than what is measured.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lib/result/result.h"

namespace shmark::reports {

struct disagreement {
  std::string name{};
  double ratio = 1;  // of medians, the second run's to the first's
  double floor = 0;  // by the repetitions of both, as a relative difference
};

struct agreement {
  std::size_t judged = 0;                   // benchmarks that both runs have
  std::size_t unknown = 0;                  // and such whose noise neither knows
  std::vector<disagreement> disagreeing{};  // the first run's order

  [[nodiscard]] std::size_t agreeing() const { return judged - disagreeing.size(); }
};

// Of benchmarks that both have, and that failed in neither. Entries of stress runs have no times
// that could agree.
[[nodiscard]] agreement agreement_of(const result::run& one, const result::run& another);

// "agree within the noise floor: 231 of 240 (96 %); ...", a line, and with `lists` one for each of
// the others. Empty if there was nothing to judge.
[[nodiscard]] std::string as_text(const agreement& of, bool lists);

}  // namespace shmark::reports

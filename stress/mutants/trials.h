// The mutants, with what each is put to: in files of their own, since each scenario is compiled for
// each mutant.
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "stress/mutants/campaign.h"
#include "stress/mutants/planted.h"
#include "stress/scenario/scenario.h"

namespace shmark::mutants {

[[nodiscard]] std::vector<mutant> lock_mutants();
[[nodiscard]] std::vector<mutant> store_mutants();

// Of each bug in turn, the control first.
[[nodiscard]] std::span<const trial> lock_explorations() noexcept;
[[nodiscard]] std::span<const trial> store_explorations() noexcept;

[[nodiscard]] seen seen_in(const stress::outcome& done);

// A scenario as a trial.
template <auto scenario>
[[nodiscard]] std::expected<seen, error> carry_out(const stress::options& chosen, const run& in) {
  SHMARK_ASSIGN_OR_RETURN(const auto done, scenario(chosen, stress::progress_callback(), in));
  return seen_in(done);
}

template <class Bug>
[[nodiscard]] mutant listed(const planted<Bug>& one, std::vector<trial> trials) {
  return {one.name, one.what, one.bug == Bug::none, one.blind, std::move(trials)};
}

}  // namespace shmark::mutants

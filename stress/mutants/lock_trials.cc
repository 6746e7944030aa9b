#include <cstddef>
#include <expected>
#include <utility>
#include <vector>

#include "stress/mutants/mutant_lock.h"
#include "stress/mutants/planted.h"
#include "stress/mutants/trials.h"
#include "stress/scenario/counter.h"
#include "stress/scenario/neighbours.h"
#include "stress/scenario/scenario.h"

namespace shmark::mutants {
namespace {

template <lock_bug bug>
std::expected<stress::outcome, error> run_neighbours(const stress::options& chosen,
                                                     const stress::progress_callback& tell,
                                                     const run& in) {
  return stress::run_neighbours<mutant_lock<bug>>(chosen, tell, in, {.lets_writers_in = true});
}

template <lock_bug bug>
mutant with_trials() {
  constexpr auto number = static_cast<std::size_t>(bug);
  return listed(lock_bugs[number], {{"counter", carry_out<stress::run_counter<mutant_lock<bug>>>},
                                    {"neighbours", carry_out<run_neighbours<bug>>},
                                    lock_explorations()[number]});
}

template <std::size_t... Numbers>
std::vector<mutant> list(std::index_sequence<Numbers...>) {
  return {with_trials<lock_bugs[Numbers].bug>()...};
}

}  // namespace

std::vector<mutant> lock_mutants() { return list(std::make_index_sequence<lock_bugs.size()>()); }

}  // namespace shmark::mutants

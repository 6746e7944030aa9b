#include <cstddef>
#include <expected>
#include <utility>
#include <vector>

#include "stress/mutants/mutant_store.h"
#include "stress/mutants/planted.h"
#include "stress/mutants/trials.h"
#include "stress/mutants/uneven_store.h"
#include "stress/scenario/register.h"
#include "stress/scenario/scenario.h"

namespace shmark::mutants {
namespace {

// Large enough that others run in the midst of a copy; judged often, so that what is found is found
// soon.
constexpr stress::register_options rounds{.payload_bytes = 8192, .operations_per_round = 50'000};

template <store_bug bug>
std::expected<stress::outcome, error> run_register(const stress::options& chosen,
                                                   const stress::progress_callback& tell,
                                                   const run& in) {
  return stress::run_register<uneven_store<mutant_store<bug>>>(chosen, tell, in, rounds);
}

template <store_bug bug>
mutant with_trials() {
  constexpr auto number = static_cast<std::size_t>(bug);
  return listed(store_bugs[number],
                {{"register", carry_out<run_register<bug>>}, store_explorations()[number]});
}

template <std::size_t... Numbers>
std::vector<mutant> list(std::index_sequence<Numbers...>) {
  return {with_trials<store_bugs[Numbers].bug>()...};
}

}  // namespace

std::vector<mutant> store_mutants() { return list(std::make_index_sequence<store_bugs.size()>()); }

}  // namespace shmark::mutants

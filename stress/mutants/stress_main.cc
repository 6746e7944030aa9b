// bazel run -c opt //stress/mutants:stress -- --scenario=no_recovery [flags]: see --help.
//
// A few of the mutants under //stress's flags, for whoever wants to see what a failure looks like:
// what is printed, how it is repeated, how it is made smaller.
#include <expected>

#include "stress/mutants/mutant_lock.h"
#include "stress/mutants/mutant_store.h"
#include "stress/mutants/planted.h"
#include "stress/mutants/uneven_store.h"
#include "stress/program.h"
#include "stress/scenario/counter.h"
#include "stress/scenario/register.h"

namespace {

using namespace shmark;
using mutants::lock_bug;
using mutants::mutant_lock;
using mutants::mutant_store;
using mutants::store_bug;

template <store_bug bug>
std::expected<stress::outcome, error> run_register(const stress::options& chosen,
                                                   const stress::progress_callback& tell,
                                                   const run& in) {
  return stress::run_register<mutants::uneven_store<mutant_store<bug>>>(
      chosen, tell, in, {.payload_bytes = 8192, .operations_per_round = 50'000});
}

constexpr stress::scenario some[] = {
    {"overwrites_in_place", "a store that writes over its value, among readers",
     &run_register<store_bug::overwrites_in_place>},
    {"reads_unlocked", "a store that is read without its lock, among writers",
     &run_register<store_bug::reads_unlocked>},
    {"lets_go_to_upgrade", "a lock that is released for a moment to upgrade it",
     &stress::run_counter<mutant_lock<lock_bug::lets_go_to_upgrade>>},
    {"no_recovery", "a lock that nobody takes from the dead",
     &stress::run_counter<mutant_lock<lock_bug::no_recovery>>},
};

}  // namespace

int main(int argc, char** argv) {
  return shmark::stress::main_of("//stress/mutants:stress", some, argc, argv);
}

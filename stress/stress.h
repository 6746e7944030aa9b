// Stress runs by name: what the program and the tour are made of.
//
//     auto run = shmark::run::begin();
//     stress::options chosen{.workers = 4, .seconds = 5, .seed = 42};
//     auto done = stress::run_scenario(chosen, {}, *run);
//     if (!done) …                                       // it could not be carried out
//     fmt::print("{}", stress::summary(chosen, *done));
//     results.entries.push_back(stress::to_entry(chosen, *done));
//
// A further scenario is one header under scenario/, and one line in stress.cc.
//
// Process and thread safety: for the run's thread, once at a time. Call catch_interrupts() before,
// so that Ctrl-C ends a scenario and not the process.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "stress/scenario/scenario.h"

namespace shmark::stress {

struct scenario {
  std::string_view name;
  std::string_view what;  // one line for --list
  std::expected<outcome, error> (*carry_out)(const options&, const progress_callback&, const run&);
};
[[nodiscard]] std::span<const scenario> scenarios() noexcept;

// Whether a scenario can be run with these. Errors: not_found, if there is none of that name;
// invalid.
[[nodiscard]] std::expected<void, error> check(const options& chosen,
                                               std::span<const scenario> among = scenarios());

// Errors: those of check(); no_space, and whatever else keeps it from beginning or going on. What a
// checker finds is no error: see outcome.
[[nodiscard]] std::expected<outcome, error> run_scenario(
    const options& chosen, const progress_callback& tell, const run& in,
    std::span<const scenario> among = scenarios());

// The command that repeats it.
[[nodiscard]] std::string command_of(const options& chosen);

// The outcome as lines for people; the verdict and the command that repeats it come last.
[[nodiscard]] std::string summary(const options& chosen, const outcome& done);

// The outcome as an entry of a result file: "Stress/scenario:transfer/workers:8".
[[nodiscard]] result::entry to_entry(const options& chosen, const outcome& done);

}  // namespace shmark::stress

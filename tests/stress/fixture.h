// What tests of scenarios have in common.
#pragma once

#include <gtest/gtest.h>

#include <expected>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "stress/scenario/scenario.h"

namespace shmark {

// Long enough for whatever is to be seen: the runs end by themselves before.
inline constexpr double long_s = 600;

// What came of a scenario: `carry_out` runs it in a run of its own. One that cannot be carried out
// is a failure of the test.
template <class Scenario>
[[nodiscard]] stress::outcome outcome_of(const Scenario& carry_out) {
  auto in = run::begin();
  if (!in) {
    ADD_FAILURE() << in.error().message();
    return {};
  }
  const std::expected<stress::outcome, error> done = carry_out(std::as_const(*in));
  if (!done) {
    ADD_FAILURE() << done.error().message();
    return {};
  }
  return *done;
}

// Whether somebody waits in vain, and nothing else was found. Where waiters are killed, glibc's
// robust mutexes lose a wake-up now and then (see acquire_robust_mutex), and so does what is built
// on them: of such peers, a test can ask no more.
[[nodiscard]] inline bool is_only_stuck(const stress::outcome& done) {
  auto but_for_that = done.seen;
  but_for_that.stuck = 0;
  return done.seen.stuck != 0 && but_for_that.faultless() && !done.undecided;
}

// The verdict, and what was found, for a test's message.
[[nodiscard]] inline std::string told(const stress::outcome& done) {
  std::string text(result::name_of(done.verdict()));
  for (const auto& finding : done.findings) text += "\n" + finding;
  return text;
}

}  // namespace shmark

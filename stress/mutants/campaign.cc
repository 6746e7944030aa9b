#include "stress/mutants/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/measure/median.h"
#include "lib/result/result.h"
#include "stress/mutants/trials.h"

namespace shmark::mutants {
namespace {

using stress::counts;
using stress::options;
using stress::outcome;

std::string checkers_of(const counts& seen) {
  const std::array checkers{
      std::pair{"lost", seen.lost},
      std::pair{"torn", seen.torn},
      std::pair{"intruded", seen.intruded},
      std::pair{"stuck", seen.stuck},
      std::pair{"died", seen.died},
      std::pair{"leaked", seen.leaked},
      std::pair{"not linearizable", seen.broken},
  };
  std::string text;
  for (const auto& [name, count] : checkers) {
    if (count != 0) text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  }
  return text;
}

// One stretch of one scenario.
options stretch(const plan& how, std::string_view scenario, std::uint64_t number, double left_s) {
  constexpr double stretch_s = 4;
  return {.scenario = std::string(scenario),
          .workers = how.workers,
          .seconds = std::min(stretch_s, left_s),
          .seed = how.seed + number,
          .kill_gap_ms = 2.5,
          .aimed_percent = number % 2 == 0 ? 50.0 : 0.0,
          .patience = how.patience};
}

void note(const seen& done, std::string_view scenario, hunted& into) {
  into.interrupted = done.interrupted;
  into.passed = into.passed && done.verdict == result::verdict_kind::passed;
  if (done.verdict == result::verdict_kind::passed) return;
  into.is_found = done.verdict == result::verdict_kind::failed;
  into.scenario = scenario;
  into.checkers = into.is_found ? done.checkers : std::string(result::name_of(done.verdict));
  into.finding = done.finding;
}

std::string line_of(const hunted& one) {
  const bool control = one.of->is_control;
  const char* const came_to = one.is_found ? "found" : one.passed ? "passed" : "undecided";
  return fmt::format("{:<30} {:<10} {:<24} {:<11} {:>7.2f} s{}\n", one.of->name, came_to,
                     one.checkers.empty() ? "-" : one.checkers,
                     one.scenario.empty() ? "-" : one.scenario, one.seconds,
                     one.is_right() ? (control ? "  as it must" : "") : "  WRONG");
}

}  // namespace

seen seen_in(const outcome& done) {
  return {.verdict = done.verdict(),
          .interrupted = done.interrupted,
          .checkers = checkers_of(done.seen),
          .finding = done.findings.empty() ? "" : done.findings.front()};
}

std::vector<const mutant*> all() {
  static const std::array lists{lock_mutants(), store_mutants()};
  std::vector<const mutant*> known;
  for (const auto& list : lists) {
    for (const auto& each : list) known.push_back(&each);
  }
  return known;
}

const mutant* find(std::string_view name) {
  const auto known = all();
  const auto found = std::ranges::find(known, name, &mutant::name);
  return found == known.end() ? nullptr : *found;
}

std::expected<hunted, error> hunt(const mutant& one, const plan& how, const run& in,
                                  const hunt_callback& tell) {
  const std::int64_t begin_ns = monotonic_ns();
  const auto spent_s = [begin_ns] { return static_cast<double>(monotonic_ns() - begin_ns) * 1e-9; };
  hunted result{.of = &one, .passed = true};
  // Each scenario once, at least.
  for (std::size_t number = 0; number < one.trials.size() || spent_s() < how.seconds; ++number) {
    const auto& trial = one.trials[number % one.trials.size()];
    if (tell) tell(one, trial.scenario);
    const double left_s = std::max(1.0, how.seconds - spent_s());
    const auto chosen = stretch(how, trial.scenario, number / one.trials.size(), left_s);
    SHMARK_ASSIGN_OR_RETURN(const auto done, trial.carry_out(chosen, in));
    note(done, trial.scenario, result);
    if (result.is_found || result.interrupted) break;
  }
  result.seconds = spent_s();
  return result;
}

bool is_complete(std::span<const hunted> of) noexcept {
  return std::ranges::all_of(of, &hunted::is_right);
}

std::string table(std::span<const hunted> of) {
  std::string text = fmt::format("{:<30} {:<10} {:<24} {:<11} {:>9}\n", "mutant", "", "checkers",
                                 "scenario", "after");
  std::vector<double> until_found;
  std::size_t planted_count = 0;
  for (const auto& one : of) {
    text += line_of(one);
    if (one.of->is_control) continue;
    ++planted_count;
    if (one.is_found) until_found.push_back(one.seconds);
  }
  text += fmt::format("found: {} of {} planted bugs", until_found.size(), planted_count);
  if (!until_found.empty()) {
    const double worst = std::ranges::max(until_found);
    text += fmt::format("; after {:.2f} s (median), {:.2f} s at most", median(until_found), worst);
  }
  return text + "\n";
}

}  // namespace shmark::mutants

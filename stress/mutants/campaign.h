// The campaign: which of the planted bugs (planted.h) the scenarios find, by which checker, and how
// soon. What they let pass among programs with bugs that are known says what it is worth when they
// let pass one whose bugs are not.
//
//     auto in = shmark::run::begin();
//     for (const auto* each : mutants::all()) report(mutants::hunt(*each, {.seconds = 20}, *in));
//
// Each mutant is put to its scenarios in turn, a few seconds of one, then of the next, until one of
// them finds something or the time is up; the explorer, which kills it once in each crash state of
// its operations, comes last. The controls, in which there is no bug, get all of their time, and
// must pass every one.
//
// Process and thread safety: for the run's thread, once at a time, as scenarios.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "stress/scenario/scenario.h"

namespace shmark::mutants {

// What came of a trial.
struct seen {
  result::verdict_kind verdict{};
  bool interrupted = false;
  std::string checkers{};  // that found something: "lost, torn"
  std::string finding{};   // the first sentence
};

// A scenario on a mutant, or its exploration.
struct trial {
  std::string_view scenario;
  std::expected<seen, error> (*carry_out)(const stress::options&, const run&);
};

struct mutant {
  std::string_view name;
  std::string_view what;  // is wrong, and why somebody would write it
  bool is_control;        // nothing is
  bool is_blind;          // see planted.h
  std::vector<trial> trials;
};

// Locks, then stores; the control of each comes first.
[[nodiscard]] std::vector<const mutant*> all();
// Nothing if there is none of that name.
[[nodiscard]] const mutant* find(std::string_view name);

struct plan {
  double seconds = 20;  // for each mutant, more than 0
  std::uint64_t seed = 0;
  int workers = 6;
  std::chrono::nanoseconds patience = std::chrono::seconds(2);  // as of stress::options
};

struct hunted {
  const mutant* of;
  bool is_found = false;
  std::string_view scenario{};  // that found it
  std::string checkers{};       // what it found: "lost, torn"
  std::string finding{};        // the first sentence
  double seconds = 0;           // until it was found, or all of the time
  bool passed = false;          // every scenario did, and none for want of faults
  bool interrupted = false;

  // What is hoped for.
  [[nodiscard]] bool is_right() const noexcept { return of->is_control ? passed : is_found; }
};

// Called now and then.
using hunt_callback = std::function<void(const mutant&, std::string_view scenario)>;

// Errors: those of the scenarios, which keep them from being carried out.
[[nodiscard]] std::expected<hunted, error> hunt(const mutant& one, const plan& how, const run& in,
                                                const hunt_callback& tell = {});

// The campaign as a table, then how many were found of those planted, and how soon: the median and
// the worst of those found.
[[nodiscard]] std::string table(std::span<const hunted> of);

// Whether all that is planted was found, and the controls passed.
[[nodiscard]] bool is_complete(std::span<const hunted> of) noexcept;

}  // namespace shmark::mutants

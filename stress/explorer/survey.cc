// bazel run -c opt //stress/explorer:survey -- [flags]: what becomes of ours and of its peers when
// a process dies, or is stopped, at each instruction of a few operations on a lock.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "lib/subject/missing_peers.h"
#include "stress/explorer/explorer.h"
#include "stress/explorer/peers.h"
#include "stress/explorer/progress.h"

namespace {

namespace explorer = shmark::explorer;
namespace result = shmark::result;
using explorer::finding;
using explorer::sight;

constexpr shmark::program self("survey");

enum status : int { as_promised = 0, not_as_promised = 1 };

struct arguments {
  std::string subject = "all";
  int patience_ms = 250;
  bool states_only = false;
  std::string out;
};

void declare(CLI::App& app, arguments& to) {
  app.add_option("--of", to.subject, "which lock or store; a name as in the table")
      ->capture_default_str();
  app.add_option("--patience_ms", to.patience_ms,
                 "for how long a peer waits until it counts as stuck")
      ->check(CLI::Range(10, 60'000))
      ->capture_default_str();
  app.add_flag("--states_only", to.states_only,
               "die at one instruction of each distinct crash state, and not at every one");
  app.add_option("--out", to.out, "write the result file here, as JSON")
      ->check(shmark::flags::path());
  app.footer(
      "Columns, as numbers of deaths: goes on - the next peer got the lock, and found the old or\n"
      "the new value; told - it also heard that an owner had died; silent - an owner had died in\n"
      "the midst of a change, the next peer got the lock, and nothing told it; stuck - somebody\n"
      "waits in vain; other - torn values, wrong reports, errors. Of stops, while a process is\n"
      "stopped: how often another could get the lock exclusively, or write, and how often it had\n"
      "to wait.\n"
      "\n"
      "Exit status: 0 each did what it promises (a lock that does not promise to survive its\n"
      "holder may be stuck); 1 one did not, or it was cut short; 2 unusable input; 130 after "
      "Ctrl-C.");
}

// One operation on one lock, by both faults.
struct row {
  explorer::outcome killed;
  explorer::outcome stopped;
};

std::string heading() {
  return fmt::format("{:<40}{:>8}{:>8}{:>9}{:>7}{:>8}{:>7}{:>7}   {}\n", "subject/operation",
                     "points", "deaths", "goes on", "told", "silent", "stuck", "other",
                     "stops: gets it / waits");
}

std::string line_of(const row& of, bool reports) {
  const auto& seen = of.killed.seen;
  const std::uint64_t after_death = seen.of(sight::owner_died);
  // After one death several peers may be stuck.
  const std::uint64_t wrong = of.killed.findings.size();
  const std::uint64_t stuck = std::min(seen.of(finding::stuck), wrong);
  std::uint64_t gets = 0;
  std::uint64_t waits = 0;
  for (const auto& [had, where] : of.stopped.stopped_at) {
    for (const auto& [address, count] : where) (had.probed[0] == 1 ? gets : waits) += count;
  }
  return fmt::format(
      "{:<40}{:>8}{:>8}{:>9}{:>7}{:>8}{:>7}{:>7}   {} / {}\n", of.killed.operation, seen.points,
      seen.deaths, seen.of(sight::old_value) + seen.of(sight::new_value), reports ? after_death : 0,
      reports ? 0 : after_death, stuck, wrong - stuck, gets, waits);
}

// A victim that did not come where it was to die is no death, and hides none: it is said.
void say_missed(const row& of) {
  for (const auto& [done, fault] : {std::pair(&of.killed, explorer::fault_kind::kill),
                                    std::pair(&of.stopped, explorer::fault_kind::stop)}) {
    if (done->seen.missed == 0) continue;
    fmt::print("    missed: {}, {}: {} of the points that were recorded, first {}\n",
               done->operation, name_of(fault), done->seen.missed, done->missed.front());
  }
}

// Of a lock that does not survive its holder, only what it says it does.
bool is_as_promised(const row& of, bool crash_safe) {
  using enum result::verdict_kind;
  if (of.killed.interrupted || of.stopped.interrupted) return false;
  return !crash_safe || (of.killed.verdict() != failed && of.stopped.verdict() != failed);
}

std::expected<row, shmark::error> survey(const explorer::operation& what, const arguments& asked,
                                         const shmark::run& in) {
  constexpr std::uint64_t all = UINT64_MAX;
  explorer::options how{.fault = explorer::fault_kind::kill,
                        .every = !asked.states_only,
                        .patience = std::chrono::milliseconds(asked.patience_ms),
                        .findings_max = all};
  SHMARK_ASSIGN_OR_RETURN(auto killed, explorer::explore_with_progress(what, how, in));
  // Of stops, one of each state: who waits for the stopped one needs more time.
  how = {.fault = explorer::fault_kind::stop, .findings_max = all};
  SHMARK_ASSIGN_OR_RETURN(auto stopped, explorer::explore_with_progress(what, how, in));
  return row{.killed = std::move(killed), .stopped = std::move(stopped)};
}

// Prints as it goes on; whether all was as promised.
std::expected<bool, shmark::error> survey_all(const std::vector<explorer::surveyed>& all,
                                              const arguments& asked, const shmark::run& in,
                                              result::run& results) {
  bool good = true;
  fmt::print("{}", heading());
  for (const auto& subject : all) {
    for (const auto& each : subject.operations) {
      SHMARK_ASSIGN_OR_RETURN(const auto done, survey(each, asked, in));
      fmt::print("{}", line_of(done, subject.reports_owner_death));
      for (const auto* of : {&done.killed, &done.stopped}) {
        if (!of->findings.empty()) fmt::print("    first: {}\n", of->findings.front());
      }
      say_missed(done);
      std::fflush(stdout);
      good = good && is_as_promised(done, subject.crash_safe);
      results.entries.push_back(to_entry(
          done.killed, {.fault = explorer::fault_kind::kill, .every = !asked.states_only}));
      results.entries.push_back(to_entry(done.stopped, {.fault = explorer::fault_kind::stop}));
      if (shmark::interrupted() != 0) return false;
    }
  }
  return good;
}

// Of the peers that a build may lack, those that would be surveyed.
void say_missing(const std::string& subject) {
  for (const auto& each : shmark::missing_peers()) {
    if (each.name != "lmdb" || (subject != "all" && subject != each.name)) continue;
    fmt::print("missing: {}; {}\n", each.name, each.remedy);
  }
}

int run(const arguments& asked) {
  auto all = explorer::all_surveyed();
  if (asked.subject != "all") {
    std::erase_if(all, [&](const auto& each) { return each.name != asked.subject; });
  }
  if (all.empty()) {
    std::string names;
    for (const auto& each : explorer::all_surveyed()) names += ' ' + each.name;
    return self.complain(fmt::format("there is no {}; there are:{}", asked.subject, names));
  }
  const auto out = result::caller_path(asked.out);
  if (!asked.out.empty()) {
    if (auto possible = result::check_writable(out); !possible) {
      return self.complain(possible.error());
    }
  }
  auto owner = shmark::begin_run(self);
  if (!owner) return self.complain(owner.error());
  result::run results;
  results.about = result::this_context(
      result::run_kind::stress,
      fmt::format("bazel run -c opt //stress/explorer:survey -- --of={} --patience_ms={}{}",
                  asked.subject, asked.patience_ms, asked.states_only ? " --states_only" : ""));
  const auto good = survey_all(all, asked, *owner, results);
  owner->end();
  say_missing(asked.subject);
  if (!good) return self.complain(good.error());
  if (!asked.out.empty()) {
    if (auto written = result::write(out, results); !written) {
      return self.complain(written.error());
    }
    fmt::print("results: {}\n", out.string());
  }
  if (const int signal = shmark::interrupted(); signal != 0) return 128 + signal;
  return *good ? as_promised : not_as_promised;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app(
      "Kills and stops a process at each instruction of operations on locks and stores, ours and\n"
      "others'.",
      "survey");
  arguments asked;
  declare(app, asked);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);  // --help
    return self.complain(fmt::format("{}; --help shows what can be used", wrong.what()));
  }
  return run(asked);
}

}  // namespace

int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }

#include "stress/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/base/progress_line.h"
#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "stress/checker/linearizability.h"
#include "stress/history/file.h"
#include "stress/history/history.h"
#include "stress/minimise.h"
#include "stress/scenario/counter_locks.h"
#include "stress/stress.h"
#include "stress/test_surroundings.h"

namespace {

namespace result = shmark::result;
namespace stress = shmark::stress;

constexpr shmark::program self("stress");

// What main_of() was given: program::main() takes a plain function.
struct {
  const char* label = "";
  std::span<const stress::scenario> scenarios;
} offered;

enum status : int { passed = 0, not_passed = 1 };

struct arguments {
  stress::options chosen;
  std::string out;
  std::string history;
  double minimise_s = 20;
  bool lists = false;
};

void declare(CLI::App& app, arguments& to) {
  app.add_option("--scenario", to.chosen.scenario, "what to do; --list names all")
      ->capture_default_str();
  app.add_option("--lock", to.chosen.lock, "which lock, for the scenario counter; --list names all")
      ->capture_default_str();
  app.add_option("--workers", to.chosen.workers, "how many processes at a time, 1 to 1024")
      ->capture_default_str();
  app.add_option("--seconds", to.chosen.seconds, "for how long; a failure ends the run early")
      ->take_last()  // so that --config=soak can have the last word
      ->capture_default_str();
  shmark::flags::add_seed(app, to.chosen.seed,
                          "of everything random (default: drawn, and printed)");
  app.add_option("--kill_gap_ms", to.chosen.kill_gap_ms,
                 "mean time from kill to kill; 0: nobody is killed")
      ->capture_default_str();
  app.add_option("--stop_gap_ms", to.chosen.stop_gap_ms,
                 "mean time from one stop (SIGSTOP, then SIGCONT) to the next; 0: none")
      ->capture_default_str();
  app.add_option("--signal_gap_ms", to.chosen.signal_gap_ms,
                 "mean time from one handled signal, which interrupts waits, to the next; 0: none")
      ->capture_default_str();
  app.add_option("--aimed_percent", to.chosen.aimed_percent,
                 "how many faults of a hundred are aimed at a worker that holds the lock")
      ->capture_default_str();
  app.add_option("--minimise_s", to.minimise_s,
                 "after a failure, look for so many seconds for a smaller run that fails in the "
                 "same way; 0: do not")
      ->check(shmark::flags::number_between(0, 1e6))
      ->capture_default_str();
  app.add_option("--out", to.out, "write the result file here, as JSON")
      ->check(shmark::flags::path());
  app.add_option("--check_history", to.history,
                 "judge a history that a failing run has left, and run nothing")
      ->check(shmark::flags::path());
  app.add_flag("--list", to.lists, "name the scenarios and locks, and run nothing");
  app.footer(
      "The history that a failing run leaves is drawn by bazel run //reports:lanes.\n"
      "Exit status: 0 passed; 1 failed, undecided (cut short), or vacuous (no fault landed inside\n"
      "an operation, or no two operations overlapped, as with one worker); 2 unusable input;\n"
      "130 after Ctrl-C.");
}

const char* promise_of(const shmark::lock_traits& can) {
  if (!can.excludes) return "locks nothing: the scenario must fail";
  if (!can.crash_safe) return "its holder's death is its end: for --kill_gap_ms=0";
  return can.reports_owner_death ? "survives its holder's death, and tells of it"
                                 : "survives its holder's death";
}

int list() {
  for (const auto& each : offered.scenarios) fmt::print("{:<16}{}\n", each.name, each.what);
  fmt::print("\nLocks, for the scenario counter:\n");
  for (const auto& each : stress::counter_locks()) {
    fmt::print("{:<24}{}\n", each.name, promise_of(each.can));
  }
  return passed;
}

int judge(const std::string& path) {
  const auto all = stress::load(result::caller_path(path));
  if (!all) return self.complain(all.error());
  const auto judged = stress::check_linearizability(*all);
  constexpr std::string_view verdicts[] = {"linearizable", "not linearizable", "undecided"};
  fmt::print("{} operations, {} overlapped: {}\n", all->operations.size(), stress::overlapped(*all),
             verdicts[static_cast<int>(judged.found)]);
  if (judged.found == stress::order::exists) return passed;
  fmt::print("found: {}\n", judged.why);
  return not_passed;
}

std::expected<stress::outcome, shmark::error> watch_scenario(const stress::options& chosen,
                                                             const shmark::run& in) {
  shmark::progress_line line;
  const auto tell = [&](const stress::progress& now) {
    line.show(fmt::format("{}, {} workers: {:.0f} s left, {} killed", chosen.scenario,
                          chosen.workers, now.seconds_left, now.kills));
  };
  return stress::run_scenario(chosen, tell, in, offered.scenarios);
}

// Says what came of it; nothing, if nobody wants to know.
std::expected<void, shmark::error> minimise(const arguments& asked, const stress::outcome& failing,
                                            const shmark::run& in) {
  if (failing.verdict() != result::verdict_kind::failed || asked.minimise_s == 0) return {};
  shmark::progress_line line;
  const auto done = stress::minimise(
      asked.chosen, failing.seen, asked.minimise_s,
      [&in](const stress::options& smaller) {
        return stress::run_scenario(smaller, {}, in, offered.scenarios);
      },
      [&line](const stress::options& smaller) {
        line.show("looking for a smaller run that fails: " + stress::command_of(smaller));
      });
  line.clear();
  if (!done) return std::unexpected(done.error());
  const char* const end = done->complete ? "nothing smaller failed" : "there was no more time";
  if (done->tries == 0) {
    fmt::print("smaller: none of {} runs failed in the same way; {}\n", done->runs, end);
  } else {
    fmt::print("smaller: {}\n         (failed at try {}; {})\n", stress::command_of(done->smallest),
               done->tries, end);
  }
  return {};
}

int run(const arguments& asked) {
  if (const auto usable = stress::check(asked.chosen, offered.scenarios); !usable) {
    return self.complain(usable.error());
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
  if (!asked.out.empty()) {
    results.about =
        result::this_context(result::run_kind::stress, stress::command_of(asked.chosen));
    results.about.seed = asked.chosen.seed;
  }
  const auto done = watch_scenario(asked.chosen, *owner);
  std::expected<void, shmark::error> minimised;
  if (done) {
    fmt::print("{}", stress::summary(asked.chosen, *done));
    std::fflush(stdout);
    minimised = minimise(asked, *done, *owner);
  }
  owner->end();
  if (!done) return self.complain(done.error());
  if (!minimised) return self.complain(minimised.error());
  if (!asked.out.empty()) {
    results.entries.push_back(stress::to_entry(asked.chosen, *done));
    if (auto written = result::write(out, results); !written) {
      return self.complain(written.error());
    }
    fmt::print("results: {}\n", out.string());
  }
  if (const int signal = shmark::interrupted(); signal != 0) return 128 + signal;
  return done->verdict() == result::verdict_kind::passed ? passed : not_passed;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Tries to break state that processes share, by killing them.", "stress");
  arguments asked;
  asked.chosen.program = offered.label;
  asked.chosen.scenario = offered.scenarios.back().name;
  const auto test = stress::test_surroundings();
  if (test) asked.out = test->result;
  declare(app, asked);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);  // --help
    return self.complain(fmt::format("{}; --help shows what can be used", wrong.what()));
  }
  if (asked.lists) return list();
  if (!asked.history.empty()) return judge(asked.history);
  if (app["--seed"]->empty()) asked.chosen.seed = shmark::unpredictable_number() >> 32;
  if (test) asked.chosen.seed = test->seed_of_shard(asked.chosen.seed);
  return run(asked);
}

}  // namespace

int shmark::stress::main_of(const char* label, std::span<const scenario> scenarios, int argc,
                            char** argv) {
  offered = {.label = label, .scenarios = scenarios};
  return self.main(parse_and_run, argc, argv);
}

// bazel run -c opt //stress -- [flags]: see --help.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <expected>
#include <string>

#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/base/progress_line.h"
#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "stress/stress.h"

namespace {

namespace result = shmark::result;
namespace stress = shmark::stress;

constexpr shmark::program self("stress");

enum status : int { passed = 0, not_passed = 1 };

struct arguments {
  stress::options chosen;
  std::string out;
  bool lists = false;
};

void declare(CLI::App& app, arguments& to) {
  app.add_option("--scenario", to.chosen.scenario, "what to do; --list names all")
      ->capture_default_str();
  app.add_option("--workers", to.chosen.workers, "how many processes at a time, 1 to 1024")
      ->capture_default_str();
  app.add_option("--seconds", to.chosen.seconds, "for how long; a failure ends the run early")
      ->capture_default_str();
  shmark::flags::add_seed(app, to.chosen.seed,
                          "of everything random (default: drawn, and printed)");
  app.add_option("--kill_gap_ms", to.chosen.kill_gap_ms,
                 "mean time from kill to kill; 0: nobody is killed")
      ->capture_default_str();
  app.add_option("--aimed_percent", to.chosen.aimed_percent,
                 "how many kills of a hundred are aimed at a worker that holds the lock")
      ->capture_default_str();
  app.add_option("--out", to.out, "write the result file here, as JSON")
      ->check(shmark::flags::path());
  app.add_flag("--list", to.lists, "name the scenarios and run nothing");
  app.footer(
      "Exit status: 0 passed; 1 failed, undecided (cut short), or vacuous (no kill landed inside\n"
      "an operation, or no two operations overlapped, as with one worker); 2 unusable input;\n"
      "130 after Ctrl-C.");
}

int list() {
  for (const auto& each : stress::scenarios()) fmt::print("{:<12}{}\n", each.name, each.what);
  return passed;
}

std::expected<stress::outcome, shmark::error> watch_scenario(const stress::options& chosen,
                                                             const shmark::run& in) {
  shmark::progress_line line;
  const auto tell = [&](const stress::progress& now) {
    line.show(fmt::format("{}, {} workers: {:.0f} s left, {} killed", chosen.scenario,
                          chosen.workers, now.seconds_left, now.kills));
  };
  return stress::run_scenario(chosen, tell, in);
}

int run(const arguments& asked) {
  if (const auto usable = stress::check(asked.chosen); !usable) {
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
  owner->end();
  if (!done) return self.complain(done.error());
  fmt::print("{}", stress::summary(asked.chosen, *done));
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
  declare(app, asked);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);  // --help
    return self.complain(fmt::format("{}; --help shows what can be used", wrong.what()));
  }
  if (asked.lists) return list();
  if (app["--seed"]->empty()) asked.chosen.seed = shmark::unpredictable_number() >> 32;
  return run(asked);
}

}  // namespace

int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }

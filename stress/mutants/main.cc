// bazel run -c opt //stress/mutants -- [flags]: see --help.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/base/progress_line.h"
#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "stress/mutants/campaign.h"

namespace {

namespace mutants = shmark::mutants;

constexpr shmark::program self("mutants");

enum status : int { all_found = 0, not_all_found = 1 };

struct arguments {
  mutants::plan how;
  std::vector<std::string> only;
  bool lists = false;
  bool tells = false;
};

void declare(CLI::App& app, arguments& to) {
  constexpr double seconds_max = 1e5;
  app.add_option("--seconds", to.how.seconds, "for each mutant, if it is not found before")
      ->check(shmark::flags::number_between(0.1, seconds_max))
      ->capture_default_str();
  app.add_option("--only", to.only, "these mutants; --list names all");
  app.add_option("--workers", to.how.workers, "how many processes at a time")
      ->check(CLI::Range(2, 60))
      ->capture_default_str();
  shmark::flags::add_seed(app, to.how.seed, "of everything random (default: drawn, and printed)");
  app.add_flag("--findings", to.tells, "print the first finding of each");
  app.add_flag("--list", to.lists, "name the mutants, with what is wrong in them");
  app.footer(
      "Leaves the histories that show a bug in the folder that it is run in.\n"
      "Exit status: 0 if every planted bug was found, and the controls passed; 1 if not; 2 "
      "unusable\n"
      "input; 130 after Ctrl-C.");
}

int list() {
  for (const auto* each : mutants::all()) {
    fmt::print("{:<30} {}{}\n", each->name, each->what, each->is_blind ? " (blind)" : "");
  }
  return all_found;
}

std::vector<const mutants::mutant*> chosen(const arguments& asked) {
  if (asked.only.empty()) return mutants::all();
  std::vector<const mutants::mutant*> some;
  for (const auto& name : asked.only) some.push_back(mutants::find(name));
  return some;
}

int run(const arguments& asked) {
  for (const auto& name : asked.only) {
    if (mutants::find(name) == nullptr) {
      return self.complain(fmt::format("no mutant is called {}; --list names all", name));
    }
  }
  auto owner = shmark::begin_run(self);
  if (!owner) return self.complain(owner.error());
  std::vector<mutants::hunted> came_to;
  {
    shmark::progress_line line;
    for (const auto* each : chosen(asked)) {
      const auto tell = [&](const mutants::mutant& one, std::string_view scenario) {
        line.show(fmt::format("{} in {}", one.name, scenario));
      };
      auto done = mutants::hunt(*each, asked.how, *owner, tell);
      if (!done) return self.complain(done.error());
      came_to.push_back(*std::move(done));
      if (shmark::interrupted() != 0) break;
    }
  }
  owner->end();
  fmt::print("{}seed: {}\n", mutants::table(came_to), asked.how.seed);
  if (asked.tells) {
    for (const auto& one : came_to) {
      if (!one.finding.empty()) fmt::print("{}: {}\n", one.of->name, one.finding);
    }
  }
  if (const int signal = shmark::interrupted(); signal != 0) return 128 + signal;
  return mutants::is_complete(came_to) ? all_found : not_all_found;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Hunts planted bugs with the stress scenarios.", "mutants");
  arguments asked;
  declare(app, asked);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);  // --help
    return self.complain(fmt::format("{}; --help shows what can be used", wrong.what()));
  }
  if (asked.lists) return list();
  if (app["--seed"]->empty()) asked.how.seed = shmark::unpredictable_number() >> 32;
  return run(asked);
}

}  // namespace

int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }

// merge RESULT.json... [--out=FILE]: stress results as one. Exit status: 0 all passed, 1 one did
// not, 2 unusable input.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/flags.h"
#include "lib/base/program.h"
#include "lib/result/result.h"
#include "reports/merge/campaign.h"
#include "reports/paths.h"

namespace shmark::reports {
namespace {

constexpr program self("merge");

struct options {
  std::vector<std::string> files;
  std::string out;
};

std::string command_of(const options& chosen) {
  std::string command = "bazel run //reports:merge --";
  for (const auto& file : chosen.files) command += ' ' + file;
  return command;
}

int run(const options& chosen) {
  if (const auto usable = check_not_read(chosen.out, chosen.files, "write result"); !usable) {
    return self.complain(usable.error());
  }
  std::vector<named_run> runs;
  for (const std::string& file : chosen.files) {
    auto run = result::read(result::caller_path(file));
    if (!run) return self.complain(run.error());
    runs.push_back({file, *std::move(run)});
  }
  const auto merged = merge(runs, command_of(chosen));
  if (!merged) return self.complain(merged.error());
  std::fputs(summary(*merged).c_str(), stdout);
  if (!chosen.out.empty()) {
    const auto path = result::caller_path(chosen.out);
    if (const auto written = result::write(path, *merged); !written) {
      return self.complain(written.error());
    }
    std::printf("results: %s\n", path.c_str());
  }
  constexpr int all_passed = 0;
  constexpr int not_all = 1;
  return passed(*merged) ? all_passed : not_all;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app(
      "Adds up the result files of stress runs: the shards of a test, the runs of a campaign.",
      "merge");
  options chosen;
  app.add_option("RESULT", chosen.files, "result files of //stress or //stress/explorer")
      ->required();
  app.add_option("--out", chosen.out, "write the sum here, as a result file")->check(flags::path());
  app.footer(
      "Exit status: 0 all passed; 1 one failed, was undecided or vacuous; 2 unusable input.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : self.unusable;
  }
  return run(chosen);
}

}  // namespace
}  // namespace shmark::reports

int main(int argc, char** argv) {
  return shmark::reports::self.main(shmark::reports::parse_and_run, argc, argv);
}

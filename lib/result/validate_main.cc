// validate FILE...: whether result files are what RESULTS.md says. Exit status: 0 all are valid,
// 1 some are not, 2 some cannot be read.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "lib/base/program.h"
#include "lib/result/result.h"
#include "lib/result/validate.h"

namespace shmark::result {
namespace {

constexpr program self("validate");

enum status : int { all_valid = 0, some_invalid = 1 };

void print(const std::string& line) { std::puts(line.c_str()); }

void print_problem(const std::string& file, const problem& found) {
  std::string line = file + ": ";
  if (found.kind == severity::warning) line += "warning: ";
  if (!found.where.empty()) line += found.where + ": ";
  print(line + found.what);
}

// A line for each problem, and one that sums up.
status report(const std::string& file, const validation& done) {
  const std::size_t errors = done.errors();
  if (done.schema == 0 && errors == 0) {
    print(file + ": schema 0: Google Benchmark's own, without the keys and counters of ours");
  }
  for (const problem& each : done.problems) print_problem(file, each);
  if (errors == 0) {
    print(file + ": valid");
    return all_valid;
  }
  print(file + ": " + std::to_string(errors) + (errors == 1 ? " problem" : " problems"));
  return some_invalid;
}

int run(const std::vector<std::string>& files) {
  int worst = all_valid;
  for (const std::string& file : files) {
    const auto done = validate_file(caller_path(file));
    worst = std::max<int>(worst, done ? report(file, *done) : self.complain(done.error()));
  }
  return worst;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app(
      "Checks result files against lib/result/RESULTS.md: keys, types and ranges, and whether "
      "their "
      "numbers agree with each other. A line for each problem says where it is; what is merely "
      "unknown is a warning.",
      "validate");
  std::vector<std::string> files;
  app.add_option("FILE", files, "result file")->required();
  app.footer("Exit status: 0 all are valid, 1 some are not, 2 some cannot be read.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? all_valid : self.unusable;
  }
  return run(files);
}

}  // namespace
}  // namespace shmark::result

int main(int argc, char** argv) {
  return shmark::result::self.main(shmark::result::parse_and_run, argc, argv);
}

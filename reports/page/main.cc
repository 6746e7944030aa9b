// page RESULT.json... --out=FILE: result files as one HTML page. Exit status 2: nothing was
// written.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "lib/base/flags.h"
#include "lib/base/program.h"
#include "lib/result/result.h"
#include "reports/page/page.h"
#include "reports/paths.h"

namespace shmark::reports {
namespace {

constexpr program self("page");

struct options {
  std::vector<std::string> files;
  std::string out;
  std::string title = "shmark";
};

int run(const options& chosen) {
  if (const auto usable = check_not_read(chosen.out, chosen.files, "write page"); !usable) {
    return self.complain(usable.error());
  }
  std::vector<result::run> runs;
  for (const std::string& file : chosen.files) {
    auto run = result::read(result::caller_path(file));
    if (!run) return self.complain(run.error());
    runs.push_back(std::move(*run));
  }
  const auto path = result::caller_path(chosen.out);
  if (auto done = write_page(path, runs, chosen.title); !done) return self.complain(done.error());
  std::printf("%s\n", path.c_str());
  return 0;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Shows result files as one HTML page that opens without a network.", "page");
  options chosen;
  app.add_option("RESULT", chosen.files, "result files, of shmark or of Google Benchmark")
      ->required();
  app.add_option("--out", chosen.out, "where to write the page")->required()->check(flags::path());
  app.add_option("--title", chosen.title, "the page's heading")->capture_default_str();
  app.footer("Exit status: 0 written, 2 unusable input.");
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

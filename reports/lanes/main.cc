// lanes HISTORY --out=FILE: the history of a failing stress run as a picture. Exit status: 0
// written, 2 unusable input.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "lib/base/flags.h"
#include "lib/base/program.h"
#include "lib/result/result.h"
#include "reports/lanes/diagram.h"
#include "reports/paths.h"
#include "stress/history/file.h"

namespace shmark::reports {
namespace {

constexpr program self("lanes");

struct options {
  std::string history;
  std::string out;
};

int run(const options& chosen) {
  constexpr const char* attempted = "write page";
  if (const auto usable = check_not_read(chosen.out, {chosen.history}, attempted); !usable) {
    return self.complain(usable.error());
  }
  const auto from = result::caller_path(chosen.history);
  const auto all = stress::load(from);
  if (!all) return self.complain(all.error());
  const auto path = result::caller_path(chosen.out);
  const auto page = draw(*all, from.filename().string());
  if (const auto done = result::write_text(path, page, attempted); !done) {
    return self.complain(done.error());
  }
  std::printf("%s\n", path.c_str());
  return 0;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Draws what the workers of a failing stress run did, a lane for each.", "lanes");
  options chosen;
  app.add_option("HISTORY", chosen.history, "a history that //stress has left")->required();
  app.add_option("--out", chosen.out, "where to write the page")->required()->check(flags::path());
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

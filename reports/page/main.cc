// page RESULT.json... --out=FILE: result files as one HTML page. Exit status 2: nothing was
// written.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "lib/result/result.h"
#include "reports/page/page.h"

namespace shmark::reports {
namespace {

constexpr int unusable = 2;

struct options {
  std::vector<std::string> files;
  std::string out;
  std::string title = "shmark";
};

int complain(const error& why) {
  std::fprintf(stderr, "page: %s\n", why.message().c_str());
  return unusable;
}

int run(const options& chosen) {
  std::vector<result::run> runs;
  for (const std::string& file : chosen.files) {
    auto run = result::read(result::caller_path(file));
    if (!run) return complain(run.error());
    runs.push_back(std::move(*run));
  }
  const auto path = result::caller_path(chosen.out);
  if (auto done = write_page(path, runs, chosen.title); !done) return complain(done.error());
  std::printf("%s\n", path.c_str());
  return 0;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Shows result files as one HTML page that opens without a network.", "page");
  options chosen;
  app.add_option("RESULT", chosen.files, "result files, of shmark or of Google Benchmark")
      ->required();
  app.add_option("--out", chosen.out, "where to write the page")->required();
  app.add_option("--title", chosen.title, "the page's heading")->capture_default_str();
  app.footer("Exit status: 0 written, 2 unusable input.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : unusable;
  }
  return run(chosen);
}

}  // namespace
}  // namespace shmark::reports

int main(int argc, char** argv) {
  try {
    return shmark::reports::parse_and_run(argc, argv);
  } catch (const std::exception& unforeseen) {  // out of memory, most likely
    std::fprintf(stderr, "page: %s\n", unforeseen.what());
    return 2;
  }
}

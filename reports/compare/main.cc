// compare BASELINE.json CANDIDATE.json: which benchmarks regressed. Exit status: 0 none, 1 some,
// 2 nothing could be said.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/flags.h"
#include "lib/base/program.h"
#include "lib/result/result.h"
#include "reports/compare/agreement.h"
#include "reports/compare/comparison.h"
#include "reports/compare/output.h"
#include "reports/paths.h"

namespace shmark::reports {
namespace {

constexpr program self("compare");

enum status : int { nothing_regressed = 0, something_regressed = 1 };

struct options {
  std::string baseline;
  std::string candidate;
  std::string html;
  std::string markdown;
  double threshold = default_threshold;
  bool lists_disagreeing = false;
};

void declare(CLI::App& app, options& chosen) {
  app.add_option("BASELINE", chosen.baseline, "result file to compare with")->required();
  app.add_option("CANDIDATE", chosen.candidate, "result file to judge")->required();
  app.add_option("--html", chosen.html, "also write the table as a page to this file")
      ->check(flags::path());
  app.add_option("--markdown", chosen.markdown, "also write it as Markdown to this file")
      ->check(flags::path());
  app.add_option("--threshold", chosen.threshold,
                 "ratio of medians from which a difference counts; launches on a shared machine "
                 "drift by about 4 %")
      ->capture_default_str()
      ->check(flags::number_between(1, 1e6));
  app.add_flag("--disagreeing", chosen.lists_disagreeing,
               "also list the benchmarks that differ by more than the noise floor that the runs "
               "state, with ratio and floor");
  app.footer("Exit status: 0 nothing regressed, 1 something regressed, 2 unusable input.");
}

std::expected<named_run, error> load(const std::string& file) {
  auto run = result::read(result::caller_path(file));
  if (!run) return std::unexpected(run.error());
  return named_run{file, std::move(*run)};
}

std::expected<void, error> save(const std::string& file, const std::string& text,
                                const char* attempted) {
  if (file.empty()) return {};
  return result::write_text(result::caller_path(file), text, attempted);
}

// Colours only for somebody who sees them and has not asked for none (no-color.org).
colours terminal_colours() {
  const char* none = std::getenv("NO_COLOR");
  const bool refused = none != nullptr && *none != '\0';
  return ::isatty(STDOUT_FILENO) == 1 && !refused ? colours::on : colours::off;
}

// Before anything is read, let alone written.
std::expected<void, error> check_outputs(const options& chosen) {
  const std::vector read{chosen.baseline, chosen.candidate};
  SHMARK_RETURN_IF_ERROR(check_not_read(chosen.html, read, "write page"));
  return check_not_read(chosen.markdown, read, "write Markdown");
}

int run(const options& chosen) {
  if (const auto usable = check_outputs(chosen); !usable) return self.complain(usable.error());
  const auto baseline = load(chosen.baseline);
  if (!baseline) return self.complain(baseline.error());
  const auto candidate = load(chosen.candidate);
  if (!candidate) return self.complain(candidate.error());
  const auto done = compare(*baseline, *candidate, chosen.threshold);
  if (!done) return self.complain(done.error().message);

  const auto table = as_terminal_text(*done, *baseline, *candidate, terminal_colours());
  std::fputs(table.c_str(), stdout);
  const auto agree = agreement_of(baseline->run, candidate->run);
  std::fputs(as_text(agree, chosen.lists_disagreeing).c_str(), stdout);
  if (auto saved = save(chosen.html, as_html(*done, *baseline, *candidate), "write page"); !saved) {
    return self.complain(saved.error());
  }
  if (auto saved =
          save(chosen.markdown, as_markdown(*done, *baseline, *candidate), "write Markdown");
      !saved) {
    return self.complain(saved.error());
  }
  return done->regressed() ? something_regressed : nothing_regressed;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Says which benchmarks of CANDIDATE are slower than in BASELINE.", "compare");
  options chosen;
  declare(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? nothing_regressed : self.unusable;
  }
  return run(chosen);
}

}  // namespace
}  // namespace shmark::reports

int main(int argc, char** argv) {
  return shmark::reports::self.main(shmark::reports::parse_and_run, argc, argv);
}

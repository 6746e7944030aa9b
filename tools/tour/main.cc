// bazel run -c opt //:tour -- [flags]: a quick benchmark, a quick stress run, and a page of both.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <expected>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "bench/driver.h"
#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/base/progress_line.h"
#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "reports/page/page.h"
#include "stress/stress.h"
#include "tools/tour/summary.h"

namespace {

using shmark::error;
namespace bench = shmark::bench;
namespace result = shmark::result;
namespace stress = shmark::stress;

constexpr shmark::program self("tour");
constexpr auto page_name = "page.html";
constexpr std::array result_names{"bench.json", "stress.json"};
constexpr int repetitions = 3;

struct arguments {
  std::string out = "shmark-tour";
  std::string filter = ".";
  double window_s = 0.1;
  double stress_seconds = 30;
  std::uint64_t seed = shmark::unpredictable_number() >> 32;
};

bench::options benchmarks_of(const arguments& asked) {
  return {.which = bench::preset::quick,
          .window_s = asked.window_s,
          .repetitions = repetitions,
          .seed = asked.seed,
          .flags = {"--benchmark_filter=" + asked.filter},
          .prints_table = false};
}

// What a tour is made of, and what it tells while it works.
class tour {
 public:
  tour(const arguments& asked, const shmark::run& owner, std::string command)
      : asked_(asked), owner_(owner), command_(std::move(command)) {}

  std::expected<result::run, error> measure() {
    bench::options how = benchmarks_of(asked_);
    how.command = command_;
    how.starting = [&](const bench::progress& now) {
      show("measuring " + now.name, now.seconds_left + asked_.stress_seconds);
    };
    auto done = bench::run_benchmarks(how, owner_);
    line_.clear();
    if (!done) return std::unexpected(done.error());
    if (done->first_failure) return std::unexpected(*done->first_failure);
    return std::move(done->results);
  }

  std::expected<result::run, error> attack() {
    const stress::options how{.scenario = "transfer",
                              .workers = 8,
                              .seconds = asked_.stress_seconds,
                              .seed = asked_.seed};
    result::run results;
    results.about = result::this_context(result::run_kind::stress, command_);
    results.about.seed = how.seed;
    auto done = stress::run_scenario(
        how,
        [&](const stress::progress& now) {
          show(fmt::format("killing workers: {} so far", now.kills), now.seconds_left);
        },
        owner_);
    line_.clear();
    if (!done) return std::unexpected(done.error());
    if (done->verdict() != result::verdict_kind::passed) details_ = stress::summary(how, *done);
    results.entries.push_back(stress::to_entry(how, *done));
    return results;
  }

  // What there is to say of a stress run that did not pass.
  [[nodiscard]] const std::string& details() const noexcept { return details_; }

 private:
  void show(const std::string& what, double seconds_left) {
    line_.show(fmt::format("{:3.0f} s left: {}", seconds_left, what));
  }

  const arguments& asked_;
  const shmark::run& owner_;
  std::string command_;
  std::string details_;
  shmark::progress_line line_;
};

// The folder for the page, made where it is not there. What was made for it goes again with the
// object, unless something is in it.
class page_folder {
 public:
  explicit page_folder(std::filesystem::path path) : path_(std::move(path)) {
    for (auto each = path_; !exists(each, refused_) && each.has_relative_path();
         each = each.parent_path()) {
      made_.push_back(each);
    }
    create_directories(path_, refused_);
  }
  ~page_folder() {
    for (const auto& each : made_) std::filesystem::remove(each, refused_);
  }
  page_folder(const page_folder&) = delete;
  page_folder& operator=(const page_folder&) = delete;

  // Why it could not be made, if it could not.
  [[nodiscard]] const std::error_code& refused() const noexcept { return refused_; }

 private:
  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  // the innermost first
  std::error_code refused_;
};

int complain(const error& what) {
  const int status = self.complain(what);
  return what.is_environment() ? status : 1;
}

int write_all(const std::filesystem::path& folder, const std::array<result::run, 2>& runs) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto path = folder / result_names[i];
    if (auto done = result::write(path, runs[i]); !done) return complain(done.error());
  }
  const auto page = folder / page_name;
  if (auto done = shmark::reports::write_page(page, runs, "shmark: the tour"); !done) {
    return complain(done.error());
  }
  for (const auto& sentence : shmark::tour::summary(runs[0], runs[1])) {
    fmt::print("- {}\n", sentence);
  }
  fmt::print("\nThe page, with charts and with all numbers:\n{}\n", page.string());
  return 0;
}

int run(const arguments& asked, const std::string& command) {
  const auto seconds = bench::seconds_for(benchmarks_of(asked), asked.filter);
  if (!seconds) return self.complain(seconds.error());
  const auto folder = std::filesystem::absolute(result::caller_path(asked.out));
  const page_folder made(folder);
  if (made.refused()) {
    return self.complain(fmt::format("cannot make folder {}: {}; choose another with --out",
                                     folder.string(), made.refused().message()));
  }
  for (const auto* name : {page_name, result_names[0], result_names[1]}) {
    if (auto possible = result::check_writable(folder / name); !possible) {
      return self.complain(possible.error());
    }
  }
  auto owner = shmark::begin_run(self);
  if (!owner) return complain(owner.error());

  tour all(asked, *owner, command);
  fmt::print("Benchmarks, then a stress run: about {:.0f} seconds.\n\n",
             *seconds + asked.stress_seconds);
  std::fflush(stdout);
  auto measured = all.measure();
  auto attacked = measured ? all.attack() : measured;
  if (const int signal = shmark::interrupted(); signal != 0) {
    self.say("interrupted; nothing is left behind, and no page was written");
    return 128 + signal;
  }
  if (!attacked) return complain(attacked.error());
  const bool passed = std::ranges::all_of(attacked->entries, [](const result::entry& entry) {
    return entry.stress && entry.stress->verdict == result::verdict_kind::passed;
  });
  fmt::print("{}", all.details());
  const int status = write_all(folder, {*std::move(measured), *std::move(attacked)});
  return status == 0 && !passed ? 1 : status;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("A quick benchmark, a quick stress run, and a page that shows both.", "tour");
  arguments asked;
  app.add_option("--out", asked.out, "the folder for page and results (default shmark-tour)")
      ->check(shmark::flags::path());
  app.add_option("--benchmark_filter", asked.filter,
                 "measure only what has a name that this regular expression matches, as //bench");
  app.add_option("--benchmark_min_time", asked.window_s,
                 "seconds of each benchmark's window (default 0.1)")
      ->check(shmark::flags::number_between(0.001, 3600));
  app.add_option("--seconds", asked.stress_seconds, "of the stress run (default 30)")
      ->check(shmark::flags::number_between(1, 3600));
  shmark::flags::add_seed(app, asked.seed, "of all that is drawn (default: drawn at random)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : self.unusable;
  }
  std::string command = "bazel run -c opt //:tour --";
  for (int i = 1; i < argc; ++i) (command += ' ') += argv[i];
  return run(asked, command);
}

}  // namespace

int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }

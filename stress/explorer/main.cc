// bazel run -c opt //stress/explorer -- [flags]: see --help.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "stress/explorer/catalog.h"
#include "stress/explorer/explorer.h"
#include "stress/explorer/progress.h"

namespace {

namespace explorer = shmark::explorer;
namespace result = shmark::result;
using explorer::fault_kind;

constexpr shmark::program self("explorer");

enum status : int { passed = 0, not_passed = 1 };

struct arguments {
  std::string operation = "all";
  std::string backend = "default";
  bool kill = false;
  bool kill_in_recovery = false;
  bool stop = false;
  bool every = false;
  double minutes = 0;  // 0: as long as it takes
  std::uint64_t seed = 1;
  std::uint64_t findings_max = explorer::options{}.findings_max;
  std::string out;
  bool lists = false;
};

void declare(CLI::App& app, arguments& to) {
  app.add_option("--operation", to.operation, "what to explore; --list names all")
      ->capture_default_str();
  std::vector<std::string> known(explorer::backends.begin(), explorer::backends.end());
  known.insert(known.begin(), {"default", "all"});
  app.add_option("--backend", to.backend,
                 "what stores and variables stand on, by segment and lock, or \"all\" of these")
      ->check(CLI::IsMember(known))
      ->capture_default_str();
  app.add_flag("--kill", to.kill, "SIGKILL at each point (the default)");
  app.add_flag("--kill_in_recovery", to.kill_in_recovery,
               "and again at each point of the peer that comes after");
  app.add_flag("--stop", to.stop, "SIGSTOP at each point, and SIGCONT");
  app.add_flag("--every", to.every,
               "at every instruction, and not only at one of each distinct crash state");
  app.add_option("--minutes", to.minutes,
                 "stop after so many, which operations share fairly, and say what is missing")
      ->check(CLI::Range(0.001, 100'000.0));
  app.add_option("--seed", to.seed, "with --minutes: what draws the sample that is done")
      ->capture_default_str();
  app.add_option("--findings_max", to.findings_max,
                 "after how many findings an operation is given up")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--out", to.out, "write the result file here, as JSON")
      ->check(shmark::flags::path());
  app.add_flag("--list", to.lists, "name the operations and explore nothing");
  app.footer(
      "Exit status: 0 passed, or nothing was found in as many --minutes; 1 something was found,\n"
      "nobody died, or points were missed; 2 unusable input; 130 after Ctrl-C.");
}

std::vector<fault_kind> faults_of(const arguments& asked) {
  std::vector<fault_kind> all;
  if (asked.kill || (!asked.kill_in_recovery && !asked.stop)) all.push_back(fault_kind::kill);
  if (asked.kill_in_recovery) all.push_back(fault_kind::kill_in_recovery);
  if (asked.stop) all.push_back(fault_kind::stop);
  return all;
}

std::vector<std::string_view> backends_of(const arguments& asked) {
  if (asked.backend == "all") return {explorer::backends.begin(), explorer::backends.end()};
  if (asked.backend == "default") return {explorer::backends.front()};
  return {asked.backend};
}

// By a name as it is listed, whatever the backend; or a plain one, on each backend that is asked
// for.
std::vector<explorer::operation> operations_of(const arguments& asked) {
  std::vector<explorer::operation> all;
  const bool has_backend = asked.operation.contains('@');
  for (const auto backend : explorer::backends) {
    const auto wanted = backends_of(asked);
    if (!has_backend && std::ranges::find(wanted, backend) == wanted.end()) continue;
    const auto name = has_backend ? asked.operation : explorer::name_on(backend, asked.operation);
    for (const auto& each : explorer::catalog_of(backend)) {
      if (asked.operation == "all" || each.name == name) all.push_back(each);
    }
  }
  return all;
}

int list(const arguments& asked) {
  for (const auto& each : operations_of(asked)) fmt::print("{:<40}{}\n", each.name, each.what);
  return passed;
}

bool can_be_explored(const explorer::operation& what, fault_kind fault) {
  return fault != fault_kind::kill_in_recovery || !what.recoverers.empty();
}

// Gives each exploration an equal part of what time is left, so that who needs less leaves more to
// the others.
class time_table {
 public:
  time_table(const arguments& asked, const std::vector<explorer::operation>& all) {
    for (const auto fault : faults_of(asked)) {
      left_ += std::ranges::count_if(
          all, [fault](const auto& each) { return can_be_explored(each, fault); });
    }
    if (asked.minutes != 0) {
      constexpr double ns_per_minute = 60e9;
      end_ = shmark::deadline::after(
          std::chrono::nanoseconds(static_cast<std::int64_t>(asked.minutes * ns_per_minute)));
    }
  }
  std::optional<std::chrono::nanoseconds> next() {
    if (end_.is_never()) return {};
    return std::chrono::nanoseconds(end_.remaining_ns() / std::max<std::int64_t>(left_--, 1));
  }

 private:
  std::int64_t left_ = 0;  // explorations that are to come
  shmark::deadline end_ = shmark::deadline::never();
};

// Explores all by one fault, prints what came of it, and adds it to the results.
std::expected<std::vector<explorer::outcome>, shmark::error> explore_all(
    const std::vector<explorer::operation>& all, explorer::options how, time_table& times,
    const shmark::run& in, result::run& results) {
  std::vector<explorer::outcome> outcomes;
  fmt::print("{}", explorer::table_heading(how.fault));
  for (const auto& each : all) {
    if (!can_be_explored(each, how.fault)) continue;
    how.budget = times.next();
    SHMARK_ASSIGN_OR_RETURN(auto done, explorer::explore_with_progress(each, how, in));
    fmt::print("{}", explorer::table_line(done));
    for (const auto& finding : done.findings) fmt::print("found: {}\n", finding);
    for (const auto& missed : done.missed) fmt::print("missed: {}\n", missed);
    fmt::print("{}", explorer::what_is_missing(done));
    if (done.verdict() == result::verdict_kind::failed || !done.missed.empty()) {
      fmt::print("repeat: {}\n", explorer::command_of(each.name, how));
    }
    std::fflush(stdout);
    results.entries.push_back(explorer::to_entry(done, how));
    outcomes.push_back(std::move(done));
    if (shmark::interrupted() != 0) break;
  }
  if (how.fault == fault_kind::stop) fmt::print("{}", explorer::stop_table(outcomes));
  return outcomes;
}

// Passed, or nothing was found in the time that there was.
bool is_good(const explorer::outcome& done) {
  if (done.verdict() == result::verdict_kind::passed) return true;
  return done.done.is_cut && !done.interrupted && done.seen.faultless() && done.seen.missed == 0;
}

// The command that repeats all of it.
std::string command_of(const arguments& asked) {
  std::string text =
      fmt::format("bazel run -c opt //stress/explorer -- --operation={}", asked.operation);
  if (asked.backend != "default") text += " --backend=" + asked.backend;
  for (const auto fault : faults_of(asked)) text += fmt::format(" --{}", name_of(fault));
  if (asked.every) text += " --every";
  if (asked.minutes != 0)
    text += fmt::format(" --minutes={:g} --seed={}", asked.minutes, asked.seed);
  return text;
}

int run(const arguments& asked) {
  const auto operations = operations_of(asked);
  if (operations.empty()) {
    return self.complain(fmt::format("there is no operation {}; --list names those that there are",
                                     asked.operation));
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
    results.about = result::this_context(result::run_kind::stress, command_of(asked));
    results.about.seed = asked.minutes != 0 ? asked.seed : 0;
  }
  bool good = true;
  time_table times(asked, operations);
  std::vector<explorer::outcome> deaths;
  for (const auto fault : faults_of(asked)) {
    const explorer::options how{.fault = fault,
                                .every = asked.every,
                                .findings_max = asked.findings_max,
                                .seed = asked.seed};
    auto outcomes = explore_all(operations, how, times, *owner, results);
    if (!outcomes) {
      owner->end();
      return self.complain(outcomes.error());
    }
    for (auto& done : *outcomes) {
      good = good && is_good(done);
      if (fault != fault_kind::stop) deaths.push_back(std::move(done));
    }
  }
  owner->end();
  if (!deaths.empty()) {
    const auto covered = explorer::coverage_of(deaths);
    fmt::print("\n{}", explorer::coverage_table(covered));
    for (const auto& each : covered) results.about.given["died at in " + each.file] = each.text();
  }
  if (!asked.out.empty()) {
    if (auto written = result::write(out, results); !written) {
      return self.complain(written.error());
    }
    fmt::print("results: {}\n", out.string());
  }
  if (const int signal = shmark::interrupted(); signal != 0) return 128 + signal;
  return good ? passed : not_passed;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Kills or stops a process at each instruction of an operation on shared state.",
               "explorer");
  arguments asked;
  declare(app, asked);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);  // --help
    return self.complain(fmt::format("{}; --help shows what can be used", wrong.what()));
  }
  return asked.lists ? list(asked) : run(asked);
}

}  // namespace

int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }

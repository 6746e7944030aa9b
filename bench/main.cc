// bazel run -c opt //bench -- [flags]: see --help.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "bench/driver.h"
#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"

namespace {

namespace bench = shmark::bench;
namespace result = shmark::result;

constexpr shmark::program self("bench");

constexpr auto footer = R"(Google Benchmark's flags work as well, among them:
  --benchmark_filter=REGEX         run those whose names match; a leading '-' turns it round
  --benchmark_list_tests           name them and run nothing
  --benchmark_repetitions=N        N launches of each, with median and spread
  --benchmark_enable_random_interleaving=true   in random order
  --benchmark_min_time=SECONDS     the length of each window (default 0.1)

Names: Lock/lock:robust_rw/mode:exclusive/procs:4, Codec/codec:direct/shape:map100/op:encode,
Cache/write_percent:5/payload:map100/procs:4, Limit/acquire_load.)";

struct arguments {
  bench::options how;
  std::string out;
  std::string min_time;
  std::string format = "console";
  std::vector<std::string> passed_on;  // to Google Benchmark, once checked
};

// "0.05", and "0.05s" as newer versions of Google Benchmark have it.
double seconds_of(const std::string& text) {
  std::size_t used = 0;
  double seconds = 0;
  try {
    seconds = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const bool whole = used == text.size() || (used + 1 == text.size() && text.back() == 's');
  if (used == 0 || !whole || !(seconds > 0 && seconds <= 3600)) {
    throw CLI::ValidationError("--benchmark_min_time",
                               "'" + text + "' is not a number of seconds from 0 to 3600");
  }
  return seconds;
}

// An option that --help does not show, and whose errors name it all the same.
template <class Accept>
void add_hidden(CLI::App& app, const std::string& name, const CLI::Validator& check,
                Accept&& accept) {
  app.add_option_function<std::string>(name,
                                       [=](std::string value) {
                                         if (const auto wrong = check(value); !wrong.empty())
                                           throw CLI::ValidationError(name, wrong);
                                         accept(value);
                                       })
      ->group("");
}

// Flags of Google Benchmark that it would answer to with exit status 0, or an abort, if they were
// wrong; it gets them after they have been checked here.
void declare_checked(CLI::App& app, arguments& to) {
  const auto pass_on = [&](const std::string& name, const CLI::Validator& check) {
    add_hidden(app, name, check, [&to, name](const std::string& value) {
      to.passed_on.push_back(name + '=' + value);
    });
  };
  pass_on("--benchmark_repetitions", CLI::Range(1, 1'000'000));
  pass_on("--benchmark_out_format", CLI::IsMember({"json"}));
  pass_on("--benchmark_time_unit", CLI::IsMember({"ns", "us", "ms", "s"}));
  add_hidden(app, "--benchmark_format", CLI::IsMember({"console", "json"}),
             [&to](const std::string& value) { to.format = value; });
}

void declare(CLI::App& app, arguments& to) {
  const std::map<std::string, shmark::workers_are> kinds{
      {"processes", shmark::workers_are::processes}, {"threads", shmark::workers_are::threads}};
  const std::map<std::string, shmark::pinning> pins{{"none", shmark::pinning::none},
                                                    {"spread", shmark::pinning::spread}};
  app.footer(footer);
  app.allow_extras();
  app.add_option("--out,--benchmark_out", to.out, "write the result file here, as JSON")
      ->check(shmark::flags::path());
  app.add_option("--time_every", to.how.time_every,
                 "time one operation in so many; 1 gives true maxima, and slows all (default 64)")
      ->check(CLI::Range(1U, 1U << 20));
  app.add_option("--workers_are", to.how.kind, "processes (default) or threads")
      ->transform(CLI::CheckedTransformer(kinds));
  app.add_option("--pin", to.how.pin, "spread (default): worker i on processor i; or none")
      ->transform(CLI::CheckedTransformer(pins));
  shmark::flags::add_seed(app, to.how.seed, "of the operations that are drawn (default 1)");
  app.add_option("--benchmark_min_time", to.min_time)->group("");
  declare_checked(app, to);
}

int run(const arguments& asked) {
  if (!asked.out.empty()) {
    if (const auto possible = result::check_writable(result::caller_path(asked.out)); !possible) {
      return self.complain(possible.error());
    }
  }
  auto owner = shmark::begin_run(self);
  if (!owner) return self.complain(owner.error());

  const auto done = bench::run_benchmarks(asked.how, *owner);
  if (!done) return self.complain(done.error());
  if (done->only_listed) return 0;
  if (const int signal = shmark::interrupted(); signal != 0) {
    self.say("interrupted; nothing is left behind, and no result was written");
    return 128 + signal;
  }
  if (asked.format == "json") fmt::print("{}", result::to_json(done->results));
  if (!asked.out.empty()) {
    const auto path = result::caller_path(asked.out);
    if (auto written = result::write(path, done->results); !written) {
      return self.complain(written.error());
    }
    if (asked.how.prints_table) fmt::print("\nresults: {}\n", path.string());
  }
  if (!done->first_failure) return 0;
  return done->first_failure->is_environment() ? self.unusable : 1;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Measures locks, codecs and cached reads, with 1 to 8 processes on them.", "bench");
  arguments asked;
  declare(app, asked);
  try {
    app.parse(argc, argv);
    if (!asked.min_time.empty()) asked.how.window_s = seconds_of(asked.min_time);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : self.unusable;
  }
  asked.how.flags = app.remaining();
  asked.how.flags.insert(asked.how.flags.end(), asked.passed_on.begin(), asked.passed_on.end());
  asked.how.prints_table = asked.format == "console";
  asked.how.command = "bazel run -c opt //bench --";
  for (int i = 1; i < argc; ++i) (asked.how.command += ' ') += argv[i];
  return run(asked);
}

}  // namespace

int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }

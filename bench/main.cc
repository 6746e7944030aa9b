// bazel run -c opt //bench -- [flags]: see --help.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "bench/driver.h"
#include "bench/table.h"
#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/base/progress_line.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"

namespace {

namespace bench = shmark::bench;
namespace result = shmark::result;

constexpr shmark::program self("bench");

constexpr auto footer = R"(Google Benchmark's flags work as well, among them:
  --benchmark_filter=REGEX         run those whose names match; a leading '-' turns it round
  --benchmark_list_tests           name them and run nothing
  --benchmark_repetitions=N        N launches of each; medians are shown
  --benchmark_enable_random_interleaving=true   in random order
  --benchmark_min_time=SECONDS     the length of each window (default 0.1)

Presets, on two processors: quick takes half a minute (the most important benchmarks, once each),
standard eight minutes (more of them, five times each, in random order), full an hour (all, ten
times each, in longer windows). Without one, a filter chooses among all benchmarks.

Lists of points (--procs=1,3,16 --cs_ns=0,500) replace the presets' own: all combinations are
measured. Names: Lock/lock:robust_rw/mode:mixed/procs:8/cs_ns:200/reads:90,
Codec/codec:direct/shape:map100/op:encode, Cache/write_percent:5/payload:map100/procs:4,
Store/store:lmdb/op:read/payload:256/procs:2, Limit/acquire_load.

Exit status: 0 all was measured (what is missing is listed); 1 a benchmark failed; 2 unusable input;
130 after Ctrl-C.)";

struct arguments {
  bench::options how;
  std::string out;
  std::string min_time;
  std::string preset;
  int repetitions = 0;  // 0: not asked for
  std::string interleaves;
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
  pass_on("--benchmark_out_format", CLI::IsMember({"json"}));
  pass_on("--benchmark_time_unit", CLI::IsMember({"ns", "us", "ms", "s"}));
  add_hidden(app, "--benchmark_repetitions", CLI::Range(1, 1'000'000),
             [&to](const std::string& value) { to.repetitions = std::stoi(value); });
  add_hidden(app, "--benchmark_enable_random_interleaving",
             CLI::IsMember({"true", "false", "1", "0", "yes", "no"}),
             [&to](const std::string& value) { to.interleaves = value; });
  add_hidden(app, "--benchmark_format", CLI::IsMember({"console", "json"}),
             [&to](const std::string& value) { to.format = value; });
}

// "NAME=COMMAND" in parts.
std::vector<bench::user_worker> workers_of(const std::vector<std::string>& given) {
  std::vector<bench::user_worker> all;
  for (const auto& text : given) {
    const auto end = text.find('=');
    const auto name = text.substr(0, end);
    const bool has_good_name =
        !name.empty() &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (end == std::string::npos || !has_good_name || end + 1 == text.size()) {
      throw CLI::ValidationError(
          "--worker", "'" + text + "' is not NAME=COMMAND, with a name of a-z, 0-9 and _");
    }
    if (std::ranges::find(all, name, &bench::user_worker::name) != all.end()) {
      throw CLI::ValidationError(
          "--worker", "'" + name + "' is given twice; results are told apart by these names");
    }
    all.push_back({.name = name, .command = text.substr(end + 1)});
  }
  return all;
}

void declare_points(CLI::App& app, bench::sweep& to) {
  const auto add = [&](const char* name, std::vector<int>& list, const char* what, int least,
                       int most) {
    app.add_option(name, list, what)
        ->delimiter(',')
        ->check(CLI::Range(least, most))
        ->group("Points");
  };
  constexpr int second_ns = 1'000'000'000;
  add("--procs", to.workers, "numbers of workers", 1, shmark::crew_size_max);
  add("--cs_ns", to.cs_ns, "ns of work in a lock's critical section", 0, second_ns);
  add("--think_ns", to.think_ns, "ns of work between two critical sections", 0, second_ns);
  add("--reads", to.reads, "percent of acquisitions that are shared", 0, 100);
  add("--locks", to.locks, "locks that workers are spread over", 1, shmark::crew_size_max);
  add("--rate_per_s", to.rate_per_s, "operations that are to begin in a second, by all: open loop",
      1, 10'000'000);
  add("--stop_ms", to.stop_ms, "ms for which one worker is stopped in the middle of each window", 1,
      10'000);
  app.add_option("--payload", to.payloads, "values of cached variables and stores, by name")
      ->delimiter(',')
      ->check(CLI::IsMember({"16", "256", "4k", "64k", "1m", "u64", "map100"}))
      ->group("Points");
  add("--write_percent", to.write_percent, "percent of accesses to cached variables that write", 0,
      100);
}

void declare(CLI::App& app, arguments& to) {
  const std::map<std::string, shmark::workers_are> kinds{
      {"processes", shmark::workers_are::processes}, {"threads", shmark::workers_are::threads}};
  std::map<std::string, shmark::pinning> pins;
  for (const auto how : {shmark::pinning::none, shmark::pinning::spread, shmark::pinning::packed,
                         shmark::pinning::oversubscribed}) {
    pins[std::string(name_of(how))] = how;
  }
  app.footer(footer);
  app.allow_extras();
  app.add_option("--out,--benchmark_out", to.out, "write the result file here, as JSON")
      ->check(shmark::flags::path());
  app.add_option(
         "--time_every", to.how.time_every,
         "time one operation in so many (default 64), and of quick ones at most one in 10 us; 1 "
         "times all, which gives true maxima, and slows all by what the probe costs; 0 times none")
      ->check(CLI::Range(0U, 1U << 20));
  app.add_option("--workers_are", to.how.kind, "processes (default) or threads")
      ->transform(CLI::CheckedTransformer(kinds));
  app.add_option(
         "--pin", to.how.pin,
         "spread (default): worker i on processor i, other cores first; packed: the same, one core "
         "after the other; oversubscribed: all on one processor; none")
      ->transform(CLI::CheckedTransformer(pins));
  shmark::flags::add_seed(app, to.how.seed, "of the operations that are drawn (default 1)");
  app.add_option("--preset", to.preset, "quick, standard or full: what is measured, and how often")
      ->check(CLI::IsMember({"quick", "standard", "full"}));
  app.add_flag(
      "!--skip_calibration", to.how.calibrates,
      "do not measure first what measuring costs, and what is noise: where results are not "
      "to be compared");
  declare_points(app, to.how.points);
  app.add_option_function<std::vector<std::string>>(
         "--worker", [&to](const auto& given) { to.how.workers = workers_of(given); },
         "NAME=COMMAND: measure a command, in any language, as External/worker:NAME "
         "(lib/crew/WORKER.md); may be given more than once")
      ->allow_extra_args(false);
  app.add_option("--benchmark_min_time", to.min_time)->group("");
  declare_checked(app, to);
}

// "[17 of 480, 3:05 left] Lock/lock:robust_rw/...".
std::string text_of(const bench::progress& now) {
  const auto left_s = static_cast<int>(now.seconds_left);
  return fmt::format("[{} of {}, {}:{:02} left] {}", now.done + 1, now.total, left_s / 60,
                     left_s % 60, now.name);
}

int run(arguments asked) {
  if (!asked.out.empty()) {
    if (const auto possible = result::check_writable(result::caller_path(asked.out)); !possible) {
      return self.complain(possible.error());
    }
  }
  auto owner = shmark::begin_run(self);
  if (!owner) return self.complain(owner.error());

  shmark::progress_line line;
  asked.how.starting = [&](const bench::progress& now) { line.show(text_of(now)); };
  asked.how.printing = [&] { line.clear(); };
  const auto done = bench::run_benchmarks(asked.how, *owner);
  line.clear();
  if (!done) return self.complain(done.error());
  if (done->only_listed) return 0;
  if (const int signal = shmark::interrupted(); signal != 0) {
    self.say("interrupted; nothing is left behind, and no result was written");
    return 128 + signal;
  }
  if (asked.how.prints_table) bench::print_missing(done->results.about);
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

// Each point once: two benchmarks of one name would be taken for repetitions.
void settle(bench::sweep& points) {
  const auto settle_list = [](auto& list) {
    std::ranges::sort(list);
    list.erase(std::ranges::unique(list).begin(), list.end());
  };
  for (auto* list : {&points.workers, &points.cs_ns, &points.think_ns, &points.reads, &points.locks,
                     &points.rate_per_s, &points.stop_ms, &points.write_percent}) {
    settle_list(*list);
  }
  settle_list(points.payloads);
}

// What the preset stands for, and what was asked for instead.
void settle(arguments& asked) {
  const std::map<std::string, bench::preset> presets{{"quick", bench::preset::quick},
                                                     {"standard", bench::preset::standard},
                                                     {"full", bench::preset::full}};
  if (!asked.preset.empty()) {
    asked.how.which = presets.at(asked.preset);
    const auto settings = bench::settings_of(*asked.how.which);
    asked.how.window_s = settings.window_s;
    asked.how.repetitions = settings.repetitions;
    asked.how.interleaves = settings.interleaves;
  }
  settle(asked.how.points);
  if (!asked.min_time.empty()) asked.how.window_s = seconds_of(asked.min_time);
  if (asked.repetitions != 0) asked.how.repetitions = asked.repetitions;
  if (!asked.interleaves.empty()) {
    asked.how.interleaves =
        asked.interleaves == "true" || asked.interleaves == "1" || asked.interleaves == "yes";
  }
}

int parse_and_run(int argc, char** argv) {
  CLI::App app(
      "Measures locks, codecs, stores and cached reads, with 1 process on them and with many.",
      "bench");
  arguments asked;
  declare(app, asked);
  try {
    app.parse(argc, argv);
    settle(asked);
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

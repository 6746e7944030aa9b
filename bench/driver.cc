#include "bench/driver.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <regex>
#include <sstream>
#include <string_view>

#include "bench/calibration.h"
#include "bench/catalog.h"
#include "bench/collector.h"
#include "bench/measurer.h"
#include "bench/table.h"
#include "lib/base/deadline.h"
#include "lib/base/interrupt.h"
#include "lib/measure/clock.h"

namespace shmark::bench {
namespace {

// Tells what is being measured, and for how long it will go on: as long as what is left would take
// if it took what has been done so far.
class teller {
 public:
  teller(const options& how, const std::vector<benchmark_case>& chosen) : how_(how) {
    for (const auto& each : chosen) {
      planned_s_ += how.repetitions * seconds_of_launch(each, how.window_s);
    }
    total_ = chosen.size() * static_cast<std::size_t>(how.repetitions);
  }
  // "467 benchmarks, 5 launches of each: about 9 minutes".
  [[nodiscard]] std::string plan() const {
    const std::string each =
        how_.repetitions == 1 ? "" : fmt::format(", {} launches of each", how_.repetitions);
    constexpr double minute_s = 60;
    const std::string duration = planned_s_ < 2 * minute_s
                                     ? fmt::format("{:.0f} seconds", std::ceil(planned_s_))
                                     : fmt::format("{:.0f} minutes", planned_s_ / minute_s);
    return fmt::format("{} benchmarks{}: about {}",
                       total_ / static_cast<std::size_t>(how_.repetitions), each, duration);
  }
  void begin(const benchmark_case& which) {
    constexpr double ns_per_s = 1e9;
    if (done_ == 0) begin_ns_ = monotonic_ns();  // calibration is over
    const double elapsed_s = static_cast<double>(monotonic_ns() - begin_ns_) / ns_per_s;
    const double pace = done_s_ == 0 ? 1 : elapsed_s / done_s_;
    how_.starting({.name = which.name,
                   .done = done_++,
                   .total = total_,
                   .seconds_left = std::max(0.0, pace * (planned_s_ - done_s_))});
    done_s_ += seconds_of_launch(which, how_.window_s);
  }

 private:
  const options& how_;
  std::int64_t begin_ns_ = 0;
  double planned_s_ = 0;
  double done_s_ = 0;
  std::size_t done_ = 0;
  std::size_t total_ = 0;
};

// Runs a benchmark case, once per call, as Google Benchmark's function.
class measurer {
 public:
  measurer(const options& how, const run& owner, teller& tells)
      : how_(how), owner_(owner), tells_(tells) {}

  void measure(const benchmark_case& which, benchmark::State& state) {
    tells_.begin(which);
    auto& taken = taken_[which.name];
    // Of repetitions whose first has failed and two others have not, Google Benchmark (1.7, at
    // least) follows a null pointer when it aggregates.
    if (!taken.empty() && taken.front().operations == 0) {
      skip(state, "left out, since the first repetition failed");
      taken.emplace_back();
      return;
    }
    auto measured = launch_unless_interrupted(which);
    if (measured) {
      while (state.KeepRunningBatch(made_up_iterations)) {
        state.SetIterationTime(static_cast<double>(made_up_iterations) / measured->ops_per_s);
      }
      for (const auto& [name, value] : measured->counters) state.counters[name] = value;
      state.counters[cpu_time_counter] = measured->cpu_ns_per_operation;
    } else {
      if (!first_failure_) first_failure_ = measured.error();
      skip(state, measured.error().message());
    }
    taken.push_back(measured ? *std::move(measured) : measurement{});
  }

  [[nodiscard]] const measurements& taken() const noexcept { return taken_; }
  [[nodiscard]] const std::optional<error>& first_failure() const noexcept {
    return first_failure_;
  }

 private:
  static void skip(benchmark::State& state, const std::string& why) {
    // A repetition without iterations would make Google Benchmark abort.
    while (state.KeepRunningBatch(made_up_iterations)) state.SkipWithError(why.c_str());
  }

  std::expected<measurement, error> launch_unless_interrupted(const benchmark_case& which) const {
    if (interrupted() != 0) return failure(errc::interrupted, "run", short_text(which.name));
    return launch(which,
                  {.window_s = how_.window_s,
                   .time_every = how_.time_every,
                   .kind = how_.kind,
                   .pin = how_.pin},
                  owner_);
  }

  const options& how_;
  const run& owner_;
  teller& tells_;
  measurements taken_;
  std::optional<error> first_failure_;
};

// Which benchmarks --benchmark_filter lets through. We match it ourselves: Google Benchmark matches
// names with our settings at the end, and "procs:1$" would find nothing.
class name_filter {
 public:
  // Errors: invalid, if it is no regular expression.
  static std::expected<name_filter, error> make(std::string_view text) {
    const bool negated = text.starts_with('-');
    if (negated) text.remove_prefix(1);
    if (text.empty() || text == "all") text = ".";
    try {
      return name_filter(std::regex(text.begin(), text.end(), std::regex::extended), negated);
    } catch (const std::regex_error&) {
      return failure(errc::invalid, "use --benchmark_filter", short_text(text),
                     "give a regular expression that grep -E understands");
    }
  }
  [[nodiscard]] bool matches(const std::string& name) const {
    return std::regex_search(name, pattern_) != negated_;
  }

 private:
  name_filter(std::regex pattern, bool negated) : pattern_(std::move(pattern)), negated_(negated) {}

  std::regex pattern_;
  bool negated_;
};

// Errors: invalid, if it is no regular expression, or matches none.
std::expected<std::vector<benchmark_case>, error> matching_cases(const options& how,
                                                                 const std::string& asked_for) {
  SHMARK_ASSIGN_OR_RETURN(const auto filter, name_filter::make(asked_for));
  const bool is_filtered = !asked_for.empty() && asked_for != "." && asked_for != "all";
  const preset most = how.which.value_or(is_filtered ? preset::full : preset::quick);
  auto chosen = catalog({.seed = how.seed, .points = how.points, .workers = how.workers});
  std::erase_if(chosen,
                [&](const auto& each) { return each.from > most || !filter.matches(each.name); });
  if (chosen.empty()) {
    return failure(errc::not_found, "run benchmarks", short_text(asked_for),
                   "none has a name that the filter matches; see --benchmark_list_tests");
  }
  return chosen;
}

// A thread cannot be stopped alone.
void name_unstoppable(std::vector<benchmark_case>& in) {
  for (benchmark_case& each : in) {
    if (each.stop.count() == 0) continue;
    each.needs = each.name;
    each.missing = [](const run&) {
      return std::optional<std::string>("a thread cannot be stopped alone; measure processes");
    };
  }
}

// What is not here, each once. Takes out the cases that need it.
std::vector<result::missing_benchmark> take_missing(std::vector<benchmark_case>& from,
                                                    const run& owner) {
  std::map<std::string, std::optional<std::string>> looked_for;
  std::erase_if(from, [&](const benchmark_case& each) {
    if (!each.missing) return false;
    const auto [found, is_new] = looked_for.try_emplace(each.needs);
    if (is_new) found->second = each.missing(owner);
    return found->second.has_value();
  });
  std::vector<result::missing_benchmark> all;
  for (const auto& [name, why] : looked_for) {
    if (why) all.push_back({.name = name, .why = *why});
  }
  return all;
}

// Google Benchmark takes its flags as a main() would.
std::expected<void, error> give_flags(const std::vector<std::string>& flags) {
  std::vector<std::string> texts{"bench"};
  texts.insert(texts.end(), flags.begin(), flags.end());
  std::vector<char*> arguments;
  for (auto& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  int count = static_cast<int>(texts.size());
  benchmark::Initialize(&count, arguments.data());
  if (count > 1) {
    return failure(errc::not_found, "use flag", short_text(arguments[1]), "see --help");
  }
  return {};
}

std::vector<std::string> all_flags(const options& how) {
  auto all = how.flags;
  all.push_back(fmt::format("--benchmark_repetitions={}", how.repetitions));
  if (how.interleaves) all.push_back("--benchmark_enable_random_interleaving=true");
  return all;
}

// What --benchmark_context=KEY=VALUE,... among flags that Google Benchmark has accepted says: of
// equal keys the first counts, as there. Errors: invalid, if a key has a meaning of its own.
std::expected<std::map<std::string, std::string, std::less<>>, error> given_context(
    const std::vector<std::string>& flags) {
  constexpr std::string_view name = "--benchmark_context=";
  std::map<std::string, std::string, std::less<>> given;
  for (const std::string& flag : flags) {
    if (!flag.starts_with(name)) continue;
    std::istringstream pairs(flag.substr(name.size()));
    for (std::string pair; std::getline(pairs, pair, ',');) {
      const auto key = pair.substr(0, pair.find('='));
      if (result::is_context_key(key)) {
        return failure(errc::invalid, "use flag", short_text(flag),
                       "choose another key: the result file has one of that name");
      }
      given.emplace(key, pair.substr(key.size() + 1));
    }
  }
  return given;
}

}  // namespace

preset_settings settings_of(preset which) noexcept {
  switch (which) {
    case preset::quick:
      return {.window_s = 0.1, .repetitions = 1, .interleaves = false};
    case preset::standard:
      return {.window_s = 0.1, .repetitions = 5, .interleaves = true};
    case preset::full:
      return {.window_s = 0.25, .repetitions = 10, .interleaves = true};
  }
  return {};
}

std::expected<double, error> seconds_for(const options& how, const std::string& filter) {
  SHMARK_ASSIGN_OR_RETURN(const auto chosen, matching_cases(how, filter));
  double seconds = 0;
  for (const auto& each : chosen) seconds += seconds_of_launch(each, how.window_s);
  return seconds * how.repetitions;
}

std::expected<outcome, error> run_benchmarks(const options& how, const run& owner) {
  SHMARK_RETURN_IF_ERROR(give_flags(all_flags(how)));
  SHMARK_ASSIGN_OR_RETURN(auto given, given_context(how.flags));
  SHMARK_ASSIGN_OR_RETURN(auto chosen, matching_cases(how, benchmark::GetBenchmarkFilter()));

  outcome done;
  done.results.about = result::this_context(result::run_kind::bench, how.command);
  auto& about = done.results.about;
  about.given = std::move(given);
  about.seed = how.seed;
  about.probe_ns = probe_ns();
  about.workers_are = how.kind == workers_are::processes ? result::worker_kind::processes
                                                         : result::worker_kind::threads;
  if (how.kind == workers_are::threads) name_unstoppable(chosen);
  about.missing = take_missing(chosen, owner);

  teller tells(how, chosen);
  measurer measures(how, owner, tells);
  for (const auto& each : chosen) {
    benchmark::RegisterBenchmark(
        each.name.c_str(),
        [&measures, &each](benchmark::State& state) { measures.measure(each, state); })
        ->UseManualTime()
        ->Iterations(made_up_iterations);
  }
  std::size_t name_width = 0;
  for (const auto& each : chosen) name_width = std::max(name_width, each.name.size());
  collector collects(how, about, measures.taken(), name_width);
  collects.plan = tells.plan();
  collects.before_first = [&] {
    if (!how.calibrates) return;
    auto made = calibrate(how, about, owner);
    if (made) {
      about.calibration = *std::move(made);
    } else if (interrupted() == 0) {
      fmt::print(stderr, "no calibration, and hence no noise floors: {}\n", made.error().message());
    }
  };
  benchmark::RunSpecifiedBenchmarks(&collects, nullptr, ".");
  benchmark::ClearRegisteredBenchmarks();
  benchmark::Shutdown();
  done.only_listed = collects.only_listed();
  if (done.only_listed) {  // by our names: Google Benchmark's have our settings at the end
    for (const auto& each : chosen) fmt::print("{}\n", each.name);
    for (const auto& each : about.missing) {
      fmt::print(stderr, "missing: {}: {}\n", each.name, each.why);
    }
  }
  done.results.entries = collects.take();
  done.first_failure = measures.first_failure();
  return done;
}

}  // namespace shmark::bench

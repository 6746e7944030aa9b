#include "bench/driver.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <regex>
#include <sstream>
#include <string_view>

#include "bench/catalog.h"
#include "bench/table.h"
#include "lib/base/interrupt.h"
#include "lib/measure/clock.h"
#include "lib/measure/fairness.h"

namespace shmark::bench {
namespace {

// What a benchmark's repetitions measured beyond Google Benchmark's numbers, by name and in order.
// One that failed has no operations.
using measurements = std::map<std::string, std::vector<window_result>, std::less<>>;

// Google Benchmark insists that all repetitions have as many iterations: each is given the time
// that so many would have taken. The result file has the true number (see collector).
constexpr benchmark::IterationCount iterations = 1'000'000;

// The processor time that Google Benchmark takes is of this process, which only waits. That of the
// workers goes to it as a counter, which it aggregates like any other.
constexpr auto cpu_time_counter = "cpu_time_ns";

// Runs one benchmark case, once per call, as Google Benchmark's function.
class measurer {
 public:
  measurer(const options& how, const run& owner) : how_(how), owner_(owner) {}

  void measure(const benchmark_case& which, benchmark::State& state) {
    how_.starting(which.name);
    auto& taken = taken_[which.name];
    // Of repetitions whose first has failed and two others have not, Google Benchmark (1.7, at
    // least) follows a null pointer when it aggregates.
    if (!taken.empty() && taken.front().operations == 0) {
      skip(state, "left out, since the first repetition failed");
      taken.emplace_back();
      return;
    }
    auto measured = window_of(which, state);
    if (measured) {
      while (state.KeepRunningBatch(iterations)) {
        state.SetIterationTime(static_cast<double>(iterations) / measured->ops_per_s);
      }
    } else {
      if (!first_failure_) first_failure_ = measured.error();
      skip(state, measured.error().message());
    }
    taken.push_back(measured ? *std::move(measured) : window_result{});
  }

  [[nodiscard]] const measurements& taken() const noexcept { return taken_; }
  [[nodiscard]] const std::optional<error>& first_failure() const noexcept {
    return first_failure_;
  }

 private:
  static void skip(benchmark::State& state, const std::string& why) {
    // A repetition without iterations would make Google Benchmark abort.
    while (state.KeepRunningBatch(iterations)) state.SkipWithError(why.c_str());
  }

  std::expected<window_result, error> window_of(const benchmark_case& which,
                                                benchmark::State& state) {
    if (interrupted() != 0) return failure(errc::interrupted, "run", short_text(which.name));
    SHMARK_ASSIGN_OR_RETURN(const auto work, which.make(owner_));
    const window_options options{
        .workers = {.size = which.workers, .kind = how_.kind, .pin = how_.pin},
        .time_every = how_.time_every};
    SHMARK_ASSIGN_OR_RETURN(
        const auto crew,
        window_crew::start(options, [&work](window_worker& self) { work->work(self); }));
    SHMARK_ASSIGN_OR_RETURN(auto measured,
                            crew->run(std::chrono::nanoseconds(std::llround(how_.window_s * 1e9))));
    SHMARK_ASSIGN_OR_RETURN(const auto counters, work->conclude(measured));
    for (const auto& [name, value] : counters) state.counters[name] = value;
    state.counters[cpu_time_counter] = measured.cpu_ns_per_operation();
    state.counters["ops_per_s"] = measured.ops_per_s;
    state.counters["p50_ns"] = static_cast<double>(measured.latency.quantile(0.5));
    state.counters["p99_ns"] = static_cast<double>(measured.latency.quantile(0.99));
    state.counters["max_ns"] = static_cast<double>(measured.latency.max());
    state.counters["jain"] = jain_index(measured.worker_ops_per_s);
    return measured;
  }

  const options& how_;
  const run& owner_;
  measurements taken_;
  std::optional<error> first_failure_;
};

// Why a run was skipped, if it was: Google Benchmark 1.8 has renamed the members that tell.
template <class Run>
std::optional<std::string> failure_of(const Run& of) {
  if constexpr (requires { of.error_occurred; }) {
    if (of.error_occurred) return of.error_message;
  } else {
    if (static_cast<int>(of.skipped) != 0) return of.skip_message;
  }
  return std::nullopt;
}

// Google Benchmark's runs, under names without the settings that we made for it.
class collector final : public benchmark::BenchmarkReporter {
 public:
  collector(const options& how, const result::context& about, const measurements& taken)
      : how_(how), about_(about), taken_(taken) {
    if (how_.prints_table) table_.emplace();
    SetOutputStream(
        &listed_);  // Google Benchmark writes there what --benchmark_list_tests asks for
  }

  bool ReportContext(const Context& context) override {
    warn_of_build(about_);
    if (table_) {
      print_context(about_);
      table_->begin(context.name_field_width);
    }
    return true;
  }

  void ReportRuns(const std::vector<Run>& reported) override {
    if (interrupted() != 0) return;  // all that are left fail for that reason
    for (const Run& each : reported) {
      entries_.push_back(entry_of(each));
      if (table_) table_->add(entries_.back());
    }
  }

  [[nodiscard]] std::vector<result::entry> take() { return std::move(entries_); }

  // Whether --benchmark_list_tests was asked for, and nothing run.
  [[nodiscard]] bool only_listed() const { return !listed_.str().empty(); }

 private:
  [[nodiscard]] result::entry entry_of(const Run& from) const {
    auto name = from.run_name;
    name.min_time.clear();
    name.time_type.clear();
    name.iterations.clear();
    name.repetitions.clear();
    // Of times, the coefficient of variation is none.
    const bool is_share = from.run_type == Run::RT_Aggregate &&
                          from.aggregate_unit == benchmark::StatisticUnit::kPercentage;
    result::entry to{
        .name = name.str(),
        .run_name = name.str(),
        .family_index = static_cast<int>(from.family_index),
        .per_family_instance_index = static_cast<int>(from.per_family_instance_index),
        .repetitions = static_cast<int>(from.repetitions),
        .repetition_index = std::max(0, static_cast<int>(from.repetition_index)),  // aggregate: -1
        .threads = static_cast<int>(from.threads),
        .iterations = static_cast<std::uint64_t>(from.iterations),
        .real_time = is_share ? from.real_accumulated_time : from.GetAdjustedRealTime(),
        .time_unit = benchmark::GetTimeUnitString(from.time_unit),
        .label = from.report_label,
    };
    for (const auto& [key, counter] : from.counters) to.counters[key] = counter.value;
    if (const auto cpu_time = to.counters.extract(cpu_time_counter)) {
      const double in_unit = benchmark::GetTimeUnitMultiplier(from.time_unit) / 1e9;
      to.cpu_time = cpu_time.mapped() * (is_share ? 1 : in_unit);
    }
    if (from.run_type == Run::RT_Aggregate) {
      to.aggregate_name = from.aggregate_name;
      to.name += "_" + from.aggregate_name;
    } else if (auto failed = failure_of(from)) {
      to.error_message = *std::move(failed);
    } else {
      add_measurement(to);
    }
    return to;
  }

  void add_measurement(result::entry& to) const {
    const auto found = taken_.find(to.run_name);
    const auto index = static_cast<std::size_t>(to.repetition_index);
    if (found == taken_.end() || index >= found->second.size()) return;
    const window_result& measured = found->second[index];
    to.iterations = measured.operations;
    to.worker_ops_per_s = measured.worker_ops_per_s;
    to.durations = result::histogram{.time_every = how_.time_every};
    measured.latency.for_each([&](std::uint64_t lower_ns, std::uint64_t count) {
      to.durations->buckets.emplace_back(lower_ns, count);
    });
  }

  const options& how_;
  const result::context& about_;
  const measurements& taken_;
  std::ostringstream listed_;
  std::vector<result::entry> entries_;
  std::optional<table> table_;
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
std::expected<std::vector<benchmark_case>, error> matching_cases(const std::string& asked_for,
                                                                 std::uint64_t seed) {
  SHMARK_ASSIGN_OR_RETURN(const auto filter, name_filter::make(asked_for));
  auto chosen = catalog(seed);
  std::erase_if(chosen, [&](const auto& each) { return !filter.matches(each.name); });
  if (chosen.empty()) {
    return failure(errc::not_found, "run benchmarks", short_text(asked_for),
                   "none has a name that the filter matches; see --benchmark_list_tests");
  }
  return chosen;
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

std::expected<std::size_t, error> case_count(const std::string& filter) {
  SHMARK_ASSIGN_OR_RETURN(const auto chosen, matching_cases(filter, 0));
  return chosen.size();
}

std::expected<outcome, error> run_benchmarks(const options& how, const run& owner) {
  SHMARK_RETURN_IF_ERROR(give_flags(how.flags));
  SHMARK_ASSIGN_OR_RETURN(auto given, given_context(how.flags));
  SHMARK_ASSIGN_OR_RETURN(const auto chosen,
                          matching_cases(benchmark::GetBenchmarkFilter(), how.seed));

  outcome done;
  done.results.about = result::this_context(result::run_kind::bench, how.command);
  auto& about = done.results.about;
  about.given = std::move(given);
  about.seed = how.seed;
  about.probe_ns = probe_ns();
  about.workers_are = how.kind == workers_are::processes ? result::worker_kind::processes
                                                         : result::worker_kind::threads;

  measurer measures(how, owner);
  for (const auto& each : chosen) {
    benchmark::RegisterBenchmark(
        each.name.c_str(),
        [&measures, &each](benchmark::State& state) { measures.measure(each, state); })
        ->UseManualTime()
        ->Iterations(iterations);
  }
  collector collects(how, about, measures.taken());
  benchmark::RunSpecifiedBenchmarks(&collects, nullptr, ".");
  benchmark::ClearRegisteredBenchmarks();
  benchmark::Shutdown();
  done.only_listed = collects.only_listed();
  if (done.only_listed) {  // by our names: Google Benchmark's have our settings at the end
    for (const auto& each : chosen) fmt::print("{}\n", each.name);
  }
  done.results.entries = collects.take();
  done.first_failure = measures.first_failure();
  return done;
}

}  // namespace shmark::bench

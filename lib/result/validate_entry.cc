#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "lib/measure/fairness.h"
#include "lib/result/names.h"
#include "lib/result/result.h"
#include "lib/result/validate_parts.h"

namespace shmark::result::detail {
namespace {

constexpr std::array<std::string_view, 8> families{"Limit", "Lock",     "Codec",  "Cache",
                                                   "Store", "External", "Stress", "Explore"};

constexpr range any_number{.min = -std::numeric_limits<double>::infinity()};
constexpr range share{.max = 1, .rounding = 1e-9};
constexpr range positive_share{.max = 1, .without_min = true, .rounding = 1e-9};

struct known_counter {
  std::string_view name;
  range within{};
};
constexpr std::array<known_counter, 57> known_counters{{
    {"ops_per_s"},
    {"jain", positive_share},
    {"min_max_ratio", share},
    {"voluntary_switches_per_op"},
    {"involuntary_switches_per_op"},
    {"probe_percent", {.max = 100}},
    {"behind_percent", {.max = 100}},
    {"hit_rate", share},
    {"model_hit_rate", positive_share},
    {"simulated_hit_rate", share},
    {"replayed_share", share},
    {"hit_ns"},
    {"miss_ns"},
    {"uncached_ns"},
    {"bytes"},
    {"bypassed_p99"},
    {"bypassed_max"},
    {"bypass_longest"},
    {"bypass_max"},
    // Stress runs, and the explorer.
    {"operations"},
    {"changes"},
    {"reads"},
    {"overlapped"},
    {"kills"},
    {"failure_bound", positive_share},
    {"kills_in_operation"},
    {"kills_holding"},
    {"stops"},
    {"stops_in_operation"},
    {"stops_holding"},
    {"signals"},
    {"signals_in_operation"},
    {"recoveries"},
    {"recovery_p50_ns"},
    {"recovery_p99_ns"},
    {"recovery_max_ns"},
    {"lost"},
    {"torn"},
    {"intruded"},
    {"stuck"},
    {"died"},
    {"leaked"},
    {"broken"},
    {"checked_operations"},
    {"checked_overlapped"},
    {"checked_pending"},
    {"check_s"},
    {"points"},
    {"states"},
    {"deaths"},
    {"asleep"},
    {"missed"},
    {"absent"},
    {"share", share},
    {"outcomes_old"},
    {"outcomes_new"},
    {"outcomes_told"},
}};

// Quantiles in their order, of each of these.
constexpr std::array<std::string_view, 7> distributions{
    "", "wait_", "hold_", "handoff_", "intended_", "recovery_", "bypassed_"};
constexpr std::array<std::string_view, 5> quantiles{"p50", "p99", "p999", "p9999", "max"};

std::string quantile_name(std::string_view distribution, std::string_view quantile) {
  const std::string_view unit = distribution == "bypassed_" ? "" : "_ns";
  return std::string(distribution) + std::string(quantile) + std::string(unit);
}

// The range of a counter; nothing if it is not known.
std::optional<range> range_of(std::string_view counter) {
  for (const known_counter& each : known_counters) {
    if (each.name == counter) return each.within;
  }
  for (const std::string_view distribution : distributions) {
    for (const std::string_view quantile : quantiles) {
      if (quantile_name(distribution, quantile) == counter) return range{};
    }
  }
  return std::nullopt;
}

// Keys of an entry that are no counters.
constexpr std::array<std::string_view, 21> entry_keys{
    "name",          "run_name",       "family_index",  "per_family_instance_index",
    "run_type",      "aggregate_name", "repetitions",   "repetition_index",
    "threads",       "iterations",     "real_time",     "cpu_time",
    "time_unit",     "error_occurred", "error_message", "label",
    "shmark",        "verdict",        "command",       "findings",
    "aggregate_unit"};

bool is_deviation(const entry_facts& of) {
  return of.aggregate_name == "stddev" || of.aggregate_name == "cv";
}

// One entry of a file.
class entry_check {
 public:
  entry_check(const checked& at, const file_facts& file, strangers& met)
      : facts_{.at = at}, file_(file), met_(met) {}

  entry_facts run() {
    check_name();
    check_kind();
    check_error();
    check_times();
    check_stress();
    check_counters();
    check_quantiles();
    check_replay();
    if (const auto own = at().find("shmark"); own.is_there() && own.object()) check_samples(own);
    return std::move(facts_);
  }

 private:
  [[nodiscard]] const checked& at() const noexcept { return facts_.at; }
  // Required of our files; may be absent from Google Benchmark's own.
  [[nodiscard]] checked find(std::string_view key) const { return at().member(key, file_.is_ours); }
  [[nodiscard]] std::optional<double> number(std::string_view key) const {
    const auto found = facts_.numbers.find(std::string(key));
    if (found == facts_.numbers.end() || std::isnan(found->second)) return std::nullopt;
    return found->second;
  }

  void note(const std::string& key, std::optional<double> value) {
    facts_.numbers[key] = value.value_or(std::numeric_limits<double>::quiet_NaN());
  }

  void check_name() {
    facts_.name = at().at("name").text().value_or("");
    facts_.run_name = find("run_name").text().value_or(facts_.name);
    if (!file_.is_ours) return;
    const std::string family = facts_.name.substr(0, facts_.name.find('/'));
    const bool known = std::ranges::find(families, family) != families.end();
    if (!known && met_.families.insert(family).second) {
      at().at("name").warn("is of a family that is not known");
    }
  }

  void check_kind() {
    const auto type = find("run_type").text_of({"iteration", "aggregate"});
    find("family_index").count();
    find("per_family_instance_index").count();
    if (const auto threads = find("threads").count(); file_.is_ours && threads && *threads != 1) {
      at().at("threads").fail("is not 1, as it is in every file of ours");
    }
    const auto repetitions = find("repetitions").count(file_.is_ours ? 1 : 0);
    const auto index = find("repetition_index");
    facts_.repetition_index = index.count().value_or(0);
    if (type == "aggregate") {
      facts_.aggregate_name = at().at("aggregate_name").text().value_or("?");
      if (file_.is_ours && facts_.name != facts_.run_name + "_" + facts_.aggregate_name) {
        at().at("name").fail("is not run_name, _ and aggregate_name");
      }
      return;
    }
    if (file_.is_ours && facts_.name != facts_.run_name) at().at("name").fail("is not run_name");
    if (repetitions && *repetitions != 0 && facts_.repetition_index >= *repetitions) {
      index.fail("is " + std::to_string(facts_.repetition_index) + " of only " +
                 std::to_string(*repetitions) + " repetitions, counted from 0");
    }
  }

  void check_error() {
    const auto occurred = at().find("error_occurred").truth();
    const auto message = at().find("error_message");
    message.text();
    facts_.has_failed = occurred.value_or(false);
    if (facts_.has_failed) {
      static_cast<void>(at().at("error_message"));
    } else if (message.is_there()) {
      message.fail("is there without error_occurred");
    }
    at().find("label").text();
  }

  void check_times() {
    // Google Benchmark leaves out those of an entry that failed.
    const bool required = file_.is_ours || !facts_.has_failed;
    for (const char* key : {"real_time", "cpu_time"}) {
      const checked time = at().member(key, required);
      // Only Google Benchmark's own may be below 0: those of a user's statistics.
      if (time.is_there()) note(key, time.number(file_.is_ours ? range{} : any_number));
    }
    const checked unit = at().member("time_unit", required);
    if (file_.is_ours) {
      unit.text_of({"ns"});
    } else {
      unit.text_of({"ns", "us", "ms", "s"});
    }
    const auto iterations = find("iterations").count();
    const bool measured = file_.is_ours && facts_.aggregate_name.empty() && !facts_.has_failed;
    if (measured && iterations == 0 && !at().find("verdict").is_there()) {
      at().at("iterations").fail("is 0, without an error");
    }
    iterations_ = iterations;
  }

  void check_stress() {
    const checked verdict = at().find("verdict");
    if (!file_.is_ours) return;
    if (!verdict.is_there()) {
      if (file_.kind == "stress") static_cast<void>(at().at("verdict"));
      return;
    }
    if (file_.kind == "bench") verdict.fail("is there, but the file is of kind bench");
    is_stress_ = true;
    const auto concluded = verdict.text_of({"passed", "failed", "undecided", "vacuous"});
    at().at("seed").count();
    at().at("command").text();
    const auto findings = at().find("findings").elements();
    for (const checked& each : findings) each.text();
    if (concluded != "passed") return;
    if (!findings.empty()) at().at("findings").fail("are there, but the verdict is passed");
    for (const char* key : {"lost", "torn", "intruded", "stuck", "leaked", "broken"}) {
      const checked fault = at().find(key);
      if (fault.number().value_or(0) > 0) fault.fail("is not 0, but the verdict is passed");
    }
  }

  void check_counters() {
    for (const auto& [key, value] : at().members()) {
      const bool is_schema = std::ranges::find(entry_keys, key) != entry_keys.end();
      if (is_schema || (is_stress_ && key == "seed")) continue;
      if (!file_.is_ours) {
        if (value.is_number()) note(key, value.number(any_number));
        continue;
      }
      const auto known = range_of(key);
      if (!known && met_.counters.insert(key).second) value.warn("is not known");
      if (!known && !value.is_number()) continue;
      // Deviations have no bounds but 0; what is unknown has none.
      note(key, value.number(is_deviation(facts_) ? range{} : known.value_or(any_number)));
    }
  }

  // Not of aggregates: a quantile that some repetitions have not is one of the others only.
  void check_quantiles() {
    if (!file_.is_ours || !facts_.aggregate_name.empty()) return;
    for (const std::string_view distribution : distributions) {
      std::string below;
      for (const std::string_view quantile : quantiles) {
        const std::string name = quantile_name(distribution, quantile);
        const auto value = number(name);
        if (!value) continue;
        if (!below.empty() && *value < *number(below)) {
          at().find(name).fail("is " + text_of(*value) + ", below " + below + ", which is " +
                               text_of(*number(below)));
        }
        below = name;
      }
    }
  }

  // Of a part of the operations nobody knows what hits there should have been.
  void check_replay() {
    const auto replayed = number("replayed_share");
    if (!file_.is_ours || !facts_.aggregate_name.empty() || !replayed || *replayed == 1) return;
    if (const auto rate = at().find("simulated_hit_rate"); rate.is_there()) {
      rate.fail("is there, but replayed_share is " + text_of(*replayed));
    }
  }

  void check_samples(const checked& own) {
    for (const auto& [key, value] : own.members()) {
      if (key != "worker_ops_per_s" && key != "histogram") value.warn("is not known");
    }
    if (const auto rates = own.find("worker_ops_per_s"); rates.is_there()) check_rates(rates);
    if (const auto durations = own.find("histogram"); durations.object()) {
      check_histogram(durations);
    }
    if (const auto rate = number("ops_per_s"); rate && number("real_time") && !facts_.has_failed) {
      expect_near("real_time", 1e9 / *rate, "1e9 / ops_per_s");
    }
  }

  // What the workers' own rates say of the entry's counters.
  void check_rates(const checked& at_rates) {
    std::vector<double> rates;
    for (const checked& each : at_rates.elements()) {
      const auto rate = each.number();
      if (!rate) return;
      rates.push_back(*rate);
    }
    if (rates.empty()) return at_rates.fail("is empty");
    const auto workers = workers_in_name();
    if (workers && *workers != rates.size()) {
      at_rates.fail("has " + std::to_string(rates.size()) + " workers, and the name has " +
                    std::to_string(*workers));
    }
    double sum = 0;
    for (const double rate : rates) sum += rate;
    expect_near("ops_per_s", sum, "the sum of worker_ops_per_s");
    expect_near("jain", jain_index(rates), "Jain's index of worker_ops_per_s");
    const auto [least, most] = std::ranges::minmax(rates);
    if (most > 0) expect_near("min_max_ratio", least / most, "that of worker_ops_per_s");
  }

  void check_histogram(const checked& of) {
    of.at("unit").text_of({"ns"});
    of.at("time_every").count();
    std::uint64_t timed = 0;
    std::optional<std::uint64_t> before;
    for (const checked& each : of.at("buckets").elements()) {
      const auto pair = each.elements();
      if (pair.size() != 2) {
        each.fail("is not a lower bound and a count");
        return;
      }
      const auto lower = pair[0].count();
      const auto count = pair[1].count(1);
      if (!lower || !count) return;
      if (before && *lower <= *before) pair[0].fail("is not above the bucket before");
      before = lower;
      timed += *count;
    }
    check_timed(of, timed, before);
  }

  // So many operations were timed, the longest of which is in this bucket.
  void check_timed(const checked& of, std::uint64_t timed, std::optional<std::uint64_t> last) {
    if (iterations_ && timed > *iterations_) {
      of.fail("has " + std::to_string(timed) + " operations, and there were " +
              std::to_string(*iterations_));
    }
    const auto longest = number("max_ns");
    if (last && longest && *longest < static_cast<double>(*last)) {
      at().find("max_ns").fail("is below the histogram's last bucket");
    }
    for (const auto& [name, least] :
         {std::pair{"p99_ns", 100u}, {"p999_ns", 1000u}, {"p9999_ns", 10'000u}}) {
      if (timed >= least || !number(name)) continue;
      at().find(name).fail("is there, with " + std::to_string(timed) + " timed operations of " +
                           std::to_string(least) + " that it takes");
    }
  }

  void expect_near(const char* key, double expected, const char* what) {
    const auto value = number(key);
    if (!value || nearly_equal(*value, expected)) return;
    at().find(key).fail("is " + text_of(*value) + ", and " + what + " is " + text_of(expected));
  }

  // What stands after "procs:" in the name.
  [[nodiscard]] std::optional<std::size_t> workers_in_name() const {
    constexpr std::string_view key = "/procs:";
    const std::size_t found = facts_.run_name.find(key);
    if (found == std::string::npos) return std::nullopt;
    std::size_t workers = 0;
    const char* const from = facts_.run_name.data() + found + key.size();
    const auto end = facts_.run_name.data() + facts_.run_name.size();
    if (std::from_chars(from, end, workers).ec != std::errc{}) return std::nullopt;
    return workers;
  }

  entry_facts facts_;
  const file_facts& file_;
  strangers& met_;
  bool is_stress_ = false;
  std::optional<std::uint64_t> iterations_{};
};

}  // namespace

std::optional<entry_facts> check_entry(const checked& at, const file_facts& file, strangers& met) {
  if (!at.object()) return std::nullopt;
  const bool is_complexity = at.find("big_o").is_there() || at.find("rms").is_there();
  if (!file.is_ours && is_complexity) return std::nullopt;
  return entry_check(at, file, met).run();
}

}  // namespace shmark::result::detail

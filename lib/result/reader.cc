#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "lib/result/document.h"
#include "lib/result/names.h"
#include "lib/result/result.h"

namespace shmark::result {
namespace {

using json = nlohmann::json;

// What is wrong with a file, and where in it. Thrown only inside this file.
struct flaw {
  errc code;
  std::string where;   // follows the file's name: ":3:17" or ": benchmarks[3] is ..."
  const char* remedy;  // a string literal
};

constexpr const char* measure_again =
    "lib/result/RESULTS.md lists the keys: measure again with --out=";

// A value in the document, and the way to it, which messages name: "benchmarks[3].real_time".
class node {
 public:
  node(const json& value, std::string where) : value_(value), where_(std::move(where)) {}

  [[nodiscard]] bool has(const char* key) const { return value_.contains(key); }

  [[nodiscard]] node at(const char* key) const {
    require(value_.is_object(), "an object");
    const auto found = value_.find(key);
    if (found == value_.end()) {
      throw flaw{errc::corrupt, ": " + way_to(key) + " is missing", measure_again};
    }
    return {*found, way_to(key)};
  }

  [[nodiscard]] std::vector<node> elements() const {
    require(value_.is_array(), "an array");
    std::vector<node> all;
    all.reserve(value_.size());
    for (std::size_t i = 0; i < value_.size(); ++i) {
      all.emplace_back(value_[i], where_ + '[' + std::to_string(i) + ']');
    }
    return all;
  }

  [[nodiscard]] std::string text() const {
    require(value_.is_string(), "a string");
    return value_.get<std::string>();
  }
  [[nodiscard]] bool truth() const {
    require(value_.is_boolean(), "true or false");
    return value_.get<bool>();
  }
  [[nodiscard]] double number() const {
    require(value_.is_number(), "a number");
    return value_.get<double>();
  }
  [[nodiscard]] std::uint64_t count() const {
    require(value_.is_number_unsigned(), "a whole number from 0 up");
    return value_.get<std::uint64_t>();
  }
  [[nodiscard]] int small_count() const {
    constexpr auto max = static_cast<std::uint64_t>(std::numeric_limits<int>::max());
    require(value_.is_number_unsigned() && value_.get<std::uint64_t>() <= max,
            "a whole number from 0 to 2147483647");
    return value_.get<int>();
  }
  template <class T>
  [[nodiscard]] T word() const {
    const auto known = detail::from_word<T>(text());
    if (!known) throw flaw{errc::corrupt, ": " + where_ + " is \"" + text() + '"', measure_again};
    return *known;
  }

  void require(bool as_expected, const char* wanted) const {
    if (as_expected) return;
    throw flaw{errc::corrupt, ": " + where_ + " is " + what_it_is() + ", not " + wanted,
               measure_again};
  }

  [[nodiscard]] const json& value() const { return value_; }
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  [[nodiscard]] std::string way_to(const char* key) const {
    return where_.empty() ? key : where_ + '.' + key;
  }

  [[nodiscard]] std::string what_it_is() const {
    switch (value_.type()) {
      case json::value_t::object:
        return "an object";
      case json::value_t::array:
        return "an array";
      case json::value_t::string:
        return "a string";
      case json::value_t::null:
        return "null";
      case json::value_t::boolean:
        return value_.get<bool>() ? "true" : "false";
      default:
        return value_.dump();
    }
  }

  const json& value_;
  std::string where_;
};

// Google Benchmark leaves keys out, and older versions know fewer: they keep their defaults.
std::string text_or(const node& from, const char* key, std::string otherwise) {
  return from.has(key) ? from.at(key).text() : otherwise;
}
int small_count_or(const node& from, const char* key, int otherwise) {
  return from.has(key) ? from.at(key).small_count() : otherwise;
}

cache_level cache_of(const node& from) {
  return {.type = from.at("type").text(),
          .level = from.at("level").small_count(),
          .size = from.at("size").count(),
          .num_sharing = from.at("num_sharing").small_count()};
}

calibration_info calibration_of(const node& from) {
  const node spread = from.at("aa_spread_percent");
  calibration_info found{.empty_loop_ns = from.at("empty_loop_ns").number(),
                         .clock_ns = from.at("clock_ns").number(),
                         .null_lock_ns = from.at("null_lock_ns").number(),
                         .aa_spread_percent_single = spread.at("single").number(),
                         .aa_spread_percent_contended = spread.at("contended").number()};
  for (const node& each : from.at("warnings").elements()) found.warnings.push_back(each.text());
  return found;
}

void read_own_context(const node& from, context& about) {
  const int schema = from.at("schema").small_count();
  if (schema != schema_version) {
    throw flaw{
        errc::mismatch, ": schema " + std::to_string(schema),
        "this program reads schema 1: use the version that wrote the file, or measure again"};
  }
  about.schema = schema;
  about.kind = from.at("kind").word<run_kind>();
  about.command = from.at("command").text();
  about.commit = from.at("commit").text();
  const node build = from.at("build");
  about.build = {.mode = build.at("mode").word<build_mode>(),
                 .compiler = build.at("compiler").text(),
                 .sanitizer = build.at("sanitizer").word<sanitizer_kind>()};
  const node machine = from.at("machine");
  about.machine = {.cpu = machine.at("cpu").text(),
                   .cores = machine.at("cores").small_count(),
                   .kernel = machine.at("kernel").text(),
                   .fingerprint = machine.at("fingerprint").text()};
  about.workers_are = from.at("workers_are").word<worker_kind>();
  about.seed = from.at("seed").count();
  about.probe_ns = from.at("probe_ns").number();
  if (from.has("missing")) {
    for (const node& each : from.at("missing").elements()) {
      about.missing.push_back({.name = each.at("name").text(), .why = each.at("why").text()});
    }
  }
  if (from.has("calibration")) about.calibration = calibration_of(from.at("calibration"));
}

context context_of(const node& from) {
  from.require(from.value().is_object(), "an object");
  context about;
  about.schema = 0;
  about.date = text_or(from, "date", "");
  about.host_name = text_or(from, "host_name", "");
  about.executable = text_or(from, "executable", "");
  about.num_cpus = small_count_or(from, "num_cpus", 0);
  if (from.has("mhz_per_cpu")) about.mhz_per_cpu = from.at("mhz_per_cpu").number();
  if (from.has("cpu_scaling_enabled")) {
    about.cpu_scaling_enabled = from.at("cpu_scaling_enabled").truth();
  }
  if (from.has("caches")) {
    for (const node& cache : from.at("caches").elements()) about.caches.push_back(cache_of(cache));
  }
  if (from.has("load_avg")) {
    for (const node& load : from.at("load_avg").elements()) about.load_avg.push_back(load.number());
  }
  about.library_build_type = text_or(from, "library_build_type", "");
  for (const auto& [key, value] : from.value().items()) {
    if (value.is_string() && !is_context_key(key)) about.given[key] = value.get<std::string>();
  }
  if (from.has("shmark")) read_own_context(from.at("shmark"), about);
  return about;
}

histogram histogram_of(const node& from) {
  const node unit = from.at("unit");
  if (unit.text() != "ns") unit.require(false, "\"ns\"");
  histogram durations;
  durations.time_every = from.at("time_every").count();
  for (const node& bucket : from.at("buckets").elements()) {
    const std::vector<node> pair = bucket.elements();
    bucket.require(pair.size() == 2, "[lower_ns, count]");
    const histogram::bucket next{pair[0].count(), pair[1].count()};
    pair[0].require(durations.buckets.empty() || durations.buckets.back().first < next.first,
                    "above the bucket before");
    durations.buckets.push_back(next);
  }
  return durations;
}

void read_samples(const node& from, entry& entry) {
  if (from.has("worker_ops_per_s")) {
    for (const node& rate : from.at("worker_ops_per_s").elements()) {
      entry.worker_ops_per_s.push_back(rate.number());
    }
  }
  if (from.has("histogram")) entry.durations = histogram_of(from.at("histogram"));
}

constexpr std::array<std::string_view, 9> schema_numbers{
    "family_index", "per_family_instance_index",
    "repetitions",  "repetition_index",
    "threads",      "iterations",
    "real_time",    "cpu_time",
    "seed"};

void read_counters(const json& from, entry& entry) {
  for (const auto& [key, value] : from.items()) {
    if (!value.is_number()) continue;
    const bool of_schema = std::ranges::find(schema_numbers, key) != schema_numbers.end();
    // Only a stress run's seed is more than a counter of that name.
    if (of_schema && (key != "seed" || entry.stress)) continue;
    entry.counters[key] = value.get<double>();
  }
}

void read_times(const node& from, entry& entry) {
  // An entry that failed need not have any.
  if (entry.error_message && !from.has("real_time")) return;
  entry.real_time = from.at("real_time").number();
  entry.cpu_time = from.at("cpu_time").number();
  const node unit = from.at("time_unit");
  entry.time_unit = unit.text();
  constexpr std::array<std::string_view, 4> units{"ns", "us", "ms", "s"};
  unit.require(std::ranges::find(units, entry.time_unit) != units.end(), "ns, us, ms or s");
}

stress_outcome stress_of(const node& from) {
  stress_outcome stress{.verdict = from.at("verdict").word<verdict_kind>(),
                        .seed = from.at("seed").count(),
                        .command = from.at("command").text()};
  if (from.has("findings")) {
    for (const node& each : from.at("findings").elements()) stress.findings.push_back(each.text());
  }
  return stress;
}

entry entry_of(const node& from) {
  entry entry;
  entry.name = from.at("name").text();
  entry.run_name = text_or(from, "run_name", entry.name);
  entry.family_index = small_count_or(from, "family_index", 0);
  entry.per_family_instance_index = small_count_or(from, "per_family_instance_index", 0);
  if (text_or(from, "run_type", "iteration") == "aggregate") {
    entry.aggregate_name = text_or(from, "aggregate_name", "aggregate");
  }
  entry.repetitions = small_count_or(from, "repetitions", 1);
  entry.repetition_index = small_count_or(from, "repetition_index", 0);
  entry.threads = small_count_or(from, "threads", 1);
  if (from.has("iterations")) entry.iterations = from.at("iterations").count();
  if (from.has("error_occurred") && from.at("error_occurred").truth()) {
    entry.error_message = text_or(from, "error_message", "");
  }
  read_times(from, entry);
  entry.label = text_or(from, "label", "");
  if (from.has("verdict")) entry.stress = stress_of(from);
  read_counters(from.value(), entry);
  if (from.has("shmark")) read_samples(from.at("shmark"), entry);
  return entry;
}

// Google Benchmark's complexity fits ("BigO", "RMS") have no times of the usual kind.
bool is_complexity(const node& from) {
  return from.has("aggregate_name") && (from.has("big_o") || from.has("rms"));
}

run run_of(const json& document) {
  const node root(document, "");
  if (!document.is_object())
    throw flaw{errc::corrupt, ": its outermost value is no object", measure_again};
  run run{.about = context_of(root.at("context")), .entries = {}};
  for (const node& each : root.at("benchmarks").elements()) {
    if (!is_complexity(each)) run.entries.push_back(entry_of(each));
  }
  return run;
}

run parse(std::string_view text) {
  constexpr const char* advice =
      "it is not JSON from there on: give a file that --out= or --benchmark_out= wrote";
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    throw flaw{errc::corrupt, ": it is empty", measure_again};
  }
  try {
    return run_of(json::parse(text));
  } catch (const json::parse_error& wrong) {
    throw flaw{errc::corrupt, ':' + detail::line_and_column(text, wrong.byte), advice};
  } catch (const json::exception&) {
    throw flaw{errc::corrupt, ": it holds a number that no double can hold", measure_again};
  }
}

}  // namespace

std::expected<run, error> read(const std::filesystem::path& path) {
  SHMARK_ASSIGN_OR_RETURN(const std::string text, detail::contents(path, "read result file"));
  try {
    return parse(text);
  } catch (const flaw& wrong) {
    const std::string object = path.native() + wrong.where;
    return failure(wrong.code, "read result file", std::string_view(object), wrong.remedy);
  }
}

}  // namespace shmark::result

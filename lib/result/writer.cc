#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "lib/result/names.h"
#include "lib/result/result.h"

namespace shmark::result {
namespace {

using json = nlohmann::ordered_json;  // keeps our order: context before benchmarks, names first

// Whole numbers without a fraction: counts are easier to read so, and exact.
json number(double value) {
  constexpr double exact_integers = 9007199254740992.0;  // 2^53
  if (std::trunc(value) == value && std::abs(value) < exact_integers) {
    return static_cast<std::int64_t>(value);
  }
  return value;
}

json finite_or_zero(double value) { return std::isfinite(value) ? number(value) : json(0); }

json of(const cache_level& cache) {
  return {{"type", cache.type},
          {"level", cache.level},
          {"size", cache.size},
          {"num_sharing", cache.num_sharing}};
}

json of(const calibration_info& found) {
  return {{"empty_loop_ns", finite_or_zero(found.empty_loop_ns)},
          {"clock_ns", finite_or_zero(found.clock_ns)},
          {"null_lock_ns", finite_or_zero(found.null_lock_ns)},
          {"aa_spread_percent",
           {{"single", finite_or_zero(found.aa_spread_percent_single)},
            {"contended", finite_or_zero(found.aa_spread_percent_contended)}}},
          {"warnings", found.warnings}};
}

json own_keys(const context& about) {
  json out = {{"schema", schema_version},
              {"kind", detail::word(about.kind)},
              {"command", about.command},
              {"commit", about.commit},
              {"build",
               {{"mode", detail::word(about.build.mode)},
                {"compiler", about.build.compiler},
                {"sanitizer", detail::word(about.build.sanitizer)}}},
              {"machine",
               {{"cpu", about.machine.cpu},
                {"cores", about.machine.cores},
                {"kernel", about.machine.kernel},
                {"fingerprint", about.machine.fingerprint}}},
              {"workers_are", detail::word(about.workers_are)},
              {"seed", about.seed},
              {"probe_ns", finite_or_zero(about.probe_ns)}};
  for (const missing_benchmark& each : about.missing) {
    out["missing"].push_back({{"name", each.name}, {"why", each.why}});
  }
  if (about.calibration) out["calibration"] = of(*about.calibration);
  return out;
}

json of(const context& about) {
  json caches = json::array();
  for (const cache_level& cache : about.caches) caches.push_back(of(cache));
  json load = json::array();
  for (const double value : about.load_avg) load.push_back(finite_or_zero(value));
  json out = {{"date", about.date},
              {"host_name", about.host_name},
              {"executable", about.executable},
              {"num_cpus", about.num_cpus},
              {"mhz_per_cpu", finite_or_zero(about.mhz_per_cpu)},
              {"cpu_scaling_enabled", about.cpu_scaling_enabled},
              {"caches", std::move(caches)},
              {"load_avg", std::move(load)},
              {"library_build_type", about.library_build_type}};
  for (const auto& [key, value] : about.given) {
    if (!is_context_key(key)) out[key] = value;
  }
  if (about.schema != 0) out["shmark"] = own_keys(about);
  return out;
}

json of(const histogram& durations) {
  json buckets = json::array();
  for (const auto& [lower_ns, count] : durations.buckets) {
    buckets.push_back(json::array({lower_ns, count}));
  }
  return {{"unit", "ns"}, {"time_every", durations.time_every}, {"buckets", std::move(buckets)}};
}

void add_stress(json& out, const stress_outcome& stress) {
  out["verdict"] = detail::word(stress.verdict);
  out["seed"] = stress.seed;
  out["command"] = stress.command;
  if (!stress.findings.empty()) out["findings"] = stress.findings;
}

void add_samples(json& out, const entry& entry) {
  json own = json::object();
  json rates = json::array();
  for (const double rate : entry.worker_ops_per_s) rates.push_back(finite_or_zero(rate));
  if (!rates.empty()) own["worker_ops_per_s"] = std::move(rates);
  if (entry.durations) own["histogram"] = of(*entry.durations);
  if (!own.empty()) out["shmark"] = std::move(own);
}

json of(const entry& entry) {
  json out = {{"name", entry.name},
              {"family_index", entry.family_index},
              {"per_family_instance_index", entry.per_family_instance_index},
              {"run_name", entry.run_name.empty() ? entry.name : entry.run_name},
              {"run_type", entry.is_aggregate() ? "aggregate" : "iteration"},
              {"repetitions", entry.repetitions},
              {"repetition_index", entry.repetition_index},
              {"threads", entry.threads}};
  if (entry.is_aggregate()) out["aggregate_name"] = entry.aggregate_name;
  const bool times = std::isfinite(entry.real_time) && std::isfinite(entry.cpu_time);
  if (entry.error_message || !times) {
    out["error_occurred"] = true;
    out["error_message"] = entry.error_message.value_or("the measured time is not a finite number");
  }
  out["iterations"] = entry.iterations;
  out["real_time"] = finite_or_zero(entry.real_time);
  out["cpu_time"] = finite_or_zero(entry.cpu_time);
  out["time_unit"] = entry.time_unit;
  if (!entry.label.empty()) out["label"] = entry.label;
  if (entry.stress) add_stress(out, *entry.stress);
  for (const auto& [name, value] : entry.counters) {
    // A counter never hides a key of the schema.
    if (std::isfinite(value) && !out.contains(name)) out[name] = number(value);
  }
  add_samples(out, entry);
  return out;
}

}  // namespace

std::string to_json(const run& run) {
  // Names and commands come from users: what is not UTF-8 is replaced, since JSON cannot hold it.
  const auto text = [](const json& value, int indent) {
    return value.dump(indent, ' ', false, json::error_handler_t::replace);
  };
  // One line for each entry, so that a file can be searched and compared by lines.
  std::string out = "{\"context\": " + text(of(run.about), 1) + ",\n\"benchmarks\": [";
  const char* separator = "\n";
  for (const entry& entry : run.entries) {
    out += separator + text(of(entry), -1);
    separator = ",\n";
  }
  return out + "\n]}\n";
}

}  // namespace shmark::result

#include "tests/reports/fixture.h"

#include <fstream>

namespace shmark::fixture {

using result::verdict_kind;

result::context context(result::run_kind kind) {
  return {.date = "2030-01-02T03:04:05+00:00",
          .host_name = "host",
          .executable = "/bin/bench",
          .num_cpus = 2,
          .mhz_per_cpu = 2300,
          .load_avg = {0.1, 0.1, 0.1},
          .library_build_type = "release",
          .kind = kind,
          .command = "bazel run -c opt //bench",
          .commit = "0123456789abcdef0123456789abcdef01234567",
          .build = {result::build_mode::opt, "gcc 12.2.0", result::sanitizer_kind::none},
          .machine = {"A processor", 2, "6.1.0", "0123456789abcdef"},
          .seed = 1,
          .probe_ns = 10};
}

std::vector<result::entry> repetitions(const std::string& name,
                                       const std::vector<double>& times_ns) {
  std::vector<result::entry> all;
  for (const double ns : times_ns) {
    all.push_back({.name = name,
                   .run_name = name,
                   .repetitions = static_cast<int>(times_ns.size()),
                   .repetition_index = static_cast<int>(all.size()),
                   .iterations = 1000,
                   .real_time = ns,
                   .cpu_time = ns});
  }
  return all;
}

result::run bench_run(const std::string& name, const std::vector<double>& times_ns) {
  return {context(result::run_kind::bench), repetitions(name, times_ns)};
}

result::run full_bench_run() {
  result::run run{context(result::run_kind::bench), {}};
  const auto add = [&](const std::string& name, double ns,
                       const std::map<std::string, double, std::less<>>& counters) {
    for (auto& each : repetitions(name, {ns, ns * 1.02, ns * 1.04})) {
      each.counters = counters;
      if (name.starts_with("Lock/")) {
        each.worker_ops_per_s = {1e6, 2e6};
        each.durations =
            result::histogram{.time_every = 64, .buckets = {{8, 90}, {64, 9}, {512, 1}}};
      }
      run.entries.push_back(std::move(each));
    }
  };
  for (const char* procs : {"1", "2", "8"}) {
    add(std::string("Lock/lock:robust_rw/mode:exclusive/procs:") + procs, 14,
        {{"ops_per_s", 70e6}, {"p50_ns", 14}, {"p99_ns", 200}, {"max_ns", 70000}, {"jain", 0.98}});
    add(std::string("Lock/lock:sysv_semaphore/mode:shared/procs:") + procs, 700,
        {{"ops_per_s", 1.4e6}, {"p50_ns", 700}, {"p99_ns", 900}, {"max_ns", 9000}, {"jain", 0.5}});
  }
  for (const char* locks : {"1", "2"}) {
    add(std::string("Lock/lock:robust_rw/mode:shared/procs:2/locks:") + locks, 50,
        {{"ops_per_s", 20e6}, {"p50_ns", 55}, {"p99_ns", 77}, {"max_ns", 88}, {"jain", 0.99}});
  }
  for (const char* op : {"encode", "decode"}) {
    add(std::string("Codec/codec:boost_binary/shape:map100/op:") + op, 4700, {{"bytes", 2700}});
    add(std::string("Codec/codec:boost_text/shape:map100/op:") + op, 9900, {{"bytes", 5670}});
  }
  for (const char* writes : {"0", "5", "50"}) {
    add(std::string("Cache/write_percent:") + writes + "/payload:map100/procs:2", 100,
        {{"hit_rate", 0.9}, {"model_hit_rate", 0.8}});
  }
  add("Limit/acquire_load", 0.31, {});
  add("Limit/clock", 28, {});
  add("Mine/of:my_own", 1234, {});
  return run;
}

result::run stress_run(result::verdict_kind verdict) {
  result::entry entry{
      .name = "Stress/scenario:transfer/workers:8",
      .run_name = "Stress/scenario:transfer/workers:8",
      .iterations = 1840233,
      .real_time = 812,
      .counters = {{"operations", 1840233},
                   {"kills", 1840},
                   {"kills_in_operation", 611},
                   {"kills_holding", 204},
                   {"lost", 0},
                   {"torn", 0},
                   {"stuck", 0},
                   {"leaked", 0}},
      .stress = result::stress_outcome{
          .verdict = verdict,
          .seed = 7,
          .command = "bazel run -c opt //stress -- --scenario=transfer --workers=8 --seed=7"}};
  return {context(result::run_kind::stress), {entry}};
}

result::run explorer_run() {
  result::run run{context(result::run_kind::stress), {}};
  const auto add = [&](const std::string& operation, const std::string& fault,
                       const std::map<std::string, double, std::less<>>& counters) {
    const auto name = "Explore/operation:" + operation + "/fault:" + fault;
    run.entries.push_back({.name = name,
                           .run_name = name,
                           .iterations = 250,
                           .real_time = 4e6,
                           .counters = counters,
                           .stress = result::stress_outcome{
                               .verdict = verdict_kind::passed,
                               .command = "bazel run -c opt //stress/explorer -- --operation=" +
                                          operation + " --" + fault}});
  };
  const std::map<std::string, double, std::less<>> seen{
      {"points", 1290}, {"states", 251},      {"deaths", 250},       {"asleep", 3},
      {"missed", 1},    {"outcomes_old", 97}, {"outcomes_new", 153}, {"outcomes_told", 140},
      {"stuck", 0},     {"lost", 0},          {"torn", 0},           {"leaked", 0},
      {"broken", 0}};
  add("exclusive", "kill", seen);
  add("write", "kill", seen);
  add("write", "stop", seen);
  return run;
}

std::string save(const support::folder& at, const std::string& name, const result::run& run) {
  return save(at, name, result::to_json(run));
}

std::string save(const support::folder& at, const std::string& name, const std::string& text) {
  std::ofstream(at.file(name)) << text;
  return at.file(name);
}

}  // namespace shmark::fixture

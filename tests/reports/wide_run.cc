// A run of all families, made up.
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/reports/fixture.h"

namespace shmark::fixture {
namespace {

using counters = std::map<std::string, double, std::less<>>;

constexpr std::array worker_counts{1, 2, 4, 8};
constexpr int repetition_count = 5;

struct made_up_lock {
  std::string_view name;
  double alone_ns;
  double sigma;
  double kappa;
  double wait_ns;  // p99.9 with two workers
  bool shared;
};
constexpr std::array locks{
    made_up_lock{"robust_rw", 14, 0.9, 0.02, 9e4, true},
    made_up_lock{"sysv_semaphore", 700, 0.8, 0.1, 4e5, true},
    made_up_lock{"ofd_lock", 900, 0.7, 0.2, 3e6, true},
    made_up_lock{"flock_lock", 800, 0.7, 0.2, 4e6, true},
    made_up_lock{"pthread_robust", 18, 0.9, 0.05, 2e5, false},
    made_up_lock{"pthread_mutex", 10, 0.9, 0.01, 3e5, false},
    made_up_lock{"pthread_rwlock", 16, 0.9, 0.04, 2.5e5, true},
    made_up_lock{"posix_semaphore", 12, 0.9, 0.02, 1.5e5, false},
    made_up_lock{"boost_mutex", 9, 0.9, 0.4, 8e6, false},
    made_up_lock{"boost_sharable_mutex", 40, 0.9, 0.3, 9e5, true},
    made_up_lock{"boost_upgradable_mutex", 42, 0.9, 0.3, 9.5e5, true},
};

class maker {
 public:
  // All repetitions of one benchmark; they scatter by about a percent.
  void add(const std::string& name, double ops_per_s, counters values, int workers = 1) {
    values["ops_per_s"] = ops_per_s;
    std::vector<double> times_ns;
    std::vector<double> factors;
    for (int i = 0; i < repetition_count; ++i) {
      factors.push_back(1 + 0.01 * std::sin(7.0 * ++drawn_));
      times_ns.push_back(1e9 / (ops_per_s * factors.back()));
    }
    auto entries = repetitions(name, times_ns);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      auto& each = entries[i];
      each.counters = values;
      each.counters["ops_per_s"] *= factors[i];
      each.worker_ops_per_s.assign(static_cast<std::size_t>(workers), ops_per_s / workers);
      made_.entries.push_back(std::move(each));
    }
  }

  // With durations, too, of operations whose longest takes `longest_ns`.
  void add_timed(const std::string& name, double ops_per_s, double longest_ns, counters values,
                 int workers) {
    const double typical_ns = 1e9 * workers / ops_per_s;
    values.insert({{"p50_ns", typical_ns},
                   {"p99_ns", 3 * typical_ns},
                   {"p999_ns", 0.3 * longest_ns},
                   {"max_ns", longest_ns},
                   {"jain", 0.97},
                   {"min_max_ratio", 0.8},
                   {"voluntary_switches_per_op", workers > 1 ? 0.02 : 0},
                   {"involuntary_switches_per_op", 0.0004},
                   {"probe_percent", 1.2}});
    const auto first = made_.entries.size();
    add(name, ops_per_s, std::move(values), workers);
    for (auto i = first; i < made_.entries.size(); ++i) {
      made_.entries[i].durations = durations(typical_ns, longest_ns);
    }
  }

  result::run take() { return std::move(made_); }

 private:
  static result::histogram durations(double typical_ns, double longest_ns) {
    result::histogram all{.time_every = 64, .buckets = {}};
    double lower_ns = typical_ns / 2;
    constexpr int steps = 40;
    const double factor = std::pow(longest_ns / lower_ns, 1.0 / steps);
    double count = 200'000;
    for (int i = 0; i < steps; ++i) {
      all.buckets.emplace_back(static_cast<std::uint64_t>(lower_ns) + static_cast<std::uint64_t>(i),
                               static_cast<std::uint64_t>(count) + 1);
      lower_ns *= factor;
      count *= 0.7;
    }
    return all;
  }

  result::run made_{context(result::run_kind::bench), {}};
  int drawn_ = 0;
};

double throughput(const made_up_lock& of, int workers, double cs_ns, bool shared) {
  const double others = workers - 1;
  const double sigma = shared ? of.sigma / 4 : of.sigma;
  return 1e9 / (of.alone_ns + cs_ns) * workers / (1 + sigma * others + of.kappa * workers * others);
}

void add_lock(maker& to, const made_up_lock& of, const std::string& mode, const std::string& more,
              int workers, double cs_ns) {
  const double shared_out = more == "/locks:2" ? 1.8 : 1;
  const double rate = shared_out * throughput(of, workers, cs_ns, mode != "exclusive");
  const double wait_ns = workers == 1 ? 10 * of.alone_ns : of.wait_ns * workers;
  counters waits{{"wait_p50_ns", of.alone_ns},     {"wait_p99_ns", wait_ns / 20},
                 {"wait_p999_ns", wait_ns},        {"wait_max_ns", 9 * wait_ns},
                 {"hold_p50_ns", cs_ns + 8},       {"handoff_p50_ns", 3 * of.alone_ns + 90},
                 {"handoff_p99_ns", wait_ns / 10}, {"bypassed_p99", 12.0 * workers},
                 {"bypassed_max", 400.0 * workers}};
  if (of.name == "flock_lock") waits.erase("wait_p999_ns");  // too slow for a thousand samples
  to.add_timed("Lock/lock:" + std::string(of.name) + "/mode:" + mode +
                   "/procs:" + std::to_string(workers) + more,
               rate, 9 * wait_ns, waits, workers);
}

void add_locks(maker& to) {
  for (const auto& lock : locks) {
    for (const int workers : worker_counts) {
      add_lock(to, lock, "exclusive", "", workers, 0);
      add_lock(to, lock, "exclusive", "/cs_ns:200", workers, 200);
      if (!lock.shared) continue;
      add_lock(to, lock, "shared", "", workers, 0);
      add_lock(to, lock, "mixed", "/reads:90", workers, 0);
    }
    for (const char* spread : {"/locks:1", "/locks:2"}) {
      add_lock(to, lock, "exclusive", spread, 2, 0);
    }
  }
  to.add_timed("Lock/lock:no_lock/mode:exclusive/procs:1", 2.9e9, 3000, {}, 1);
}

// A stop of 50 ms hides in the closed loop's p99.9, and does not in the open one's.
void add_loops(maker& to) {
  constexpr double stop_ns = 50e6;
  for (const auto& lock : locks) {
    const std::string begin = "Lock/lock:" + std::string(lock.name) + "/mode:exclusive/procs:4";
    const bool saturated = lock.alone_ns > 850;
    const counters due{{"intended_p50_ns", 300 + lock.alone_ns},
                       {"intended_p99_ns", 9000 + lock.alone_ns},
                       {"intended_p999_ns", lock.wait_ns},
                       {"intended_max_ns", 4 * lock.wait_ns},
                       {"behind_percent", saturated ? 34.5 : 0.01}};
    auto stalled = due;
    stalled["intended_p99_ns"] = 0.7 * stop_ns;
    stalled["intended_p999_ns"] = 0.96 * stop_ns;
    stalled["intended_max_ns"] = stop_ns;
    to.add_timed(begin + "/rate_per_s:20000", 20'000, 1e6, due, 4);
    to.add_timed(begin + "/stop_ms:50", throughput(lock, 4, 0, false), stop_ns,
                 {{"p999_ns", lock.wait_ns}}, 4);
    to.add_timed(begin + "/rate_per_s:20000/stop_ms:50", 20'000, 1e6, stalled, 4);
  }
}

void add_codecs(maker& to) {
  struct made_up {
    const char* name;
    double ns;
    double bytes;
  };
  constexpr std::array shapes{made_up{"flat", 20, 60},
                              made_up{"map100", 1500, 2400},
                              made_up{"doubles64k", 4000, 65536},
                              made_up{"doubles1m", 9e4, 1048576},
                              made_up{"strings", 2e5, 240'000},
                              made_up{"tree", 3e4, 18'000}};
  constexpr std::array codecs{made_up{"direct", 1, 1},     made_up{"boost_binary", 4, 1.4},
                              made_up{"boost_text", 9, 2}, made_up{"boost_xml", 60, 5},
                              made_up{"cereal", 1.5, 1.2}, made_up{"by_hand", 0.6, 1},
                              made_up{"storable", 7, 1.6}, made_up{"snapshot", 2, 1.1}};
  for (const auto& codec : codecs) {
    for (const auto& shape : shapes) {
      const auto begin = std::string("Codec/codec:") + codec.name + "/shape:" + shape.name;
      const counters size{{"bytes", std::round(shape.bytes * codec.bytes)}};
      to.add(begin + "/op:encode", 1e9 / (shape.ns * codec.ns), size);
      to.add(begin + "/op:decode", 0.7e9 / (shape.ns * codec.ns), size);
    }
  }
}

struct payload {
  const char* name;
  double copy_ns;  // to take that many bytes out of a store and to decode them
};
constexpr std::array payloads{payload{"u64", 20},   payload{"map100", 2500}, payload{"16", 40},
                              payload{"256", 45},   payload{"4k", 120},      payload{"64k", 2200},
                              payload{"1m", 60'000}};

// One worker runs alone for long where there are more of them than cores: more hits than the model
// has.
double hit_rate(double model, int workers) { return workers > 2 ? 1 - (1 - model) / 3 : model; }

void add_caches(maker& to) {
  for (const auto& payload : payloads) {
    for (const int workers : worker_counts) {
      const auto end =
          std::string("/payload:") + payload.name + "/procs:" + std::to_string(workers);
      for (const int writes : {0, 1, 5, 20, 50}) {
        const double model = 1 / (1 + writes / 100.0 * (workers - 1));
        const double hits = hit_rate(model, workers);
        const double miss_ns = 1.4 * payload.copy_ns + 40;
        const double read_ns = hits * 4 + (1 - hits) * miss_ns;
        const double operation_ns = read_ns + writes / 100.0 * 2 * payload.copy_ns;
        counters values{{"hit_rate", hits}, {"model_hit_rate", model}};
        if (writes == 0) {
          values["hit_ns"] = 4;
        } else {
          values["simulated_hit_rate"] = hits - 0.002;
          if (workers > 1) values["miss_ns"] = miss_ns;
        }
        to.add("Cache/write_percent:" + std::to_string(writes) + end, 1e9 * workers / operation_ns,
               values, workers);
      }
      const double uncached_ns = payload.copy_ns + 30;
      to.add("Cache/read:uncached" + end, 1e9 * workers / uncached_ns,
             {{"uncached_ns", uncached_ns}}, workers);
    }
  }
}

void add_stores(maker& to) {
  struct made_up {
    const char* name;
    double read_ns;
    double write_ns;
    double byte_ns;
  };
  // LMDB does not copy what is read: it wins where values are large.
  constexpr std::array stores{made_up{"variable", 5, 300, 0.06}, made_up{"lmdb", 900, 2500, 0.004},
                              made_up{"ipc_shareable", 4e4, 9e4, 1.2}};
  const std::map<std::string, double> sizes{{"256", 256}, {"4k", 4096}, {"64k", 65536}};
  for (const auto& store : stores) {
    for (const auto& [size, bytes] : sizes) {
      for (const int workers : worker_counts) {
        const double busy = std::min(workers, 2);
        const auto begin = std::string("Store/store:") + store.name;
        const auto end = "/payload:" + size + "/procs:" + std::to_string(workers);
        const double more_ns = store.byte_ns * bytes;
        const double read = busy * 1e9 / (store.read_ns + more_ns);
        const double write = 1e9 / (1 + 0.1 * workers) / (store.write_ns + more_ns);
        to.add(begin + "/op:read" + end, read, {}, workers);
        to.add(begin + "/op:write" + end, write, {}, workers);
        to.add(begin + "/op:mixed" + end + "/reads:90", 1 / (0.9 / read + 0.1 / write), {},
               workers);
      }
    }
  }
}

}  // namespace

result::run wide_bench_run() {
  maker made;
  for (const char* limit : {"nothing", "acquire_load", "exchange_pair", "clock"}) {
    made.add(std::string("Limit/") + limit, 1e9, {});
  }
  add_locks(made);
  add_loops(made);
  add_codecs(made);
  add_caches(made);
  add_stores(made);
  made.add("External/worker:python/op:add/procs:2", 4e5, {}, 2);
  auto run = made.take();
  run.about.calibration =
      result::calibration_info{.empty_loop_ns = 0.31,
                               .clock_ns = 26,
                               .null_lock_ns = 0.35,
                               .aa_spread_percent_single = 1.5,
                               .aa_spread_percent_contended = 9,
                               .warnings = {"the machine is busy: load 1.20 on 2 processors"}};
  run.about.missing = {{"Store/store:redis", "there is no redis-server: tools/setup --peers"}};
  return run;
}

}  // namespace shmark::fixture

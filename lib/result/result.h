// The result file: what one run of a driver measured or found, as plain structs, and the JSON file
// that holds them (RESULTS.md lists every key with its unit).
//
// The file has Google Benchmark's schema plus keys of our own, so that tools which read the former
// keep working; and read() also takes files that Google Benchmark itself wrote. It is strict JSON:
// a number that is not finite is never written.
//
// Terms: a *run* is one launch of a program; an *entry* is one repetition of one benchmark, or one
// scenario of a stress run; a *counter* is a number that an entry carries besides its times.
//
// Process and thread safety: all types here are values; the functions keep no state and may be
// called from any thread, except that they read the environment.
//
// What survives a crash: write() makes the whole file appear under its name at once, or not at all;
// a crash in between leaves a file named like it with ".tmp-" and a number at the end.
//
// Example:
//   result::run run{.about = result::this_context(result::run_kind::bench, command)};
//   run.entries.push_back({.name = "Limit/clock", .iterations = 1000, .real_time = 10.2});
//   if (auto done = result::write(result::caller_path("out.json"), run); !done) ...
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/error.h"

namespace shmark::result {

// The schema that write() writes and read() reads. 0 stands for a file without our keys.
inline constexpr int schema_version = 1;

enum class run_kind : std::uint8_t { bench, stress };  // the tour makes one of each
enum class build_mode : std::uint8_t { opt, debug };
enum class sanitizer_kind : std::uint8_t { none, address, thread };
enum class worker_kind : std::uint8_t { processes, threads };

// What a stress run's checkers concluded. undecided: a checker could not tell. vacuous: no kill
// landed inside an operation, or no two operations overlapped, so that nothing was put to the test.
// Neither is a pass.
enum class verdict_kind : std::uint8_t { passed, failed, undecided, vacuous };

[[nodiscard]] std::string_view name_of(run_kind kind) noexcept;
[[nodiscard]] std::string_view name_of(build_mode mode) noexcept;
[[nodiscard]] std::string_view name_of(sanitizer_kind kind) noexcept;
[[nodiscard]] std::string_view name_of(worker_kind kind) noexcept;
[[nodiscard]] std::string_view name_of(verdict_kind kind) noexcept;

struct cache_level {
  std::string type{};  // "Data", "Instruction", "Unified"
  int level = 0;
  std::uint64_t size = 0;  // bytes
  int num_sharing = 0;     // logical cores on one such cache
  bool operator==(const cache_level&) const = default;
};

struct build_info {
  build_mode mode = build_mode::opt;
  std::string compiler{};  // "gcc 12.2.0"
  sanitizer_kind sanitizer = sanitizer_kind::none;
  bool operator==(const build_info&) const = default;
};

struct machine_info {
  std::string cpu{};     // the model's name
  int cores = 0;         // on which this process may run
  std::string kernel{};  // release
  std::string
      fingerprint;  // equal for machines whose times may be compared; RESULTS.md says of what
  bool operator==(const machine_info&) const = default;
};

// What belongs to the run and could not be measured.
struct missing_benchmark {
  std::string name{};  // as an entry's, or the beginning of several: "Store/store:redis"
  std::string why{};   // with the remedy
  bool operator==(const missing_benchmark&) const = default;
};

// What the machine could resolve when the run began. A number that is 0 was not measured.
struct calibration_info {
  double empty_loop_ns = 0;
  double clock_ns = 0;
  double null_lock_ns = 0;
  // By how much two launches of the same differ at most, in 95 of 100 cases: of one worker, and of
  // two on one lock.
  double aa_spread_percent_single = 0;
  double aa_spread_percent_contended = 0;
  std::vector<std::string> warnings{};  // what disturbs: a sentence for each
  bool operator==(const calibration_info&) const = default;
};

// Under which circumstances a run was made.
struct context {
  // Google Benchmark's keys.
  std::string date{};  // ISO 8601, local time with offset
  std::string host_name{};
  std::string executable{};
  int num_cpus = 0;
  double mhz_per_cpu = 0;
  bool cpu_scaling_enabled = false;
  std::vector<cache_level> caches{};
  std::vector<double> load_avg{};    // over 1, 5 and 15 minutes, when the run began
  std::string library_build_type{};  // "release" or "debug"
  std::map<std::string, std::string, std::less<>> given{};  // by the user: see is_context_key()

  // Ours. With schema 0 they are not known, and have these values.
  int schema = schema_version;
  run_kind kind = run_kind::bench;
  std::string command{};
  std::string commit = "unknown";  // "+dirty" at the end: tracked files had changed
  build_info build{};
  machine_info machine{};
  worker_kind workers_are = worker_kind::processes;
  std::uint64_t seed = 0;
  double probe_ns = 0;  // cost of reading the clock once; 0: not measured
  std::vector<missing_benchmark> missing{};
  std::optional<calibration_info> calibration{};

  bool operator==(const context&) const = default;
};

// Durations of single operations, counted in buckets.
struct histogram {
  using bucket = std::pair<std::uint64_t, std::uint64_t>;  // lower bound in ns (inclusive), count
  std::uint64_t time_every = 1;                            // one operation in so many was timed
  std::vector<bucket> buckets{};                           // lower bounds rise
  bool operator==(const histogram&) const = default;
};

// What a stress run's entry has and no benchmark's. Its counts (operations, kills, lost, ...) are
// counters.
struct stress_outcome {
  verdict_kind verdict = verdict_kind::undecided;
  std::uint64_t seed = 0;
  std::string command{};                // repeats this scenario with these parameters and this seed
  std::vector<std::string> findings{};  // a sentence for each, of what went wrong; may be cut short
  bool operator==(const stress_outcome&) const = default;
};

struct entry {
  std::string name{};      // "Lock/lock:robust_rw/mode:exclusive/procs:4"
  std::string run_name{};  // empty: as `name`
  int family_index = 0;
  int per_family_instance_index = 0;
  std::string aggregate_name{};  // "median", ...; empty: not an aggregate but a repetition
  int repetitions = 1;
  int repetition_index = 0;
  int threads = 1;
  std::uint64_t iterations = 0;
  double real_time = 0;  // per iteration, in time_unit
  double cpu_time = 0;
  std::string time_unit = "ns";  // or "us", "ms", "s"
  std::string label{};
  std::map<std::string, double, std::less<>> counters{};  // units are in the names: "p50_ns"
  std::optional<std::string> error_message{};             // present: the entry has no valid times

  std::vector<double> worker_ops_per_s{};
  std::optional<histogram> durations{};
  std::optional<stress_outcome> stress{};

  [[nodiscard]] bool is_aggregate() const noexcept { return !aggregate_name.empty(); }

  // real_time in ns per iteration.
  [[nodiscard]] double real_time_ns() const noexcept;

  // The counter's value, if there is such a counter.
  [[nodiscard]] std::optional<double> counter(std::string_view counter_name) const;

  bool operator==(const entry&) const = default;
};

struct run {
  context about{};
  std::vector<entry> entries{};
  bool operator==(const run&) const = default;
};

// What is known of this process: date, machine, load, build and commit. The commit is that of the
// checkout in BUILD_WORKSPACE_DIRECTORY, or else in the working directory; "unknown" without one,
// or without git. Runs git (twice) and waits for it: call it before measuring, and before making
// threads or workers. The caller sets workers_are, seed and probe_ns.
[[nodiscard]] context this_context(run_kind kind, std::string_view command);

// Whether the key has a meaning of its own in a file's context, so that `given` cannot have it.
[[nodiscard]] bool is_context_key(std::string_view key) noexcept;

// The path as the caller of `bazel run` means it: relative to the folder in which the command was
// given (BUILD_WORKING_DIRECTORY), where that is known. Absolute and empty paths stay as they are.
[[nodiscard]] std::filesystem::path caller_path(const std::filesystem::path& path);

// Reads a result file of ours or of Google Benchmark (then about.schema is 0). Errors:
//   not_found, denied, ...  as the system says;
//   corrupt   not JSON (with line and column), a key missing or of the wrong type (with its path);
//   mismatch  of a schema that this version does not know.
[[nodiscard]] std::expected<run, error> read(const std::filesystem::path& path);

// Writes the run, replacing what was there. Counters that are not finite are left out; an entry
// whose times are not finite becomes one with an error message. Errors: as the system says.
[[nodiscard]] std::expected<void, error> write(const std::filesystem::path& path, const run& run);

// Whether a result file can be written there: to be asked before minutes of work. Leaves
// everything as it was.
// Errors: as write().
[[nodiscard]] std::expected<void, error> check_writable(const std::filesystem::path& path);

// The text that write() writes.
[[nodiscard]] std::string to_json(const run& run);

// Writes a whole file at once, as write() does. Something that is no regular file (a pipe,
// /dev/stdout) is written to, never replaced. Nor is a symbolic link: what it leads to is, there or
// not. `attempted` (a string literal) goes into errors: "write page".
[[nodiscard]] std::expected<void, error> write_text(const std::filesystem::path& path,
                                                    std::string_view text, const char* attempted);

}  // namespace shmark::result

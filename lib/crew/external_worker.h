// A worker in any language: a command that is started once for each worker of a crew, and is told
// by lines on its standard input what to do. The protocol, for those who write one: WORKER.md.
//
//     auto worker = external_worker::start({.words = {"python3", "examples/worker.py"}});
//     auto operations = worker->greet();                               // {"count"}
//     auto ready = worker->prepare({.prefix = "…", .op = "count"});
//     auto done = worker->run(monotonic_ns(), 100ms, result);
//
// It is started by the supervisor, which ends it (see command.h), and driven by a worker of the
// crew, forked after that: its proxy. lib/workload/external.h has both.
//
// Process and thread safety: as of command.h. What survives a crash of the command: everything but
// its answer; what waited for that returns an error that says how it ended.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/crew/command.h"
#include "lib/crew/window.h"

namespace shmark {

struct external_command {
  std::vector<std::string> words;  // a program and its arguments
  std::filesystem::path folder{};  // that it is run in; empty: this program's
  // For how long it may keep us waiting. Less than half of window_options::patience, so that an
  // error is ours, and names the command.
  std::chrono::nanoseconds patience = std::chrono::seconds(20);
};

// A command as its user writes it: words as in a shell, with quotes and $VARIABLES, but of one
// program (wordexp(3)). Relative paths begin in the folder that he is in, under `bazel run`, too
// (BUILD_WORKING_DIRECTORY). Errors: invalid.
[[nodiscard]] std::expected<external_command, error> users_command(const std::string& text);

// As errors show it.
[[nodiscard]] std::string text_of(const external_command& how);

// What it is to prepare for; what is empty it is not told.
struct preparation {
  int index = 0;
  int workers = 1;
  std::string prefix{};  // of the names of all that it makes
  std::string op{};
  std::optional<std::size_t> payload_bytes{};
  std::string shape{};
  std::optional<int> read_percent{};
  std::uint64_t seed = 0;
  unsigned time_every = 64;  // 0: no operation is to be timed
};

// What it has prepared.
struct readiness {
  std::optional<std::uint64_t> bytes{};  // that a value takes when it is encoded
  // Ids of what is to be gone when it has ended.
  std::vector<int> segments{};
  std::vector<int> semaphores{};
};

class external_worker {
 public:
  static constexpr int protocol_version = 1;
  static constexpr std::size_t counters_max = 4;
  using counter_names = std::array<std::string, counters_max>;  // those that there are come first

  // Starts the command and does not wait for its greeting, so that several can start at once.
  // Errors: no_space.
  [[nodiscard]] static std::expected<external_worker, error> start(external_command how);

  // The following wait for an answer. Errors: not_found (there is no such command, or something
  // that it needs is missing), worker_died, timed_out, mismatch (another version), invalid (it
  // failed, or says what is no answer), interrupted.

  // Call it once, before prepare(). The operations that it offers.
  [[nodiscard]] std::expected<std::vector<std::string>, error> greet();

  // Call it before each run().
  [[nodiscard]] std::expected<readiness, error> prepare(const preparation& what);
  // What is missing, if that is why prepare() failed.
  [[nodiscard]] const std::optional<std::string>& missing() const noexcept { return missing_; }

  // Has it work for what is left of a window that began at `from_ns`; it is charged for the rest,
  // too. Sets all of `into` but whether it failed. Returns the names of its counters.
  [[nodiscard]] std::expected<counter_names, error> run(std::int64_t from_ns,
                                                        std::chrono::nanoseconds length,
                                                        worker_result& into);

  // From now on it runs only on the processors of the calling thread.
  void pin_as_caller() noexcept;

  [[nodiscard]] command& partner() noexcept { return partner_; }

 private:
  struct answer {
    std::string word;
    std::string rest;
  };

  external_worker(external_command how, command partner)
      : how_(std::move(how)), partner_(std::move(partner)) {}

  std::expected<answer, error> ask(const std::string& line, const char* attempted,
                                   std::chrono::nanoseconds span);
  std::expected<answer, error> hear(const char* attempted, std::chrono::nanoseconds span);
  [[nodiscard]] error ended(const char* attempted) const;
  [[nodiscard]] error failed(errc code, const char* attempted, std::string_view why,
                             const char* remedy) const;
  [[nodiscard]] error nonsense(const char* attempted, std::string_view flaw,
                               const answer& said) const;

  external_command how_;
  command partner_;
  std::optional<std::string> missing_;
};

}  // namespace shmark

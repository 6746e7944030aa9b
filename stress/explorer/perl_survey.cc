// bazel run -c opt //stress/explorer:perl_survey -- [flags]: see --help.
//
// Perl runs a hundred thousand instructions for what is a hundred elsewhere, in no fixed order, so
// that not each of them can be died at: it is killed before and after each system call, which is
// all that the kernel sees of it, and at instructions that are drawn between them.

#include <fmt/format.h>
#include <sys/personality.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <set>
#include <string>
#include <vector>

#include "lib/base/flags.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/base/progress_line.h"
#include "lib/base/random.h"
#include "lib/crew/command.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "stress/explorer/explorer.h"
#include "stress/explorer/tracee.h"

namespace {

namespace explorer = shmark::explorer;
namespace result = shmark::result;
using explorer::finding;
using explorer::motion;
using explorer::sight;
using shmark::deadline;
using shmark::errc;
using shmark::error;

constexpr shmark::program self("perl_survey");
constexpr auto script = "stress/explorer/ipc_shareable.pl";
constexpr auto its_operation = "ipc_shareable/replace";
constexpr auto remedy = "tools/setup --peers installs it";
constexpr auto start_max = std::chrono::seconds(20);

enum status : int { as_promised = 0, not_as_promised = 1 };

struct arguments {
  std::uint64_t drawn = 200;
  std::uint64_t seed = 1;
  int patience_ms = 1000;
  std::string out;
};

// The exit statuses of the script.
enum script_status : int { module_is_missing = 3, sees_old = 10, sees_new, sees_neither, loses };

std::expected<shmark::command, error> perl(const char* what, const std::string& key) {
  return shmark::command::start({"perl", script, what, key}, "");
}

// A scalar of IPC::Shareable; removed with this, whatever state its lock is in.
class scalar {
 public:
  static std::expected<scalar, error> make() {
    const auto key = fmt::format("{}", 1 + shmark::unpredictable_number() % 0x7FFF'FFFE);
    SHMARK_ASSIGN_OR_RETURN(auto maker, perl("make", key));
    const auto ids = maker.line(deadline::after(start_max));
    int segment = -1;
    int semaphores = -1;
    if (!ids || std::sscanf(ids->c_str(), "%d %d", &segment, &semaphores) != 2) {
      return shmark::failure(errc::not_found, "use", "Perl's IPC::Shareable", remedy);
    }
    static_cast<void>(maker.status(deadline::after(start_max)));
    return scalar(key, segment, semaphores);
  }
  scalar(scalar&& other) noexcept
      : key_(std::move(other.key_)),
        segment_(std::exchange(other.segment_, -1)),
        semaphores_(other.semaphores_) {}
  scalar& operator=(scalar&&) = delete;
  ~scalar() {
    if (segment_ < 0) return;
    shmctl(segment_, IPC_RMID, nullptr);
    semctl(semaphores_, 0, IPC_RMID);
  }
  [[nodiscard]] const std::string& key() const noexcept { return key_; }

 private:
  scalar(std::string key, int segment, int semaphores)
      : key_(std::move(key)), segment_(segment), semaphores_(semaphores) {}
  std::string key_;
  int segment_;
  int semaphores_;
};

// One that is about to take the lock. Without what differs from run to run, as far as can be.
std::expected<explorer::tracee, error> start_victim(const scalar& of) {
  const auto until = deadline::after(start_max);
  SHMARK_ASSIGN_OR_RETURN(auto victim, explorer::tracee::start(
                                           [&] {
                                             personality(ADDR_NO_RANDOMIZE);
                                             setenv("PERL_HASH_SEED", "0", 1);
                                             execlp("perl", "perl", script, "victim",
                                                    of.key().c_str(), static_cast<char*>(nullptr));
                                             _exit(127);
                                           },
                                           until));
  if (victim.go_past(SYS_getppid, until) != motion::stands) {
    return shmark::failure(errc::not_found, "use", "Perl's IPC::Shareable", remedy);
  }
  return victim;
}

bool is_at_its_end(explorer::tracee& victim) {
  return victim.next() == explorer::tracee::instruction::system_call &&
         victim.system_call() == SYS_getppid;
}

struct recording {
  std::uint64_t instructions = 0;
  std::vector<std::uint64_t> system_calls;  // after how many instructions each is made
  std::vector<std::uint64_t> attached;      // instructions while the segment can be written
};

std::expected<recording, error> record() {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, scalar::make());
  SHMARK_ASSIGN_OR_RETURN(auto victim, start_victim(shared));
  recording made;
  bool is_attached = false;
  for (; !is_at_its_end(victim); ++made.instructions) {
    if (is_attached) made.attached.push_back(made.instructions);
    if (victim.next() == explorer::tracee::instruction::system_call) {
      made.system_calls.push_back(made.instructions);
      const long number = victim.system_call();
      is_attached = number == SYS_shmat || (is_attached && number != SYS_shmdt);
    }
    if (victim.step(deadline::after(start_max)) != motion::stands) {
      return shmark::failure(errc::worker_died, "record", its_operation);
    }
  }
  return made;
}

std::vector<std::uint64_t> points_of(const recording& all, const arguments& asked) {
  std::set<std::uint64_t> points;
  for (const auto each : all.system_calls) points.insert({each, each + 1});
  shmark::random_source random(asked.seed);
  for (std::uint64_t i = 0; i < asked.drawn; ++i) {
    const bool anywhere = i % 2 == 0 || all.attached.empty();
    points.insert(anywhere ? random.below(all.instructions)
                           : all.attached[random.below(all.attached.size())]);
  }
  return {points.begin(), points.end()};
}

// What who comes after is told by the script; nothing if it waits in vain.
std::expected<std::optional<int>, error> come_after(const scalar& of, int patience_ms) {
  SHMARK_ASSIGN_OR_RETURN(auto peer, perl("check", of.key()));
  const auto ended = peer.status(deadline::after(std::chrono::milliseconds(patience_ms)));
  if (!ended) return std::nullopt;
  return WIFEXITED(*ended) ? WEXITSTATUS(*ended) : -1;
}

void note(std::optional<int> peer, std::uint64_t point, explorer::outcome& into) {
  const auto found = [&](finding what) {
    ++into.seen.found[static_cast<std::size_t>(what)];
    into.findings.push_back(
        fmt::format("{}, instruction {}: {}", its_operation, point, name_of(what)));
  };
  ++into.seen.deaths;
  if (!peer) return found(finding::stuck);
  switch (*peer) {
    case sees_old:
      ++into.seen.seen[static_cast<std::size_t>(sight::old_value)];
      return;
    case sees_new:
      ++into.seen.seen[static_cast<std::size_t>(sight::new_value)];
      return;
    case sees_neither:
      return found(finding::torn);
    case loses:
      return found(finding::lost);
    default:
      return found(finding::broken);
  }
}

struct outcomes {
  explorer::outcome killed;
  std::uint64_t gets = 0;   // of stops: how often another got the lock meanwhile
  std::uint64_t waits = 0;  // and how often it had to wait
};

// Brings a victim there; what comes of its death, and, if asked for, what another gets before.
std::expected<void, error> try_at(std::uint64_t point, bool stops, const arguments& asked,
                                  outcomes& all) {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, scalar::make());
  SHMARK_ASSIGN_OR_RETURN(auto victim, start_victim(shared));
  for (std::uint64_t i = 0; i < point && !is_at_its_end(victim); ++i) {
    if (victim.step(deadline::after(start_max)) != motion::stands) {
      ++all.killed.seen.missed;
      return {};
    }
  }
  if (stops) {
    SHMARK_ASSIGN_OR_RETURN(const auto meanwhile, come_after(shared, asked.patience_ms));
    ++(meanwhile ? all.gets : all.waits);
    return {};
  }
  victim.kill();
  SHMARK_ASSIGN_OR_RETURN(const auto peer, come_after(shared, asked.patience_ms));
  note(peer, point, all.killed);
  return {};
}

std::expected<outcomes, error> survey(const arguments& asked) {
  shmark::progress_line line;
  line.show("recording");
  SHMARK_ASSIGN_OR_RETURN(const auto recorded, record());
  const auto points = points_of(recorded, asked);
  outcomes all;
  all.killed.operation = its_operation;
  all.killed.seen.points = recorded.instructions;
  all.killed.seen.states = points.size();
  std::uint64_t done = 0;
  for (const auto point : points) {
    line.show(fmt::format("{}: {} of {}", its_operation, ++done, points.size()));
    SHMARK_RETURN_IF_ERROR(try_at(point, false, asked, all));
    if (std::ranges::find(recorded.system_calls, point) != recorded.system_calls.end()) {
      SHMARK_RETURN_IF_ERROR(try_at(point, true, asked, all));
    }
    if (shmark::interrupted() != 0) break;
  }
  all.killed.interrupted = shmark::interrupted() != 0;
  return all;
}

void print(const outcomes& all) {
  const auto& seen = all.killed.seen;
  fmt::print("{:<40}{:>8}{:>8}{:>9}{:>7}{:>7}{:>7}   {}\n", "subject/operation", "points", "deaths",
             "goes on", "stuck", "torn", "other", "stops: gets it / waits");
  fmt::print("{:<40}{:>8}{:>8}{:>9}{:>7}{:>7}{:>7}   {} / {}\n", its_operation, seen.points,
             seen.deaths, seen.of(sight::old_value) + seen.of(sight::new_value),
             seen.of(finding::stuck), seen.of(finding::torn),
             seen.of(finding::lost) + seen.of(finding::broken), all.gets, all.waits);
  if (!all.killed.findings.empty()) {
    fmt::print("    first: {}\n", all.killed.findings.front());
  }
  if (seen.missed != 0) fmt::print("    missed: {}\n", seen.missed);
}

int run(const arguments& asked) {
  const auto out = result::caller_path(asked.out);
  if (!asked.out.empty()) {
    if (auto possible = result::check_writable(out); !possible) {
      return self.complain(possible.error());
    }
  }
  auto owner = shmark::begin_run(self);
  if (!owner) return self.complain(owner.error());
  explorer::expect_children();
  const auto done = survey(asked);
  owner->end();
  if (!done) return self.complain(done.error());
  print(*done);
  if (!asked.out.empty()) {
    result::run results;
    results.about = result::this_context(
        result::run_kind::stress,
        fmt::format("bazel run -c opt //stress/explorer:perl_survey -- --drawn={} --seed={} "
                    "--patience_ms={}",
                    asked.drawn, asked.seed, asked.patience_ms));
    results.entries.push_back(to_entry(done->killed, {.fault = explorer::fault_kind::kill}));
    if (auto written = result::write(out, results); !written) {
      return self.complain(written.error());
    }
    fmt::print("results: {}\n", out.string());
  }
  if (const int signal = shmark::interrupted(); signal != 0) return 128 + signal;
  return done->killed.seen.faultless() ? as_promised : not_as_promised;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app(
      "Kills a Perl process while it assigns under the lock of IPC::Shareable, before and after\n"
      "each system call and at instructions between, and stops it; then another comes.",
      "perl_survey");
  arguments asked;
  constexpr std::uint64_t drawn_max = 100'000;
  app.add_option(
         "--drawn", asked.drawn,
         "at how many instructions besides: half of them anywhere, half while the segment is\n"
         "attached")
      ->check(CLI::Range(std::uint64_t{0}, drawn_max))
      ->capture_default_str();
  shmark::flags::add_seed(app, asked.seed, "of the instructions that are drawn");
  app.add_option("--patience_ms", asked.patience_ms,
                 "for how long who comes after waits until it counts as stuck")
      ->check(CLI::Range(300, 60'000))
      ->capture_default_str();
  app.add_option("--out", asked.out, "write the result file here, as JSON")
      ->check(shmark::flags::path());
  app.footer(
      "Exit status: 0 whoever came after got the lock and saw the old value or the new one, and\n"
      "what it assigned itself; 1 not always; 2 unusable input, or Perl's module is missing; 130\n"
      "after Ctrl-C.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);  // --help
    return self.complain(fmt::format("{}; --help shows what can be used", wrong.what()));
  }
  return run(asked);
}

}  // namespace

int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }

// bazel run -c opt //bench/peers:perl_shareable -- [flags]: a map of 100 strings as a shared
// variable, and as Perl's IPC::Shareable has it. Exit status: 1 if that is missing.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <expected>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bench/peers/perl.h"
#include "bench/table.h"
#include "lib/base/deadline.h"
#include "lib/base/interrupt.h"
#include "lib/base/program.h"
#include "lib/crew/run.h"
#include "lib/measure/clock.h"
#include "lib/measure/figures.h"
#include "lib/measure/median.h"
#include "lib/result/result.h"
#include "lib/shm/domain.h"
#include "lib/subject/shapes.h"

namespace shmark::bench {
namespace {

constexpr program self("perl_shareable");
constexpr int peer_is_missing = 1;
constexpr auto known_version = "1.13";

struct options {
  int repetitions = 7;
  int reads = 1000;
  int writes = 5;
};

// Ours are so much faster that fewer could not be timed.
constexpr int our_reads = 1000;
constexpr int our_writes = 200;

using map100 = shapes::map100::type;

// The variable, and what is done to it: so many times, for the time that one takes in ns.
class ours {
 public:
  [[nodiscard]] static std::expected<ours, error> make(const run& owner) {
    SHMARK_ASSIGN_OR_RETURN(auto names, domain<>::open(owner.domain()));
    SHMARK_ASSIGN_OR_RETURN(auto value, names.variable<map100>("map100"));
    SHMARK_RETURN_IF_ERROR(value.write(shapes::map100::make()));
    return ours(std::move(value));
  }

  [[nodiscard]] std::expected<double, error> read(int count) {
    return timed(count, [&] {
      const auto seen = value_.read();
      if (seen) [[likely]]
        keep(**seen);
      return seen;
    });
  }
  [[nodiscard]] std::expected<double, error> read_entry(int count) {
    return timed(count, [&] {
      const auto seen = value_.read();
      if (seen) [[likely]]
        keep((*seen)->find(entry_)->second);
      return seen;
    });
  }
  [[nodiscard]] std::expected<double, error> write(int count) {
    return timed(count, [&] {
      shapes::map100::change(next_);
      return value_.write(next_);
    });
  }

 private:
  explicit ours(variable<map100> value) : value_(std::move(value)) {}

  template <class Operation>
  static std::expected<double, error> timed(int count, Operation&& operation) {
    const auto begin = monotonic_ns();
    for (int i = 0; i < count; ++i) {
      const auto done = operation();
      if (!done) [[unlikely]]
        return std::unexpected(done.error());
    }
    return static_cast<double>(monotonic_ns() - begin) / count;
  }

  variable<map100> value_;
  map100 next_ = shapes::map100::make();
  std::string entry_ = "key10050";
};

struct comparison {
  std::string name;
  std::function<std::expected<double, error>()> ours;
  std::function<std::expected<double, error>()> perls;
  std::vector<double> ours_ns{};
  std::vector<double> perls_ns{};
};

std::vector<comparison> comparisons(ours& mine, const options& how) {
  const auto perl = [](const char* operation, int count) {
    return [=] { return perl_script::time_ns(operation, count); };
  };
  const auto write = [&mine, how] { return mine.write(how.writes * our_writes); };
  return {
      {"read, cached; unlocked", [&mine, how] { return mine.read(how.reads * our_reads); },
       perl("read", how.reads)},
      {"the same, one entry looked up",
       [&mine, how] { return mine.read_entry(how.reads * our_reads); }, perl("read", how.reads)},
      {"write of the map", write, perl("write", how.writes)},
      {"the same, Perl's under a lock", write, perl("locked_write", how.writes)},
  };
}

// Ours and Perl's in turns, so that whatever else the machine does hits both.
std::expected<void, error> measure(std::vector<comparison>& all, int repetitions) {
  for (int i = 0; i < repetitions; ++i) {
    for (auto& each : all) {
      if (interrupted() != 0) return {};
      SHMARK_ASSIGN_OR_RETURN(const double our_ns, each.ours());
      each.ours_ns.push_back(our_ns);
      SHMARK_ASSIGN_OR_RETURN(const double perls_ns, each.perls());
      each.perls_ns.push_back(perls_ns);
    }
  }
  return {};
}

void print(const std::vector<comparison>& all, const std::string& version, int repetitions) {
  fmt::print("a map of 100 strings; medians of {} repetitions, in turns\n\n", repetitions);
  fmt::print("{:<30} {:>10} {:>20} {:>10}\n", "", "variable", "IPC::Shareable " + version, "ratio");
  for (const auto& each : all) {
    const double our_ns = median(each.ours_ns);
    const double perls_ns = median(each.perls_ns);
    fmt::print("{:<30} {:>10} {:>20} {:>10}\n", each.name, duration_text(our_ns),
               duration_text(perls_ns), count_text(perls_ns / our_ns));
  }
}

int run_with(const options& how) {
  const auto perl = perl_script::find();
  if (!perl) {
    self.say(perl.error().message());
    return peer_is_missing;
  }
  if (!perl->version().starts_with(known_version)) {
    self.say("IPC::Shareable is " + perl->version() + " here, and was compared as " +
             known_version + ": other versions may differ");
  }
  warn_of_build(result::this_context(result::run_kind::bench, ""));
  auto owner = begin_run(self);
  if (!owner) return self.complain(owner.error());
  auto mine = ours::make(*owner);
  if (!mine) return self.complain(mine.error());

  auto all = comparisons(*mine, how);
  const auto done = measure(all, how.repetitions);
  if (const int signal = interrupted(); signal != 0) {
    self.say("interrupted; nothing is left behind");
    return 128 + signal;
  }
  if (!done) return self.complain(done.error());
  print(all, perl->version(), how.repetitions);
  return 0;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Compares a shared variable with Perl's IPC::Shareable.", "perl_shareable");
  options how;
  app.add_option("--repetitions", how.repetitions, "of each measurement")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--reads", how.reads, "of Perl's in each; 1,000 times as many of ours")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.add_option("--writes", how.writes, "of Perl's in each; 200 times as many of ours")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.footer("Needs IPC::Shareable: tools/setup --peers installs it.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : self.unusable;
  }
  return run_with(how);
}

}  // namespace
}  // namespace shmark::bench

int main(int argc, char** argv) {
  return shmark::bench::self.main(shmark::bench::parse_and_run, argc, argv);
}

#include "stress/stress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "lib/crew/crew.h"
#include "lib/measure/figures.h"
#include "stress/scenario/references.h"
#include "stress/scenario/transfer.h"

namespace shmark::stress {
namespace {

constexpr std::array known{
    scenario{"references",
             "store, copy, chain and drop references between variables, and collect garbage; "
             "SIGKILL at random moments",
             [](const options& chosen, const progress_callback& tell, const run& in) {
               return run_references<>(chosen, tell, in);
             }},
    scenario{"transfer",
             "move money between the entries of a shared map in transactions; SIGKILL at random "
             "moments",
             [](const options& chosen, const progress_callback& tell, const run& in) {
               return run_transfer<>(chosen, tell, in);
             }},
};

constexpr double seconds_max = 1e7;  // a third of a year
constexpr double kill_gap_max_ms = 1e9;

// Nothing if we do not know it.
const scenario* find(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(known, name, &scenario::name);
  return found == known.end() ? nullptr : found;
}

double number(std::uint64_t n) noexcept { return static_cast<double>(n); }

// Why the verdict is what it is, where that does not go without saying.
std::string_view reason(const outcome& done) {
  switch (done.verdict()) {
    case result::verdict_kind::passed:
    case result::verdict_kind::failed:
      return "";
    case result::verdict_kind::undecided:
      return done.interrupted ? " (interrupted)" : " (nobody completed an operation)";
    case result::verdict_kind::vacuous:
      if (done.seen.overlapped != 0) return " (no kill landed inside an operation)";
      if (done.seen.kills_in_operation != 0) return " (no two operations overlapped)";
      return " (no kill landed inside an operation, and no two operations overlapped)";
  }
  return "";
}

}  // namespace

std::span<const scenario> scenarios() noexcept { return known; }

std::expected<void, error> check(const options& chosen) {
  if (find(chosen.scenario) == nullptr) {
    return failure(errc::not_found, "run scenario", chosen.scenario,
                   "--list names those that there are");
  }
  if (chosen.workers < 1 || chosen.workers > crew_size_max) {
    return failure(errc::invalid, "use", fmt::format("--workers={}", chosen.workers),
                   "choose a number from 1 to 1024");
  }
  static_assert(crew_size_max == 1024, "the message says so");
  if (!(chosen.seconds > 0 && chosen.seconds <= seconds_max)) {
    return failure(errc::invalid, "use", fmt::format("--seconds={}", chosen.seconds),
                   "choose a number above 0, and at most 10000000");
  }
  if (!(chosen.kill_gap_ms >= 0 && chosen.kill_gap_ms <= kill_gap_max_ms)) {
    return failure(errc::invalid, "use", fmt::format("--kill_gap_ms={}", chosen.kill_gap_ms),
                   "choose a number from 0 (nobody is killed) to 1000000000");
  }
  if (!(chosen.aimed_percent >= 0 && chosen.aimed_percent <= 100)) {
    return failure(errc::invalid, "use", fmt::format("--aimed_percent={}", chosen.aimed_percent),
                   "choose a number from 0 to 100");
  }
  return {};
}

std::expected<outcome, error> run_scenario(const options& chosen, const progress_callback& tell,
                                           const run& in) {
  SHMARK_RETURN_IF_ERROR(check(chosen));
  return find(chosen.scenario)->carry_out(chosen, tell, in);
}

std::string command_of(const options& chosen) {
  auto command =
      fmt::format("bazel run -c opt //stress -- --scenario={} --workers={} --seconds={} --seed={}",
                  chosen.scenario, chosen.workers, chosen.seconds, chosen.seed);
  if (chosen.kill_gap_ms != options{}.kill_gap_ms) {
    command += fmt::format(" --kill_gap_ms={}", chosen.kill_gap_ms);
  }
  if (chosen.aimed_percent != options{}.aimed_percent) {
    command += fmt::format(" --aimed_percent={}", chosen.aimed_percent);
  }
  return command;
}

std::string summary(const options& chosen, const outcome& done) {
  const counts& seen = done.seen;
  std::string text =
      fmt::format("{}: {} worker{} for {:.1f} s, seed {}\n", chosen.scenario, chosen.workers,
                  chosen.workers == 1 ? "" : "s", done.elapsed_s, chosen.seed);
  const auto line = [&text](std::string_view what, std::uint64_t count) {
    text += fmt::format("  {:<36}{:>14}\n", what, count_text(number(count)));
  };
  line("workers killed", seen.kills);
  line("  inside an operation", seen.kills_in_operation);
  line("  while holding the lock", seen.kills_holding);
  line("recoveries after a dead writer", seen.recoveries);
  line("operations", seen.operations());
  line("  that overlapped with another's", seen.overlapped);
  line("changes", seen.changes);
  line("reads", seen.reads);
  line("lost changes", seen.lost);
  line("torn values", seen.torn);
  line("stuck workers", seen.stuck);
  line("workers that ended by themselves", seen.died);
  line("objects left behind", seen.leaked);
  if (done.recovery.total() != 0) {
    text += fmt::format("  from a holder's kill to the next lock: p50 {}, p99 {}, max {} (of {})\n",
                        duration_text(number(done.recovery.quantile(0.5))),
                        duration_text(number(done.recovery.quantile(0.99))),
                        duration_text(number(done.recovery.max())),
                        count_text(number(done.recovery.total())));
  }
  for (const auto& finding : done.findings) text += fmt::format("found: {}\n", finding);
  text += fmt::format("verdict: {}{}\n", result::name_of(done.verdict()), reason(done));
  text += fmt::format("repeat:  {}\n", command_of(chosen));
  return text;
}

result::entry to_entry(const options& chosen, const outcome& done) {
  const counts& seen = done.seen;
  const double operations = number(std::max<std::uint64_t>(seen.operations(), 1));
  result::entry entry{
      .name = fmt::format("Stress/scenario:{}/workers:{}", chosen.scenario, chosen.workers),
      .iterations = seen.operations(),
      .real_time = done.elapsed_s * 1e9 / operations,
      .cpu_time = done.cpu_s * 1e9 / operations,
      .stress = result::stress_outcome{.verdict = done.verdict(),
                                       .seed = chosen.seed,
                                       .command = command_of(chosen),
                                       .findings = done.findings}};
  entry.counters = {{"operations", number(seen.operations())},
                    {"changes", number(seen.changes)},
                    {"reads", number(seen.reads)},
                    {"overlapped", number(seen.overlapped)},
                    {"kills", number(seen.kills)},
                    {"kills_in_operation", number(seen.kills_in_operation)},
                    {"kills_holding", number(seen.kills_holding)},
                    {"recoveries", number(seen.recoveries)},
                    {"lost", number(seen.lost)},
                    {"torn", number(seen.torn)},
                    {"stuck", number(seen.stuck)},
                    {"died", number(seen.died)},
                    {"leaked", number(seen.leaked)}};
  if (done.recovery.total() != 0) {
    entry.counters["recovery_p50_ns"] = number(done.recovery.quantile(0.5));
    entry.counters["recovery_p99_ns"] = number(done.recovery.quantile(0.99));
    entry.counters["recovery_max_ns"] = number(done.recovery.max());
  }
  return entry;
}

}  // namespace shmark::stress

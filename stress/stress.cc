#include "stress/stress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "lib/crew/crew.h"
#include "lib/measure/failure_bound.h"
#include "lib/measure/figures.h"
#include "lib/subject/stores.h"
#include "stress/scenario/counter_locks.h"
#include "stress/scenario/queue.h"
#include "stress/scenario/references.h"
#include "stress/scenario/register.h"
#include "stress/scenario/transfer.h"

namespace shmark::stress {
namespace {

template <byte_store S>
std::expected<outcome, error> on_store(const options& chosen, const progress_callback& tell,
                                       const run& in) {
  return run_register<S>(chosen, tell, in);
}

constexpr std::array known{
    scenario{"counter",
             "take a lock (--lock), exclusively and shared, and count under it; SIGKILL at random "
             "moments",
             [](const options& chosen, const progress_callback& tell, const run& in) {
               return find_counter_lock(chosen.lock)->carry_out(chosen, tell, in);
             }},
    scenario{"queue",
             "push items onto a shared queue and take them, each once; SIGKILL at random moments",
             [](const options& chosen, const progress_callback& tell, const run& in) {
               return run_queue<>(chosen, tell, in);
             }},
    scenario{"references",
             "store, copy, chain and drop references between variables, and collect garbage; "
             "SIGKILL at random moments",
             [](const options& chosen, const progress_callback& tell, const run& in) {
               return run_references<>(chosen, tell, in);
             }},
    scenario{"register",
             "read and replace a shared variable, and look whether one order explains it all; "
             "SIGKILL at random moments",
             on_store<variable_store<>>},
#ifdef SHMARK_PEERS
    scenario{"register_lmdb", "the same of an entry of LMDB's", on_store<lmdb_store>},
    scenario{"register_redis", "the same of a value of Redis's", on_store<redis_store>},
#endif
    scenario{"register_store", "the same of a store without a cache", on_store<plain_store<>>},
    scenario{"transfer",
             "move money between the entries of a shared map in transactions; SIGKILL at random "
             "moments",
             [](const options& chosen, const progress_callback& tell, const run& in) {
               return run_transfer<>(chosen, tell, in);
             }},
};

constexpr double seconds_max = 1e7;  // a third of a year
constexpr double gap_max_ms = 1e9;

// How often a kind of fault comes.
struct fault_gap {
  const char* flag;
  double options::* gap_ms;
  const char* remedy;
};
constexpr fault_gap gaps[] = {
    {"kill_gap_ms", &options::kill_gap_ms,
     "choose a number from 0 (nobody is killed) to 1000000000"},
    {"stop_gap_ms", &options::stop_gap_ms,
     "choose a number from 0 (nobody is stopped) to 1000000000"},
    {"signal_gap_ms", &options::signal_gap_ms,
     "choose a number from 0 (nobody is interrupted) to 1000000000"},
};

// Nothing if we do not know it.
const scenario* find(std::string_view name, std::span<const scenario> among) noexcept {
  const auto found = std::ranges::find(among, name, &scenario::name);
  return found == among.end() ? nullptr : &*found;
}

double number(std::uint64_t n) noexcept { return static_cast<double>(n); }

std::string summary_of(const history_counts& checked) {
  return fmt::format(
      "  operations judged by their times: {} in {:.2f} s; {} overlapped, {} of the killed\n",
      count_text(number(checked.operations)), checked.seconds,
      count_text(number(checked.overlapped)), count_text(number(checked.pending)));
}

// Why the verdict is what it is, where that does not go without saying.
std::string_view reason(const outcome& done) {
  switch (done.verdict()) {
    case result::verdict_kind::passed:
    case result::verdict_kind::failed:
      return "";
    case result::verdict_kind::undecided:
      if (done.interrupted) return " (interrupted)";
      return done.undecided ? " (a history could not be judged)"
                            : " (nobody completed an operation)";
    case result::verdict_kind::vacuous:
      if (done.seen.overlapped != 0) return " (no fault landed inside an operation)";
      if (done.seen.faults() != 0) return " (no two operations overlapped)";
      return " (no fault landed inside an operation, and no two operations overlapped)";
  }
  return "";
}

// What a run that found nothing says: with 95% confidence, and kills taken for independent.
std::optional<double> bound_of(const outcome& done) {
  if (done.verdict() != result::verdict_kind::passed || done.seen.kills_in_operation == 0)
    return {};
  return failure_bound(done.seen.kills_in_operation);
}

}  // namespace

std::span<const scenario> scenarios() noexcept { return known; }

std::expected<void, error> check(const options& chosen, std::span<const scenario> among) {
  if (find(chosen.scenario, among) == nullptr) {
    return failure(errc::not_found, "run scenario", chosen.scenario,
                   "--list names those that there are");
  }
  if (find_counter_lock(chosen.lock) == nullptr) {
    return failure(errc::not_found, "use lock", chosen.lock, "--list names those that there are");
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
  for (const fault_gap& each : gaps) {
    const double gap_ms = chosen.*each.gap_ms;
    if (!(gap_ms >= 0 && gap_ms <= gap_max_ms)) {
      return failure(errc::invalid, "use", fmt::format("--{}={}", each.flag, gap_ms), each.remedy);
    }
  }
  if (!(chosen.aimed_percent >= 0 && chosen.aimed_percent <= 100)) {
    return failure(errc::invalid, "use", fmt::format("--aimed_percent={}", chosen.aimed_percent),
                   "choose a number from 0 to 100");
  }
  return {};
}

std::expected<outcome, error> run_scenario(const options& chosen, const progress_callback& tell,
                                           const run& in, std::span<const scenario> among) {
  SHMARK_RETURN_IF_ERROR(check(chosen, among));
  return find(chosen.scenario, among)->carry_out(chosen, tell, in);
}

std::string command_of(const options& chosen) {
  auto command =
      fmt::format("bazel run -c opt {} -- --scenario={} --workers={} --seconds={} --seed={}",
                  chosen.program, chosen.scenario, chosen.workers, chosen.seconds, chosen.seed);
  if (chosen.scenario == "counter") command += fmt::format(" --lock={}", chosen.lock);
  for (const fault_gap& each : gaps) {
    if (chosen.*each.gap_ms != options{}.*each.gap_ms) {
      command += fmt::format(" --{}={}", each.flag, chosen.*each.gap_ms);
    }
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
  if (chosen.stop_gap_ms > 0) {
    line("workers stopped for a while", seen.stops);
    line("  inside an operation", seen.stops_in_operation);
    line("  while holding the lock", seen.stops_holding);
  }
  if (chosen.signal_gap_ms > 0) {
    line("workers interrupted by a signal", seen.signals);
    line("  inside an operation", seen.signals_in_operation);
  }
  line("recoveries after a dead writer", seen.recoveries);
  line("operations", seen.operations());
  line("  that overlapped with another's", seen.overlapped);
  line("changes", seen.changes);
  line("reads", seen.reads);
  line("lost changes", seen.lost);
  line("torn values", seen.torn);
  line("holders that were not alone", seen.intruded);
  line("stuck workers", seen.stuck);
  line("workers that ended by themselves", seen.died);
  line("objects left behind", seen.leaked);
  line("histories that no order explains", seen.broken);
  if (done.checked.operations != 0) text += summary_of(done.checked);
  if (done.recovery.total() != 0) {
    text += fmt::format("  from a holder's kill to the next lock: p50 {}, p99 {}, max {} (of {})\n",
                        duration_text(number(done.recovery.quantile(0.5))),
                        duration_text(number(done.recovery.quantile(0.99))),
                        duration_text(number(done.recovery.max())),
                        count_text(number(done.recovery.total())));
  }
  if (const auto bound = bound_of(done)) {
    text += fmt::format("  chance that a kill inside an operation does harm, at most: {:.2g}\n",
                        *bound);
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
      .name = fmt::format("Stress/scenario:{}/{}workers:{}", chosen.scenario,
                          chosen.scenario == "counter" ? fmt::format("lock:{}/", chosen.lock) : "",
                          chosen.workers),
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
                    {"stops", number(seen.stops)},
                    {"stops_in_operation", number(seen.stops_in_operation)},
                    {"stops_holding", number(seen.stops_holding)},
                    {"signals", number(seen.signals)},
                    {"signals_in_operation", number(seen.signals_in_operation)},
                    {"recoveries", number(seen.recoveries)},
                    {"lost", number(seen.lost)},
                    {"torn", number(seen.torn)},
                    {"intruded", number(seen.intruded)},
                    {"stuck", number(seen.stuck)},
                    {"died", number(seen.died)},
                    {"leaked", number(seen.leaked)},
                    {"broken", number(seen.broken)}};
  if (done.checked.operations != 0) {
    entry.counters["checked_operations"] = number(done.checked.operations);
    entry.counters["checked_overlapped"] = number(done.checked.overlapped);
    entry.counters["checked_pending"] = number(done.checked.pending);
    entry.counters["check_s"] = done.checked.seconds;
  }
  if (const auto bound = bound_of(done)) entry.counters["failure_bound"] = *bound;
  if (done.recovery.total() != 0) {
    entry.counters["recovery_p50_ns"] = number(done.recovery.quantile(0.5));
    entry.counters["recovery_p99_ns"] = number(done.recovery.quantile(0.99));
    entry.counters["recovery_max_ns"] = number(done.recovery.max());
  }
  return entry;
}

}  // namespace shmark::stress

#include "stress/scenario/register.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "lib/base/deadline.h"
#include "lib/crew/crew.h"
#include "lib/result/result.h"
#include "stress/checker/leaks.h"
#include "stress/checker/linearizability.h"
#include "stress/checker/progress.h"
#include "stress/checker/shorten.h"
#include "stress/history/file.h"

namespace shmark::stress::detail {
namespace {

constexpr double ns_per_s = 1e9;

double seconds_since(std::int64_t from_ns) noexcept {
  return static_cast<double>(monotonic_ns() - from_ns) / ns_per_s;
}

// Where whoever began the program looks for what it leaves.
std::filesystem::path history_path(const options& chosen) {
  const auto name = fmt::format("shmark-{}-{}-{}.history", chosen.scenario, chosen.seed, getpid());
  const char* const outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  return outputs != nullptr ? std::filesystem::path(outputs) / name : result::caller_path(name);
}

std::string keep(const history& all, const options& chosen) {
  const auto path = history_path(chosen);
  const auto saved = save(all, path);
  return saved ? "its history: " + path.native() : saved.error().message();
}

void add(const supervision& round, supervision& to) {
  outcome& all = to.seen;
  const outcome& one = round.seen;
  all.seen += one.seen;
  all.checked += one.checked;
  all.interrupted = all.interrupted || one.interrupted;
  all.undecided = all.undecided || one.undecided;
  all.elapsed_s += one.elapsed_s;
  all.cpu_s += one.cpu_s;
  all.findings.insert(all.findings.end(), one.findings.begin(), one.findings.end());
  all.recovery.merge(one.recovery);
  to.processes.insert(round.processes.begin(), round.processes.end());
}

}  // namespace

std::size_t records_per_worker(const options& chosen, const register_options& how) {
  constexpr std::size_t unequal = 4;
  const auto workers = static_cast<std::size_t>(chosen.workers);
  const std::size_t fair = (how.operations_per_round + workers - 1) / workers;
  return std::min(how.operations_per_round, unequal * fair);
}

void look_last(const std::function<int()>& look, const options& chosen, const worker_logs& logs,
               supervision& so_far) {
  outcome& seen = so_far.seen;
  const auto found = [&seen](std::uint64_t& counter, std::string sentence) {
    ++counter;
    seen.findings.push_back("at the end: " + std::move(sentence));
  };
  crew one({.size = 1, .pin = pinning::none});
  if (const auto started = one.start(0, look); !started) {
    found(seen.seen.died, started.error().message());
    return;
  }
  const pid_t process = one.process(0);
  so_far.processes.insert(process);
  const auto event = one.wait(deadline::after(chosen.patience), {});
  if (event.interrupted) {
    seen.interrupted = true;
  } else if (!event.ended) {
    found(seen.seen.stuck,
          fmt::format("process {} cannot read the value: it is {}", process, whereabouts(process)));
  } else if (const auto& log = logs.of(chosen.workers); !log.found().empty()) {
    found(seen.seen.torn, std::string(log.found()));
  } else if (!event.ended->clean()) {
    const bool gave_up = log.has_failure.load() != 0;
    found(seen.seen.died, event.ended->text() + (gave_up ? ": " + log.failure.message() : ""));
  }
}

void judge(const history& all, const options& chosen, outcome& seen) {
  const std::int64_t begin_ns = monotonic_ns();
  const auto judged = check_linearizability(all);
  seen.checked.seconds = seconds_since(begin_ns);
  seen.checked.operations = all.operations.size();
  seen.checked.overlapped = overlapped(all);
  seen.checked.pending = static_cast<std::uint64_t>(
      std::ranges::count_if(all.operations, [](const operation& one) { return one.pending(); }));
  if (judged.found == order::none) {
    ++seen.seen.broken;
    const history enough = shorten(all);
    seen.findings.push_back(check_linearizability(enough).why);
    seen.findings.push_back(keep(enough, chosen));
  } else if (judged.found == order::undecided) {
    seen.undecided = true;
    seen.findings.push_back(judged.why);
    seen.findings.push_back(keep(all, chosen));
  }
}

std::expected<outcome, error> repeat_rounds(const options& chosen, const run& in,
                                            const register_rounds& round) {
  const auto before = system_objects::now();
  const std::int64_t begin_ns = monotonic_ns();
  supervision all;
  options next = chosen;
  do {
    SHMARK_ASSIGN_OR_RETURN(const auto done, round(next));
    add(done, all);
    const auto kills = all.seen.seen.kills_in_operation;
    if (chosen.enough_kills != 0 && kills >= chosen.enough_kills) break;
    if (chosen.enough_kills != 0) next.enough_kills = chosen.enough_kills - kills;
    next.seconds = chosen.seconds - seconds_since(begin_ns);
    ++next.seed;
  } while (next.seconds > 0 && all.seen.seen.faultless() && !all.seen.interrupted &&
           !all.seen.undecided);
  all.processes.insert(getpid());
  find_leaks({}, in, before, all.processes, all.seen);
  return all.seen;
}

}  // namespace shmark::stress::detail

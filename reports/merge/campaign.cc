#include "reports/merge/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lib/measure/failure_bound.h"
#include "lib/measure/figures.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

using result::entry;
using result::verdict_kind;

constexpr const char* attempted = "merge stress runs";

// From harmless to bad. A run in which no fault landed proves nothing; one that was cut short might
// have found something.
int badness(verdict_kind verdict) noexcept {
  switch (verdict) {
    case verdict_kind::passed:
      return 0;
    case verdict_kind::vacuous:
      return 1;
    case verdict_kind::undecided:
      return 2;
    case verdict_kind::failed:
      return 3;
  }
  return 3;
}

constexpr std::string_view bound = "failure_bound";
constexpr std::string_view kills_inside = "kills_in_operation";

bool is_duration_of_one(std::string_view counter) noexcept {
  return counter.starts_with("recovery_") && counter.ends_with("_ns");
}

double count(const entry& of, std::string_view counter) { return of.counter(counter).value_or(0); }

void set_bound(entry& of) {
  of.counters.erase(std::string(bound));
  const double kills = count(of, kills_inside);
  if (of.stress->verdict != verdict_kind::passed || !(kills >= 1)) return;
  of.counters[std::string(bound)] = failure_bound(static_cast<std::uint64_t>(kills));
}

void add(const entry& one, entry& to) {
  constexpr std::size_t findings_max = 100;
  for (const auto& [name, value] : one.counters) {
    auto& sum = to.counters[name];
    sum = is_duration_of_one(name) ? std::max(sum, value) : sum + value;
  }
  const double iterations = static_cast<double>(to.iterations + one.iterations);
  if (iterations > 0) {
    const auto mean = [&](double here, double there) {
      return (here * static_cast<double>(to.iterations) +
              there * static_cast<double>(one.iterations)) /
             iterations;
    };
    to.real_time = mean(to.real_time, one.real_time);
    to.cpu_time = mean(to.cpu_time, one.cpu_time);
  }
  to.iterations += one.iterations;
  if (badness(one.stress->verdict) > badness(to.stress->verdict)) {
    to.stress->verdict = one.stress->verdict;
    to.stress->command = one.stress->command;
    to.stress->seed = one.stress->seed;
  }
  for (const auto& finding : one.stress->findings) {
    if (to.stress->findings.size() < findings_max) to.stress->findings.push_back(finding);
  }
}

bool is_same_run(const entry& one, const entry& other) {
  return one.name == other.name && one.stress == other.stress && one.counters == other.counters &&
         one.real_time == other.real_time;
}

std::string line(std::string_view name, std::size_t runs, const entry& of) {
  const auto cell = [&of](std::string_view counter) { return count_text(count(of, counter)); };
  const double damage = count(of, "lost") + count(of, "torn") + count(of, "intruded") +
                        count(of, "died") + count(of, "broken");
  return fmt::format("{:<44}{:>6}{:>14}{:>12}{:>12}{:>12}{:>9}{:>7}{:>8}   {}\n", printable(name),
                     runs, cell("operations"), cell("kills"), cell(kills_inside),
                     cell("kills_holding"), count_text(damage), cell("stuck"), cell("leaked"),
                     result::name_of(of.stress->verdict));
}

std::string heading() {
  return fmt::format("{:<44}{:>6}{:>14}{:>12}{:>12}{:>12}{:>9}{:>7}{:>8}   {}\n", "scenario",
                     "runs", "operations", "kills", "inside", "holding", "damage", "stuck",
                     "leaked", "verdict");
}

}  // namespace

std::expected<result::run, error> merge(std::span<const named_run> runs,
                                        const std::string& command) {
  result::run merged{.about = runs.front().run.about, .entries = {}};
  merged.about.command = command;
  std::vector<const entry*> seen;
  for (const auto& [file, run] : runs) {
    if (run.entries.empty()) {
      return failure(errc::invalid, attempted, file, because{"there is nothing in it"});
    }
    for (const entry& one : run.entries) {
      if (!one.stress) {
        return failure(errc::invalid, attempted, file, because{"it is of no stress run"},
                       "compare shows benchmarks side by side");
      }
      if (std::ranges::any_of(seen, [&one](const entry* e) { return is_same_run(one, *e); })) {
        return failure(errc::exists, attempted, file, because{"a run in it was given before"},
                       "give each file once");
      }
      seen.push_back(&one);
      const auto before = std::ranges::find(merged.entries, one.name, &entry::name);
      if (before == merged.entries.end()) {
        merged.entries.push_back(one);
        merged.entries.back().repetitions = 1;
        merged.entries.back().repetition_index = 0;
      } else {
        add(one, *before);
        ++before->repetitions;
      }
    }
  }
  for (entry& each : merged.entries) set_bound(each);
  return merged;
}

std::string summary(const result::run& merged) {
  std::string text = heading();
  entry all{.name = "all", .stress = result::stress_outcome{.verdict = verdict_kind::passed}};
  std::size_t runs = 0;
  for (const entry& each : merged.entries) {
    const auto of = static_cast<std::size_t>(each.repetitions);
    text += line(each.name, of, each);
    runs += of;
    add(each, all);
  }
  text += line(all.name, runs, all);
  for (const entry& each : merged.entries) {
    if (each.stress->verdict == verdict_kind::passed) continue;
    text += fmt::format("\n{}: {}\n", printable(each.name), result::name_of(each.stress->verdict));
    for (const auto& finding : each.stress->findings) {
      text += fmt::format("  found: {}\n", printable(finding));
    }
    text += fmt::format("  repeat: {}\n", printable(each.stress->command));
  }
  set_bound(all);
  if (const auto most = all.counter(bound)) {
    text += fmt::format(
        "\nNo harm in {} kills inside an operation: with 95% confidence, and kills taken for\n"
        "independent, a kill does harm in at most {:.2g} of cases (3 / n).\n",
        count_text(count(all, kills_inside)), *most);
  }
  return text;
}

bool passed(const result::run& merged) noexcept {
  return std::ranges::all_of(merged.entries, [](const entry& each) {
    return each.stress && each.stress->verdict == verdict_kind::passed;
  });
}

}  // namespace shmark::reports

#include "reports/compare/comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "lib/measure/figures.h"
#include "lib/measure/median.h"
#include "reports/compare/compared.h"
#include "reports/series.h"

namespace shmark::reports {
namespace {

// Why this run's times mean nothing, if so.
std::optional<refusal> not_usable(const named_run& side) {
  const result::context& about = side.run.about;
  const std::string again = "; measure again with: bazel run -c opt //bench -- --out=FILE";
  if (side.run.entries.empty()) {
    return refusal{side.name + ": there are no benchmarks in it" + again};
  }
  if (about.schema == 0) return std::nullopt;  // a plain file does not tell how it was built
  if (about.build.sanitizer != result::sanitizer_kind::none) {
    return refusal{fmt::format("{}: measured with the {} sanitizer, which changes all times{}",
                               side.name, name_of(about.build.sanitizer), again)};
  }
  if (about.build.mode != result::build_mode::opt) {
    return refusal{side.name + ": measured in a debug build, whose times say nothing" + again};
  }
  return std::nullopt;
}

std::optional<refusal> not_alike(const named_run& baseline, const named_run& candidate) {
  const result::context& before = baseline.run.about;
  const result::context& after = candidate.run.about;
  if (before.schema != after.schema) {
    return refusal{
        fmt::format("{} has schema {}, but {} has {} (0 is a plain Google Benchmark file); give "
                    "two files of one "
                    "schema",
                    candidate.name, after.schema, baseline.name, before.schema)};
  }
  if (before.kind != after.kind) {
    return refusal{fmt::format(
        "{} is of a {} run, but {} is of a {} run; give two files that the same program wrote",
        candidate.name, name_of(after.kind), baseline.name, name_of(before.kind))};
  }
  return std::nullopt;
}

void note_if(bool differs, std::vector<std::string>& notes, const char* what,
             std::string_view before, std::string_view after) {
  if (differs) notes.push_back(fmt::format("{}: {} → {}", what, before, after));
}

std::string machine_words(const result::context& about) {
  return fmt::format("{}, {} cores, {}", about.machine.cpu, about.machine.cores,
                     about.machine.kernel);
}

std::vector<std::string> differences(const result::context& before, const result::context& after) {
  std::vector<std::string> notes;
  note_if(
      before.machine.fingerprint != after.machine.fingerprint ||
          (before.schema == 0 && before.num_cpus != after.num_cpus),
      notes, "different machines, so ratios mean little",
      before.schema == 0 ? fmt::format("{} processors", before.num_cpus) : machine_words(before),
      after.schema == 0 ? fmt::format("{} processors", after.num_cpus) : machine_words(after));
  note_if(before.build.compiler != after.build.compiler, notes, "different compilers",
          before.build.compiler, after.build.compiler);
  note_if(before.workers_are != after.workers_are, notes, "workers differ",
          name_of(before.workers_are), name_of(after.workers_are));
  for (const auto* about : {&before, &after}) {
    const char* which = about == &before ? "baseline" : "candidate";
    if (about->cpu_scaling_enabled) {
      notes.push_back(fmt::format("{}: the processor's frequency was allowed to vary", which));
    }
    const int cores = about->schema == 0 ? about->num_cpus : about->machine.cores;
    if (!about->load_avg.empty() && cores > 0 && about->load_avg.front() > cores) {
      notes.push_back(fmt::format("{}: the machine was busy already (load {:.1f} on {} cores)",
                                  which, about->load_avg.front(), cores));
    }
  }
  return notes;
}

// Whether every sample of one side is above every sample of the other.
bool apart(const std::vector<double>& low, const std::vector<double>& high) {
  return std::ranges::min(high) > std::ranges::max(low);
}

// "-" for what has no time that says anything.
std::string time_text(const std::vector<double>& times) {
  return times.empty() ? "-" : duration_text(median(times));
}

void decide_by_time(const std::vector<double>& before, const std::vector<double>& after,
                    double threshold, comparison_row& row) {
  row.baseline = time_text(before);
  row.candidate = time_text(after);
  if (before.empty() || after.empty()) {
    row.result = outcome::inconclusive;
    row.note = "rate given";
    return;
  }
  const double old_ns = median(before);
  const double new_ns = median(after);
  if (!(old_ns > 0) || !(new_ns > 0)) {
    row.result = outcome::inconclusive;
    row.note = "a time is zero";
    return;
  }
  row.ratio = new_ns / old_ns;
  const bool slower = *row.ratio > threshold;
  const bool faster = *row.ratio < 1 / threshold;
  const bool few = std::min(before.size(), after.size()) < enough_repetitions;
  if (few) row.note = "few samples";
  if (!slower && !faster) return;
  if (few || apart(slower ? before : after, slower ? after : before)) {
    row.result = slower ? outcome::regressed : outcome::improved;
  } else {
    row.result = outcome::inconclusive;
    row.note = "repetitions overlap";
  }
}

void decide_by_verdict(result::verdict_kind before, result::verdict_kind after,
                       comparison_row& row) {
  constexpr auto passed = result::verdict_kind::passed;
  constexpr auto failed = result::verdict_kind::failed;
  row.baseline = result::name_of(before);
  row.candidate = result::name_of(after);
  if ((before == passed && after != passed) || (after == failed && before != failed)) {
    row.result = outcome::regressed;
  } else if (before != passed && after == passed) {
    row.result = outcome::improved;
  } else if (before != after) {
    row.result = outcome::inconclusive;
  } else if (after != passed) {
    row.note = "neither passed";
  }
}

comparison_row row_of(const series& before, const series& after, double threshold) {
  comparison_row row{.name = before.name, .baseline = "-", .candidate = "-"};
  if (!after.failure.empty()) {
    row.candidate = "error";
    row.result = before.failure.empty() ? outcome::regressed : outcome::inconclusive;
    row.note = "candidate: " + after.failure;
  } else if (!before.failure.empty()) {
    row.baseline = "error";
    row.result = outcome::inconclusive;
    row.note = "baseline: " + before.failure;
  } else if (before.verdict && after.verdict) {
    decide_by_verdict(*before.verdict, *after.verdict, row);
  } else {
    decide_by_time(compared_times(before), compared_times(after), threshold, row);
  }
  return row;
}

std::string shown(const series& one) {
  if (!one.failure.empty()) return "error";
  return one.verdict ? std::string(result::name_of(*one.verdict)) : time_text(compared_times(one));
}

// Its failure counts: else a gate would let through what never worked.
comparison_row row_of_new(const series& after) {
  comparison_row row{
      .name = after.name, .baseline = "-", .candidate = shown(after), .result = outcome::is_new};
  if (after.failure.empty() && after.verdict != result::verdict_kind::failed) return row;
  row.result = outcome::regressed;
  row.note = after.failure.empty() ? "new" : "new; candidate: " + after.failure;
  return row;
}

}  // namespace

std::string_view name_of(outcome outcome) noexcept {
  constexpr std::array<std::string_view, 6> names{"regressed",    "improved", "unchanged",
                                                  "inconclusive", "missing",  "new"};
  return names[static_cast<std::size_t>(outcome)];
}

std::size_t comparison::count(outcome outcome) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(rows, [&](const auto& row) { return row.result == outcome; }));
}

std::expected<comparison, refusal> compare(const named_run& baseline, const named_run& candidate,
                                           double threshold) {
  for (const named_run* side : {&baseline, &candidate}) {
    if (auto why = not_usable(*side)) return std::unexpected(*why);
  }
  if (auto why = not_alike(baseline, candidate)) return std::unexpected(*why);

  const auto before = series_of(baseline.run);
  const auto after = series_of(candidate.run);
  std::map<std::string_view, const series*> left;  // of the candidate, not yet compared
  for (const series& one : after) left.emplace(one.name, &one);

  comparison done{.notes = differences(baseline.run.about, candidate.run.about),
                  .threshold = threshold};
  for (const series& one : before) {
    if (const auto other = left.extract(one.name)) {
      done.rows.push_back(row_of(one, *other.mapped(), threshold));
    } else {
      done.rows.push_back({one.name, shown(one), "-", {}, outcome::missing, ""});
    }
  }
  if (done.count(outcome::missing) == done.rows.size()) {
    return std::unexpected(refusal{fmt::format(
        "{} and {} have no benchmark in common; measure both with the same --benchmark_filter",
        baseline.name, candidate.name)});
  }
  for (const series& one : after) {
    if (left.contains(one.name)) done.rows.push_back(row_of_new(one));
  }
  return done;
}

}  // namespace shmark::reports

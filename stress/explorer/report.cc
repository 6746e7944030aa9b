// What explorer.h says about outcomes.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <map>
#include <ratio>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stress/explorer/explorer.h"
#include "stress/explorer/source.h"

namespace shmark::explorer {
namespace {

// What victims are stopped in: of several that are inlined into each other, the innermost of these.
constexpr std::array<std::string_view, 10> explored_files{
    "lib/lock/robust_rw.h",   "lib/lock/robust_rw.cc",      "lib/lock/roster.h",
    "lib/lock/roster.cc",     "lib/lock/sysv_semaphore.cc", "lib/store/store.h",
    "lib/store/store_impl.h", "lib/store/layout.cc",        "lib/segment/posix.cc",
    "lib/segment/sysv.cc"};

std::string_view word_for(std::uint32_t probed) noexcept {
  switch (probed) {
    case 1:
      return "goes on";
    case 2:
      return "blocks";
    case 3:
      return "refused";
    default:
      return "-";
  }
}

// "3, 7-9, 20".
std::string ranges_of(const std::set<int>& numbers) {
  std::string text;
  for (auto at = numbers.begin(); at != numbers.end();) {
    const int first = *at;
    int last = first;
    while (++at != numbers.end() && *at == last + 1) ++last;
    text += text.empty() ? "" : ", ";
    text += first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
  }
  return text;
}

}  // namespace

std::string command_of(const std::string& operation, const options& how) {
  std::string text = fmt::format("bazel run -c opt //stress/explorer -- --operation={} --{}{}",
                                 operation, name_of(how.fault), how.every ? " --every" : "");
  if (how.budget) {
    using minutes = std::chrono::duration<double, std::ratio<60>>;
    text += fmt::format(" --minutes={:.3g} --seed={}", minutes(*how.budget).count(), how.seed);
  }
  return text;
}

std::string table_heading(fault_kind fault) {
  const bool stops = fault == fault_kind::stop;
  return fmt::format("{:<40}{:>9}{:>8}{:>9}{:>8}{:>8}{:>8}{:>8}{:>7}  {}\n",
                     fault == fault_kind::kill_in_recovery ? "kill in recovery" : name_of(fault),
                     "points", "states", stops ? "stops" : "deaths", "old", "new", "told", "missed",
                     "done", "found");
}

std::string table_line(const outcome& done) {
  const counts& seen = done.seen;
  std::string found;
  for (std::size_t i = 0; i < findings; ++i) {
    if (seen.found[i] == 0) continue;
    found += fmt::format("{}{} {}", found.empty() ? "" : ", ", seen.found[i],
                         name_of(static_cast<finding>(i)));
  }
  if (found.empty()) found = "nothing";
  if (seen.absent != 0) found += fmt::format(" ({} points met in no other run)", seen.absent);
  if (done.interrupted) found += " (interrupted)";
  // Rounded down: only what is complete is all of it.
  constexpr double percent = 100;
  const auto share = fmt::format("{:.0f}%", std::floor(done.done.share() * percent));
  return fmt::format("{:<40}{:>9}{:>8}{:>9}{:>8}{:>8}{:>8}{:>8}{:>7}  {}\n", done.operation,
                     seen.points, seen.states, seen.deaths, seen.of(sight::old_value),
                     seen.of(sight::new_value), seen.of(sight::owner_died), seen.missed, share,
                     found);
}

std::string stop_table(const std::vector<outcome>& all) {
  std::set<std::uint64_t> addresses;
  for (const auto& done : all) {
    for (const auto& [had, where] : done.stopped_at) {
      for (const auto& [address, count] : where) addresses.insert(address);
    }
  }
  const sources known(addresses);
  std::string text = fmt::format("\n{:<40}{:<10}{:<10}{:<12}{:<12}{:>7}  {}\n", "stopped in",
                                 "exclusive", "shared", "newcomer's", "newcomer's", "states", "in");
  for (const auto& done : all) {
    for (const auto& [had, where] : done.stopped_at) {
      std::map<std::string, std::uint64_t> functions;
      std::uint64_t states = 0;
      for (const auto& [address, count] : where) {
        const auto at = known.innermost_in(address, explored_files);
        functions[at.line.file.starts_with("lib/") ? at.function : "the caller"] += count;
        states += count;
      }
      std::string names;
      for (const auto& [function, count] : functions) {
        names += fmt::format("{}{} {}", names.empty() ? "" : ", ", function, count);
      }
      text += fmt::format("{:<40}{:<10}{:<10}{:<12}{:<12}{:>7}  {}\n", done.operation,
                          word_for(had.probed[0]), word_for(had.probed[1]), word_for(had.probed[2]),
                          word_for(had.probed[3]), states, names);
    }
  }
  return text;
}

std::vector<file_coverage> coverage_of(const std::vector<outcome>& all) {
  std::map<std::uint64_t, std::uint64_t> deaths;
  std::set<std::uint64_t> addresses;
  for (const auto& done : all) {
    for (const auto& [address, count] : done.died_at) {
      deaths[address] += count;
      addresses.insert(address);
    }
  }
  const sources known(addresses);
  std::map<source_line, std::uint64_t> died_at;
  for (const auto& [address, count] : deaths) {
    for (const auto& each : known.of(address)) {
      auto& most = died_at[each.line];
      most = std::max(most, count);
    }
  }
  std::map<std::string, file_coverage> files;
  for (const auto& each : lines_with_code("lib/")) {
    const auto found = died_at.find(each);
    auto& of = files[each.file];
    of.file = each.file;
    of.deaths[each.number] = found != died_at.end() ? found->second : 0;
  }
  std::vector<file_coverage> covered;
  for (auto& [name, of] : files) {
    // What none of the operations has to do with is none of theirs.
    if (of.lines_died_at() != 0) covered.push_back(std::move(of));
  }
  return covered;
}

std::size_t file_coverage::lines_died_at() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(deaths, [](const auto& line) { return line.second != 0; }));
}

std::string file_coverage::text() const {
  constexpr std::array<std::uint64_t, 4> from{1, 10, 100, 1000};
  constexpr std::array<std::string_view, 5> words{"never", "1-9 times", "10-99", "100-999",
                                                  "1000 and more"};
  std::array<std::set<int>, words.size()> lines;
  for (const auto& [number, count] : deaths) {
    lines[static_cast<std::size_t>(std::ranges::upper_bound(from, count) - from.begin())].insert(
        number);
  }
  std::string text = fmt::format("{:>4} of {:>4}", lines_died_at(), deaths.size());
  for (std::size_t at = 0; at < lines.size(); ++at) {
    if (!lines[at].empty()) text += fmt::format("; {}: {}", words[at], ranges_of(lines[at]));
  }
  return text;
}

std::string coverage_table(const std::vector<file_coverage>& of) {
  if (of.empty()) {
    return "source lines: not known (needs binutils, and a build with --compilation_mode=opt)\n";
  }
  std::string text =
      "source lines with code in a crash state that was died in, and how often in one of these\n";
  for (const auto& each : of) {
    text += fmt::format("  {:<28}{}\n", each.file, each.text());
  }
  return text;
}

std::string what_is_missing(const outcome& done) {
  if (!done.done.is_cut) return {};
  const extent& its = done.done;
  constexpr double percent = 100;
  const double share = its.share() * percent;
  std::string text = fmt::format("cut: {}, time was over after {} of ", done.operation, its.trials);
  if (its.beginnings < its.beginnings_max) {
    const double all = its.beginnings == 0 ? 0
                                           : static_cast<double>(its.trials_max) *
                                                 static_cast<double>(its.beginnings_max) /
                                                 static_cast<double>(its.beginnings);
    text += its.beginnings == 0 ? std::string("an unknown number of")
                                : fmt::format("about {:.0f}", all);
    text += fmt::format(" pairs of crash states ({} of {} beginnings of recoveries are known)",
                        its.beginnings, its.beginnings_max);
  } else {
    text += fmt::format("{} {}", its.trials_max,
                        its.beginnings_max != 0 ? "pairs of crash states" : "trials");
  }
  return text + fmt::format(": {:.1f} % done, {:.1f} % are missing\n", share, percent - share);
}

result::entry to_entry(const outcome& done, const options& how) {
  const counts& seen = done.seen;
  const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
  const double deaths = number(std::max<std::uint64_t>(seen.deaths, 1));
  constexpr double ns_per_s = 1e9;
  result::entry entry{
      .name = fmt::format("Explore/operation:{}/fault:{}", done.operation, name_of(how.fault)),
      .iterations = seen.deaths,
      .real_time = done.elapsed_s * ns_per_s / deaths,
      .stress = result::stress_outcome{.verdict = done.verdict(),
                                       .seed = how.budget ? how.seed : 0,
                                       .command = command_of(done.operation, how),
                                       .findings = done.findings}};
  entry.counters = {{"points", number(seen.points)},
                    {"states", number(seen.states)},
                    {"deaths", number(seen.deaths)},
                    {"asleep", number(seen.asleep)},
                    {"missed", number(seen.missed)},
                    {"absent", number(seen.absent)},
                    {"share", done.done.share()},
                    {"outcomes_old", number(seen.of(sight::old_value))},
                    {"outcomes_new", number(seen.of(sight::new_value))},
                    {"outcomes_told", number(seen.of(sight::owner_died))},
                    {"stuck", number(seen.of(finding::stuck))},
                    {"lost", number(seen.of(finding::lost))},
                    {"torn", number(seen.of(finding::torn))},
                    {"leaked", number(seen.of(finding::leaked))},
                    {"broken", number(seen.of(finding::broken))}};
  return entry;
}

}  // namespace shmark::explorer

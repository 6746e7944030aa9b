// What explorer.h says about outcomes.

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "stress/explorer/explorer.h"
#include "stress/explorer/source.h"

namespace shmark::explorer {
namespace {

// What the explorer is there to kill.
constexpr std::array<std::string_view, 8> explored_files{
    "lib/lock/robust_rw.h", "lib/lock/robust_rw.cc", "lib/lock/roster.h",
    "lib/lock/roster.cc",   "lib/store/store.h",     "lib/store/store_impl.h",
    "lib/store/layout.cc",  "lib/segment/posix.cc"};

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
  return fmt::format("bazel run -c opt //stress/explorer -- --operation={} --{}{}", operation,
                     name_of(how.fault), how.every ? " --every" : "");
}

std::string table_heading(fault_kind fault) {
  const bool stops = fault == fault_kind::stop;
  return fmt::format("{:<40}{:>9}{:>8}{:>9}{:>8}{:>8}{:>8}{:>8}  {}\n",
                     fault == fault_kind::kill_in_recovery ? "kill in recovery" : name_of(fault),
                     "points", "states", stops ? "stops" : "deaths", "old", "new", "told", "missed",
                     "found");
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
  return fmt::format("{:<40}{:>9}{:>8}{:>9}{:>8}{:>8}{:>8}{:>8}  {}\n", done.operation, seen.points,
                     seen.states, seen.deaths, seen.of(sight::old_value), seen.of(sight::new_value),
                     seen.of(sight::owner_died), seen.missed, found);
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

std::string lines_never_died_at(const std::vector<outcome>& all) {
  std::set<std::uint64_t> addresses;
  for (const auto& done : all) addresses.insert(done.died_at.begin(), done.died_at.end());
  const sources known(addresses);
  std::set<source_line> died_at;
  for (const auto address : addresses) {
    for (const auto& each : known.of(address)) died_at.insert(each.line);
  }
  const auto with_code = lines_with_code(explored_files);
  if (with_code.empty()) {
    return "source lines: not known (needs binutils, and a build with --compilation_mode=opt)\n";
  }
  std::string text =
      "source lines with code in a crash state that was died in, and those in none\n";
  for (const auto file : explored_files) {
    std::set<int> never;
    std::size_t lines = 0;
    for (const auto& each : with_code) {
      if (each.file != file) continue;
      ++lines;
      if (!died_at.contains(each)) never.insert(each.number);
    }
    text += fmt::format("  {:<24}{:>4} of {:>4}; never: {}\n", file, lines - never.size(), lines,
                        never.empty() ? "none" : ranges_of(never));
  }
  return text;
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
                                       .seed = 0,
                                       .command = command_of(done.operation, how),
                                       .findings = done.findings}};
  entry.counters = {{"points", number(seen.points)},
                    {"states", number(seen.states)},
                    {"deaths", number(seen.deaths)},
                    {"asleep", number(seen.asleep)},
                    {"missed", number(seen.missed)},
                    {"absent", number(seen.absent)},
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

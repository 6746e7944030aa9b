#include "reports/page/page.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <ranges>
#include <set>

#include "reports/page/document.h"
#include "reports/page/sections.h"

namespace shmark::reports {
namespace {

std::vector<page_run> page_runs_of(std::span<const result::run> runs) {
  std::map<result::run_kind, int> of_kind;
  for (const result::run& run : runs) ++of_kind[run.about.kind];
  std::vector<page_run> all;
  int number = 0;
  for (const result::run& run : runs) {
    ++number;
    const bool alone = of_kind[run.about.kind] == 1;
    all.push_back({.run = &run,
                   .all = series_of(run),
                   .prefix = alone ? "" : "Run " + std::to_string(number) + ": ",
                   .cores = run.about.schema == 0 ? run.about.num_cpus : run.about.machine.cores});
  }
  return all;
}

}  // namespace

looks::looks() {
  int next = 0;
  for (const char* subject : {"robust_rw", "pthread_robust", "pthread_mutex", "pthread_rwlock",
                              "boost_mutex", "sysv_semaphore"}) {
    known_[subject] = next++;
  }
}

int looks::of(std::string_view subject) {
  const auto found = known_.find(subject);
  if (found != known_.end()) return found->second;
  return known_.emplace(subject, static_cast<int>(known_.size())).first->second;
}

all_series where(const all_series& from, std::string_view argument, std::string_view value) {
  all_series found;
  std::ranges::copy_if(from, std::back_inserter(found),
                       [&](const series* one) { return one->parts[argument] == value; });
  return found;
}

std::vector<std::string> values_of(const all_series& all, std::string_view argument) {
  std::vector<std::string> values;
  for (const series* one : all) {
    const std::string value(one->parts[argument]);
    if (std::ranges::find(values, value) == values.end()) values.push_back(value);
  }
  return values;
}

std::vector<int> numbers_of(const all_series& all, std::string_view argument) {
  std::set<int> numbers;
  for (const series* one : all) {
    if (const auto number = one->parts.number(argument)) numbers.insert(*number);
  }
  return {numbers.begin(), numbers.end()};
}

std::string workers(int count, int cores) {
  std::string text = std::to_string(count) + (count == 1 ? " worker" : " workers");
  if (cores > 0 && count > cores) {
    text += " (on " + std::to_string(cores) + (cores == 1 ? " core)" : " cores)");
  }
  return text;
}

part part_of(const series& one) {
  const auto has = [&](auto... arguments) { return (!one.parts[arguments].empty() && ...); };
  const std::string& family = one.parts.family;
  if (one.verdict) return family == "Explore" ? part::explored : part::stress;
  if (one.entries.empty()) return part::other;
  if (family == "Lock" && has("lock", "mode") && one.parts.number("procs").value_or(0) > 0) {
    return has("locks") ? part::spread : part::lock;
  }
  if (family == "Codec" && has("codec", "shape", "op")) return part::codec;
  if (family == "Cache" && has("payload") && one.parts.number("write_percent") &&
      one.parts.number("procs").value_or(0) > 0) {
    return part::cache;
  }
  return family == "Limit" ? part::limit : part::other;
}

all_series of_part(const page_run& run, part wanted) {
  all_series found;
  for (const series& one : run.all) {
    const bool shown = !one.entries.empty() || one.verdict;
    if (shown && part_of(one) == wanted) found.push_back(&one);
  }
  return found;
}

void show_all_sizes(chart& bars) {
  bars.x.logarithmic = needs_logarithm(bars.series, true);
  if (bars.x.logarithmic) bars.kind = chart_kind::dots;
}

double operations_per_s(const series& one) {
  if (const auto rate = one.median_of("ops_per_s")) return *rate;
  const double ns = one.median_ns();
  return ns > 0 ? 1e9 / ns : 0;
}

std::string page(std::span<const result::run> runs, std::string_view title) {
  const auto all = page_runs_of(runs);
  document out(title);
  add_header(out, all, title);
  out.add_html("<main>\n");
  add_warnings(out, all);
  add_highlights(out, all);
  looks looks;
  for (const page_run& run : all) {
    add_stress(out, run);
    add_explored(out, run);
  }
  for (const page_run& run : all) {
    add_locks(out, run, looks);
    add_spread(out, run);
    add_caches(out, run);
    add_codecs(out, run);
    add_limits(out, run);
    add_others(out, run);
  }
  add_facts(out, all);
  out.add_html("</main>\n");
  return std::move(out).finish();
}

std::expected<void, error> write_page(const std::filesystem::path& path,
                                      std::span<const result::run> runs, std::string_view title) {
  return result::write_text(path, page(runs, title), "write page");
}

}  // namespace shmark::reports

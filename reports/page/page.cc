#include "reports/page/page.h"

#include <fmt/core.h>

#include <algorithm>
#include <ranges>

#include "reports/analysis/duels.h"
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
  for (const char* subject :
       {"robust_rw", "pthread_robust", "pthread_mutex", "pthread_rwlock", "boost_mutex",
        "sysv_semaphore", "ofd_lock", "flock_lock", "posix_semaphore", "boost_sharable_mutex",
        "boost_upgradable_mutex", "no_lock"}) {
    known_[subject] = next++;
  }
  // Stores are in other charts than locks.
  next = 0;
  for (const char* subject :
       {"variable", "lmdb", "redis", "ipc_shareable", "store", "store_unchecked"}) {
    known_[subject] = next++;
  }
  next_ = known_["no_lock"] + 1;
}

int looks::of(std::string_view subject) {
  const auto found = known_.find(subject);
  if (found != known_.end()) return found->second;
  return known_.emplace(subject, next_++).first->second;
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
  const auto counts = [&](const char* argument) {
    return one.parts.number(argument).value_or(0) > 0;
  };
  const bool is_loop = counts("rate_per_s") || counts("stop_ms");
  const std::string& family = one.parts.family;
  if (one.verdict) return family == "Explore" ? part::explored : part::stress;
  if (one.entries.empty()) return part::other;
  if (family == "Lock" && has("lock", "mode") && counts("procs")) {
    return has("locks") ? part::spread : is_loop ? part::loop : part::lock;
  }
  if (family == "Codec" && has("codec", "shape", "op")) return part::codec;
  if (family == "Cache" && has("payload") && counts("procs")) {
    if (one.parts["read"] == "uncached") return part::uncached;
    if (one.parts.number("write_percent")) return part::cache;
  }
  if (family == "Store" && has("store", "op", "payload") && counts("procs")) {
    return is_loop ? part::loop : part::store;
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

std::vector<double> as_ticks(const std::vector<int>& numbers) {
  return {numbers.begin(), numbers.end()};
}

std::optional<chart_band> oversubscribed(const std::vector<int>& counts, int cores) {
  if (cores == 0 || counts.empty() || counts.back() <= cores) return std::nullopt;
  return chart_band{static_cast<double>(cores), fmt::format("more workers than the {} {}", cores,
                                                            cores == 1 ? "core" : "cores")};
}

bool is_ours(std::string_view subject) { return subject == "robust_rw" || subject == our_store; }

std::string or_empty(std::optional<double> value, std::string (*text)(double)) {
  return value ? text(*value) : "";
}

std::string cell(const series& one, std::string_view counter, std::string (*text)(double)) {
  return or_empty(one.median_of(counter), text);
}

std::size_t first_shown(const std::vector<int>& workers, int cores) {
  const auto found = std::ranges::find(workers, cores);
  return found == workers.end() ? 0 : static_cast<std::size_t>(found - workers.begin());
}

chart throughput_chart(const all_series& of, std::string_view subject, std::string title, int cores,
                       looks& looks) {
  const auto counts = numbers_of(of, "procs");
  chart shown{.kind = chart_kind::lines,
              .title = std::move(title),
              .x = {.label = "workers",
                    .shows = quantity::workers,
                    .logarithmic = counts.size() > 2,
                    .ticks = as_ticks(counts)},
              .y = {.label = "operations per second", .shows = quantity::rate},
              .band = oversubscribed(counts, cores)};
  for (const std::string& name : values_of(of, subject)) {
    chart_series line{.name = name, .look = looks.of(name), .strong = is_ours(name)};
    for (const series* one : where(of, subject, name)) {
      line.points.push_back({static_cast<double>(one->parts.number("procs").value_or(0)),
                             operations_per_s(*one), one->min_of("ops_per_s"),
                             one->max_of("ops_per_s")});
    }
    std::ranges::stable_sort(line.points, {}, &chart_point::x);
    shown.series.push_back(std::move(line));
  }
  shown.y.logarithmic = needs_logarithm(shown.series, false);
  return shown;
}

std::string page(std::span<const result::run> runs, std::string_view title) {
  const auto all = page_runs_of(runs);
  document out(title);
  add_header(out, all, title);
  out.add_html("<main>\n");
  out.add_contents();
  add_warnings(out, all);
  add_highlights(out, all);
  looks looks;
  for (const page_run& run : all) {
    add_stress(out, run);
    add_explored(out, run);
  }
  for (const page_run& run : all) {
    add_locks(out, run, looks);
    add_plane(out, run, looks);
    add_spread(out, run);
    add_scaling(out, run, looks);
    add_loops(out, run);
    add_stores(out, run, looks);
    add_caches(out, run);
    add_codecs(out, run);
    add_limits(out, run);
    add_others(out, run);
    add_noise(out, run);
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

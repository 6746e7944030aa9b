// The parts of the page. Each adds itself to the document, or nothing if its run has nothing for
// it.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/result/noise.h"
#include "lib/result/result.h"
#include "reports/page/document.h"
#include "reports/series.h"

namespace shmark::reports {

// A run as the sections see it.
struct page_run {
  const result::run* run = nullptr;
  std::vector<series> all{};
  std::string prefix{};  // of headings: empty, or "Run 2: " where there are several of one kind
  int cores = 0;         // 0: unknown

  // What differences of this series are noise, as a share; 0: unknown.
  [[nodiscard]] double noise_of(const series& one) const {
    return result::noise_floor_of(one.entries, run->about);
  }
};

// Gives each subject its colour and marker: the same in every chart, and in every report for the
// subjects that we know.
class looks {
 public:
  looks();
  [[nodiscard]] int of(std::string_view subject);

 private:
  std::map<std::string, int, std::less<>> known_{};
  int next_ = 0;
};

// "1 worker", "4 workers", "8 workers (on 2 cores)".
[[nodiscard]] std::string workers(int count, int cores);

// Series of which parts of the page, by name. A series without a single valid time is of none.
enum class part : std::uint8_t {
  lock,
  spread,  // workers on one lock, and on several: the same lock as in `lock`, another experiment
  loop,    // open, or with a stop: of locks and of stores
  codec,
  cache,
  uncached,  // reads without a copy
  store,
  limit,
  stress,
  explored,
  other,
};
[[nodiscard]] part part_of(const series& one);
[[nodiscard]] all_series of_part(const page_run& run, part wanted);

// Numbers as positions of ticks.
[[nodiscard]] std::vector<double> as_ticks(const std::vector<int>& numbers);

// From the last number of workers that each has a core to itself; `counts` rise.
[[nodiscard]] std::optional<chart_band> oversubscribed(const std::vector<int>& counts, int cores);

// Of what is ours, charts make more.
[[nodiscard]] bool is_ours(std::string_view subject);

// "", or what `text` makes of it.
[[nodiscard]] std::string or_empty(std::optional<double> value, std::string (*text)(double));

// The median of a counter, or "".
[[nodiscard]] std::string cell(const series& one, std::string_view counter,
                               std::string (*text)(double));

// Which of several charts to show first: the one of as many workers as there are cores, of those
// that are of as many as that; otherwise the first.
[[nodiscard]] std::size_t first_shown(const std::vector<int>& workers, int cores);

// Throughput of each `subject` (an argument) against workers.
[[nodiscard]] chart throughput_chart(const all_series& of, std::string_view subject,
                                     std::string title, int cores, looks& looks);

// Bars become dots on a logarithmic axis, which has no zero for bars to begin at, where the
// shortest one would vanish.
void show_all_sizes(chart& bars);

void add_header(document& to, std::span<const page_run> runs, std::string_view title);
void add_warnings(document& to, std::span<const page_run> runs);
void add_highlights(document& to, std::span<const page_run> runs);
void add_locks(document& to, const page_run& run, looks& looks);
void add_plane(document& to, const page_run& run, looks& looks);
void add_spread(document& to, const page_run& run);
void add_scaling(document& to, const page_run& run, looks& looks);
void add_loops(document& to, const page_run& run);
void add_stores(document& to, const page_run& run, looks& looks);
void add_caches(document& to, const page_run& run);
void add_codecs(document& to, const page_run& run);
void add_limits(document& to, const page_run& run);
void add_others(document& to, const page_run& run);
void add_stress(document& to, const page_run& run);
void add_explored(document& to, const page_run& run);
void add_noise(document& to, const page_run& run);
void add_facts(document& to, std::span<const page_run> runs);

}  // namespace shmark::reports

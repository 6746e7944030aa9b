// The parts of the page. Each adds itself to the document, or nothing if its run has nothing for
// it.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
};

// Gives each subject its colour and marker: the same in every chart, and in every report for the
// subjects that we know.
class looks {
 public:
  looks();
  [[nodiscard]] int of(std::string_view subject);

 private:
  std::map<std::string, int, std::less<>> known_{};
};

using all_series = std::vector<const series*>;

// Those whose argument has this value.
[[nodiscard]] all_series where(const all_series& from, std::string_view argument,
                               std::string_view value);

// Values of one argument in order of first appearance.
[[nodiscard]] std::vector<std::string> values_of(const all_series& all, std::string_view argument);

// Those numbers that an argument has, rising.
[[nodiscard]] std::vector<int> numbers_of(const all_series& all, std::string_view argument);

// "1 worker", "4 workers", "8 workers (on 2 cores)".
[[nodiscard]] std::string workers(int count, int cores);

// Series of which parts of the page, by name. A series without a single valid time is of none.
enum class part : std::uint8_t {
  lock,
  spread,  // workers on one lock, and on several: the same lock as in `lock`, another experiment
  codec,
  cache,
  limit,
  stress,
  explored,
  other,
};
[[nodiscard]] part part_of(const series& one);
[[nodiscard]] all_series of_part(const page_run& run, part wanted);

[[nodiscard]] double operations_per_s(const series& one);

// Bars become dots on a logarithmic axis, which has no zero for bars to begin at, where the
// shortest one would vanish.
void show_all_sizes(chart& bars);

void add_header(document& to, std::span<const page_run> runs, std::string_view title);
void add_warnings(document& to, std::span<const page_run> runs);
void add_highlights(document& to, std::span<const page_run> runs);
void add_locks(document& to, const page_run& run, looks& looks);
void add_spread(document& to, const page_run& run);
void add_caches(document& to, const page_run& run);
void add_codecs(document& to, const page_run& run);
void add_limits(document& to, const page_run& run);
void add_others(document& to, const page_run& run);
void add_stress(document& to, const page_run& run);
void add_explored(document& to, const page_run& run);
void add_facts(document& to, std::span<const page_run> runs);

}  // namespace shmark::reports

#include "bench/catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/cases.h"
#include "lib/crew/processors.h"
#include "lib/subject/missing_peers.h"
#include "lib/workload/limit.h"

namespace shmark::bench {
namespace {

template <limit_op Op>
void add_limit(cases& all) {
  all.push_back({.name = fmt::format("Limit/{}", name_of(Op)),
                 .make = [](const run&) { return limit<Op>::make(); }});
}

void add_limits(cases& all) {
  add_limit<limit_op::nothing>(all);
  add_limit<limit_op::acquire_load>(all);
  add_limit<limit_op::exchange_pair>(all);
  add_limit<limit_op::clock>(all);
}

}  // namespace

std::vector<int> worker_counts() {
  const int most = std::max(8, 4 * static_cast<int>(allowed_processors().size()));
  std::vector<int> all;
  for (int count = 1; count <= most; count *= 2) all.push_back(count);
  return all;
}

void add_missing(cases& all, std::string_view peer, std::string name) {
  for (const auto& each : missing_peers()) {
    if (each.name != peer) continue;
    all.push_back(
        {.name = name, .needs = name, .missing = [why = std::string(each.remedy)](const run&) {
           return std::optional(why);
         }});
  }
}

double benchmark_case::window_min_s() const noexcept {
  if (stop.count() == 0 && rate_per_s == 0) return 0;
  constexpr double open_s = 0.2;        // some thousand operations at the rates of this catalog
  constexpr double each_at_least = 10;  // fewer say when workers began, and little else
  const double due_s = rate_per_s == 0 ? 0 : each_at_least * workers / rate_per_s;
  return std::max({open_s, due_s, 8 * std::chrono::duration<double>(stop).count()});
}

std::vector<benchmark_case> catalog(const catalog_options& how) {
  cases all;
  add_limits(all);
  add_locks(all, how);
  add_codecs(all);
  add_caches(all, how);
  add_stores(all, how);
  add_external(all, how);
  return all;
}

}  // namespace shmark::bench

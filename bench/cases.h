// What the catalog is made of, a file each: it takes minutes to compile all in one. Internal to
// bench.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/catalog.h"

namespace shmark::bench {

using cases = std::vector<benchmark_case>;

void add_locks(cases& all, const catalog_options& how);
void add_codecs(cases& all);
void add_stores(cases& all, const catalog_options& how);
void add_external(cases& all, const catalog_options& how);
void add_caches(cases& all, const catalog_options& how);

// A line in place of benchmarks, if the build lacks the peer of that name.
void add_missing(cases& all, std::string_view peer, std::string name);

// 1, 2, 4, ... to four for each processor, and at least to 8.
[[nodiscard]] std::vector<int> worker_counts();

[[nodiscard]] inline std::vector<int> or_else(const std::vector<int>& asked,
                                              std::vector<int> otherwise) {
  return asked.empty() ? std::move(otherwise) : asked;
}

// Whether values of that name are to be measured.
[[nodiscard]] inline bool has_payload(const sweep& asked, std::string_view name) {
  return asked.payloads.empty() || std::ranges::find(asked.payloads, name) != asked.payloads.end();
}

}  // namespace shmark::bench

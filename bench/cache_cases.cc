#include <fmt/format.h>

#include "bench/cases.h"
#include "lib/subject/shapes.h"
#include "lib/workload/cache_hits.h"

namespace shmark::bench {
namespace {

// Values that were asked for are of every preset.
preset from_of(const sweep& asked, preset otherwise) {
  return asked.payloads.empty() ? otherwise : preset::quick;
}

template <class Shape>
void add_cache(cases& all, const catalog_options& how, preset from) {
  if (!has_payload(how.points, Shape::name)) return;
  for (const int write_percent : or_else(how.points.write_percent, {0, 1, 5, 20, 50})) {
    for (const int workers : or_else(how.points.workers, worker_counts())) {
      all.push_back({.name = fmt::format("Cache/write_percent:{}/payload:{}/procs:{}",
                                         write_percent, Shape::name, workers),
                     .workers = workers,
                     .from = from_of(how.points, from),
                     .make = [=, seed = how.seed](const run& owner) {
                       return cache_hits<Shape>::make(owner, write_percent, seed);
                     }});
    }
  }
}

// By workers who keep no copy.
template <class Shape>
void add_uncached(cases& all, const catalog_options& how, preset from) {
  if (!has_payload(how.points, Shape::name)) return;
  for (const int workers : or_else(how.points.workers, worker_counts())) {
    all.push_back(
        {.name = fmt::format("Cache/read:uncached/payload:{}/procs:{}", Shape::name, workers),
         .workers = workers,
         .from = from_of(how.points, from),
         .make = [](const run& owner) { return uncached_reads<Shape>::make(owner); }});
  }
}

}  // namespace

void add_caches(cases& all, const catalog_options& how) {
  add_cache<shapes::u64>(all, how, preset::quick);
  add_cache<shapes::map100>(all, how, preset::quick);
  for_each_type(shapes::payloads{},
                [&]<class Shape> { add_cache<Shape>(all, how, preset::standard); });
  add_uncached<shapes::u64>(all, how, preset::standard);
  add_uncached<shapes::map100>(all, how, preset::standard);
  for_each_type(shapes::payloads{},
                [&]<class Shape> { add_uncached<Shape>(all, how, preset::standard); });
}

}  // namespace shmark::bench

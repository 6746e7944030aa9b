#include "bench/catalog.h"

#include <fmt/format.h>

#include <array>

#include "lib/subject/codecs.h"
#include "lib/subject/locks.h"
#include "lib/subject/shapes.h"
#include "lib/workload/cache_hits.h"
#include "lib/workload/limit.h"
#include "lib/workload/lock_contention.h"
#include "lib/workload/serialization.h"

namespace shmark::bench {
namespace {

constexpr std::array worker_counts{1, 2, 4, 8};
constexpr std::array write_percents{0, 1, 5, 20, 50};

using cases = std::vector<benchmark_case>;

template <limit_op Op>
void add_limit(cases& all) {
  all.push_back(
      {fmt::format("Limit/{}", name_of(Op)), 1, [](const run&) { return limit<Op>::make(); }});
}

template <lock L>
void add_lock(cases& all, mode how, int workers) {
  all.push_back({fmt::format("Lock/lock:{}/mode:{}/procs:{}", L::name, name_of(how), workers),
                 workers,
                 [how](const run& owner) { return lock_contention<L>::make(owner, how); }});
}

// Two workers on one lock, and each on one of its own.
template <lock L>
void add_locks(cases& all, mode how) {
  for (const std::size_t locks : {1U, 2U}) {
    all.push_back(
        {fmt::format("Lock/lock:{}/mode:{}/procs:2/locks:{}", L::name, name_of(how), locks), 2,
         [how, locks](const run& owner) { return lock_contention<L>::make(owner, how, locks); }});
  }
}

template <class Codec, class Shape>
void add_codec(cases& all) {
  for (const codec_op op : {codec_op::encode, codec_op::decode}) {
    all.push_back(
        {fmt::format("Codec/codec:{}/shape:{}/op:{}", Codec::name, Shape::name, name_of(op)), 1,
         [op](const run&) -> std::expected<std::unique_ptr<workload>, error> {
           return std::make_unique<serialization<Codec, Shape>>(op);
         }});
  }
}

template <class Shape>
void add_cache(cases& all, std::uint64_t seed) {
  for (const int write_percent : write_percents) {
    for (const int workers : worker_counts) {
      all.push_back({fmt::format("Cache/write_percent:{}/payload:{}/procs:{}", write_percent,
                                 Shape::name, workers),
                     workers, [=](const run& owner) {
                       return cache_hits<Shape>::make(owner, write_percent, seed);
                     }});
    }
  }
}

}  // namespace

std::vector<benchmark_case> catalog(std::uint64_t seed) {
  cases all;
  add_limit<limit_op::nothing>(all);
  add_limit<limit_op::acquire_load>(all);
  add_limit<limit_op::exchange_pair>(all);
  add_limit<limit_op::clock>(all);

  add_lock<no_lock>(all, mode::exclusive, 1);
  for (const int workers : worker_counts) {
    for_each_type(all_locks{}, [&]<class L> { add_lock<L>(all, mode::exclusive, workers); });
  }
  for (const int workers : worker_counts) {
    for_each_type(all_locks{}, [&]<class L> {
      if constexpr (L::can.shared) add_lock<L>(all, mode::shared, workers);
    });
  }

  for_each_type(all_locks{}, [&]<class L> {
    if constexpr (L::can.shared) add_locks<L>(all, mode::shared);
  });

  const auto add_shapes = [&]<class Codec> {
    add_codec<Codec, shapes::flat>(all);
    add_codec<Codec, shapes::map100>(all);
    add_codec<Codec, shapes::doubles64k>(all);
  };
  for_each_type(all_codecs{}, add_shapes);
  for_each_type(yardstick_codecs{}, add_shapes);

  add_cache<shapes::u64>(all, seed);
  add_cache<shapes::map100>(all, seed);
  return all;
}

}  // namespace shmark::bench

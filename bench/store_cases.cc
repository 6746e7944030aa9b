#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bench/cases.h"
#include "bench/peers/perl_worker.h"
#include "lib/subject/stores.h"
#include "lib/workload/external.h"
#include "lib/workload/store_access.h"

namespace shmark::bench {
namespace {

struct payload {
  std::string_view name;
  std::size_t bytes;
  preset from;
};
constexpr std::array payloads{payload{"256", 256, preset::quick},
                              payload{"4k", 4 << 10, preset::standard},
                              payload{"64k", 64 << 10, preset::full}};

// One point of all that can be asked of a store.
struct store_point {
  payload of{};
  int workers = 1;
  int reads = 100;  // percent
  int rate_per_s = 0;
  preset from = preset::quick;

  [[nodiscard]] bool is_mixed() const noexcept { return reads > 0 && reads < 100; }
  [[nodiscard]] std::string_view op() const noexcept {
    return is_mixed() ? "mixed" : (reads == 0 ? "write" : "read");
  }
};

benchmark_case case_of(std::string_view store, const store_point& at) {
  auto name = fmt::format("Store/store:{}/op:{}/payload:{}/procs:{}", store, at.op(), at.of.name,
                          at.workers);
  if (at.is_mixed()) name += fmt::format("/reads:{}", at.reads);
  if (at.rate_per_s != 0) name += fmt::format("/rate_per_s:{}", at.rate_per_s);
  return {.name = std::move(name),
          .workers = at.workers,
          .from = at.from,
          .rate_per_s = static_cast<double>(at.rate_per_s),
          .needs = fmt::format("Store/store:{}", store)};
}

template <byte_store S>
void add_store(cases& all, const store_point& at, std::uint64_t seed) {
  auto made = case_of(S::name, at);
  made.missing = [](const run&) { return missing_reason<S>(); };
  made.make =
      [how = store_load{.payload_bytes = at.of.bytes, .reads_percent = at.reads, .seed = seed}](
          const run& owner) { return store_access<S>::make(owner, how); };
  all.push_back(std::move(made));
}

// --- Perl's IPC::Shareable, a worker in another language: it paces itself by nothing, and takes
// milliseconds for a large value.

std::optional<std::string> missing_shareable(const run& owner) {
  return external_work::missing_reason(owner, perl_worker(), ipc_shareable("read", 16, 1));
}

void add_shareable(cases& all, const store_point& at, std::uint64_t seed) {
  constexpr std::size_t largest = 4 << 10;
  if (at.of.bytes > largest) return;
  auto made = case_of("ipc_shareable", at);
  if (at.rate_per_s != 0) {
    made.needs = made.name;
    made.missing = [](const run&) {
      return std::optional<std::string>(
          "workers in other languages have no open loop; leave --rate_per_s out");
    };
    all.push_back(std::move(made));
    return;
  }
  made.missing = missing_shareable;
  made.make = [what = ipc_shareable(at.op(), at.of.bytes, at.workers, at.reads, seed)](
                  const run& owner) { return external_work::make(owner, perl_worker(), what); };
  all.push_back(std::move(made));
}

// --- What is measured.

// What was asked for is of every preset.
preset from_of(const store_point& at, const sweep& asked) {
  const auto of_payload = asked.payloads.empty() ? at.of.from : preset::quick;
  const bool is_further = at.is_mixed() && asked.reads.empty();
  return std::max(of_payload, is_further ? preset::standard : preset::quick);
}

std::vector<store_point> points_of(const sweep& asked) {
  constexpr int mixed_reads = 90;
  std::vector<store_point> all;
  for (const payload& of : payloads) {
    if (!has_payload(asked, of.name)) continue;
    for (const int reads : or_else(asked.reads, {100, 0, mixed_reads})) {
      for (const int rate_per_s : or_else(asked.rate_per_s, {0})) {
        for (const int workers : or_else(asked.workers, worker_counts())) {
          store_point at{.of = of, .workers = workers, .reads = reads, .rate_per_s = rate_per_s};
          at.from = from_of(at, asked);
          all.push_back(at);
        }
      }
    }
  }
  return all;
}

}  // namespace

void add_stores(cases& all, const catalog_options& how) {
  const auto points = points_of(how.points);
  for_each_type(all_stores{}, [&]<class S> {
    for (const auto& at : points) add_store<S>(all, at, how.seed);
  });
  for (const auto& at : points) add_shareable(all, at, how.seed);
  add_missing(all, "lmdb", "Store/store:lmdb");
  add_missing(all, "redis", "Store/store:redis");
}

}  // namespace shmark::bench

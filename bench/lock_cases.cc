#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bench/cases.h"
#include "lib/subject/locks.h"
#include "lib/workload/lock_contention.h"

namespace shmark::bench {
namespace {

enum class lock_mode : std::uint8_t { exclusive, shared, mixed };

// One point of all that can be asked of a lock.
struct lock_point {
  lock_mode how = lock_mode::exclusive;
  int workers = 1;
  int locks = 0;  // 0: one, and not in the name
  int cs_ns = 0;
  int think_ns = 0;
  int reads = 0;
  int rate_per_s = 0;
  int stop_ms = 0;
};

std::string arguments_of(const lock_point& at) {
  constexpr std::array<std::string_view, 3> modes{"exclusive", "shared", "mixed"};
  std::string text =
      fmt::format("mode:{}/procs:{}", modes[static_cast<std::size_t>(at.how)], at.workers);
  const auto add = [&](const char* key, int value) {
    if (value != 0) text += fmt::format("/{}:{}", key, value);
  };
  add("locks", at.locks);
  add("cs_ns", at.cs_ns);
  add("think_ns", at.think_ns);
  add("reads", at.reads);
  add("rate_per_s", at.rate_per_s);
  add("stop_ms", at.stop_ms);
  return text;
}

template <lock L>
void add_lock(cases& all, const lock_point& at, preset from, std::uint64_t seed) {
  if (!L::can.shared && at.how != lock_mode::exclusive) return;
  const lock_load load{
      .reads_percent = at.how == lock_mode::shared ? 100 : at.reads,
      .locks = static_cast<std::size_t>(std::max(1, at.locks)),
      .cs_ns = static_cast<std::uint32_t>(at.cs_ns),
      .think_ns = static_cast<std::uint32_t>(at.think_ns),
      .seed = seed,
  };
  all.push_back(
      {.name = fmt::format("Lock/lock:{}/{}", L::name, arguments_of(at)),
       .workers = at.workers,
       .from = from,
       .rate_per_s = static_cast<double>(at.rate_per_s),
       .stop = std::chrono::milliseconds(at.stop_ms),
       .make = [load](const run& owner) { return lock_contention<L>::make(owner, load); }});
}

// All locks, and for one worker what the same costs without a lock.
void add_point(cases& all, const lock_point& at, preset from, std::uint64_t seed) {
  if (at.workers == 1 && at.how == lock_mode::exclusive && at.locks == 0) {
    add_lock<no_lock>(all, at, from, seed);
  }
  for_each_type(all_locks{}, [&]<class L> { add_lock<L>(all, at, from, seed); });
}

// All combinations of what was asked for.
void add_asked(cases& all, const sweep& points, std::uint64_t seed) {
  const auto none = std::vector{0};
  std::vector<lock_point> asked;
  for (const int workers : or_else(points.workers, worker_counts())) {
    for (const int locks : or_else(points.locks, none)) {
      for (const int cs_ns : or_else(points.cs_ns, none)) {
        for (const int think_ns : or_else(points.think_ns, none)) {
          for (const int rate : or_else(points.rate_per_s, none)) {
            for (const int stop_ms : or_else(points.stop_ms, none)) {
              asked.push_back({.workers = workers,
                               .locks = locks,
                               .cs_ns = cs_ns,
                               .think_ns = think_ns,
                               .rate_per_s = rate,
                               .stop_ms = stop_ms});
            }
          }
        }
      }
    }
  }
  for (lock_point at : asked) {
    if (points.reads.empty()) {
      for (const auto how : {lock_mode::exclusive, lock_mode::shared}) {
        at.how = how;
        add_point(all, at, preset::quick, seed);
      }
    }
    for (const int reads : points.reads) {
      at.how =
          reads == 0 ? lock_mode::exclusive : (reads == 100 ? lock_mode::shared : lock_mode::mixed);
      at.reads = at.how == lock_mode::mixed ? reads : 0;
      add_point(all, at, preset::quick, seed);
    }
  }
}

void add_presets(cases& all, std::uint64_t seed) {
  const auto add = [&](const lock_point& at, preset from) { add_point(all, at, from, seed); };
  for (const auto how : {lock_mode::exclusive, lock_mode::shared}) {
    for (const int workers : worker_counts()) add({.how = how, .workers = workers}, preset::quick);
    for (const int workers : {3, 6}) add({.how = how, .workers = workers}, preset::full);
  }
  // Two workers on one lock, and each on one of its own.
  for (const int locks : {1, 2}) {
    add({.how = lock_mode::shared, .workers = 2, .locks = locks}, preset::quick);
  }
  for (const int locks : {1, 2, 8}) {
    add({.workers = 8, .locks = locks}, preset::full);
    add({.workers = 2, .locks = locks}, preset::full);
  }
  for (const int cs_ns : {50, 200, 1000}) {
    const auto from = cs_ns == 200 ? preset::standard : preset::full;
    for (const int workers : worker_counts()) add({.workers = workers, .cs_ns = cs_ns}, from);
  }
  for (const int think_ns : {500, 5000}) {
    for (const int workers : worker_counts()) {
      add({.workers = workers, .cs_ns = 200, .think_ns = think_ns}, preset::full);
    }
  }
  for (const int reads : {90, 50, 99}) {
    const auto from = reads == 90 ? preset::standard : preset::full;
    for (const int workers : worker_counts()) {
      add({.how = lock_mode::mixed, .workers = workers, .reads = reads}, from);
    }
  }
  // What a stall of one worker does: to those who ask as fast as they get, and to those who come
  // when they come.
  constexpr int rate_per_s = 20'000;
  constexpr int stop_ms = 50;
  add({.workers = 1, .rate_per_s = rate_per_s}, preset::standard);
  add({.workers = 4, .rate_per_s = rate_per_s}, preset::standard);
  add({.workers = 4, .stop_ms = stop_ms}, preset::standard);
  add({.workers = 4, .rate_per_s = rate_per_s, .stop_ms = stop_ms}, preset::standard);
  add({.workers = 4, .rate_per_s = 10 * rate_per_s}, preset::full);
}

}  // namespace

void add_locks(cases& all, const catalog_options& how) {
  // Only of those arguments that locks have.
  auto points = how.points;
  points.write_percent.clear();
  points.payloads.clear();
  if (points == sweep{}) {
    add_presets(all, how.seed);
  } else {
    add_asked(all, points, how.seed);
  }
}

}  // namespace shmark::bench

#include "lib/shareable/met.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "lib/base/contained.h"
#include "lib/base/process.h"
#include "lib/store/store.h"

namespace shmark::detail {
namespace {

struct entry {
  acquaintance it;
  std::uint32_t made_by;  // the process, by its fork_depth(); of what others made: nobody
  bool is_destroyed;
};
constexpr std::uint32_t nobody = ~std::uint32_t{0};

struct everything {
  std::mutex guard;
  std::vector<entry> all;
};

// Threads, and static objects, may outlive static destruction.
everything& met() {
  static auto* const it = new everything;
  return *it;
}

bool is_same(const acquaintance& one, const acquaintance& other) noexcept {
  return one.root == other.root && one.space == other.space;
}

template <class Predicate>
std::expected<void, error> remove_those(const Predicate& wanted, deadline until) {
  std::vector<entry> chosen;
  {
    const std::scoped_lock guard(met().guard);
    std::ranges::copy_if(met().all, std::back_inserter(chosen), wanted);
  }
  std::expected<void, error> outcome;
  for (const auto& one : chosen) {
    const auto done = one.it.remove(one.it, false, until);
    const bool is_gone = done || done.error().code == errc::not_found;
    if (is_gone) part_from(one.it);
    if (!is_gone && outcome) outcome = done;
  }
  return outcome;
}

// At exit(3), which in a forked child runs what its parent asked for.
void destroy_own() {
  const auto is_chosen = [](const entry& one) {
    return one.is_destroyed && one.made_by == fork_depth();
  };
  static_cast<void>(contained("remove", "shared variables", [&]() -> std::expected<void, error> {
    {
      const std::scoped_lock guard(met().guard);
      if (std::ranges::none_of(met().all, is_chosen)) return {};
    }
    // The thread that exits has come to its end already, and cannot take part in locks any more.
    std::thread([&is_chosen] {
      static_cast<void>(contained("remove", "shared variables", [&is_chosen] {
        return remove_those(is_chosen, deadline::after(removal_patience));
      }));
    }).join();
    return {};
  }));
}

void prepare_once() {
  [[maybe_unused]] static const int exits = std::atexit(destroy_own);
  [[maybe_unused]] static const int forks = pthread_atfork(
      [] { met().guard.lock(); }, [] { met().guard.unlock(); }, [] { met().guard.unlock(); });
}

}  // namespace

void meet(const acquaintance& it, meeting how) {
  prepare_once();
  const std::scoped_lock guard(met().guard);
  auto& all = met().all;
  auto found = std::ranges::find_if(all, [&](const entry& one) { return is_same(one.it, it); });
  if (found == all.end()) found = all.insert(all.end(), {it, nobody, false});
  if (!how.was_made) return;
  found->made_by = fork_depth();
  found->is_destroyed = how.is_destroyed;
}

void part_from(const acquaintance& it) noexcept {
  const std::scoped_lock guard(met().guard);
  std::erase_if(met().all, [&](const entry& one) { return is_same(one.it, it); });
}

std::expected<void, error> remove_met(bool also_what_others_made, deadline until) {
  return contained("remove", "shared variables", [&] {
    return remove_those(
        [=](const entry& one) { return also_what_others_made || one.made_by == fork_depth(); },
        until);
  });
}

}  // namespace shmark::detail

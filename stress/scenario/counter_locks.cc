#include "stress/scenario/counter_locks.h"

#include <algorithm>
#include <array>

#include "lib/subject/locks.h"
#include "lib/subject/no_lock.h"
#include "stress/scenario/counter.h"

namespace shmark::stress {
namespace {

template <class... Locks>
constexpr auto all_of(type_list<Locks...>) {
  return std::array{counter_lock{Locks::name, Locks::can, run_counter<Locks>}...,
                    counter_lock{no_lock::name, no_lock::can, run_counter<no_lock>}};
}
constexpr auto known = all_of(all_locks{});

}  // namespace

std::span<const counter_lock> counter_locks() noexcept { return known; }

const counter_lock* find_counter_lock(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(known, name, &counter_lock::name);
  return found == known.end() ? nullptr : found;
}

}  // namespace shmark::stress

#include <array>
#include <cstddef>
#include <expected>
#include <utility>
#include <vector>

#include "stress/explorer/lock_operations.h"
#include "stress/mutants/exploration.h"
#include "stress/mutants/mutant_lock.h"
#include "stress/mutants/planted.h"
#include "stress/mutants/trials.h"

namespace shmark::mutants {
namespace {

template <lock_bug bug>
std::expected<seen, error> explore_lock(const stress::options& chosen, const run& in) {
  std::vector<explorer::operation> operations;
  explorer::add_lone_operations<mutant_lock<bug>>(operations);
  explorer::add_contended_operations<mutant_lock<bug>>(operations);
  return explore(operations, chosen, in);
}

template <std::size_t... Numbers>
constexpr auto list(std::index_sequence<Numbers...>) noexcept {
  return std::array{trial{"explorer", explore_lock<lock_bugs[Numbers].bug>}...};
}
constexpr auto known = list(std::make_index_sequence<lock_bugs.size()>());

}  // namespace

std::span<const trial> lock_explorations() noexcept { return known; }

}  // namespace shmark::mutants

#include <array>
#include <cstddef>
#include <expected>
#include <utility>
#include <vector>

#include "stress/explorer/byte_store_operations.h"
#include "stress/mutants/exploration.h"
#include "stress/mutants/mutant_store.h"
#include "stress/mutants/planted.h"
#include "stress/mutants/trials.h"

namespace shmark::mutants {
namespace {

template <store_bug bug>
std::expected<seen, error> explore_store(const stress::options& chosen, const run& in) {
  std::vector<explorer::operation> operations;
  explorer::add_byte_store_operations<mutant_store<bug>>(operations);
  return explore(operations, chosen, in);
}

template <std::size_t... Numbers>
constexpr auto list(std::index_sequence<Numbers...>) noexcept {
  return std::array{trial{"explorer", explore_store<store_bugs[Numbers].bug>}...};
}
constexpr auto known = list(std::make_index_sequence<store_bugs.size()>());

}  // namespace

std::span<const trial> store_explorations() noexcept { return known; }

}  // namespace shmark::mutants

// Whether a history of a register is linearizable: whether its operations can be put in one order
// in which each read gets what the write before it wrote, and in which one that had returned before
// another was called comes before it. That is what a user takes for granted of a value that is
// shared: an operation happens at once, somewhere between its call and its return.
//
//     const auto seen = check_linearizability(all);
//     if (seen.found == order::none) fmt::print("{}\n", seen.why);
//
// Where writes have serial numbers, one higher for each that took effect, these are the order, and
// it is only checked: in O(n log n). Where not, it is searched for, by order_search.h.
//
// Pending writes, of workers that were killed, may have taken effect or not. By serial numbers that
// becomes: a number that no write returned must be that of a pending one, with the value that was
// read under it, called before anything that comes later had returned; and no two numbers of one.
//
// Source: Herlihy, Wing, "Linearizability: a correctness condition for concurrent objects", ACM
// Transactions on Programming Languages and Systems 12, 1990.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "stress/checker/order_search.h"
#include "stress/history/history.h"

namespace shmark::stress {

// A register, as far as its history says: the value that it holds.
struct register_model {
  using operation = stress::operation;
  using state = std::uint64_t;

  std::uint64_t first_value;

  [[nodiscard]] state first() const noexcept { return first_value; }
  [[nodiscard]] std::optional<state> after(state in, const operation& one) const noexcept {
    if (one.kind == access::write) return one.value;
    if (!one.pending() && one.value != in) return {};
    return in;
  }
  [[nodiscard]] std::size_t hash(state in) const noexcept { return in; }
};

struct linearizability {
  order found = order::undecided;
  // If there is none: which operations contradict each other. If undecided: why.
  std::string why;
};

// How much a search may remember: 400 MB of memory.
inline constexpr std::size_t order_states_max = 6'000'000;

// `states_max`: for histories without serial numbers, see order_search.
[[nodiscard]] linearizability check_linearizability(const history& all,
                                                    std::size_t states_max = order_states_max);

}  // namespace shmark::stress

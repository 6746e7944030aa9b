#include "stress/checker/linearizability.h"

#include <fmt/format.h>

#include <unordered_set>

#include "stress/checker/serial_order.h"

namespace shmark::stress {
namespace {

// Without the pending reads, and the pending writes whose values nobody read: a write that is there
// in an order, and that no read comes after, can be left out of it. What is left is tried at each
// step of the search.
std::vector<operation> without_idle(const history& all) {
  std::unordered_set<std::uint64_t> read;
  for (const auto& one : all.operations) {
    if (one.kind == access::read && !one.pending()) read.insert(one.value);
  }
  std::vector<operation> kept;
  for (const auto& one : all.operations) {
    const bool is_idle = one.pending() && (one.kind == access::read || !read.contains(one.value));
    if (!is_idle) kept.push_back(one);
  }
  return kept;
}

std::string explain(const order_search<register_model>::dead_end& end, std::size_t returned,
                    std::int64_t origin_ns) {
  const std::string before =
      end.previous == nullptr
          ? "nothing can come before it"
          : fmt::format("the longest order has {} of {} that returned, and ends with {}",
                        returned - end.left, returned, end.previous->text(origin_ns));
  return fmt::format("no order explains {}: {}; then the register holds {:#x}",
                     end.blocked->text(origin_ns), before, end.in);
}

linearizability search(const history& all, std::size_t states_max) {
  const auto kept = without_idle(all);
  order_search<register_model> of(kept, {all.first_value});
  const order found = of.run(states_max);
  if (found == order::exists) return {found, ""};
  if (found == order::undecided) {
    return {found, fmt::format("no order was found among the first {} possibilities", states_max)};
  }
  const auto returned = static_cast<std::size_t>(
      std::ranges::count_if(kept, [](const operation& one) { return !one.pending(); }));
  return {found, explain(of.furthest(), returned, all.begin_ns())};
}

}  // namespace

linearizability check_linearizability(const history& all, std::size_t states_max) {
  if (all.first_serial == 0) return search(all, states_max);
  if (auto found = contradiction_by_serial(all)) return {order::none, *std::move(found)};
  return {order::exists, ""};
}

}  // namespace shmark::stress

#include "stress/checker/shorten.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace shmark::stress {
namespace {

history with(const history& all, std::vector<operation> operations) {
  return {.first_value = all.first_value,
          .first_serial = all.first_serial,
          .operations = std::move(operations)};
}

// What was known at that moment.
history until(const history& all, std::int64_t end_ns) {
  std::vector<operation> known;
  for (operation one : all.operations) {
    if (one.called_ns > end_ns) continue;
    if (one.returned_ns > end_ns) {
      if (one.kind == access::read) continue;
      one.returned_ns = interval::never_ns;
      one.serial = 0;
    }
    known.push_back(one);
  }
  return with(all, std::move(known));
}

// What came after the write of that number. All pending writes stay: any may be needed.
history after(const history& all, std::uint64_t serial, std::uint64_t value) {
  std::vector<operation> later;
  for (const auto& one : all.operations) {
    const bool is_first = one.serial == serial && one.kind == access::write;
    if (one.pending() || (one.serial >= serial && !is_first)) later.push_back(one);
  }
  auto cut = with(all, std::move(later));
  cut.first_serial = serial;
  cut.first_value = value;
  return cut;
}

history without_end(const history& all, std::size_t states_max) {
  std::vector<std::int64_t> returns;
  for (const auto& one : all.operations) {
    if (!one.pending()) returns.push_back(one.returned_ns);
  }
  std::ranges::sort(returns);
  const auto is_linearizable = [&](std::int64_t end_ns) {
    return check_linearizability(until(all, end_ns), states_max).found != order::none;
  };
  const auto first = std::ranges::partition_point(returns, is_linearizable);
  return first == returns.end() ? all : until(all, *first);
}

history without_begin(const history& all) {
  std::map<std::uint64_t, std::uint64_t> values;  // by serial number
  for (const auto& one : all.operations) {
    if (!one.pending() && one.serial > all.first_serial) values.emplace(one.serial, one.value);
  }
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> known(values.begin(), values.end());
  const auto is_broken = [&all](const auto& first) {
    return check_linearizability(after(all, first.first, first.second)).found == order::none;
  };
  const auto end = std::ranges::partition_point(known, is_broken);
  if (end == known.begin()) return all;
  return after(all, std::prev(end)->first, std::prev(end)->second);
}

}  // namespace

history shorten(const history& all, std::size_t states_max) {
  auto shorter = without_end(all, states_max);
  return all.first_serial == 0 ? shorter : without_begin(shorter);
}

}  // namespace shmark::stress

#include "reports/analysis/loops.h"

#include <algorithm>

#include "lib/measure/figures.h"

namespace shmark::reports {
namespace {

bool is_open(const series& one) { return !one.parts["rate_per_s"].empty(); }
bool is_stopped(const series& one) { return !one.parts["stop_ms"].empty(); }

bool differ_in_rate_only(const series& one, const series& other) {
  auto mine = one.parts;
  auto yours = other.parts;
  mine.arguments.erase("rate_per_s");
  yours.arguments.erase("rate_per_s");
  return mine.family == yours.family && mine.arguments == yours.arguments;
}

const series* partner(const all_series& from, const series& one) {
  const auto found = std::ranges::find_if(from, [&](const series* other) {
    return is_open(*other) != is_open(one) && differ_in_rate_only(one, *other);
  });
  return found == from.end() ? nullptr : *found;
}

}  // namespace

bool loop_pair::is_saturated() const {
  constexpr double some_percent = 1;
  return open != nullptr && open->median_of("behind_percent").value_or(0) > some_percent;
}

std::vector<loop_pair> loop_pairs(const all_series& from) {
  std::vector<loop_pair> all;
  for (const series* one : from) {
    const series* other = partner(from, *one);
    if (is_open(*one)) {
      all.push_back({one, other});
    } else if (is_stopped(*one) && other == nullptr) {
      all.push_back({nullptr, one});
    }
  }
  return all;
}

std::string loop_text(const name_parts& of) {
  std::string text;
  if (const auto rate = of.number("rate_per_s")) text += count_text(*rate) + " per s";
  if (!of["stop_ms"].empty()) {
    text += text.empty() ? "" : ", ";
    ((text += "one stopped for ") += of["stop_ms"]) += " ms";
  }
  return text;
}

}  // namespace shmark::reports

#include "lib/measure/figures.h"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>

namespace shmark {
namespace {

struct unit {
  double size;
  std::string_view name;
};

// Three significant digits without exponent, for values from 0.001 to 999.
std::string three_digits(double value) {
  const double size = std::abs(value);
  if (size == 0) return "0";
  // Rounding decides the number of digits: 9.999 is 10.0 and 99.96 is 100.
  const int decimals = size < 0.9995 ? 3 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}", value, decimals);
}

// In the largest unit that leaves at least 1 of it; units rise.
std::string in_units(double value, std::span<const unit> units) {
  constexpr double rounds_up = 0.9995;  // 999.6 ns is 1.00 us
  const unit* best = &units.front();
  for (const unit& each : units) {
    if (std::abs(value) >= each.size * rounds_up) best = &each;
  }
  return fmt::format("{} {}", three_digits(value / best->size), best->name);
}

}  // namespace

std::string duration_text(double ns) {
  static constexpr std::array<unit, 4> units{{{1, "ns"}, {1e3, "us"}, {1e6, "ms"}, {1e9, "s"}}};
  return in_units(ns, units);
}

std::string duration_utf8(double ns) {
  static constexpr std::array<unit, 4> units{{{1, "ns"}, {1e3, "µs"}, {1e6, "ms"}, {1e9, "s"}}};
  return in_units(ns, units);
}

std::string rate_text(double per_s) {
  static constexpr std::array<unit, 4> units{{{1, "/s"}, {1e3, "k/s"}, {1e6, "M/s"}, {1e9, "G/s"}}};
  return in_units(per_s, units);
}

std::string bytes_text(double count) {
  if (std::abs(count) < 1024) return fmt::format("{:.0f} B", count);
  static constexpr std::array<unit, 3> units{
      {{1024, "KiB"}, {1024.0 * 1024, "MiB"}, {1024.0 * 1024 * 1024, "GiB"}}};
  return in_units(count, units);
}

std::string count_text(double number) {
  std::string digits = fmt::format("{:.0f}", std::abs(number));
  constexpr std::ptrdiff_t group = 3;
  for (auto at = std::ssize(digits) - group; at > 0; at -= group) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return number <= -0.5 ? '-' + digits : digits;
}

}  // namespace shmark

#include "reports/text.h"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace shmark::reports {
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
  constexpr double rounds_up = 0.9995;  // 999.6 ns is 1.00 µs
  const unit* best = &units.front();
  for (const unit& each : units) {
    if (std::abs(value) >= each.size * rounds_up) best = &each;
  }
  return fmt::format("{} {}", three_digits(value / best->size), best->name);
}

bool is_control(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return code < 0x20 || code == 0x7f;
}

}  // namespace

std::string duration(double ns, letters allowed) {
  static constexpr std::array<unit, 4> units{{{1, "ns"}, {1e3, "µs"}, {1e6, "ms"}, {1e9, "s"}}};
  static constexpr std::array<unit, 4> ascii{{{1, "ns"}, {1e3, "us"}, {1e6, "ms"}, {1e9, "s"}}};
  return in_units(ns, allowed == letters::ascii ? ascii : units);
}

std::string rate(double per_second) {
  static constexpr std::array<unit, 4> units{{{1, "/s"}, {1e3, "k/s"}, {1e6, "M/s"}, {1e9, "G/s"}}};
  return in_units(per_second, units);
}

std::string bytes(double count) {
  if (std::abs(count) < 1024) return fmt::format("{:.0f} B", count);
  static constexpr std::array<unit, 3> units{
      {{1024, "KiB"}, {1024.0 * 1024, "MiB"}, {1024.0 * 1024 * 1024, "GiB"}}};
  return in_units(count, units);
}

std::string count(double number) {
  std::string digits = fmt::format("{:.0f}", std::abs(number));
  constexpr std::ptrdiff_t group = 3;
  for (auto at = std::ssize(digits) - group; at > 0; at -= group) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return number <= -0.5 ? '-' + digits : digits;
}

std::string percent(double share) { return fmt::format("{:.1f} %", share * 100); }

std::string ratio(double value) {
  if (value < 0.095) return fmt::format("{:.2g}", value);
  return value < 10 ? fmt::format("{:.2f}", value) : fmt::format("{:.3g}", value);
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char byte : text) {
    switch (byte) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\n':
      case '\t':
        out += byte;
        break;
      default:
        if (is_control(byte)) {
          out += "\uFFFD";
        } else {
          out += byte;
        }
    }
  }
  return out;
}

std::string escape_markdown(std::string_view text) {
  constexpr std::string_view markup = "\\`*_[]|~@";
  std::string out;
  for (const char byte : text) {
    if (byte == '<') {
      out += "&lt;";
    } else if (byte == '>') {
      out += "&gt;";
    } else if (byte == '&') {
      out += "&amp;";
    } else if (is_control(byte)) {
      out += ' ';
    } else {
      if (markup.find(byte) != std::string_view::npos) out += '\\';
      out += byte;
    }
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // U+0080 to U+009F, in UTF-8 C2 80 to C2 9F: terminals obey some of them too.
    const bool second_set =
        text[i] == '\xc2' && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) <= 0x9f;
    if (second_set) ++i;
    out += second_set || is_control(text[i]) ? '?' : text[i];
  }
  return out;
}

}  // namespace shmark::reports

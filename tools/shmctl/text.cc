#include "tools/shmctl/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace shmark::inspector {
namespace {

// How many columns of a terminal it takes, if no character takes two.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char each) { return (each & 0xC0) != 0x80; }));
}

struct decoded {
  char32_t character;
  std::size_t length;  // 0: it is none
};

// The first character of UTF-8. Neither too long a form, nor half of a pair, nor beyond Unicode.
decoded first_of(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  const std::size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < length) return {0, 0};
  char32_t character = byte(0) & (0xFFU >> (length + 1));
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return {0, 0};
    character = character << 6 | (byte(at) & 0x3F);
  }
  const bool is_short = (length == 3 && character < 0x800) || (length == 4 && character < 0x10000);
  const bool is_half = character >= 0xD800 && character < 0xE000;
  if (is_short || is_half || character > 0x10FFFF) return {0, 0};
  return {character, length};
}

void append(std::string& text, char32_t character) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  const auto rest = [&](int shift) { add(0x80 | (character >> shift & 0x3F)); };
  if (character < 0x80) return add(character);
  if (character < 0x800) {
    add(0xC0 | character >> 6);
  } else if (character < 0x10000) {
    add(0xE0 | character >> 12);
    rest(6);
  } else {
    add(0xF0 | character >> 18);
    rest(12);
    rest(6);
  }
  rest(0);
}

template <class Unit>
std::string recoded(std::span<const std::byte> characters) {
  std::string text;
  for (std::size_t at = 0; at + sizeof(Unit) <= characters.size(); at += sizeof(Unit)) {
    Unit unit;
    std::memcpy(&unit, characters.data() + at, sizeof unit);
    char32_t character = unit;
    if (sizeof(Unit) == 2 && character >= 0xD800 && character < 0xDC00 &&
        at + 2 * sizeof(Unit) <= characters.size()) {
      Unit other;
      std::memcpy(&other, characters.data() + at + sizeof unit, sizeof other);
      if (other >= 0xDC00 && other < 0xE000) {
        character = 0x10000 + ((character - 0xD800) << 10) + (other - 0xDC00);
        at += sizeof unit;
      }
    }
    // What no character is becomes bytes that no text has.
    if (character > 0x10FFFF) return "\xFF";
    append(text, character);
  }
  return text;
}

}  // namespace

std::string table::text(std::size_t indent) const {
  std::vector<std::size_t> widths;
  for (const auto& each : columns_) widths.push_back(width_of(each.heading));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string all;
  const auto add = [&](const auto& cell_of) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_of(i);
      const std::string gap(widths[i] - width_of(cell), ' ');
      if (i != 0) line += "  ";
      line += columns_[i].where == side::right ? gap + cell : cell + gap;
    }
    line.resize(line.find_last_not_of(' ') + 1);
    all += line + "\n";
  };
  add([&](std::size_t i) -> const std::string& { return columns_[i].heading; });
  for (const auto& row : rows_) add([&](std::size_t i) -> const std::string& { return row[i]; });
  return all;
}

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const auto [character, length] = first_of(text);
    const bool is_control = character < 0x20 || (character >= 0x7F && character < 0xA0) ||
                            character == 0x2028 || character == 0x2029 ||
                            (character >= 0x202A && character <= 0x202E) ||
                            (character >= 0x2066 && character <= 0x2069);
    if (length == 0 || is_control || character == '\\') {
      for (const char each : text.substr(0, std::max<std::size_t>(length, 1))) {
        shown += each == '\\' ? "\\\\" : fmt::format("\\x{:02x}", static_cast<unsigned char>(each));
      }
    } else {
      shown += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return shown;
}

std::string shell_word(std::string_view word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:=@%+,";
  if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos) {
    return std::string(word);
  }
  const bool needs_escapes = printable(word) != word;
  std::string text = needs_escapes ? "$'" : "'";
  for (const char each : needs_escapes ? printable(word) : std::string(word)) {
    if (each != '\'') {
      text += each;
    } else {
      text += needs_escapes ? "\\'" : "'\\''";
    }
  }
  return text + "'";
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto length = first_of(text).length;
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

nlohmann::json text_json(std::span<const std::byte> characters, std::size_t size) {
  std::string text;
  if (size == 1) {
    text.assign(reinterpret_cast<const char*>(characters.data()), characters.size());
  } else {
    text = size == 2 ? recoded<char16_t>(characters) : recoded<char32_t>(characters);
  }
  if (is_utf8(text)) return text;
  std::string digits;
  for (const auto each : characters) digits += fmt::format("{:02x}", static_cast<unsigned>(each));
  return {{"bytes", digits}};
}

nlohmann::json text_json(std::string_view text) {
  return text_json(std::as_bytes(std::span(text)), 1);
}

std::string span_text(double seconds) {
  constexpr double minute = 60;
  constexpr double hour = 60 * minute;
  constexpr double day = 24 * hour;
  if (seconds < 1) return fmt::format("{:.0f} ms", std::max(seconds, 0.0) * 1000);
  if (seconds < 2 * minute) return fmt::format("{:.1f} s", seconds);
  if (seconds < 2 * hour) return fmt::format("{:.0f} min", seconds / minute);
  if (seconds < 2 * day) return fmt::format("{:.0f} h", seconds / hour);
  return fmt::format("{:.0f} d", seconds / day);
}

}  // namespace shmark::inspector

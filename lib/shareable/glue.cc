#include "lib/shareable/glue.h"

#include <array>
#include <cstdio>

#include "lib/base/random.h"

namespace shmark {
namespace detail {

std::uint32_t crc32(std::string_view text) noexcept {
  constexpr std::uint32_t reflected = 0xEDB88320;
  std::uint32_t rest = 0xFFFFFFFF;
  for (const char c : text) {
    rest ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? reflected : 0);
  }
  return ~rest;
}

}  // namespace detail

std::string glue::text() const {
  if (is_private()) return "private";
  if (!space_.empty()) return space_;
  if (!key_) return text_;
  std::array<char, 16> digits;
  std::snprintf(digits.data(), digits.size(), "0x%08x", *key_);
  return digits.data();
}

std::optional<std::uint32_t> glue::key(bool by_crc32) const noexcept {
  if (key_ || text_.empty()) return key_;
  if (by_crc32) return detail::crc32(text_);
  constexpr std::size_t counting = 4;
  std::uint32_t key = 0;
  for (std::size_t i = 0; i < counting; ++i) {
    key = key << 8 | static_cast<unsigned char>(i < text_.size() ? text_[i] : ' ');
  }
  return key;
}

std::string glue::space(bool by_crc32) const {
  if (!space_.empty()) return space_;
  std::array<char, 32> name;
  if (const auto number = key(by_crc32)) {
    std::snprintf(name.data(), name.size(), "glue-%08x", *number);
  } else {
    std::snprintf(name.data(), name.size(), "family-%016llx",
                  static_cast<unsigned long long>(unpredictable_number()));
  }
  return name.data();
}

std::string glue::name(bool by_crc32) const {
  return by_crc32 && !key_ && !text_.empty() ? "crc32 of " + text_ : "root";
}

}  // namespace shmark

// Glue: what programs that share a variable agree upon.
//
//     glue(0x64617461)     an integer of 32 bits
//     glue("data")         a text, of which the first four characters count, filled up with spaces:
//                          "database" is the same glue, and so is 0x64617461, which are its bytes
//     glue()               private: for the process that made it and the children that it forks
//
// With shareable_options::crc32 all of a text counts: its CRC-32 is the integer, and two texts that
// have the same do not meet (mismatch), but one keeps the other out.
//
// A glue is a space of its own (segment.h) without a user's number, "glue-64617461", so that users
// who trust each other can meet in it. Who wants what is shared to lie elsewhere, with other things
// of his that go together, names a space: glue::in_space("1000.mine").
//
// A value; thread-safe.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shmark {

class glue {
 public:
  // Private. So is an empty text.
  glue() noexcept = default;
  template <std::integral Number>
    requires(sizeof(Number) <= sizeof(std::uint32_t))
  glue(Number key) noexcept : key_(static_cast<std::uint32_t>(key)) {}  // NOLINT: converts
  // Two of these could be the same, and meet.
  template <std::integral Number>
  glue(Number key) = delete;
  glue(std::string_view text) : text_(text) {}    // NOLINT
  glue(const std::string& text) : text_(text) {}  // NOLINT
  glue(const char* text) : text_(text) {}         // NOLINT
  // In a space of the caller's choice, in which nothing else has the number 0: no domain, either.
  [[nodiscard]] static glue in_space(std::string_view space) {
    glue made;
    made.space_ = space;
    return made;
  }

  [[nodiscard]] bool is_private() const noexcept {
    return !key_ && text_.empty() && space_.empty();
  }
  // For messages.
  [[nodiscard]] std::string text() const;

  // The integer; nothing for a private one, or for a space.
  [[nodiscard]] std::optional<std::uint32_t> key(bool by_crc32) const noexcept;
  // Where its variable lies: of a private glue, somewhere else each time.
  [[nodiscard]] std::string space(bool by_crc32) const;
  // By which name, in that space: it tells texts of the same CRC-32.
  [[nodiscard]] std::string name(bool by_crc32) const;

 private:
  std::optional<std::uint32_t> key_;
  std::string text_;
  std::string space_;  // of in_space()
};

namespace detail {

// ISO-HDLC, as zlib and Ethernet have it: polynomial 0x04C11DB7, reflected.
[[nodiscard]] std::uint32_t crc32(std::string_view text) noexcept;

}  // namespace detail
}  // namespace shmark

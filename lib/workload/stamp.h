// Values that tell who wrote them, and whether all of a value is of one write.
//
// Each line of 64 bytes begins with the stamp of the write: a number that says who wrote the value
// and as which of his, and that hardly any other number can be taken for. So a writer changes, and
// who checks looks at, a 64th of the value's words only: what is measured is the store.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace shmark {

class stamp {
 public:
  static constexpr std::uint16_t supervisor = UINT16_MAX;  // as a writer

  constexpr stamp(std::uint16_t writer, std::uint32_t count) noexcept
      : bits_(checked(std::uint64_t{writer} << 48 | std::uint64_t{count} << check_bits)) {}
  explicit constexpr stamp(std::uint64_t bits) noexcept : bits_(bits) {}

  [[nodiscard]] constexpr std::uint64_t bits() const noexcept { return bits_; }
  [[nodiscard]] constexpr std::uint16_t writer() const noexcept {
    return static_cast<std::uint16_t>(bits_ >> 48);
  }
  // The writer's first value has 1.
  [[nodiscard]] constexpr std::uint32_t count() const noexcept {
    return static_cast<std::uint32_t>(bits_ >> check_bits);
  }
  // Whether it is one: of 65,536 other numbers, one passes.
  [[nodiscard]] constexpr bool is_genuine() const noexcept {
    return checked(bits_ >> check_bits << check_bits) == bits_;
  }

 private:
  static constexpr int check_bits = 16;
  static constexpr std::uint64_t checked(std::uint64_t said) noexcept {
    return said | (((said + 1) * 0x9E3779B97F4A7C15u) >> (64 - check_bits));
  }

  std::uint64_t bits_;
};

namespace detail {

constexpr std::size_t stamped_line = 64;

// Where the last stamp is in a value of so many bytes, 8 or more.
[[nodiscard]] constexpr std::size_t last_stamp(std::size_t bytes) noexcept {
  return (bytes - sizeof(std::uint64_t)) / stamped_line * stamped_line;
}
[[nodiscard]] inline std::uint64_t stamp_at(std::span<const std::byte> value,
                                            std::size_t at) noexcept {
  std::uint64_t bits;
  std::memcpy(&bits, value.data() + at, sizeof bits);
  return bits;
}

}  // namespace detail

// A writer's value.
class stamped_value {
 public:
  // Requires: 8 bytes or more.
  explicit stamped_value(std::size_t bytes) : bytes_(bytes, std::byte{'a'}) {}

  // Good until the next call.
  [[nodiscard]] std::span<const std::byte> with(stamp which) noexcept {
    const std::uint64_t bits = which.bits();
    for (std::size_t at = 0; at <= detail::last_stamp(bytes_.size()); at += detail::stamped_line) {
      std::memcpy(bytes_.data() + at, &bits, sizeof bits);
    }
    return bytes_;
  }

 private:
  std::vector<std::byte> bytes_;
};

// What a reader makes of the values that it sees. Looks at one word of each, at two of one that is
// new, and at all stamps of every 64th, or less often if there are more of them than 64.
class stamp_checker {
 public:
  // Of values of so many bytes.
  explicit stamp_checker(std::size_t bytes) noexcept
      : bytes_(bytes),
        whole_every_(64 * std::max<std::size_t>(1, bytes / detail::stamped_line / 64)),
        until_whole_(whole_every_) {}

  void look(std::span<const std::byte> value) noexcept {
    if (value.size() == bytes_ && detail::stamp_at(value, 0) == last_ && --until_whole_ != 0)
        [[likely]] {
      return;
    }
    look_closely(value);
  }

  // The same of a copy in this process, which nobody changes once it was looked at: so one that is
  // not new costs a word, and no count.
  void look_if_new(std::span<const std::byte> copy) noexcept {
    if (copy.size() == bytes_ && detail::stamp_at(copy, 0) == last_) [[likely]]
      return;
    look_closely(copy);
  }

  [[gnu::noinline]] void look_at_all(std::span<const std::byte> value) noexcept {
    bool is_fine = value.size() == bytes_;
    if (is_fine) {
      last_ = detail::stamp_at(value, 0);
      is_fine = stamp(last_).is_genuine();
      for (std::size_t at = 0; at <= detail::last_stamp(bytes_); at += detail::stamped_line) {
        is_fine = is_fine && detail::stamp_at(value, at) == last_;
      }
    }
    if (!is_fine) ++wrong_;
  }

  // Values that were not whole, or that nobody has written.
  [[nodiscard]] std::uint64_t wrong() const noexcept { return wrong_; }
  // Of the value seen last.
  [[nodiscard]] stamp last() const noexcept { return stamp(last_); }

 private:
  [[gnu::noinline]] void look_closely(std::span<const std::byte> value) noexcept {
    if (value.size() != bytes_) {
      ++wrong_;
      return;
    }
    if (until_whole_ <= 1) {
      until_whole_ = whole_every_;
      return look_at_all(value);
    }
    --until_whole_;
    last_ = detail::stamp_at(value, 0);
    const bool is_whole = detail::stamp_at(value, detail::last_stamp(bytes_)) == last_;
    if (!is_whole || !stamp(last_).is_genuine()) ++wrong_;
  }

  std::size_t bytes_;
  std::size_t whole_every_;
  std::size_t until_whole_;
  std::uint64_t last_ = 0;
  std::uint64_t wrong_ = 0;
};

}  // namespace shmark

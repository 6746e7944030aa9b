// What one would write by hand for just the values that are measured: the yardstick for codecs
// that take any. As careful as they are: reads are bounds-checked, and a map's memory is used
// again.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/codec/border.h"
#include "lib/codec/codec.h"
#include "lib/subject/shapes.h"

namespace shmark {

class by_hand {
  using text_map = std::map<std::string, std::string>;

 public:
  static constexpr std::string_view name = "by_hand";
  static constexpr codec_traits can{.bounds_checked = true};

  template <class T>
  static constexpr bool knows =
      std::same_as<T, std::uint64_t> || std::same_as<T, text_map> ||
      std::same_as<T, std::vector<double>> || std::same_as<T, std::string> ||
      std::same_as<T, std::vector<std::string>> || std::same_as<T, shapes::flat::type> ||
      std::same_as<T, shapes::tree::type>;

  template <class T>
    requires knows<T>
  [[nodiscard]] static std::expected<void, error> encode(const T& value, sink& to) noexcept {
    auto done = detail::within_border(detail::encoding, name, [&] { write(value, to); });
    if (to.failure()) return std::unexpected(*to.failure());
    return done;
  }
  template <class T>
    requires knows<T>
  [[nodiscard]] static std::expected<void, error> decode(std::span<const std::byte> from,
                                                         T& into) noexcept {
    return detail::within_border(detail::decoding, name, [&] { read(from, into); });
  }

 private:
  static void write(std::uint64_t value, sink& to) { to.write(&value, sizeof value); }
  static void write(const shapes::flat::type& value, sink& to) {
    to.write(&value.id, sizeof value.id);
    to.write(&value.count, sizeof value.count);
    to.write(&value.ratio, sizeof value.ratio);
    to.write(&value.parts, sizeof value.parts);
  }
  static void write(const std::vector<double>& values, sink& to) {
    write(values.size(), to);
    to.write(values.data(), values.size() * sizeof(double));
  }
  static void write(std::string_view text, sink& to) {
    const auto size = static_cast<std::uint32_t>(text.size());
    to.write(&size, sizeof size);
    to.write(text.data(), text.size());
  }
  static void write(const std::vector<std::string>& texts, sink& to) {
    write(texts.size(), to);
    for (const auto& text : texts) write(text, to);
  }
  static void write(const shapes::tree::type& node, sink& to) {
    to.write(&node.number, sizeof node.number);
    write(node.children.size(), to);
    for (const auto& child : node.children) write(child, to);
  }
  static void write(const text_map& items, sink& to) {
    write(items.size(), to);
    for (const auto& [key, text] : items) {
      write(key, to);
      write(text, to);
    }
  }

  using bytes = std::span<const std::byte>;

  [[noreturn]] static void refuse(const char* why) {
    throw detail::refusal({errc::corrupt, 0, "decode", name, "", why});
  }
  // Cuts that many bytes off the beginning.
  static const std::byte* take(bytes& from, std::size_t size) {
    if (size > from.size()) refuse("it ends too early");
    return std::exchange(from, from.subspan(size)).data();
  }
  template <class T>
  static void take_into(bytes& from, T& into) {
    std::memcpy(&into, take(from, sizeof into), sizeof into);
  }
  template <class T = std::uint64_t>
  static T take_number(bytes& from) {
    T number;
    take_into(from, number);
    return number;
  }
  // How many follow, which take at least that many bytes each.
  static std::size_t take_count(bytes& from, std::size_t size_min) {
    const auto count = take_number(from);
    if (count > from.size() / size_min) refuse("it ends too early");
    return count;
  }
  static std::string_view take_text(bytes& from) {
    const auto size = take_number<std::uint32_t>(from);
    return {reinterpret_cast<const char*>(take(from, size)), size};
  }

  static void read(bytes from, std::uint64_t& into) { take_into(from, into); }
  static void read(bytes from, shapes::flat::type& into) {
    take_into(from, into.id);
    take_into(from, into.count);
    take_into(from, into.ratio);
    take_into(from, into.parts);
  }
  static void read(bytes from, std::vector<double>& into) {
    const auto count = take_count(from, sizeof(double));
    into.resize(count);
    if (count > 0) std::memcpy(into.data(), from.data(), count * sizeof(double));
  }
  static void read(bytes from, std::string& into) { into.assign(take_text(from)); }
  static void read(bytes from, std::vector<std::string>& into) {
    into.resize(take_count(from, sizeof(std::uint32_t)));
    for (auto& text : into) text.assign(take_text(from));
  }
  static void read(bytes from, shapes::tree::type& into) { take_node(from, into, 100); }
  static void take_node(bytes& from, shapes::tree::type& into, int levels_left) {
    if (levels_left == 0) refuse("it is too deep");
    take_into(from, into.number);
    into.children.resize(take_count(from, sizeof into.number + sizeof(std::uint64_t)));
    for (auto& child : into.children) take_node(from, child, levels_left - 1);
  }
  static void read(bytes from, text_map& into) {
    auto old = into.begin();  // what lies before it has been read
    for (auto count = take_number(from); count > 0; --count) {
      const auto key = take_text(from);
      const auto text = take_text(from);
      while (old != into.end() && old->first < key) old = into.erase(old);
      if (old != into.end() && old->first == key) {
        (old++)->second.assign(text);
      } else {
        into.emplace_hint(old, key, text);
      }
    }
    into.erase(old, into.end());
  }
};
static_assert(codec<by_hand, shapes::map100::type> && !codec<by_hand, int>);

}  // namespace shmark

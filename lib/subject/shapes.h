// Shapes of data: the values that codecs encode and variables hold in benchmarks. Each has a name,
// makes a value, and can change a little of one.
#pragma once

#include <array>
#include <boost/serialization/array.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shmark::shapes {

// One 64-bit number.
struct u64 {
  static constexpr std::string_view name = "u64";
  using type = std::uint64_t;
  [[nodiscard]] static type make() { return 1; }
  static void change(type& value) { ++value; }
};

// A struct of numbers, without pointers.
struct flat {
  static constexpr std::string_view name = "flat";
  struct type {
    std::uint64_t id = 0;
    std::int32_t count = 0;
    double ratio = 0;
    std::array<std::uint32_t, 8> parts{};

    bool operator==(const type&) const = default;
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
      archive & id & count & ratio & parts;
    }
  };
  [[nodiscard]] static type make() {
    return {.id = 4711, .count = -3, .ratio = 0.375, .parts = {1, 2, 3, 4, 5, 6, 7, 8}};
  }
  static void change(type& value) { ++value.id; }
};

// A map of 100 strings to strings, of about 8 and 16 characters.
struct map100 {
  static constexpr std::string_view name = "map100";
  using type = std::map<std::string, std::string>;
  [[nodiscard]] static type make() {
    type value;
    for (int i = 0; i < 100; ++i) {
      value["key" + std::to_string(10000 + i)] = "value of number " + std::to_string(i);
    }
    return value;
  }
  static void change(type& value) {
    auto& text = value.begin()->second;
    text[0] = text[0] == 'v' ? 'w' : 'v';
  }
};

// 65,536 doubles: half a MiB.
struct doubles64k {
  static constexpr std::string_view name = "doubles64k";
  using type = std::vector<double>;
  [[nodiscard]] static type make() {
    type value(std::size_t{1} << 16);
    for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<double>(i) / 3;
    return value;
  }
  static void change(type& value) { value[0] += 1; }
};

}  // namespace shmark::shapes

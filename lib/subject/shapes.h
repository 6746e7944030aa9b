// Shapes of data: the values that codecs encode and variables hold in benchmarks. Each has a name,
// makes a value, and can change a little of one.
#pragma once

#include <array>
#include <boost/serialization/array.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/subject/type_list.h"

namespace shmark::shapes {

using boost::serialization::make_nvp;  // names, which XML writes, and others do not

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
      archive& make_nvp("id", id) & make_nvp("count", count) & make_nvp("ratio", ratio) &
          make_nvp("parts", parts);
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

// Doubles, as many as that.
template <std::size_t Count>
struct doubles {
  using type = std::vector<double>;
  [[nodiscard]] static type make() {
    type value(Count);
    for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<double>(i) / 3;
    return value;
  }
  static void change(type& value) { value[0] += 1; }
};
struct doubles64k : doubles<std::size_t{1} << 16> {  // half a MiB
  static constexpr std::string_view name = "doubles64k";
};
struct doubles1m : doubles<std::size_t{1} << 17> {  // a MiB
  static constexpr std::string_view name = "doubles1m";
};

// 10,000 strings of 12 characters.
struct strings {
  static constexpr std::string_view name = "strings";
  using type = std::vector<std::string>;
  [[nodiscard]] static type make() {
    type value;
    for (int i = 0; i < 10'000; ++i) value.push_back("string " + std::to_string(10'000 + i));
    return value;
  }
  static void change(type& value) {
    auto& text = value[0];
    text[0] = text[0] == 's' ? 't' : 's';
  }
};

// A binary tree of depth 10: 2047 nodes.
struct tree {
  static constexpr std::string_view name = "tree";
  struct type {
    std::uint32_t number = 0;
    std::vector<type> children;

    bool operator==(const type&) const = default;
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
      archive& make_nvp("number", number) & make_nvp("children", children);
    }
  };
  [[nodiscard]] static type make() { return node(1, 10); }
  static void change(type& value) { ++value.number; }

 private:
  static type node(std::uint32_t number, int depth) {
    if (depth == 0) return {number, {}};
    return {number, {node(2 * number, depth - 1), node(2 * number + 1, depth - 1)}};
  }
};

// Text of that many bytes, and named for it: what stores and caches are measured with.
template <std::size_t Size>
struct bytes {
  static constexpr std::string_view name = [] -> std::string_view {
    if (Size == 16) return "16";
    if (Size == 256) return "256";
    if (Size == 4 << 10) return "4k";
    if (Size == 64 << 10) return "64k";
    if (Size == 1 << 20) return "1m";
    return "";
  }();
  static_assert(!name.empty(), "give this size a name");
  using type = std::string;
  [[nodiscard]] static type make() {
    type value(Size, 'a');
    for (std::size_t i = 0; i < Size; ++i) value[i] = static_cast<char>('a' + i % 26);
    return value;
  }
  static void change(type& value) { value[0] = value[0] == 'a' ? 'b' : 'a'; }
};
using payloads = type_list<bytes<16>, bytes<256>, bytes<4 << 10>, bytes<64 << 10>, bytes<1 << 20>>;

}  // namespace shmark::shapes

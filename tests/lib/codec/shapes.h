// Values of different shapes, for tests that run over all codecs: for each, two that differ.
#pragma once

#include <boost/serialization/map.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <boost/serialization/version.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/subject/shapes.h"

#ifdef SHMARK_PEERS
#include <cereal/cereal.hpp>
#endif

namespace shmark {

using boost::serialization::make_nvp;

struct nothing {
  bool operator==(const nothing&) const = default;
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

struct point {
  double x = 0, y = 0;
  bool operator==(const point&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& make_nvp("x", x) & make_nvp("y", y);
  }
};

struct order {
  std::string customer;
  std::vector<point> stops;
  std::map<std::string, std::uint32_t> items;
  bool paid = false;
  bool operator==(const order&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& make_nvp("customer", customer) & make_nvp("stops", stops) & make_nvp("items", items) &
        make_nvp("paid", paid);
  }
};

// In its second version, which has `unit`.
struct measurement {
  std::int64_t amount = 0;
  std::string unit;
  bool operator==(const measurement&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned version) {
    archive& make_nvp("amount", amount);
    if (version >= 2) archive& make_nvp("unit", unit);
  }
};

// Each has the name of the shape, and two values.
struct integers {
  static constexpr std::string_view name = "integer";
  using type = std::int64_t;
  static type one() { return std::numeric_limits<type>::min(); }
  static type other() { return 7; }
};
struct doubles {
  static constexpr std::string_view name = "double";
  using type = double;
  static type one() { return 0.1; }  // has no short form in binary, nor all digits in text
  static type other() { return -std::numeric_limits<double>::max(); }
};
struct booleans {
  static constexpr std::string_view name = "boolean";
  using type = bool;
  static type one() { return true; }
  static type other() { return false; }
};
struct strings {
  static constexpr std::string_view name = "string";
  using type = std::string;
  static type one() { return std::string("a b\n\0 \xff\xc3\xa4 7", 11); }
  static type other() { return std::string(1000, 'x'); }
};
struct empty_strings {
  static constexpr std::string_view name = "empty_string";
  using type = std::string;
  static type one() { return {}; }
  static type other() { return "not empty"; }
};
struct vectors {
  static constexpr std::string_view name = "vector";
  using type = std::vector<double>;
  static type one() { return {0.1, -0.0, 1e300, 1.0 / 3}; }
  static type other() { return type(500, 2.5); }
};
struct maps {
  static constexpr std::string_view name = "map";
  using type = std::map<std::string, std::string>;
  static type one() { return {{"", "empty"}, {"a", ""}, {"key", "a value"}}; }
  static type other() { return {{"key", "another"}, {"z", "z"}}; }
};
struct empty_maps {
  static constexpr std::string_view name = "empty_map";
  using type = maps::type;
  static type one() { return {}; }
  static type other() { return maps::one(); }
};
struct structs {
  static constexpr std::string_view name = "struct";
  using type = order;
  static type one() {
    return {"Ada", {{1, 2}, {0.1, -3}}, {{"pen", 3}, {"ink", 4'000'000'000}}, true};
  }
  static type other() { return {"Bob", {}, {{"pen", 1}, {"cap", 2}}, false}; }
};
struct empty_structs {
  static constexpr std::string_view name = "empty_struct";
  using type = nothing;
  static type one() { return {}; }
  static type other() { return {}; }
};
struct few_strings {
  static constexpr std::string_view name = "few_strings";
  using type = shapes::strings::type;
  static type one() { return {"one", "", "three"}; }
  static type other() { return {"another", "two"}; }
};
struct small_trees {
  static constexpr std::string_view name = "small_tree";
  using type = shapes::tree::type;
  static type one() { return {1, {{2, {{4, {}}, {5, {}}}}, {3, {}}}}; }
  static type other() { return {7, {{8, {}}}}; }
};
struct versioned_structs {
  static constexpr std::string_view name = "versioned_struct";
  using type = measurement;
  static type one() { return {-5, "m"}; }
  static type other() { return {6, "a longer unit"}; }
};

}  // namespace shmark

BOOST_CLASS_VERSION(shmark::measurement, 2)
#ifdef SHMARK_PEERS
CEREAL_CLASS_VERSION(shmark::measurement, 2)
#endif

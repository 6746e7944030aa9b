// C++ types by their names: what a program knows of a type that it was not built with.
//
//     const auto name = parse_type("std::map<std::__cxx11::basic_string<char, …>, int, …>");
//     brief(name);                              // "std::map<std::string, int>"
//     const auto what = describe(name);         // what the codec `direct` makes of it
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace shmark::inspector {

// A name taken apart. Inline namespaces of the standard library are left out.
struct type_name {
  std::string head{};  // "std::vector"; of what cannot be taken apart, the whole text
  std::vector<type_name> arguments{};
  bool is_template = false;
  std::string tail{};  // what follows: " const", "*", "::iterator"
};

// Of a type as the demangler writes it. Any text gives a name.
[[nodiscard]] type_name parse_type(std::string_view text);
// The name in full, the same for all texts of the same type.
[[nodiscard]] std::string full(const type_name& of);
// The name as people write it: without the arguments that have defaults.
[[nodiscard]] std::string brief(const type_name& of);
// From what typeid(T).name() says.
[[nodiscard]] type_name demangled(const std::string& mangled);

// What direct's bytes of a type consist of: see lib/codec/DIRECT.md.
struct shape {
  enum class kind : std::uint8_t {
    boolean,
    integer,    // of `size` bytes, signed
    natural,    // unsigned
    real,       // of `size` bytes: float, double, long double
    text,       // a string of characters of `size` bytes
    reference,  // shmark::ref
    counted,    // a number of elements, these
    versioned,  // a number of elements, the version of their class, these
    array,      // a number that is `count`, the elements
    pair,
    optional
  };
  kind what;
  std::size_t size = 0;
  std::size_t count = 0;
  bool is_map = false;           // its elements are pairs whose first parts are all different
  std::size_t class_number = 0;  // of an object of a class: see description; else 0
  std::vector<shape> parts{};    // the element, or both
};

struct description {
  shape whole;
  std::size_t classes = 0;  // class numbers are 1 to this
};

// The error is the part of the type that is not known.
[[nodiscard]] std::expected<description, std::string> describe(const type_name& of);

}  // namespace shmark::inspector

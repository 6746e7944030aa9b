#include "tools/shmctl/type.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "lib/shm/registry.h"

namespace shmark::inspector {
namespace {

// A name is input: how deep its arguments may be nested, and how long it may be.
constexpr int depth_max = 64;
constexpr std::size_t mangled_max = 1 << 14;
constexpr std::size_t text_max = 1 << 16;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Where each part of a list of arguments ends, and where the list does.
struct argument_list {
  std::vector<std::string_view> parts;
  std::size_t end;  // behind the closing bracket
};

// Of the list whose opening bracket is at `begin`; nothing if the brackets do not match.
std::optional<argument_list> split(std::string_view text, std::size_t begin) {
  constexpr std::string_view opening = "<([{";
  constexpr std::string_view closing = ">)]}";
  argument_list found{{}, 0};
  std::string open;
  std::size_t part = begin + 1;
  for (std::size_t at = begin; at < text.size(); ++at) {
    const char letter = text[at];
    if (opening.contains(letter)) {
      open += letter;
    } else if (const auto which = closing.find(letter); which != std::string_view::npos) {
      if (open.empty() || open.back() != opening[which]) return {};
      open.pop_back();
      if (!open.empty()) continue;
      if (const auto last = trimmed(text.substr(part, at - part)); !last.empty()) {
        found.parts.push_back(last);
      }
      found.end = at + 1;
      return found;
    } else if (letter == ',' && open.size() == 1) {
      found.parts.push_back(trimmed(text.substr(part, at - part)));
      part = at + 1;
    }
  }
  return {};
}

std::string without_inline_namespaces(std::string_view head) {
  std::string name(head);
  for (const std::string_view inner : {"std::__cxx11::", "std::__1::"}) {
    if (name.starts_with(inner)) name.replace(0, inner.size(), "std::");
  }
  return name;
}

type_name parse(std::string_view text, int depth) {
  text = trimmed(text);
  type_name name;
  const auto bracket = text.find('<');
  const auto list = bracket == std::string_view::npos || bracket == 0 || depth >= depth_max
                        ? std::nullopt
                        : split(text, bracket);
  if (list) {
    name.head = without_inline_namespaces(trimmed(text.substr(0, bracket)));
    name.is_template = true;
    for (const auto part : list->parts) name.arguments.push_back(parse(part, depth + 1));
    name.tail = text.substr(list->end);
    return name;
  }
  constexpr std::string_view constant = " const";
  if (text.ends_with(constant)) {
    name.tail = constant;
    text.remove_suffix(constant.size());
  }
  name.head = without_inline_namespaces(text);
  return name;
}

// --- Names.

template <class Render>
std::string rendered(const std::string& head, const std::vector<type_name>& arguments,
                     const std::string& tail, const Render& render) {
  std::string text = head + "<";
  for (const auto& each : arguments) {
    if (&each != &arguments.front()) text += ", ";
    text += render(each);
  }
  return text + ">" + tail;
}

// Templates whose last arguments are mostly left to their defaults.
bool has_defaults(const std::string& head) {
  constexpr std::array<std::string_view, 24> all{"std::basic_string",
                                                 "std::vector",
                                                 "std::deque",
                                                 "std::list",
                                                 "std::forward_list",
                                                 "std::set",
                                                 "std::multiset",
                                                 "std::map",
                                                 "std::multimap",
                                                 "std::unordered_set",
                                                 "std::unordered_multiset",
                                                 "std::unordered_map",
                                                 "std::unordered_multimap",
                                                 "boost::unordered::unordered_set",
                                                 "boost::unordered_set",
                                                 "boost::unordered::unordered_multiset",
                                                 "boost::unordered_map",
                                                 "boost::unordered::unordered_map",
                                                 "boost::unordered_multiset",
                                                 "boost::unordered::unordered_multimap",
                                                 "boost::unordered_multimap",
                                                 "std::unique_ptr",
                                                 "boost::hash",
                                                 "shmark::ref"};
  return std::ranges::find(all, head) != all.end();
}

bool is_default(const type_name& argument, const type_name& first) {
  if (argument.head == "shmark::default_backend") return true;
  if (!argument.tail.empty() || argument.arguments.size() != 1) return false;
  if (argument.head == "std::allocator") return true;
  constexpr std::array<std::string_view, 6> of_the_first{"std::char_traits",    "std::less",
                                                         "std::hash",           "std::equal_to",
                                                         "std::default_delete", "boost::hash"};
  return std::ranges::find(of_the_first, argument.head) != of_the_first.end() &&
         full(argument.arguments[0]) == full(first);
}

std::vector<type_name> without_defaults(const type_name& of) {
  auto arguments = of.arguments;
  if (!has_defaults(of.head)) return arguments;
  while (arguments.size() > 1 && is_default(arguments.back(), arguments.front())) {
    arguments.pop_back();
  }
  return arguments;
}

std::string string_name(const std::vector<type_name>& arguments) {
  constexpr std::array<std::pair<std::string_view, const char*>, 5> all{
      {{"char", "std::string"},
       {"wchar_t", "std::wstring"},
       {"char8_t", "std::u8string"},
       {"char16_t", "std::u16string"},
       {"char32_t", "std::u32string"}}};
  if (arguments.size() != 1) return {};
  for (const auto& [character, name] : all) {
    if (full(arguments[0]) == character) return name;
  }
  return {};
}

// "3ul" as 3; nothing if it is no number.
std::optional<std::size_t> extent_of(std::string_view text) {
  std::size_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [at, failed] = std::from_chars(text.data(), end, number);
  const auto suffix = std::string_view(at, static_cast<std::size_t>(end - at));
  if (failed != std::errc{} || suffix.find_first_not_of("ulUL") != std::string_view::npos) {
    return {};
  }
  return number;
}

// --- Shapes.

using kind = shape::kind;

shape number_shape(kind what, std::size_t size) { return {.what = what, .size = size}; }

template <class T>
shape plain() {
  if (std::is_floating_point_v<T>) return number_shape(kind::real, sizeof(T));
  return number_shape(std::is_signed_v<T> ? kind::integer : kind::natural, sizeof(T));
}

const std::map<std::string_view, shape>& scalars() {
  static const std::map<std::string_view, shape> all{
      {"bool", number_shape(kind::boolean, 1)},
      {"char", plain<char>()},
      {"signed char", plain<signed char>()},
      {"unsigned char", plain<unsigned char>()},
      {"std::byte", plain<unsigned char>()},
      {"char8_t", plain<char8_t>()},
      {"char16_t", plain<char16_t>()},
      {"char32_t", plain<char32_t>()},
      {"wchar_t", plain<wchar_t>()},
      {"short", plain<short>()},
      {"unsigned short", plain<unsigned short>()},
      {"int", plain<int>()},
      {"unsigned int", plain<unsigned>()},
      {"long", plain<long>()},
      {"unsigned long", plain<unsigned long>()},
      {"long long", plain<long long>()},
      {"unsigned long long", plain<unsigned long long>()},
      {"float", plain<float>()},
      {"double", plain<double>()},
      {"long double", plain<long double>()},
  };
  return all;
}

// How a template's elements are counted, and how many arguments say what they are.
struct container {
  kind what;
  std::size_t arguments;
  bool is_map;
};

const std::map<std::string_view, container>& containers() {
  static const std::map<std::string_view, container> all = [] {
    std::map<std::string_view, container> known{
        {"std::deque", {kind::versioned, 1, false}},
        {"std::list", {kind::versioned, 1, false}},
        {"std::forward_list", {kind::versioned, 1, false}},
        {"std::set", {kind::versioned, 1, false}},
        {"std::multiset", {kind::versioned, 1, false}},
        {"std::vector", {kind::versioned, 1, false}},
        {"std::valarray", {kind::counted, 1, false}},
        {"std::map", {kind::counted, 2, true}},
        {"std::multimap", {kind::versioned, 2, false}},
    };
    for (const char* set :
         {"std::unordered_set", "std::unordered_multiset", "boost::unordered::unordered_set",
          "boost::unordered::unordered_multiset", "boost::unordered_set",
          "boost::unordered_multiset"}) {
      known[set] = {kind::versioned, 1, false};
    }
    for (const char* map :
         {"std::unordered_map", "boost::unordered::unordered_map", "boost::unordered_map"}) {
      known[map] = {kind::versioned, 2, true};
    }
    for (const char* map : {"std::unordered_multimap", "boost::unordered::unordered_multimap",
                            "boost::unordered_multimap"}) {
      known[map] = {kind::versioned, 2, false};
    }
    return known;
  }();
  return all;
}

bool is_number(const shape& of) {
  return of.what == kind::integer || of.what == kind::natural || of.what == kind::real;
}
bool is_long_double(const shape& of) { return of.what == kind::real && of.size > sizeof(double); }

type_name constant(type_name of) {
  if (!of.tail.ends_with(" const")) of.tail += " const";
  return of;
}

class describer {
 public:
  using result = std::expected<shape, std::string>;

  result of(const type_name& name) {
    if (!name.is_template) {
      const auto known = scalars().find(name.head);
      if (known != scalars().end() && name.tail.empty()) return known->second;
      return unknown(name);
    }
    if (!name.tail.empty() || name.arguments.empty()) return unknown(name);
    if (name.head == "std::basic_string") return string(name);
    if (name.head == "shmark::ref") return number_shape(kind::reference, sizeof(std::uint64_t));
    if (name.head == "std::pair") return pair(name);
    if (name.head == "std::array") return array(name);
    if (name.head == "std::optional" || name.head == "boost::optional") return optional(name);
    const auto known = containers().find(name.head);
    return known == containers().end() ? unknown(name) : elements(name, known->second);
  }
  [[nodiscard]] std::size_t classes() const { return numbers_.size(); }

 private:
  static result unknown(const type_name& name) { return std::unexpected(brief(name)); }

  std::size_t number_of(const type_name& name) {
    return numbers_.try_emplace(full(name), numbers_.size() + 1).first->second;
  }
  static result string(const type_name& name) {
    const auto character = scalars().find(name.arguments[0].head);
    if (character == scalars().end() || string_name({name.arguments[0]}).empty()) {
      return unknown(name);
    }
    return shape{.what = kind::text, .size = character->second.size};
  }
  result pair(const type_name& name) {
    if (name.arguments.size() != 2) return unknown(name);
    shape made{.what = kind::pair, .class_number = number_of(name)};
    for (auto part : name.arguments) {
      // The keys of a map's elements; of what a pair consists of does not depend on that.
      if (part.tail.ends_with(" const")) part.tail.resize(part.tail.size() - 6);
      auto its = of(part);
      if (!its) return its;
      made.parts.push_back(*std::move(its));
    }
    return made;
  }
  result array(const type_name& name) {
    const auto count = name.arguments.size() == 2 ? extent_of(name.arguments[1].head)
                                                  : std::optional<std::size_t>{};
    if (!count) return unknown(name);
    auto element = of(name.arguments[0]);
    if (!element) return element;
    return shape{.what = kind::array,
                 .count = *count,
                 .class_number = number_of(name),
                 .parts = {*std::move(element)}};
  }
  result optional(const type_name& name) {
    auto value = of(name.arguments[0]);
    if (!value) return value;
    return shape{
        .what = kind::optional, .class_number = number_of(name), .parts = {*std::move(value)}};
  }
  result elements(const type_name& name, const container& how) {
    if (name.arguments.size() < how.arguments) return unknown(name);
    auto element = how.arguments == 1
                       ? of(name.arguments[0])
                       : pair({.head = "std::pair",
                               .arguments = {constant(name.arguments[0]), name.arguments[1]},
                               .is_template = true});
    if (!element) return element;
    auto what = how.what;
    // Vectors of bits, and of numbers that are copied whole, come without a version.
    if (name.head == "std::vector" &&
        (element->what == kind::boolean || (is_number(*element) && !is_long_double(*element)))) {
      what = kind::counted;
    }
    return shape{.what = what,
                 .is_map = how.is_map,
                 .class_number = number_of(name),
                 .parts = {*std::move(element)}};
  }

  std::map<std::string, std::size_t> numbers_;
};

}  // namespace

type_name parse_type(std::string_view text) {
  if (text.size() > text_max) return {.head = std::string(text)};
  return parse(text, 0);
}

std::string full(const type_name& of) {
  if (!of.is_template) return of.head + of.tail;
  return rendered(of.head, of.arguments, of.tail, full);
}

std::string brief(const type_name& of) {
  if (!of.is_template) return of.head + of.tail;
  const auto arguments = without_defaults(of);
  if (of.head == "std::basic_string") {
    if (const auto name = string_name(arguments); !name.empty()) return name + of.tail;
  }
  return rendered(of.head, arguments, of.tail, [&](const type_name& each) {
    const bool is_extent = of.head == "std::array" && &each == &arguments.back();
    const auto extent = is_extent ? extent_of(each.head) : std::nullopt;
    return extent ? std::to_string(*extent) : brief(each);
  });
}

type_name demangled(const std::string& mangled) {
  if (mangled.size() > mangled_max) return {.head = mangled};
  return parse_type(detail::readable(mangled.c_str()));
}

std::expected<description, std::string> describe(const type_name& of) {
  describer all;
  auto whole = all.of(of);
  if (!whole) return std::unexpected(std::move(whole).error());
  return description{*std::move(whole), all.classes()};
}

}  // namespace shmark::inspector

#include "tools/shmctl/value.h"

#include <fmt/format.h>

#include <boost/archive/basic_archive.hpp>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "lib/codec/direct/format.h"
#include "tools/shmctl/text.h"

namespace shmark::inspector {
namespace {

using nlohmann::json;
using kind = shape::kind;

// Elements of arrays that nobody has written: their number is taken from the type's name.
constexpr std::size_t unwritten_max = 1 << 16;

// Why bytes are refused, on its way out of nested calls.
struct damage {
  const char* why;
};

// As `list` shows what it leads to.
json reference_json(std::uint64_t number) {
  return {{"ref", number == 0 ? json() : json(fmt::format(":{:016x}", number))}};
}

json real_json(double number, const std::string& digits) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  // The shortest digits that mean the number in its own type, so that 0.1F is 0.1.
  return std::strtod(digits.c_str(), nullptr);
}

class reader {
 public:
  reader(std::span<const std::byte> bytes, std::size_t classes)
      : left_(bytes), notes_(classes + 1) {}

  json whole(const shape& what) {
    if (get<std::uint8_t>() != detail::direct_format) {
      throw damage{"another codec wrote it, or another version of this one"};
    }
    const auto own = boost::archive::BOOST_ARCHIVE_VERSION();
    if (number() > own) {
      throw damage{"a newer Boost.Serialization wrote it"};
    }
    return value(what);
  }

 private:
  struct note {
    bool met = false;
    bool is_tracked = false;
  };

  std::span<const std::byte> take(std::uint64_t size) {
    if (size > left_.size()) throw damage{"it ends too early"};
    const auto taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  template <class T>
  T get() {
    T bits;
    std::memcpy(&bits, take(sizeof bits).data(), sizeof bits);
    return bits;
  }
  std::uint64_t number() {
    const auto small = get<std::uint8_t>();
    return small < detail::long_number ? small : get<std::uint64_t>();
  }
  // Each item takes at least a byte, so no more can be made than there are.
  std::size_t count(std::size_t item_size = 1) {
    const auto items = number();
    if (items > left_.size() / item_size) throw damage{"it ends too early"};
    return items;
  }

  json value(const shape& what) {
    switch (what.what) {
      case kind::boolean:
        return get<std::uint8_t>() != 0;
      case kind::integer:
        return integer(what.size);
      case kind::natural:
        return natural(what.size);
      case kind::real:
        return real(what.size);
      case kind::text:
        return text_json(take(count(what.size) * what.size), what.size);
      case kind::reference:
        return reference_json(get<std::uint64_t>());
      default:
        return object(what);
    }
  }

  std::int64_t integer(std::size_t size) {
    switch (size) {
      case 1:
        return get<std::int8_t>();
      case 2:
        return get<std::int16_t>();
      case 4:
        return get<std::int32_t>();
      default:
        return get<std::int64_t>();
    }
  }
  std::uint64_t natural(std::size_t size) {
    switch (size) {
      case 1:
        return get<std::uint8_t>();
      case 2:
        return get<std::uint16_t>();
      case 4:
        return get<std::uint32_t>();
      default:
        return get<std::uint64_t>();
    }
  }
  json real(std::size_t size) {
    if (size == sizeof(float)) {
      const auto number = get<float>();
      return real_json(number, fmt::format("{}", number));
    }
    if (size == sizeof(double)) {
      const auto number = get<double>();
      return real_json(number, fmt::format("{}", number));
    }
    long double longest = 0;
    constexpr bool is_x87 = std::numeric_limits<long double>::digits == 64;
    const auto bits = take(is_x87 ? detail::long_double_bytes : sizeof longest);
    std::memcpy(&longest, bits.data(), bits.size());
    const auto number = static_cast<double>(longest);
    return real_json(number, fmt::format("{}", number));
  }

  json object(const shape& what) {
    auto& its = notes_[what.class_number];
    if (!its.met) {
      const auto bits = number();
      if (bits >> 1 > version_of(what)) throw damage{"a class has a version that is not known"};
      its = {true, (bits & 1) != 0};
    }
    if (its.is_tracked && number() != objects_++) {
      throw damage{"an object refers to one that it cannot be"};
    }
    return contents(what);
  }
  // What BOOST_CLASS_VERSION says.
  static std::uint64_t version_of(const shape& what) { return what.what == kind::optional ? 1 : 0; }

  json contents(const shape& what) {
    switch (what.what) {
      case kind::pair: {
        auto first = value(what.parts[0]);
        auto second = value(what.parts[1]);
        return json::array({std::move(first), std::move(second)});
      }
      case kind::optional:
        return get<std::uint8_t>() != 0 ? value(what.parts[0]) : json();
      case kind::array:
        if (number() != what.count) throw damage{"an array has another number of elements"};
        return elements(what, what.count);
      case kind::versioned: {
        const auto items = count();
        if (number() > version_of(what.parts[0])) {
          throw damage{"a class has a version that is not known"};
        }
        return elements(what, items);
      }
      default:
        return elements(what, count());
    }
  }
  json elements(const shape& what, std::size_t items) {
    auto all = json::array();
    for (; items > 0; --items) all.push_back(value(what.parts[0]));
    return what.is_map ? map_json(what, std::move(all)) : all;
  }
  static json map_json(const shape& what, json pairs) {
    const bool has_names = what.parts[0].parts[0].what == kind::text;
    auto named = json::object();
    for (const auto& each : pairs) {
      // A text that is none comes as something else: see text_json().
      if (!has_names || !each[0].is_string()) return pairs;
      if (!named.emplace(each[0].get_ref<const std::string&>(), each[1]).second) {
        throw damage{"two items of a map have the same key"};
      }
    }
    return has_names ? named : pairs;
  }

  std::span<const std::byte> left_;
  std::vector<note> notes_;
  std::uint64_t objects_ = 0;
};

json empty(const shape& what, std::size_t& left) {
  if (left == 0) throw damage{"its type is too large to show what nobody has written"};
  --left;
  switch (what.what) {
    case kind::boolean:
      return false;
    case kind::integer:
    case kind::natural:
      return 0;
    case kind::real:
      return 0.0;
    case kind::text:
      return "";
    case kind::reference:
      return reference_json(0);
    case kind::optional:
      return nullptr;
    case kind::pair: {
      auto first = empty(what.parts[0], left);
      auto second = empty(what.parts[1], left);
      return json::array({std::move(first), std::move(second)});
    }
    case kind::array: {
      auto all = json::array();
      for (std::size_t i = 0; i < what.count; ++i) all.push_back(empty(what.parts[0], left));
      return all;
    }
    default:
      return what.is_map && what.parts[0].parts[0].what == kind::text ? json::object()
                                                                      : json::array();
  }
}

}  // namespace

std::expected<json, std::string> decode(const description& what, std::span<const std::byte> bytes) {
  try {
    return reader(bytes, what.classes).whole(what.whole);
  } catch (const damage& found) {
    return std::unexpected(found.why);
  }
}

std::expected<json, std::string> unwritten(const description& what) {
  try {
    std::size_t left = unwritten_max;
    return empty(what.whole, left);
  } catch (const damage& found) {
    return std::unexpected(found.why);
  }
}

}  // namespace shmark::inspector

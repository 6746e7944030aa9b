// The codecs that the suites run over, each with every shape of value. A further codec, or shape,
// is one more line.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <expected>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/codec/codec.h"
#include "lib/subject/codecs.h"
#include "lib/subject/shapes.h"
#include "lib/subject/type_list.h"
#include "tests/lib/codec/shapes.h"

namespace shmark {

using all_shapes = type_list<  //
    integers,                  //
    doubles,                   //
    booleans,                  //
    strings,                   //
    empty_strings,             //
    vectors,                   //
    maps,                      //
    empty_maps,                //
    structs,                   //
    empty_structs,             //
    versioned_structs,         //
    few_strings,               //
    small_trees>;

// One of the shapes that are measured.
template <class Shape>
struct measured {
  static constexpr std::string_view name = Shape::name;
  using type = typename Shape::type;
  static type one() { return Shape::make(); }
  static type other() {
    type value = Shape::make();
    Shape::change(value);
    return value;
  }
};
// Those that also yardsticks know.
using measured_shapes = type_list<  //
    measured<shapes::u64>,          //
    measured<shapes::flat>,         //
    measured<shapes::map100>,       //
    strings,                        //
    few_strings,                    //
    small_trees,                    //
    vectors,                        //
    maps>;

// Which of a shape's values, or one that has just been made.
enum class which { one, other, fresh };

// One codec with one shape, without their types: archives take long to compile, so tests are
// compiled once for all.
class pairing {
 public:
  virtual ~pairing() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::expected<void, error> encode(which value, sink& to) const = 0;
  // Decodes into an object that holds `before`. "ok" if it then equals `expected`, "another value"
  // if not, or the kind of error.
  [[nodiscard]] virtual std::string decode(std::span<const std::byte> from, which before,
                                           which expected) const = 0;
};

template <class C, class Shape>
class typed_pairing final : public pairing {
 public:
  using type = typename Shape::type;
  static_assert(codec<C, type>);

  std::string name() const override {
    return std::string(C::name) + "_of_" + std::string(Shape::name);
  }
  std::expected<void, error> encode(which value, sink& to) const override {
    return C::encode(make(value), to);
  }
  std::string decode(std::span<const std::byte> from, which before, which expected) const override {
    type into = make(before);
    const auto done = C::decode(from, into);
    if (!done) return std::string(name_of(done.error().code));
    return into == make(expected) ? "ok" : "another value";
  }

 private:
  static type make(which value) {
    if (value == which::fresh) return {};
    return value == which::one ? Shape::one() : Shape::other();
  }
};

using pairings = std::vector<std::shared_ptr<const pairing>>;

template <class C, class... Shapes>
void add_pairings(pairings& to, type_list<Shapes...>) {
  (to.push_back(std::make_shared<typed_pairing<C, Shapes>>()), ...);
}
template <class... Cs, class Shapes>
[[nodiscard]] pairings pairings_of(type_list<Cs...>, Shapes shapes) {
  pairings all;
  (add_pairings<Cs>(all, shapes), ...);
  return all;
}

// All codecs with all shapes.
[[nodiscard]] inline pairings all_pairings() {
  auto all = pairings_of(all_codecs(), all_shapes());
  std::ranges::copy(pairings_of(yardstick_codecs(), measured_shapes()), std::back_inserter(all));
  return all;
}

template <class List>
struct as_types;
template <class... Cs>
struct as_types<type_list<Cs...>> {
  using type = ::testing::Types<Cs...>;
};
using each_codec = as_types<all_codecs>::type;

// For names of test instances: boost_text_of_map, boost_text.
[[nodiscard]] inline std::string name_of_pairing(
    const ::testing::TestParamInfo<pairings::value_type>& instance) {
  return instance.param->name();
}
struct name_of_codec {
  template <class C>
  static std::string GetName(int) {
    return std::string(C::name);
  }
};

}  // namespace shmark

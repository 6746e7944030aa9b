// The codecs that the suites run over, each with every shape of value. A further codec, or shape,
// is one more line.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "lib/codec/boost_binary.h"
#include "lib/codec/boost_text.h"
#include "lib/codec/codec.h"
#include "tests/lib/codec/shapes.h"

namespace shmark {

template <class... Ts>
struct type_list {};

using all_codecs = type_list<  //
    boost_binary,              //
    boost_text>;

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
    versioned_structs>;

// One codec with one shape.
template <class C, class Shape>
  requires codec<C, typename Shape::type>
struct pairing {
  using codec = C;
  using shape = Shape;
  using value = typename Shape::type;
};

namespace detail {

template <class... Lists>
struct joined;
template <class... Ts>
struct joined<type_list<Ts...>> {
  using type = ::testing::Types<Ts...>;
};
template <class... Ts, class... Us, class... Lists>
struct joined<type_list<Ts...>, type_list<Us...>, Lists...>
    : joined<type_list<Ts..., Us...>, Lists...> {};

template <class C, class Shapes>
struct with_each;
template <class C, class... Shapes>
struct with_each<C, type_list<Shapes...>> {
  using type = type_list<pairing<C, Shapes>...>;
};

template <class Codecs>
struct pairings;
template <class... Cs>
struct pairings<type_list<Cs...>> : joined<typename with_each<Cs, all_shapes>::type...> {};
template <class Codecs>
struct codecs_only;
template <class... Cs>
struct codecs_only<type_list<Cs...>> {
  using type = ::testing::Types<Cs...>;
};

}  // namespace detail

using each_codec_with_each_shape = detail::pairings<all_codecs>::type;
using each_codec = detail::codecs_only<all_codecs>::type;

// Names the instances of a suite: CodecConformance/boost_text_of_map.
struct name_of_pairing {
  template <class Pairing>
  static std::string GetName(int) {
    return std::string(Pairing::codec::name) + "_of_" + std::string(Pairing::shape::name);
  }
};
struct name_of_codec {
  template <class C>
  static std::string GetName(int) {
    return std::string(C::name);
  }
};

}  // namespace shmark

// What direct's archives ask about a type, in the terms of Boost.Serialization.
#pragma once

#include <boost/serialization/level.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/tracking.hpp>
#include <boost/serialization/wrapper.hpp>
#include <boost/unordered/unordered_map_fwd.hpp>
#include <boost/unordered/unordered_set_fwd.hpp>
#include <concepts>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace shmark::detail {

// Saved as its bits: BOOST_CLASS_IMPLEMENTATION(T, primitive_type).
template <class T>
concept primitive_class =
    boost::serialization::implementation_level<T>::value == boost::serialization::primitive_type;
// Not an object itself, but a way to save others.
template <class T>
concept wrapper = boost::serialization::is_wrapper<T>::type::value;
template <class T>
concept never_tracked =
    boost::serialization::tracking_level<T>::value == boost::serialization::track_never;
template <class T>
concept always_tracked =
    boost::serialization::tracking_level<T>::value == boost::serialization::track_always;
// Its objects come without a version and are not tracked, so that nothing is noted about it.
template <class T>
concept unnoted = never_tracked<T> && boost::serialization::implementation_level<T>::value <=
                                          boost::serialization::object_serializable;

// Any bits are a value of these, and all bits belong to it: arrays of them are copied whole. So not
// bool, and not long double, which has padding.
template <class T>
concept plain_number = (std::integral<T> && !std::same_as<T, bool>) || std::same_as<T, float> ||
                       std::same_as<T, double> || std::same_as<T, std::byte>;

template <class T>
constexpr bool is_string = false;
template <class Char, class Traits, class Allocator>
constexpr bool is_string<std::basic_string<Char, Traits, Allocator>> = true;

template <class T>
constexpr bool is_pair = false;
template <class A, class B>
constexpr bool is_pair<std::pair<A, B>> = true;

template <class T>
constexpr bool is_set = false;
template <class T, class C, class A>
constexpr bool is_set<std::set<T, C, A>> = true;

// The hash tables that Boost.Serialization knows, of the standard library and of Boost.
template <class T>
constexpr bool is_hashed = false;
template <class... Ts>
constexpr bool is_hashed<std::unordered_map<Ts...>> = true;
template <class... Ts>
constexpr bool is_hashed<std::unordered_multimap<Ts...>> = true;
template <class... Ts>
constexpr bool is_hashed<std::unordered_set<Ts...>> = true;
template <class... Ts>
constexpr bool is_hashed<std::unordered_multiset<Ts...>> = true;
template <class... Ts>
constexpr bool is_hashed<boost::unordered_map<Ts...>> = true;
template <class... Ts>
constexpr bool is_hashed<boost::unordered_multimap<Ts...>> = true;
template <class... Ts>
constexpr bool is_hashed<boost::unordered_set<Ts...>> = true;
template <class... Ts>
constexpr bool is_hashed<boost::unordered_multiset<Ts...>> = true;

// Decoding one replaces all that it held: it need not be made anew before.
template <class T>
constexpr bool is_replaced_whole = std::is_arithmetic_v<T> || std::is_enum_v<T> || is_string<T>;
template <class T, class A>
constexpr bool is_replaced_whole<std::vector<T, A>> = is_replaced_whole<T>;
template <class K, class T, class C, class A>
constexpr bool is_replaced_whole<std::map<K, T, C, A>> = true;

// Whether a key of the map that equals another is the same, so that it may take its place.
template <class>
constexpr bool is_plain_order = false;
template <class T>
constexpr bool is_plain_order<std::less<T>> = true;
template <class T>
constexpr bool is_plain_order<std::greater<T>> = true;
template <class Map>
concept plainly_keyed =
    (std::integral<typename Map::key_type> || std::is_enum_v<typename Map::key_type> ||
     is_string<typename Map::key_type>) &&
    is_plain_order<typename Map::key_compare>;

// Whose keys can be compared with text in the archive itself, without a copy.
template <class Map>
concept keyed_by_text = std::same_as<typename Map::key_type, std::string> &&
                        (std::same_as<typename Map::key_compare, std::less<std::string>> ||
                         std::same_as<typename Map::key_compare, std::less<>>);

}  // namespace shmark::detail

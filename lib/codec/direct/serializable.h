// Whether Boost.Serialization knows what a type consists of; where it does not, one line that says
// so, instead of the pages that come of calling a serialize() that is not there.
//
// Asked where serialize() is about to be called, so that what is declared by then counts, as it
// does for the call. In doubt the answer is yes, and the compiler goes on to complain by itself.
#pragma once

#include <boost/serialization/serialization.hpp>
#include <type_traits>

namespace shmark::detail {

// Is there an overload of the free serialize() for T, beside Boost's own for any type? Next to a
// second one for any type, which is found with Boost's by its last argument, the call is ambiguous
// unless there is.
namespace free_function {

struct any_version : boost::serialization::version_type {};

template <class Archive, class T>
void serialize(Archive&, T&, const unsigned int);

template <class Archive, class T>
concept is_for = requires(Archive& archive, T& object, const any_version version) {
  serialize(archive, object, version);
};

}  // namespace free_function

// Has T a member that is called serialize? Its base classes' count, and private ones, for they may
// be open to boost::serialization::access: with another of that name beside it, it is ambiguous.
struct another_serialize {
  int serialize;
};
template <class T>
struct beside_another : T, another_serialize {};

template <class T, class Archive>
concept has_open_serialize =
    requires(T& object, Archive& archive) { object.serialize(archive, 0U); };
template <class T>
concept can_be_base = std::is_class_v<T> && !std::is_final_v<T>;
template <class T>
concept has_no_serialize = can_be_base<T> && requires {
  &beside_another<T>::another_serialize::serialize;
} && requires { &beside_another<T>::serialize; };

template <class T, class Archive>
concept serializable =
    free_function::is_for<Archive, T> || has_open_serialize<T, Archive> || !has_no_serialize<T>;

// A class, for the compiler says the same of it only once.
template <class T, bool IsSerializable>
struct serialize_of {
  static_assert(IsSerializable,
                "this type cannot be the value of a variable, or a part of it: give it a "
                "serialize(), or, if it is a container, include Boost's header for it "
                "(boost/serialization/vector.hpp and so on)");
};

// What Boost's serialize_adl() does, of types for which it can.
template <class Archive, class T>
[[gnu::always_inline]] inline void serialize_members(Archive& archive, T& object,
                                                     unsigned version) {
  constexpr bool can = serializable<T, Archive>;
  static_assert(sizeof(serialize_of<T, can>) != 0);
  if constexpr (can) boost::serialization::serialize_adl(archive, object, version);
}

}  // namespace shmark::detail

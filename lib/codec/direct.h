// direct: an archive of our own, which encodes straight into the sink and decodes, bounds-checked,
// straight from the bytes. What variables use unless told otherwise.
//
// It takes what Boost.Serialization's stock archives take, and the same serialize() functions:
// versions, tracking, pointers, std::unique_ptr and std::shared_ptr, base_object, exported classes
// (BOOST_CLASS_EXPORT in a file that includes this header), registered ones, wrappers, save and
// load split, (load|save)_construct_data. It is faster by not dispatching at run time.
//
//     struct point {
//       double x = 0, y = 0;
//       template <class Archive>
//       void serialize(Archive& archive, unsigned version) { archive & x & y; }
//     };
//     auto done = direct::encode(point{1, 2}, bytes);
//
// Any bytes decode to a value or an error. Three things are the types' own part in that: load()
// must take any numbers; a type that is declared primitive_type must take any bits; and where
// *raw* pointers own what they point to, damage can make two of them equal (use unique_ptr).
//
// Limits: a collection_size_type counts items that follow in the archive; no more of them are made
// than there are bytes. Objects contain or point to each other at most 2000 levels deep (max_depth
// in classes.h), which takes under a MiB of stack in an optimized build: keep long linked lists in
// a container.
//
// Process and thread safety: as codec.h says.
#pragma once

#include <boost/archive/detail/register_archive.hpp>
#include <expected>
#include <span>
#include <string_view>

#include "lib/base/error.h"
#include "lib/codec/border.h"
#include "lib/codec/codec.h"
#include "lib/codec/direct/exports.h"
#include "lib/codec/direct/input.h"
#include "lib/codec/direct/output.h"

BOOST_SERIALIZATION_REGISTER_ARCHIVE(shmark::direct_output)

namespace shmark {

class direct {
 public:
  static constexpr std::string_view name = detail::direct_name;
  static constexpr codec_traits can{.bounds_checked = true};

  template <class T>
  [[nodiscard]] static std::expected<void, error> encode(const T& value, sink& to) noexcept {
    return detail::within_border(detail::encoding, name, [&] { direct_output(to) << value; });
  }

  template <class T>
  [[nodiscard]] static std::expected<void, error> decode(std::span<const std::byte> from,
                                                         T& into) noexcept {
    return detail::within_border(detail::decoding, name, [&] {
      direct_input in(from);
      in >> into;
      in.end();
    });
  }
};
static_assert(codec<direct, int>);

namespace detail {

template <class T>
const class_operations operations_of<T>::all{
    &typeid(T),
    info_of<T>,
    [] { return boost::serialization::guid<T>(); },
    [](direct_output& to, const void* object) { to.save_pointee(*static_cast<const T*>(object)); },
    [](direct_input& from, object_taker& taker) {
      from.load_as<T>([&](T* object, object_entry* entry) { taker.take(taker, object, *entry); });
    },
};

}  // namespace detail
}  // namespace shmark

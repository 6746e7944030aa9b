// Boost.Serialization's stock binary archive, with its header and checks of version and sizes of
// types. Compact; not for reading by other architectures. Not bounds-checked (see codec_traits).
#pragma once

#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>

#include "lib/codec/boost_archive.h"
#include "lib/codec/codec.h"

namespace shmark {

class boost_binary {
 public:
  static constexpr std::string_view name = "boost_binary";
  static constexpr codec_traits can{};

  template <class T>
  [[nodiscard]] static std::expected<void, error> encode(const T& value, sink& to) noexcept {
    auto done = detail::within_border("encode", name, [&] {
      detail::sink_streambuf stream(to);
      boost::archive::binary_oarchive(stream) << value;
    });
    if (to.failure()) return std::unexpected(*to.failure());
    return done;
  }

  template <class T>
  [[nodiscard]] static std::expected<void, error> decode(std::span<const std::byte> from,
                                                         T& into) noexcept {
    return detail::within_border("decode", name, [&] {
      detail::bytes_streambuf stream(from);
      boost::archive::binary_iarchive(stream) >> into;
    });
  }
};
static_assert(codec<boost_binary, int>);

}  // namespace shmark

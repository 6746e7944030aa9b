// Boost.Serialization's stock text archive: numbers and strings as text, readable by people and by
// other architectures. Not bounds-checked (see codec_traits).
#pragma once

#include <boost/archive/text_iarchive.hpp>
#include <boost/archive/text_oarchive.hpp>
#include <istream>
#include <ostream>

#include "lib/codec/boost_archive.h"
#include "lib/codec/codec.h"

namespace shmark {

class boost_text {
 public:
  static constexpr std::string_view name = "boost_text";
  static constexpr codec_traits can{};

  template <class T>
  [[nodiscard]] static std::expected<void, error> encode(const T& value, sink& to) noexcept {
    auto done = detail::within_border("encode", name, [&] {
      detail::sink_streambuf destination(to);
      std::ostream stream(&destination);
      boost::archive::text_oarchive(stream, boost::archive::no_codecvt) << value;
    });
    if (to.failure()) return std::unexpected(*to.failure());
    return done;
  }

  template <class T>
  [[nodiscard]] static std::expected<void, error> decode(std::span<const std::byte> from,
                                                         T& into) noexcept {
    return detail::within_border("decode", name, [&] {
      detail::bytes_streambuf source(from);
      std::istream stream(&source);
      boost::archive::text_iarchive(stream, boost::archive::no_codecvt) >> into;
      // A number that was cut short still reads as one. The archive ends in a newline: when that
      // is there, nothing is missing before it.
      if (source.sgetc() != '\n') {
        throw boost::archive::archive_exception(
            boost::archive::archive_exception::input_stream_error);
      }
    });
  }
};
static_assert(codec<boost_text, int>);

}  // namespace shmark

// What archives that know streams need to be codecs: stream buffers over a sink and over bytes.
// boost_binary.h, boost_text.h and boost_xml.h add how one archive is written and read.
#pragma once

#include <expected>
#include <span>
#include <streambuf>
#include <string_view>

#include "lib/base/error.h"
#include "lib/codec/border.h"
#include "lib/codec/codec.h"

namespace shmark::detail {

class sink_streambuf final : public std::streambuf {
 public:
  explicit sink_streambuf(sink& to) noexcept : to_(&to) {}

 private:
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    to_->write(data, static_cast<std::size_t>(size));
    return to_->failure() ? 0 : size;
  }
  int_type overflow(int_type c) override {
    const char one = traits_type::to_char_type(c);
    return xsputn(&one, 1) == 1 ? c : traits_type::eof();
  }

  sink* to_;
};

class bytes_streambuf final : public std::streambuf {
 public:
  explicit bytes_streambuf(std::span<const std::byte> from) noexcept {
    // A stream buffer's get area is not written to, whatever its type says.
    char* begin = const_cast<char*>(reinterpret_cast<const char*>(from.data()));
    setg(begin, begin, begin + from.size());
  }
  // What has not been read yet.
  [[nodiscard]] std::string_view rest() const noexcept { return {gptr(), egptr()}; }
};

// The codec of one kind of archive. Format::save(value, streambuf) writes one, and
// Format::load(streambuf, into) reads it; both may throw.
template <class Format>
class stream_archive {
 public:
  static constexpr codec_traits can{};

  template <class T>
  [[nodiscard]] static std::expected<void, error> encode(const T& value, sink& to) noexcept {
    auto done = within_border(encoding, Format::name, [&] {
      sink_streambuf stream(to);
      Format::save(value, stream);
    });
    if (to.failure()) return std::unexpected(*to.failure());
    return done;
  }

  template <class T>
  [[nodiscard]] static std::expected<void, error> decode(std::span<const std::byte> from,
                                                         T& into) noexcept {
    return within_border(decoding, Format::name, [&] {
      bytes_streambuf stream(from);
      Format::load(stream, into);
    });
  }
};

}  // namespace shmark::detail

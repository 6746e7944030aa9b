// Boost.Serialization's stock text archive: numbers and strings as text, readable by people and by
// other architectures. Not bounds-checked (see codec_traits).
#pragma once

#include <boost/archive/archive_exception.hpp>
#include <boost/archive/text_iarchive.hpp>
#include <boost/archive/text_oarchive.hpp>
#include <istream>
#include <ostream>

#include "lib/codec/codec.h"
#include "lib/codec/stream_archive.h"

namespace shmark {

class boost_text : public detail::stream_archive<boost_text> {
 public:
  static constexpr std::string_view name = "boost_text";

 private:
  friend detail::stream_archive<boost_text>;

  template <class T>
  static void save(const T& value, detail::sink_streambuf& to) {
    std::ostream stream(&to);
    boost::archive::text_oarchive(stream, boost::archive::no_codecvt) << value;
  }
  template <class T>
  static void load(detail::bytes_streambuf& from, T& into) {
    std::istream stream(&from);
    boost::archive::text_iarchive(stream, boost::archive::no_codecvt) >> into;
    // A number that was cut short still reads as one. The archive ends in a newline: when that is
    // there, nothing is missing before it.
    if (from.sgetc() != '\n') {
      throw boost::archive::archive_exception(
          boost::archive::archive_exception::input_stream_error);
    }
  }
};
static_assert(codec<boost_text, int>);

}  // namespace shmark

// Boost.Serialization's stock XML archive, a document with its header: for people, and for programs
// in other languages. Each member needs a name, in serialize():
//
//     archive & boost::serialization::make_nvp("x", x);
//
// Not bounds-checked (see codec_traits). Infinity and NaN are written, but cannot be read.
#pragma once

#include <boost/archive/archive_exception.hpp>
#include <boost/archive/xml_iarchive.hpp>
#include <boost/archive/xml_oarchive.hpp>
#include <boost/serialization/nvp.hpp>
#include <istream>
#include <ostream>
#include <string_view>

#include "lib/codec/codec.h"
#include "lib/codec/stream_archive.h"

namespace shmark {

class boost_xml : public detail::stream_archive<boost_xml> {
 public:
  static constexpr std::string_view name = "boost_xml";

 private:
  friend detail::stream_archive<boost_xml>;

  static constexpr const char* tag = "value";
  // What the archive writes and reads in its destructor.
  static constexpr std::string_view ending = "\n</boost_serialization>\n\n";

  template <class T>
  static void save(const T& value, detail::sink_streambuf& to) {
    std::ostream stream(&to);
    boost::archive::xml_oarchive(stream, boost::archive::no_codecvt)
        << boost::serialization::make_nvp(tag, value);
  }
  template <class T>
  static void load(detail::bytes_streambuf& from, T& into) {
    std::istream stream(&from);
    boost::archive::xml_iarchive archive(stream, boost::archive::no_codecvt);
    archive >> boost::serialization::make_nvp(tag, into);
    // The destructor would end the program. With an exception on its way, it does not look.
    if (from.rest() != ending) {
      throw boost::archive::archive_exception(
          boost::archive::archive_exception::input_stream_error);
    }
  }
};
static_assert(codec<boost_xml, int>);

}  // namespace shmark

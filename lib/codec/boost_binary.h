// Boost.Serialization's stock binary archive, with its header and checks of version and sizes of
// types. Compact; not for reading by other architectures. Not bounds-checked (see codec_traits).
#pragma once

#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>

#include "lib/codec/codec.h"
#include "lib/codec/stream_archive.h"

namespace shmark {

class boost_binary : public detail::stream_archive<boost_binary> {
 public:
  static constexpr std::string_view name = "boost_binary";

 private:
  friend detail::stream_archive<boost_binary>;

  template <class T>
  static void save(const T& value, detail::sink_streambuf& to) {
    boost::archive::binary_oarchive(to) << value;
  }
  template <class T>
  static void load(detail::bytes_streambuf& from, T& into) {
    boost::archive::binary_iarchive(from) >> into;
  }
};
static_assert(codec<boost_binary, int>);

}  // namespace shmark

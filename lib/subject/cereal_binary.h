// A peer: cereal's binary archive, if it is there (SHMARK_PEERS; see missing_peers.h).
//
// It takes the same serialize() functions as Boost's archives, also with names of members
// (boost::serialization::make_nvp), which it does not write. For each kind of container include
// cereal's header, too, such as cereal/types/map.hpp; those that lib/subject/shapes.h needs are
// included here. Versions are cereal's own (CEREAL_CLASS_VERSION), and so is how a class says that
// it has save() and load() (CEREAL_SPECIALIZE_FOR_ALL_ARCHIVES). For each object of a class, cereal
// looks its version up, in a table that all threads share, which a serialize() of its own kind,
// without a version, would spare it.
//
// Not bounds-checked (see codec_traits): memory is made for as many items as a count promises.
//
// Source: cereal/archives/binary.hpp.
#pragma once

#include <boost/serialization/nvp.hpp>
#include <cereal/archives/binary.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <istream>
#include <ostream>
#include <string_view>

#include "lib/codec/codec.h"
#include "lib/codec/stream_archive.h"

// For members with a name: where archives' own operators are looked for. They take what make_nvp()
// returns, and nothing else.
namespace cereal {

template <class T>
BinaryOutputArchive& operator&(BinaryOutputArchive& to,
                               const boost::serialization::nvp<T>&& member) {
  return to & member.const_value();
}
template <class T>
BinaryInputArchive& operator&(BinaryInputArchive& from,
                              const boost::serialization::nvp<T>&& member) {
  return from & member.value();
}

}  // namespace cereal

namespace shmark {

class cereal_binary : public detail::stream_archive<cereal_binary> {
 public:
  static constexpr std::string_view name = "cereal";

 private:
  friend detail::stream_archive<cereal_binary>;

  template <class T>
  static void save(const T& value, detail::sink_streambuf& to) {
    std::ostream stream(&to);
    cereal::BinaryOutputArchive archive(stream);
    archive(value);
  }
  template <class T>
  static void load(detail::bytes_streambuf& from, T& into) {
    std::istream stream(&from);
    cereal::BinaryInputArchive archive(stream);
    archive(into);
  }
};
static_assert(codec<cereal_binary, int>);

}  // namespace shmark

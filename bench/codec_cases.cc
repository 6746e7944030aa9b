#include <fmt/format.h>

#include <concepts>

#include "bench/cases.h"
#include "bench/peers/perl_worker.h"
#include "lib/subject/codecs.h"
#include "lib/subject/shapes.h"
#include "lib/workload/external.h"
#include "lib/workload/serialization.h"

namespace shmark::bench {
namespace {

template <class Codec, class Shape>
void add_codec(cases& all, preset from) {
  for (const codec_op op : {codec_op::encode, codec_op::decode}) {
    all.push_back({.name = fmt::format("Codec/codec:{}/shape:{}/op:{}", Codec::name, Shape::name,
                                       name_of(op)),
                   .from = from,
                   .make = [op](const run&) -> std::expected<std::unique_ptr<workload>, error> {
                     return std::make_unique<serialization<Codec, Shape>>(op);
                   }});
  }
}

std::optional<std::string> missing_storable(const run& owner) {
  return external_work::missing_reason(owner, perl_worker(), storable("map100", "encode"));
}

// Of Perl: not a type of ours, but a program.
template <class Shape>
void add_storable(cases& all, preset from) {
  for (const codec_op op : {codec_op::encode, codec_op::decode}) {
    const auto what = storable(Shape::name, name_of(op));
    all.push_back(
        {.name = fmt::format("Codec/codec:storable/shape:{}/op:{}", Shape::name, name_of(op)),
         .from = from,
         .needs = "Codec/codec:storable",
         .missing = missing_storable,
         .make = [what](const run& owner) {
           return external_work::make(owner, perl_worker(), what);
         }});
  }
}

// Calls `add` with each shape, and the smallest preset that has it.
template <class Add>
void for_each_shape(const Add& add) {
  add.template operator()<shapes::flat>(preset::quick);
  add.template operator()<shapes::map100>(preset::quick);
  add.template operator()<shapes::doubles64k>(preset::full);
  add.template operator()<shapes::doubles1m>(preset::standard);
  add.template operator()<shapes::strings>(preset::standard);
  add.template operator()<shapes::tree>(preset::standard);
}

}  // namespace

void add_codecs(cases& all) {
  const auto add_shapes = [&]<class Codec> {
    // Written as text, a million digits take a tenth of a second.
    constexpr bool is_text = std::same_as<Codec, boost_text> || std::same_as<Codec, boost_xml>;
    for_each_shape([&]<class Shape>(preset from) {
      constexpr bool is_large = std::same_as<Shape, shapes::doubles1m>;
      add_codec<Codec, Shape>(all, is_text && is_large ? preset::full : from);
    });
  };
  for_each_type(all_codecs{}, add_shapes);
  for_each_type(yardstick_codecs{}, add_shapes);
  for_each_shape([&]<class Shape>(preset from) { add_storable<Shape>(all, from); });
  add_missing(all, "cereal", "Codec/codec:cereal");
}

}  // namespace shmark::bench

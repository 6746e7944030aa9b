// The codecs that tests and benchmarks put side by side.
#pragma once

#include "lib/codec/boost_binary.h"
#include "lib/codec/boost_text.h"
#include "lib/codec/boost_xml.h"
#include "lib/codec/direct.h"
#include "lib/subject/by_hand.h"
#include "lib/subject/type_list.h"

#ifdef SHMARK_PEERS
#include "lib/subject/cereal_binary.h"
#endif

namespace shmark {

#ifdef SHMARK_PEERS
using all_codecs = type_list<direct, boost_binary, boost_text, boost_xml, cereal_binary>;
#else
using all_codecs = type_list<direct, boost_binary, boost_text, boost_xml>;
#endif
// These know no values but the shapes of lib/subject/shapes.h.
using yardstick_codecs = type_list<by_hand>;

}  // namespace shmark

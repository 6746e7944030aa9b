// The codecs that tests and benchmarks put side by side.
#pragma once

#include "lib/codec/boost_binary.h"
#include "lib/codec/boost_text.h"
#include "lib/subject/type_list.h"

namespace shmark {

using all_codecs = type_list<boost_binary, boost_text>;

}  // namespace shmark

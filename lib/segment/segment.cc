#include "lib/segment/segment.h"

#include <algorithm>
#include <cstdio>

#include "lib/base/random.h"

namespace shmark {

segment_key segment_key::random_in(short_text space) noexcept {
  segment_key key{space, 0};
  // SysV keys are 31 bits and 0 means "private": both halves of the range must be usable.
  while ((key.number & 0x7fffffff) == 0) key.number = unpredictable_number();
  return key;
}

short_text segment_key::text() const noexcept {
  char text[short_text::capacity + 32];
  const auto name = space.view();
  const int length = number == 0 ? std::snprintf(text, sizeof text, "shmark.%.*s",
                                                 static_cast<int>(name.size()), name.data())
                                 : std::snprintf(text, sizeof text, "shmark.%.*s:%016llx",
                                                 static_cast<int>(name.size()), name.data(),
                                                 static_cast<unsigned long long>(number));
  return std::string_view(text, static_cast<std::size_t>(length));
}

bool segment_key::valid() const noexcept {
  constexpr std::size_t longest = 63;
  constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  const auto name = space.view();
  return !name.empty() && name.size() <= longest &&
         name.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace shmark

// A segment without a name: shared by the process that made it and the children it forks after.
// Gone, by itself, with the last of them. See segment.h.
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string_view>

#include "lib/base/error.h"
#include "lib/segment/mapping.h"
#include "lib/segment/segment.h"

namespace shmark {

class anonymous_segment {
 public:
  static constexpr std::string_view kind = "anonymous";
  static constexpr segment_traits can{};

  // `size` bytes (at least 1), zero-filled. Errors: no_space, invalid.
  [[nodiscard]] static std::expected<anonymous_segment, error> create(std::size_t size);

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return mapped_.bytes(); }

 private:
  explicit anonymous_segment(mapping mapped) noexcept : mapped_(std::move(mapped)) {}
  mapping mapped_;
};
static_assert(segment<anonymous_segment>);

}  // namespace shmark

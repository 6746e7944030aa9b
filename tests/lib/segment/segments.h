// The kinds of segment that the suites run over, and what their tests have in common.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "lib/segment/anonymous.h"
#include "lib/segment/posix.h"
#include "lib/segment/segment.h"
#include "lib/segment/sysv.h"
#include "tests/support/unique_space.h"

namespace shmark {

using all_segments = ::testing::Types<posix_segment, sysv_segment, anonymous_segment>;
using named_segments = ::testing::Types<posix_segment, sysv_segment>;

// Names the instances of a suite: SegmentConformance/posix.
struct name_of_segment {
  template <class S>
  static std::string GetName(int) {
    return std::string(S::kind);
  }
};

// A key of this test's own, whose segment is removed at the end.
template <named_segment S>
class own_key {
 public:
  own_key() = default;
  ~own_key() { [[maybe_unused]] const auto removed = S::remove(key_); }
  own_key(const own_key&) = delete;
  own_key& operator=(const own_key&) = delete;

  operator const segment_key&() const noexcept { return key_; }  // NOLINT: converts on purpose
  const segment_key* operator->() const noexcept { return &key_; }

 private:
  segment_key key_ = segment_key::random_in(support::unique_space());
};

// "ok", or the kind of error.
template <class T>
[[nodiscard]] std::string outcome(const std::expected<T, error>& done) {
  return done ? "ok" : std::string(name_of(done.error().code));
}

// The segment's bytes as numbers, to fill and to compare.
template <segment S>
[[nodiscard]] std::span<std::uint32_t> numbers(const S& of) {
  const auto bytes = of.bytes();
  return {reinterpret_cast<std::uint32_t*>(bytes.data()), bytes.size() / sizeof(std::uint32_t)};
}

}  // namespace shmark

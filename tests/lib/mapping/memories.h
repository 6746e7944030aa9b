// The kinds of shared memory that the suites run over, and what their tests have in common.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/random.h"
#include "lib/mapping/anonymous.h"
#include "lib/mapping/posix.h"
#include "lib/mapping/shared_memory.h"
#include "lib/mapping/sysv.h"
#include "tests/support/unique_space.h"

namespace shmark {

// One of these for each kind with names: what tells its calls from the other's.
struct posix_kind {
  using memory = posix_memory;
  using key = std::string;
  static key fresh_key() { return "/" + support::unique_space(); }
  static auto remove(const key& which) { return shared_unlink(which); }
};
struct sysv_kind {
  using memory = sysv_memory;
  using key = sysv_key;
  static key fresh_key() { return key{static_cast<key_t>(unpredictable_number() >> 33) | 1}; }
  static auto remove(key which) { return shared_remove(which); }
};
struct anonymous_kind {
  using memory = anonymous_memory;
};

using all_kinds = ::testing::Types<posix_kind, sysv_kind, anonymous_kind>;
using named_kinds = ::testing::Types<posix_kind, sysv_kind>;

// Names the instances of a suite: MappingConformance/posix.
struct name_of_kind {
  template <class K>
  static std::string GetName(int) {
    return std::string(K::memory::kind);
  }
};

// A name of this test's own; the object that has it at the end is removed.
template <class K>
class own_name {
 public:
  own_name() = default;
  ~own_name() { [[maybe_unused]] const auto removed = K::remove(key_); }
  own_name(const own_name&) = delete;
  own_name& operator=(const own_name&) = delete;

  operator const typename K::key &() const noexcept { return key_; }  // NOLINT: converts on purpose
  const typename K::key& operator*() const noexcept { return key_; }

 private:
  typename K::key key_ = K::fresh_key();
};

// "ok", or the kind of error.
template <class T>
[[nodiscard]] std::string outcome(const std::expected<T, error>& done) {
  return done ? "ok" : std::string(name_of(done.error().code));
}

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

[[nodiscard]] inline std::string text_at(const shared_memory& memory, std::size_t offset,
                                         std::size_t size) {
  const auto part = memory.bytes().subspan(offset, size);
  return {reinterpret_cast<const char*>(part.data()), part.size()};
}

// Whether all bytes are zero.
[[nodiscard]] inline bool is_clear(std::span<const std::byte> bytes) {
  for (const auto each : bytes) {
    if (each != std::byte{0}) return false;
  }
  return true;
}

}  // namespace shmark

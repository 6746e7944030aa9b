// What a mode, its options and the object that is there come to, for both kinds that are opened.
#pragma once

#include <cstddef>
#include <expected>

#include "lib/base/error.h"
#include "lib/mapping/shared_memory.h"

namespace shmark::detail {

inline constexpr const char* opening_memory = "open shared memory";

// What is to be done, whatever way it was asked for.
struct opening {
  bool writable;
  bool creates;
  bool exclusive;  // only with creates
  bool truncates;  // only with writable
};

// Errors: invalid, for all that is wrong with the options whatever the object is like.
[[nodiscard]] std::expected<opening, error> opening_of(open_mode mode, const open_options& options,
                                                       const short_text& name) noexcept;

// The part of an object that is to be mapped.
struct window {
  std::size_t offset;
  std::size_t size;  // at least 1

  [[nodiscard]] std::size_t end() const noexcept { return offset + size; }  // fits off_t
};

// In an object of `length` bytes, which may become longer or not. Requires: options that
// opening_of() took. Errors: invalid.
[[nodiscard]] std::expected<window, error> window_of(std::size_t length, bool may_lengthen,
                                                     const open_options& options,
                                                     const short_text& name) noexcept;

// Errors: invalid, for more than 0777.
[[nodiscard]] std::expected<void, error> check_perms(mode_t perms, const char* attempted,
                                                     const short_text& name) noexcept;

}  // namespace shmark::detail

// Checks that stay on in every build.
//
// SHMARK_CHECK is for what only a programming error can make false (releasing what one does not
// hold, an invariant of our own). It stops the program with a message: going on would damage state
// that other processes share. It is never for what a system, a user or a segment's contents can
// cause; those are errors (error.h).
#pragma once

namespace shmark::detail {

[[noreturn, gnu::cold]] void check_failed(const char* file, int line, const char* condition,
                                          const char* explanation) noexcept;

}  // namespace shmark::detail

#define SHMARK_CHECK(condition, explanation) \
  (static_cast<bool>(condition)              \
       ? void(0)                             \
       : ::shmark::detail::check_failed(__FILE__, __LINE__, #condition, explanation))

// Where exceptions end that our own code does not throw: those of a user's type, and the ones that
// say that memory has run out. What a function of lib returns instead is an error.
#pragma once

#include <exception>
#include <expected>
#include <new>
#include <type_traits>
#include <utility>

#include "lib/base/error.h"

namespace shmark {

[[nodiscard, gnu::cold]] inline std::unexpected<error> out_of_memory(const char* attempted,
                                                                     short_text object) noexcept {
  return failure(errc::no_space, attempted, object, because{"this process is out of memory"},
                 "free some, or raise its limit (ulimit -v)");
}

// What `work` returns, a std::expected<…, error>. Errors: its own; no_space for std::bad_alloc;
// invalid for anything else that it throws.
template <class Work>
[[nodiscard]] std::invoke_result_t<Work> contained(const char* attempted, short_text object,
                                                   Work&& work) noexcept {
  try {
    return std::forward<Work>(work)();
  } catch (const std::bad_alloc&) {
    return out_of_memory(attempted, object);
  } catch (const std::exception& thrown) {
    return failure(errc::invalid, attempted, object, because{thrown.what()});
  } catch (...) {
    return failure(errc::invalid, attempted, object, because{"the value's type threw"});
  }
}

}  // namespace shmark

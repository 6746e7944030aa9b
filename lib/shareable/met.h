// The shared variables that this process has met: for clean_up() and clean_up_all(), and for those
// that go when it ends.
//
// Process and thread safety: any thread. A forked child has met what its parent has, and has made
// none of it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/segment/segment.h"

namespace shmark::detail {

// A shared variable, wherever it is: this one, and none that was made there after it.
struct acquaintance {
  std::string space;
  std::uint64_t root;  // the number of its root
  owners whose;        // it was said to be
  // Removes it, or not, if it is protected and not `named`. Errors: not_found, if it has gone;
  // timed_out, denied.
  std::expected<void, error> (*remove)(const acquaintance& it, bool named, deadline until);
};

// How it was met.
struct meeting {
  bool was_made;      // by this process
  bool is_destroyed;  // at the process's normal end, if it made it
};

// Throws std::bad_alloc.
void meet(const acquaintance& it, meeting how);
// It has been removed.
void part_from(const acquaintance& it) noexcept;

// Removes what this process made, or all that it met. Carries on past what cannot be removed, and
// returns the first such error; what has gone already is none.
[[nodiscard]] std::expected<void, error> remove_met(bool also_what_others_made, deadline until);

}  // namespace shmark::detail

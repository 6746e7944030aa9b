// All operations that the program explores: a further one is an entry in lock_operations.h,
// store_operations.h, domain_operations.h or shareable_operations.h; a further backend is a file
// like sysv_backend.cc, and a line in catalog.cc.
//
// On the default backend (POSIX segments, robust_rw) an operation has its plain name, "write"; on
// another that of the backend as well, "write@sysv+sysv_semaphore". Operations on locks alone are
// there once, on robust_rw; of other locks: peers.h.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "stress/explorer/operation.h"

namespace shmark::explorer {

// As --backend takes them, the default first: a kind of segment and a lock.
inline constexpr std::array<std::string_view, 4> backends{"posix+robust_rw", "posix+sysv_semaphore",
                                                          "sysv+robust_rw", "sysv+sysv_semaphore"};

// On the default backend: on robust_rw, and on stores in POSIX segments under it, and what stands
// on them.
[[nodiscard]] const std::vector<operation>& catalog();
// The same on any of `backends`; without the locks but for the default.
[[nodiscard]] const std::vector<operation>& catalog_of(std::string_view backend);

// What a backend's name makes of an operation's.
[[nodiscard]] std::string name_on(std::string_view backend, std::string_view operation);

}  // namespace shmark::explorer

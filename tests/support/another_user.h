// Another user of the machine, for tests of what users may do to each other.
//
//     if (!can_become_another_user()) GTEST_SKIP() << "cannot become another user";
//     auto other = child::start([&] {
//       become_another_user();
//       …
//     });
#pragma once

#include <sys/types.h>

namespace shmark::support {

// The user, and group, of those who have become another; no real one's.
inline constexpr uid_t another_user = 65534;

// Whether a child of this process could: it takes root's rights, and a sandbox may know one user.
[[nodiscard]] bool can_become_another_user();

// For children only: there is no way back. Stops the program if it cannot.
void become_another_user();

}  // namespace shmark::support

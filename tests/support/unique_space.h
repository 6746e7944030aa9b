// Names that no other test uses.
#pragma once

#include <string>

namespace shmark::support {

// What the names of this program's tests begin with: unlike that of any other program that runs on
// the machine, also in another container that shares /dev/shm. The children it forks have the same.
[[nodiscard]] const std::string& program_space();

// A space for the segments of one test (see segment_key): a new one with every call, in this
// process and in the children it forks.
[[nodiscard]] std::string unique_space();

}  // namespace shmark::support

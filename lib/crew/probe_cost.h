// What timing single operations costs, by what was timed.
#pragma once

#include "lib/crew/sample.h"

namespace shmark {

// Processor time, in ns, that was spent on filling these. An estimate: so many times what an empty
// operation takes that is timed as they were (measured once in a process, in about a ms).
[[nodiscard]] double probe_cost_ns(const distributions& times) noexcept;

}  // namespace shmark

// Scenario `counter` on a lock by its name: of lib/subject/locks.h, and the one that locks nothing,
// on which it must fail.
#pragma once

#include <expected>
#include <span>
#include <string_view>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/lock/lock.h"
#include "stress/scenario/scenario.h"

namespace shmark::stress {

struct counter_lock {
  std::string_view name;
  lock_traits can;
  std::expected<outcome, error> (*carry_out)(const options&, const progress_callback&, const run&);
};
[[nodiscard]] std::span<const counter_lock> counter_locks() noexcept;

// Nothing if there is none of that name.
[[nodiscard]] const counter_lock* find_counter_lock(std::string_view name) noexcept;

}  // namespace shmark::stress

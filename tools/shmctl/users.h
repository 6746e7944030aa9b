// Who uses a lock, with what /proc says of them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "tools/shmctl/store_look.h"

namespace shmark::inspector {

struct lock_user {
  std::string does{};  // "holds exclusive"
  bool is_alive = true;
  std::optional<pid_t> thread{};
  std::optional<pid_t> process{};
  std::string command{};                 // empty: not known
  std::optional<double> thread_age_s{};  // how long the thread has existed
  std::optional<double> held_s{};        // how long it has held the lock: semaphores alone know
  std::uint32_t count = 1;               // how many, where they cannot be told apart
};

struct lock_users {
  std::vector<lock_user> all{};  // holders, then those who wait
  bool is_damaged = false;       // one died holding it exclusively, and nobody has repaired it

  // Whether somebody alive holds it, or is just about to.
  [[nodiscard]] bool is_held() const;
};

// Of one of a store's locks. Errors: not_found, if its roster or its semaphores have gone;
// mismatch, if it is of a kind that cannot be looked at.
[[nodiscard]] std::expected<lock_users, error> users_of(const store_look& store,
                                                        const store_look::lock& lock);

[[nodiscard]] nlohmann::ordered_json user_json(const lock_user& of);

}  // namespace shmark::inspector

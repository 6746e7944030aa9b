// What list and show say of variables, as JSON and as text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/shmctl/domain_look.h"

namespace shmark::inspector {

// Keys are in README.md.
[[nodiscard]] nlohmann::ordered_json domain_json(const domain_place& of);
[[nodiscard]] nlohmann::ordered_json domain_json(const domain_look& of);
[[nodiscard]] nlohmann::ordered_json variable_json(const variable_look& of);
// With everything that show has.
[[nodiscard]] nlohmann::ordered_json variable_details(const domain_look& in,
                                                      const variable_look& of);

// One of the segments that a store has.
struct part {
  std::string what;  // "control", "current value", "the lock's roster"
  segment_facts facts;
  bool is_there = true;
  bool is_roster = false;  // of a lock, or of several
};
[[nodiscard]] std::vector<part> parts_of(const domain_look& in, const store_look& store);

[[nodiscard]] std::string variable_text(const domain_look& in, const variable_look& of);
[[nodiscard]] std::string domain_text(const domain_look& of);

// "yes", "no", "?".
[[nodiscard]] std::string open_text(const std::optional<bool>& is_open);

}  // namespace shmark::inspector

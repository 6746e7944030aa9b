// What list and show say of variables, as JSON and as text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/shmctl/domain_look.h"

namespace shmark::inspector {

// Keys are in README.md.
[[nodiscard]] nlohmann::ordered_json domain_json(const domain_place& of);
[[nodiscard]] nlohmann::ordered_json domain_json(const domain_look& of);
[[nodiscard]] nlohmann::ordered_json variable_json(const variable_look& of);
// With everything that show has.
[[nodiscard]] nlohmann::ordered_json variable_details(const domain_look& in,
                                                      const variable_look& of);

[[nodiscard]] std::string variable_text(const domain_look& in, const variable_look& of);
[[nodiscard]] std::string domain_text(const domain_look& of);

// "yes", "no", "?".
[[nodiscard]] std::string open_text(const std::optional<bool>& is_open);

}  // namespace shmark::inspector

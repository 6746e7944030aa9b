// Values of variables as JSON, made of the bytes of the codec `direct` and of a description of the
// type: see lib/codec/DIRECT.md for the bytes, and README.md for the JSON.
//
//     const auto what = describe(demangled(type));
//     const auto value = what ? decode(*what, bytes) : …;
//
// Any bytes give a value or an error, whatever the description; what is made of them is no larger
// than a multiple of them.
#pragma once

#include <cstddef>
#include <expected>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "tools/shmctl/type.h"

namespace shmark::inspector {

// The error says what is wrong with the bytes.
[[nodiscard]] std::expected<nlohmann::json, std::string> decode(const description& what,
                                                                std::span<const std::byte> bytes);

// What a variable that nobody has written reads as. The error says why it cannot be shown.
[[nodiscard]] std::expected<nlohmann::json, std::string> unwritten(const description& what);

}  // namespace shmark::inspector

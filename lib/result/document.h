// A file's text, and places in it: what reading and validating have in common. Internal to
// lib/result.
#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace shmark::result::detail {

// All of the file. `attempted` (a string literal) goes into errors, which are as the system says.
[[nodiscard]] std::expected<std::string, error> contents(const std::filesystem::path& path,
                                                         const char* attempted);

// "3:17", as editors and compilers write it, for a byte that counts from 1.
[[nodiscard]] std::string line_and_column(std::string_view text, std::size_t byte);

}  // namespace shmark::result::detail

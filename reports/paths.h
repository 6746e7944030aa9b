// The files that reports are made of, and those that they write.
//
// Thread safety: no state of its own.
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/base/error.h"

namespace shmark::reports {

// Whether `out` may be written: an empty path may, a file that is read may not. All of them as the
// caller gave them (see result::caller_path). `attempted` is a string literal: "write page".
// Errors: exists.
[[nodiscard]] std::expected<void, error> check_not_read(const std::string& out,
                                                        const std::vector<std::string>& read,
                                                        const char* attempted);

}  // namespace shmark::reports

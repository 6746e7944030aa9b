// Whether a result file is what RESULTS.md says, down to what its numbers say of each other.
//
//     bazel run //lib/result:validate -- FILE...
//
// read() takes what it can use; this names all that is wrong: text that is no strict JSON (NaN, or
// one key twice in an object), keys that are missing, of the wrong type or outside their range, and
// numbers that contradict each other (aggregates and what they summarize, quantiles, rates of
// workers and of all). What is unknown may come from a newer version: it is a warning. Of a file
// that Google Benchmark wrote itself (schema 0), what such files have in common with ours is
// checked.
//
// Thread safety: the functions keep no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"

namespace shmark::result {

enum class severity : std::uint8_t { error, warning };

struct problem {
  severity kind = severity::error;
  std::string where{};  // "benchmarks[3].jain", or "3:17" (line and column); empty: all of the file
  std::string what{};   // a clause: "is 1.5, not a number above 0 and up to 1"
  bool operator==(const problem&) const = default;
};

struct validation {
  // As the file says. 0: it is Google Benchmark's own, or what it is cannot be told.
  int schema = 0;
  std::vector<problem> problems{};

  // Without warnings. A file without any is valid.
  [[nodiscard]] std::size_t errors() const noexcept;
};

[[nodiscard]] validation validate(std::string_view text);

// Errors: as the system says, if the file cannot be read. What is in it is never one.
[[nodiscard]] std::expected<validation, error> validate_file(const std::filesystem::path& path);

}  // namespace shmark::result

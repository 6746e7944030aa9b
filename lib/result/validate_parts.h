// The parts that validate() is made of. Internal to lib/result.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/result/checked.h"

namespace shmark::result::detail {

// What is known of the file that an entry is in.
struct file_facts {
  bool is_ours = false;  // schema 1; else Google Benchmark's own
  std::optional<std::string> kind{};
};

// What an entry says, as far as it is of the right type.
struct entry_facts {
  checked at;
  std::string name{};
  std::string run_name{};
  std::string aggregate_name{};  // empty: a repetition
  std::uint64_t repetition_index = 0;
  bool has_failed = false;
  std::map<std::string, double> numbers{};  // times and counters; NaN: there, but wrong
};

// Names that no version before knew: each is told once.
struct strangers {
  std::set<std::string> families{};
  std::set<std::string> counters{};
};

// Checks an entry by itself. Nothing is returned for one that is no object, or none of the usual
// kind (Google Benchmark's complexity fits).
[[nodiscard]] std::optional<entry_facts> check_entry(const checked& at, const file_facts& file,
                                                     strangers& met);

// Checks that no two repetitions, and no two aggregates, of one benchmark are the same.
void check_unique(const std::vector<entry_facts>& entries, const file_facts& file);

// Checks that aggregates are what their repetitions give.
void check_aggregates(const std::vector<entry_facts>& entries);

// Whether two numbers are the same but for rounding; `scale`: of what they were computed from.
[[nodiscard]] bool nearly_equal(double one, double another, double scale = 0) noexcept;

}  // namespace shmark::result::detail

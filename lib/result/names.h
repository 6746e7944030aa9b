// The words that stand for our enumerations in result files. Internal to lib/result.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "lib/result/result.h"

namespace shmark::result::detail {

template <class T>
struct words;

template <>
struct words<run_kind> {
  static constexpr std::array<std::string_view, 2> of{"bench", "stress"};
};
template <>
struct words<build_mode> {
  static constexpr std::array<std::string_view, 2> of{"opt", "debug"};
};
template <>
struct words<sanitizer_kind> {
  static constexpr std::array<std::string_view, 3> of{"none", "address", "thread"};
};
template <>
struct words<worker_kind> {
  static constexpr std::array<std::string_view, 2> of{"processes", "threads"};
};
template <>
struct words<verdict_kind> {
  static constexpr std::array<std::string_view, 4> of{"passed", "failed", "undecided", "vacuous"};
};

// The keys of a file's context that have a meaning of their own.
inline constexpr std::array<std::string_view, 10> context_keys{
    "date",   "host_name", "executable",         "num_cpus", "mhz_per_cpu", "cpu_scaling_enabled",
    "caches", "load_avg",  "library_build_type", "shmark"};

template <class T>
constexpr std::string_view word(T value) noexcept {
  return words<T>::of[static_cast<std::size_t>(value)];
}

template <class T>
constexpr std::optional<T> from_word(std::string_view text) noexcept {
  for (std::size_t i = 0; i < words<T>::of.size(); ++i) {
    if (words<T>::of[i] == text) return static_cast<T>(i);
  }
  return std::nullopt;
}

}  // namespace shmark::result::detail

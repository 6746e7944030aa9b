#include "lib/result/result.h"

#include <algorithm>
#include <cstdlib>

#include "lib/result/names.h"

namespace shmark::result {

std::string_view name_of(run_kind kind) noexcept { return detail::word(kind); }
std::string_view name_of(build_mode mode) noexcept { return detail::word(mode); }
std::string_view name_of(sanitizer_kind kind) noexcept { return detail::word(kind); }
std::string_view name_of(worker_kind kind) noexcept { return detail::word(kind); }
std::string_view name_of(verdict_kind kind) noexcept { return detail::word(kind); }

bool is_context_key(std::string_view key) noexcept {
  return std::ranges::find(detail::context_keys, key) != detail::context_keys.end();
}

double entry::real_time_ns() const noexcept {
  if (time_unit == "us") return real_time * 1e3;
  if (time_unit == "ms") return real_time * 1e6;
  if (time_unit == "s") return real_time * 1e9;
  return real_time;
}

std::optional<double> entry::counter(std::string_view counter_name) const {
  const auto found = counters.find(counter_name);
  if (found == counters.end()) return std::nullopt;
  return found->second;
}

std::filesystem::path caller_path(const std::filesystem::path& path) {
  const char* folder = std::getenv("BUILD_WORKING_DIRECTORY");
  if (folder == nullptr || path.empty() || path.is_absolute()) return path;
  return std::filesystem::path(folder) / path;
}

}  // namespace shmark::result

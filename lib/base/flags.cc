#include "lib/base/flags.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <optional>
#include <system_error>

namespace shmark::flags {
namespace {

// The number that the whole text is, if it is one of this type.
template <class T>
std::optional<T> number_in(const std::string& text) {
  T number{};
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

}  // namespace

CLI::Validator number_between(double min, double max) {
  return {[=](const std::string& text) -> std::string {
            const auto number = number_in<double>(text);
            if (number && *number >= min && *number <= max) return "";
            return fmt::format("'{}' is not a number from {} to {}", text, min, max);
          },
          fmt::format("in [{} - {}]", min, max)};
}

CLI::Validator path() {
  return {[](const std::string& text) -> std::string {
            if (text.empty()) return "the path is empty";
            if (!text.starts_with("--")) return "";
            return fmt::format("'{0}' is a flag; if a path is meant, write ./{0}", text);
          },
          ""};
}

CLI::Option* add_seed(CLI::App& app, std::uint64_t& seed, const std::string& what) {
  const auto accept = [&seed](const std::string& text) {
    const auto number = number_in<std::uint64_t>(text);
    if (!number) {
      throw CLI::ValidationError("--seed",
                                 fmt::format("'{}' is not a whole number from 0 to {}", text,
                                             std::numeric_limits<std::uint64_t>::max()));
    }
    seed = *number;
  };
  return app.add_option_function<std::string>("--seed", accept, what)->type_name("UINT");
}

}  // namespace shmark::flags

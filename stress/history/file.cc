#include "stress/history/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace shmark::stress {
namespace {

using json = nlohmann::json;

constexpr int version = 1;

json to_json(const operation& one) {
  return json::array({one.worker, one.kind == access::read ? "read" : "write", one.called_ns,
                      one.pending() ? json() : json(one.returned_ns), one.value, one.serial});
}

// Nothing if the kind is unknown. Throws json::exception.
std::optional<operation> to_operation(const json& line) {
  operation one;
  line.at(0).get_to(one.worker);
  const auto& kind = line.at(1).get_ref<const std::string&>();
  if (kind != "read" && kind != "write") return {};
  one.kind = kind == "read" ? access::read : access::write;
  line.at(2).get_to(one.called_ns);
  if (!line.at(3).is_null()) line.at(3).get_to(one.returned_ns);
  line.at(4).get_to(one.value);
  line.at(5).get_to(one.serial);
  return one;
}

std::unexpected<error> refusal(const char* attempted, const std::filesystem::path& path) {
  return system_failure(errno != 0 ? errno : EIO, attempted, path.native());
}

std::unexpected<error> damage(const std::filesystem::path& path, std::size_t line) {
  return failure(errc::corrupt, "load history", path.native(),
                 because{fmt::format("line {} is not what it should be", line)});
}

}  // namespace

std::expected<void, error> save(const history& all, const std::filesystem::path& path) {
  constexpr auto* attempted = "save history";
  errno = 0;
  std::ofstream file(path);
  file << json{{"history", version},
               {"first_value", all.first_value},
               {"first_serial", all.first_serial}}
       << '\n';
  for (const auto& one : all.operations) file << to_json(one) << '\n';
  if (!file.flush()) return refusal(attempted, path);
  return {};
}

std::expected<history, error> load(const std::filesystem::path& path) {
  constexpr auto* attempted = "load history";
  errno = 0;
  std::ifstream file(path);
  if (!file) return refusal(attempted, path);
  history all;
  std::size_t number = 0;
  try {
    for (std::string line; std::getline(file, line);) {
      ++number;
      const json parsed = json::parse(line);
      if (number > 1) {
        const auto one = to_operation(parsed);
        if (!one) return damage(path, number);
        all.operations.push_back(*one);
        continue;
      }
      if (parsed.at("history").get<int>() != version) {
        return failure(errc::mismatch, attempted, path.native(),
                       "use the program that has saved it");
      }
      parsed.at("first_value").get_to(all.first_value);
      parsed.at("first_serial").get_to(all.first_serial);
    }
  } catch (const json::exception&) {
    return damage(path, number);
  }
  if (file.bad()) return refusal(attempted, path);
  if (number == 0) return damage(path, 1);
  return all;
}

}  // namespace shmark::stress

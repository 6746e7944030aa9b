#include "tools/shmctl/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "tools/shmctl/text.h"

namespace shmark::inspector {
namespace {

// Whether --backend, if given, means a domain there; also if that cannot be known.
bool is_wanted(const std::string& backend, const domain_place& place) {
  if (backend.empty()) return true;
  const auto seen = domain_look::at(place);
  return seen ? seen->backend() == backend : backend.starts_with(name_of(place.where));
}

std::string with_backend(const arguments& asked) {
  return asked.backend.empty() ? "" : " with the backend " + asked.backend;
}

std::string not_there(const arguments& asked) {
  return fmt::format(
      "there is no domain {} of user {}{}; 'shmctl list' shows those that there are, "
      "and with --all other users'",
      asked.domain, geteuid(), with_backend(asked));
}

}  // namespace

std::expected<std::vector<domain_place>, std::string> places(const arguments& asked) {
  domain_filter which{.name = {}, .all_users = asked.all_users};
  if (asked.is_domain_given) which.name = asked.domain;
  auto all = find_domains(which);
  std::erase_if(all, [&](const domain_place& each) { return !is_wanted(asked.backend, each); });
  if (all.empty() && asked.is_domain_given) return std::unexpected(not_there(asked));
  return all;
}

std::string no_domains(const arguments& asked) {
  const auto whose = asked.all_users ? "any user" : fmt::format("user {}", geteuid());
  return fmt::format("There are no domains of {}{}.\n", whose, with_backend(asked));
}

std::expected<domain_look, std::string> the_domain(const arguments& asked) {
  auto named = asked;
  named.is_domain_given = true;
  named.all_users = false;
  const auto all = places(named);
  if (!all) return std::unexpected(all.error());
  if (all->size() > 1) {
    return std::unexpected(fmt::format(
        "there are two domains {}, one in POSIX segments and one in System V's; say which by "
        "--backend",
        asked.domain));
  }
  auto seen = domain_look::at(all->front());
  if (!seen) return std::unexpected(seen.error().message());
  return *std::move(seen);
}

std::expected<const variable_look*, std::string> the_variable(const arguments& asked,
                                                              const domain_look& in) {
  if (const auto* found = in.find(asked.variable)) return found;
  return std::unexpected(
      fmt::format("there is no variable {} in domain {}; 'shmctl list' shows those that there are",
                  printable(asked.variable), in.place().title()));
}

std::string command_for(const std::string& command, const domain_look& in,
                        const std::string& variable) {
  const auto& name = in.place().name;
  auto text = "bazel run //tools:shmctl -- " + command;
  if (name.empty()) {
    text += " --domain=NAME";
  } else if (name != "default") {
    text += " --domain=" + shell_word(name);
  }
  if (in.place().is_ambiguous) text += " --backend=" + in.backend();
  if (!variable.empty()) text += (variable[0] == '-' ? " -- " : " ") + shell_word(variable);
  return text;
}

void print_json(const nlohmann::ordered_json& what) {
  fmt::print("{}\n", what.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string title_of(const domain_look& what) {
  const auto& place = what.place();
  const auto user = place.user == geteuid() ? "" : fmt::format(" of user {}", place.user);
  return fmt::format("domain {}{} ({}, {})", place.title(), user, name_of(place.where),
                     printable(what.registry().lock_name()));
}

}  // namespace shmark::inspector

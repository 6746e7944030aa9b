// What shmctl can be told to do. Each command prints its result, or complains, and returns the exit
// status.
#pragma once

#include <expected>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lib/base/program.h"
#include "tools/shmctl/domain_look.h"

namespace shmark::inspector {

inline constexpr program self("shmctl");

enum status : int {
  good = 0,
  found_something = 1,  // the doctor did, or somebody holds what was to be removed
};

struct arguments {
  std::string domain = "default";
  bool is_domain_given = false;
  std::string backend{};   // empty: whichever it is
  std::string variable{};  // a name, or a number as list shows it
  bool json = false;
  bool all_users = false;
  bool yes = false;
  bool dry_run = false;
  double patience_s = 10;
};

[[nodiscard]] int list(const arguments& asked);
[[nodiscard]] int show(const arguments& asked);
[[nodiscard]] int get(const arguments& asked);
[[nodiscard]] int locks(const arguments& asked);
[[nodiscard]] int collect(const arguments& asked);
[[nodiscard]] int remove(const arguments& asked);
[[nodiscard]] int clean_up(const arguments& asked);
[[nodiscard]] int diagnose(const arguments& asked);

// --- What they have in common.

// All domains that are asked for: of this user, unless --domain says which. The error is a message:
// there is none of that name.
[[nodiscard]] std::expected<std::vector<domain_place>, std::string> places(const arguments& asked);
// What to say where these are none.
[[nodiscard]] std::string no_domains(const arguments& asked);
// The one domain that is asked for. The error is a message.
[[nodiscard]] std::expected<domain_look, std::string> the_domain(const arguments& asked);
// Its variable that is asked for.
[[nodiscard]] std::expected<const variable_look*, std::string> the_variable(const arguments& asked,
                                                                            const domain_look& in);

// A command for people to copy: "bazel run //tools:shmctl -- remove --domain=x visits".
[[nodiscard]] std::string command_for(const std::string& command, const domain_look& in,
                                      const std::string& variable = {});

void print_json(const nlohmann::ordered_json& what);

// "domain default (posix, robust_rw)".
[[nodiscard]] std::string title_of(const domain_look& what);

}  // namespace shmark::inspector

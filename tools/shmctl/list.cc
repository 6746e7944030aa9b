// list, show and get.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/shmctl/commands.h"
#include "tools/shmctl/report.h"
#include "tools/shmctl/text.h"
#include "tools/shmctl/type.h"
#include "tools/shmctl/value.h"

namespace shmark::inspector {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

void list_as_json(const std::vector<domain_place>& all) {
  auto domains = ordered_json::array();
  for (const auto& place : all) {
    const auto seen = domain_look::at(place);
    if (!seen) {
      auto broken = domain_json(place);
      broken["error"] = seen.error().message();
      domains.push_back(std::move(broken));
      continue;
    }
    auto its = domain_json(*seen);
    its["variables"] = ordered_json::array();
    for (const auto& each : seen->variables()) its["variables"].push_back(variable_json(each));
    domains.push_back(std::move(its));
  }
  print_json({{"domains", std::move(domains)}});
}

void list_as_text(const std::vector<domain_place>& all) {
  for (const auto& place : all) {
    if (&place != &all.front()) fmt::print("\n");
    if (const auto seen = domain_look::at(place)) {
      fmt::print("{}", domain_text(*seen));
    } else {
      fmt::print("domain {} of user {} ({}): {}\n", place.title(), place.user, name_of(place.where),
                 seen.error().message());
    }
  }
}

// What a variable's current value is.
std::expected<json, std::string> value_of(const variable_look& of) {
  const auto about = [&](const std::string& why) {
    return std::unexpected(fmt::format("cannot show {}: {}", printable(of.title()), why));
  };
  if (!of.store) return about(of.store.error().message());
  const auto name = demangled(of.entry.type);
  const auto what = describe(name);
  if (!what) {
    return about(
        fmt::format("its type is {}, and shmctl does not know {}; read it in a program "
                    "that does",
                    printable(brief(name)), printable(what.error())));
  }
  const auto contents = of.store->contents();
  if (!contents) return about(contents.error().message());
  auto value = contents->value.empty() ? unwritten(*what) : decode(*what, contents->value);
  if (value) return value;
  return about(fmt::format("its bytes are no {}: {}; write it anew, or remove it",
                           printable(brief(name)), value.error()));
}

}  // namespace

int list(const arguments& asked) {
  const auto all = places(asked);
  if (!all) return self.complain(all.error());
  if (asked.json) {
    list_as_json(*all);
  } else if (all->empty()) {
    fmt::print("{}", no_domains(asked));
  } else {
    list_as_text(*all);
  }
  return good;
}

int show(const arguments& asked) {
  const auto seen = the_domain(asked);
  if (!seen) return self.complain(seen.error());
  const auto found = the_variable(asked, *seen);
  if (!found) return self.complain(found.error());
  if (asked.json) {
    auto all = domain_json(*seen);
    all["variable"] = variable_details(*seen, **found);
    print_json(all);
  } else {
    fmt::print("{}", variable_text(*seen, **found));
  }
  return good;
}

int get(const arguments& asked) {
  const auto seen = the_domain(asked);
  if (!seen) return self.complain(seen.error());
  const auto found = the_variable(asked, *seen);
  if (!found) return self.complain(found.error());
  const auto value = value_of(**found);
  if (!value) return self.complain(value.error());
  fmt::print("{}\n", value->dump(asked.json ? -1 : 2));
  return good;
}

}  // namespace shmark::inspector

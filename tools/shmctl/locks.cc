// locks.

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tools/shmctl/commands.h"
#include "tools/shmctl/report.h"
#include "tools/shmctl/text.h"
#include "tools/shmctl/users.h"

namespace shmark::inspector {
namespace {

using nlohmann::ordered_json;

constexpr const char* caution =
    "Seen without taking locks: who came or went meanwhile may be missing, or be here twice.";
constexpr const char* about_times =
    "THREAD AGE: since when the thread exists. How long it holds or waits, robust_rw does not "
    "record.";

// A lock of a domain: the registry's, or a variable's.
struct one_lock {
  std::string title;
  const variable_look* variable;  // null: the registry's
  bool is_advisory;
  std::expected<lock_users, error> users;
};

std::vector<one_lock> locks_of(const domain_look& in) {
  std::vector<one_lock> all;
  const auto add = [&](const std::string& title, const variable_look* variable,
                       const store_look& store) {
    for (const auto& lock : store.locks()) {
      all.push_back({lock.is_advisory ? title + " (advisory)" : title, variable, lock.is_advisory,
                     users_of(store, lock)});
    }
  };
  add("(the registry)", nullptr, in.registry());
  for (const auto& each : in.variables()) {
    if (each.store) add(printable(each.title()), &each, *each.store);  // else list says why
  }
  return all;
}

std::string number_text(const std::optional<pid_t>& number) {
  return number ? std::to_string(*number) : "-";
}

std::string does_text(const lock_user& user) {
  auto text = user.does;
  if (user.count != 1) text += fmt::format(", {} of them", user.count);
  if (user.held_s) text += ", for " + span_text(*user.held_s);
  if (!user.is_alive) text += ", and is dead";
  return text;
}

std::string domain_locks_text(const domain_look& in) {
  using enum table::side;
  table rows({{"VARIABLE"},
              {"WHAT IT DOES"},
              {"PROCESS", right},
              {"THREAD", right},
              {"COMMAND"},
              {"THREAD AGE", right}});
  std::string notes;
  for (const auto& each : locks_of(in)) {
    if (!each.users) {
      notes += fmt::format("  {}: {}\n", each.title, each.users.error().message());
      continue;
    }
    for (const auto& user : each.users->all) {
      rows.add({each.title, does_text(user), number_text(user.process), number_text(user.thread),
                user.command.empty() ? "-" : printable(user.command),
                user.thread_age_s ? span_text(*user.thread_age_s) : "-"});
    }
    if (each.users->is_damaged) {
      notes += fmt::format("  {}: one died holding it exclusively; whoever takes it next is told\n",
                           each.title);
    }
  }
  if (rows.empty()) return title_of(in) + ": nobody holds a lock or waits for one\n" + notes;
  return title_of(in) + ":\n" + rows.text(2) + notes;
}

ordered_json domain_locks_json(const domain_look& in) {
  auto json = domain_json(in);
  json["locks"] = ordered_json::array();
  for (const auto& each : locks_of(in)) {
    const bool is_named = each.variable != nullptr && each.variable->name;
    ordered_json its{
        {"name", is_named ? ordered_json(text_json(*each.variable->name)) : ordered_json()},
        {"number", each.variable == nullptr ? 0 : each.variable->number},
        {"advisory", each.is_advisory}};
    if (each.users) {
      its["damaged"] = each.users->is_damaged;
      its["users"] = ordered_json::array();
      for (const auto& user : each.users->all) its["users"].push_back(user_json(user));
    } else {
      its["error"] = each.users.error().message();
    }
    json["locks"].push_back(std::move(its));
  }
  return json;
}

}  // namespace

int locks(const arguments& asked) {
  const auto all = places(asked);
  if (!all) return self.complain(all.error());
  auto domains = ordered_json::array();
  std::string text;
  for (const auto& place : *all) {
    if (!text.empty()) text += "\n";
    if (const auto seen = domain_look::at(place)) {
      text += domain_locks_text(*seen);
      if (asked.json) domains.push_back(domain_locks_json(*seen));
    } else {
      text += fmt::format("domain {}: {}\n", place.title(), seen.error().message());
      domains.push_back(domain_json(place));
      domains.back()["error"] = seen.error().message();
    }
  }
  if (asked.json) {
    print_json({{"domains", std::move(domains)}});
  } else if (all->empty()) {
    fmt::print("{}", no_domains(asked));
  } else {
    fmt::print("{}\n{}\n{}\n", text, caution, about_times);
  }
  return good;
}

}  // namespace shmark::inspector

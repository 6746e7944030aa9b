#include "tools/shmctl/report.h"

#include <fmt/format.h>
#include <pwd.h>

#include <utility>
#include <vector>

#include "lib/segment/sysv.h"
#include "tools/shmctl/commands.h"
#include "tools/shmctl/text.h"

namespace shmark::inspector {
namespace {

using nlohmann::ordered_json;

ordered_json open_json(const std::optional<bool>& is_open) {
  return is_open ? ordered_json(*is_open) : ordered_json();
}

std::string name_in_system(medium where, const segment_key& key) {
  if (where == medium::posix) return std::string(key.text().view());
  return fmt::format("0x{:08x}", static_cast<unsigned>(sysv_segment::system_key(key)));
}

std::string checksum_state(const store_look& store) {
  const auto contents = store.contents();
  if (!contents) {
    if (contents.error().code != errc::corrupt) return "not known";
    return "wrong";
  }
  return store.has_checksum() ? "right" : "none";
}

std::string user_text(uid_t user) {
  const auto* known = getpwuid(user);
  return known == nullptr ? std::to_string(user) : fmt::format("{} ({})", known->pw_name, user);
}

std::string lock_text(const store_look& store) {
  std::string text;
  for (const auto& lock : store.locks()) {
    text += lock.is_advisory ? ", and an advisory one" : printable(store.lock_name());
    if (!lock.semaphores) continue;
    text += fmt::format(", semaphores 0x{:08x}", static_cast<unsigned>(*lock.semaphores));
  }
  return text;
}

using lines = std::vector<std::pair<std::string, std::string>>;

void add_store(lines& to, const domain_look& in, const store_look& store) {
  to.push_back(
      {"value", fmt::format("{} bytes, serial {}, checksum {}{}", store.length(), store.serial(),
                            checksum_state(store), store.is_writing() ? ", being written" : "")});
  to.push_back({"open", open_text(store.segment().is_open)});
  to.push_back({"refers to", fmt::format("{} variables", store.references())});
  to.push_back({"referred to", fmt::format("by {} values{}", store.referrers(),
                                           store.is_unnamed() ? ", which alone keep it" : "")});
  to.push_back({"capacity", fmt::format("{} bytes for each of two sides in the control segment",
                                        store.capacity())});
  to.push_back(
      {"limit", store.limit() == 0 ? "none" : fmt::format("{} bytes of a value", store.limit())});
  to.push_back({"made", fmt::format("{} data segments so far", store.generations())});
  to.push_back({"recoveries", fmt::format("{} dead writers cleaned up after", store.recoveries())});
  to.push_back({"lock", lock_text(store)});
  to.push_back({"owner", fmt::format("{}, mode {:04o}", user_text(store.segment().owner),
                                     store.segment().mode)});
  to.push_back({"tag", fmt::format("{:016x}", store.tag())});
  for (const auto& each : parts_of(in, store)) {
    to.push_back({each.what == "control" ? "segments" : "",
                  each.is_there
                      ? fmt::format("{}  {}, {} bytes", each.facts.name, each.what, each.facts.size)
                      : fmt::format("{}  {}, NOT THERE", each.facts.name, each.what)});
  }
}

}  // namespace

std::vector<part> parts_of(const domain_look& in, const store_look& store) {
  std::vector<part> all{{"control", store.segment()}};
  for (const auto& data : store.data_segments()) {
    const bool is_there = data.there.has_value();
    all.push_back(
        {data.is_current ? "current value" : "spare side",
         is_there ? *data.there
                  : segment_facts{.name = name_in_system(in.place().where, in.key_of(data.number))},
         is_there});
  }
  for (const auto& lock : store.locks()) {
    const auto key = lock.robust != nullptr ? robust_rw::roster_key(*lock.robust) : segment_key{};
    if (key.number == 0) continue;
    const auto there = glimpse::of(medium::posix, key);
    // One that nobody has used yet has none.
    if (!there && lock.robust->roster_number.load() == 0) continue;
    all.push_back({lock.is_advisory ? "the advisory lock's roster" : "the lock's roster",
                   there ? facts_of(*there) : segment_facts{.name = std::string(key.text().view())},
                   there.has_value(), true});
  }
  return all;
}

std::string open_text(const std::optional<bool>& is_open) {
  return !is_open ? "?" : *is_open ? "yes" : "no";
}

ordered_json domain_json(const domain_place& of) {
  return {
      {"domain", of.name.empty() ? ordered_json() : ordered_json(of.name)},
      {"user", of.user},
      {"segments", name_of(of.where)},
      {"registry", of.id ? fmt::format("number {}", *of.id) : name_in_system(of.where, of.key)}};
}

ordered_json domain_json(const domain_look& of) {
  auto json = domain_json(of.place());
  const auto backend = of.backend();
  json["backend"] = backend.empty() ? ordered_json() : ordered_json(backend);
  json["lock"] = text_json(of.registry().lock_name());
  json["serial"] = of.serial();
  return json;
}

ordered_json variable_json(const variable_look& of) {
  ordered_json json{{"name", of.name ? ordered_json(text_json(*of.name)) : ordered_json()},
                    {"number", of.number},
                    {"type", text_json(brief(demangled(of.entry.type)))},
                    {"state", of.state()}};
  if (!of.store) {
    json["error"] = of.store.error().message();
    return json;
  }
  const auto& store = *of.store;
  json["bytes"] = store.length();
  json["allocated"] = store.allocated();
  json["serial"] = store.serial();
  json["referrers"] = store.referrers();
  json["references"] = store.references();
  json["open"] = open_json(store.segment().is_open);
  return json;
}

ordered_json variable_details(const domain_look& in, const variable_look& of) {
  auto json = variable_json(of);
  json["mangled_type"] = text_json(of.entry.type);
  if (!of.store) return json;
  const auto& store = *of.store;
  json["unnamed"] = store.is_unnamed();
  json["writing"] = store.is_writing();
  json["removed"] = store.is_removed();
  json["capacity"] = store.capacity();
  json["limit"] = store.limit() == 0 ? ordered_json() : ordered_json(store.limit());
  json["checksum"] = checksum_state(store);
  json["generations"] = store.generations();
  json["recoveries"] = store.recoveries();
  json["lock"] = text_json(store.lock_name());
  json["semaphores"] = ordered_json::array();
  for (const auto& lock : store.locks()) {
    if (lock.semaphores) json["semaphores"].push_back(*lock.semaphores);
  }
  json["advisory_lock"] = store.locks().size() > 1;
  json["owner"] = store.segment().owner;
  json["mode"] = fmt::format("{:04o}", store.segment().mode);
  json["tag"] = store.tag();
  json["segments"] = ordered_json::array();
  for (const auto& each : parts_of(in, store)) {
    ordered_json segment{{"what", each.what}, {"name", each.facts.name}};
    segment["bytes"] = each.is_there ? ordered_json(each.facts.size) : ordered_json();
    json["segments"].push_back(std::move(segment));
  }
  return json;
}

std::string variable_text(const domain_look& in, const variable_look& of) {
  lines all{{"type", printable(brief(demangled(of.entry.type)))},
            {"domain", title_of(in).substr(std::string_view("domain ").size())},
            {"number", fmt::format("{:016x}", of.number)},
            {"entry", fmt::format("{}, {}", of.state(), of.name ? "named" : "without a name")}};
  if (of.store) {
    add_store(all, in, *of.store);
  } else {
    all.push_back({"store", of.store.error().message()});
  }
  std::string text = printable(of.title()) + "\n";
  for (const auto& [what, how] : all) text += fmt::format("  {:<11}  {}\n", what, how);
  return text;
}

std::string domain_text(const domain_look& of) {
  const auto count = of.variables().size();
  auto text = fmt::format("{}: {} variable{}\n", title_of(of), count, count == 1 ? "" : "s");
  using enum table::side;
  table rows({{"NAME"},
              {"BYTES", right},
              {"ALLOCATED", right},
              {"SERIAL", right},
              {"REFERRERS", right},
              {"REFERENCES", right},
              {"OPEN"},
              {"TYPE"}});
  std::string errors;
  for (const auto& each : of.variables()) {
    const auto name = printable(each.name ? *each.name : "unnamed " + each.title());
    auto type = printable(brief(demangled(each.entry.type)));
    if (each.entry.state != detail::entry_state::ready) {
      type += fmt::format(" ({})", each.state());
    }
    if (!each.store) {
      rows.add({name, "-", "-", "-", "-", "-", "-", type});
      errors += fmt::format("  {}: {}\n", name, each.store.error().message());
      continue;
    }
    const auto& store = *each.store;
    rows.add({name, std::to_string(store.length()), std::to_string(store.allocated()),
              std::to_string(store.serial()), std::to_string(store.referrers()),
              std::to_string(store.references()), open_text(store.segment().is_open), type});
  }
  if (!rows.empty()) text += rows.text(2);
  return text + errors;
}

}  // namespace shmark::inspector

#include "tools/shmctl/domain_look.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "lib/codec/direct.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/permissions.h"
#include "lib/segment/posix.h"
#include "lib/segment/sysv.h"
#include "lib/store/store.h"

namespace shmark::inspector {
namespace {

constexpr std::string_view prefix = "shmark.";

// Whether it is the space of a glue (lib/shareable), which belongs to whoever made it.
bool is_of_glue(std::string_view space) {
  return (space.starts_with("glue-") || space.starts_with("family-")) &&
         segment_key{space, 0}.valid();
}

class finder {
 public:
  explicit finder(const domain_filter& which) : which_(which) {}

  std::vector<domain_place> find() {
    add_posix();
    add_sysv();
    std::ranges::sort(found_, {}, [](const domain_place& each) {
      return std::tuple(each.user, each.name.empty(), each.name, each.where);
    });
    std::map<std::string, std::size_t> count;
    for (const auto& each : found_) ++count[each.name];
    for (auto& each : found_) each.is_ambiguous = !each.name.empty() && count[each.name] > 1;
    return std::move(found_);
  }

 private:
  [[nodiscard]] bool is_wanted(uid_t user, const std::string& name) const {
    if (!which_.all_users && user != geteuid()) return false;
    return !which_.name || *which_.name == name;
  }

  void add_posix() {
    for (const auto& object : posix_segment::names(prefix)) {
      const auto space = std::string_view(object).substr(prefix.size());
      if (!domain_of(space, geteuid())) continue;
      const auto seen = glimpse::of_object(object);
      const auto parsed = domain_of(space, owner_of_object(object).value_or(geteuid()));
      names_.insert(parsed->second);
      if (!is_wanted(parsed->first, parsed->second)) continue;
      // What is not to be read may be a domain; what is read and is none is none.
      if (seen ? !is_store(*seen) : seen.error().code != errc::denied) continue;
      found_.push_back({medium::posix, parsed->first, parsed->second, {space, 0}});
    }
  }

  void add_sysv() {
    names_.insert("default");
    if (which_.name) names_.insert(*which_.name);
    for (const int id : sysv_ids()) {
      const auto status = sysv_status(id);
      if (!status || (!which_.all_users && status->user != geteuid())) continue;
      if (status->size < sizeof(detail::control) || !is_store_mode(status->mode)) continue;
      if (const auto seen = store_look::at_id(id)) {
        add_sysv(id, *status, &*seen);
      } else if (seen.error().code == errc::mismatch || seen.error().code == errc::corrupt) {
        add_sysv(id, *status, nullptr);  // if only its key is one, it is for others to say so
      }
    }
  }
  // A registry's key is made of its space, which robust_rw knows, and else can be guessed only.
  void add_sysv(int id, const sysv_facts& status, const store_look* store) {
    const auto* lock = store != nullptr ? store->locks().front().robust : nullptr;
    std::vector<std::string> spaces;
    if (lock != nullptr) {
      spaces.emplace_back(robust_rw::roster_key(*lock).space.view());
    } else {
      for (const auto& name : names_) {
        spaces.push_back(is_of_glue(name) ? name : fmt::format("{}.{}", status.user, name));
      }
    }
    for (const auto& space : spaces) {
      const segment_key key{space, 0};
      const auto parsed = domain_of(space, status.user);
      if (!parsed || sysv_segment::system_key(key) != status.key) continue;
      if (!is_wanted(parsed->first, parsed->second)) return;
      found_.push_back({medium::sysv, parsed->first, parsed->second, key});
      return;
    }
    if (lock == nullptr && store != nullptr && !which_.name && is_registry(*store)) {
      found_.push_back({medium::sysv, status.user, "", {"", 0}, id});
    }
  }
  // Whether a store without a known name holds what only a registry does.
  static bool is_registry(const store_look& store) {
    if (store.tag() != 0 || store.is_unnamed()) return false;
    const auto contents = store.contents();
    detail::registry_contents known;
    return contents && !contents->value.empty() && direct::decode(contents->value, known) &&
           !known.variables.empty();
  }

  const domain_filter& which_;
  std::set<std::string> names_;  // that domains might have
  std::vector<domain_place> found_;
};

}  // namespace

std::optional<std::pair<uid_t, std::string>> domain_of(std::string_view space, uid_t owner) {
  if (is_of_glue(space)) return std::pair{owner, std::string(space)};
  uid_t user = 0;
  const auto* end = space.data() + space.size();
  const auto [dot, failed] = std::from_chars(space.data(), end, user);
  if (failed != std::errc{} || dot == end || *dot != '.' || dot + 1 == end) return {};
  const segment_key key{space, 0};
  if (!key.valid()) return {};
  return std::pair{user, std::string(dot + 1, end)};
}

std::string domain_place::title() const {
  if (!name.empty()) return name;
  return fmt::format("of unknown name, segment {}", id.value_or(-1));
}

std::vector<domain_place> find_domains(const domain_filter& which) { return finder(which).find(); }

std::string variable_look::title() const { return name ? *name : fmt::format(":{:016x}", number); }

std::string_view variable_look::state() const noexcept {
  switch (entry.state) {
    case detail::entry_state::making:
      return "making";
    case detail::entry_state::ready:
      return "ready";
    case detail::entry_state::removing:
      return "removing";
  }
  return "unknown";
}

std::expected<domain_look, error> domain_look::at(const domain_place& where) {
  SHMARK_ASSIGN_OR_RETURN(auto registry, where.id ? store_look::at_id(*where.id)
                                                  : store_look::at(where.where, where.key));
  domain_look made(where, std::move(registry));
  SHMARK_ASSIGN_OR_RETURN(const auto contents, made.registry_.contents());
  made.serial_ = contents.serial;
  detail::registry_contents known;
  if (!contents.value.empty()) {
    if (auto done = direct::decode(contents.value, known); !done) {
      return failure(errc::corrupt, "read registry", made.registry_.segment().name,
                     because{std::string(done.error().why.view())},
                     "remove and recreate the domain");
    }
  }
  std::map<std::uint64_t, std::string> names;
  for (const auto& [name, number] : known.names) {
    names.emplace(number, name);
  }
  for (auto& [number, entry] : known.variables) {
    const auto name = names.find(number);
    made.variables_.push_back({number,
                               name == names.end() ? std::nullopt : std::optional(name->second),
                               std::move(entry), store_look::at(where.where, made.key_of(number))});
  }
  std::ranges::stable_sort(made.variables_, {}, [](const variable_look& each) {
    return std::pair(!each.name, each.name.value_or(""));
  });
  return made;
}

std::string domain_look::backend() const {
  const auto lock = registry_.lock_name();
  const std::string where(name_of(place_.where));
  if (lock == robust_rw::name) return where;
  if (lock == sysv_semaphore::name) return where + "_semaphore";
  return {};
}

const variable_look* domain_look::find(std::string_view what) const {
  const auto is_it = [&](const variable_look& each) { return each.name && *each.name == what; };
  const auto is_numbered = [&](const variable_look& each) {
    return what == fmt::format(":{:016x}", each.number);
  };
  auto at = std::ranges::find_if(variables_, is_it);
  if (at == variables_.end()) at = std::ranges::find_if(variables_, is_numbered);
  return at == variables_.end() ? nullptr : &*at;
}

}  // namespace shmark::inspector

// What may be wrong within a domain.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "lib/segment/sysv.h"
#include "tools/shmctl/commands.h"
#include "tools/shmctl/finding.h"
#include "tools/shmctl/text.h"
#include "tools/shmctl/users.h"

namespace shmark::inspector {
namespace {

// Without advice: a finding has its own.
std::string reason(const error& why) {
  const auto said = why.why.view();
  return said.empty() ? why.message() : std::string(said);
}

// A domain with its references, all as of one moment at which nobody held the registry's lock: what
// the registry then says of variables being made or removed is said of the dead (D2 in
// lib/shm/registry.h), and counts are right but for what deaths have done to them (D4).
struct moment {
  domain_look domain;
  std::map<std::uint64_t, std::expected<store_contents, error>> contents{};
};

// Whether nothing has happened between two looks.
bool is_same(const moment& one, const domain_look& other) {
  const auto& before = one.domain.variables();
  const auto& after = other.variables();
  if (one.domain.serial() != other.serial() || before.size() != after.size()) return false;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto& a = before[i].store;
    const auto& b = after[i].store;
    if (before[i].number != after[i].number || a.has_value() != b.has_value()) return false;
    if (!a) continue;
    const auto contents = one.contents.find(before[i].number);
    const bool is_other_value = contents != one.contents.end() && contents->second &&
                                contents->second->serial != b->serial();
    if (is_other_value || a->serial() != b->serial() || a->referrers() != b->referrers() ||
        a->is_unnamed() != b->is_unnamed() || a->segment().is_open != b->segment().is_open) {
      return false;
    }
  }
  return true;
}

std::expected<store_look, error> look_at_registry(const domain_place& of) {
  return of.id ? store_look::at_id(*of.id) : store_look::at(of.where, of.key);
}

// As ipcrm(1) takes it.
std::string key_option(const domain_place& of) {
  return fmt::format("-M 0x{:08x}", static_cast<unsigned>(sysv_segment::system_key(of.key)));
}

// Nobody, if its users cannot be known: then there is no lock to hold.
std::optional<lock_user> holder_of(const domain_place& of) {
  const auto registry = look_at_registry(of);
  if (!registry) return {};
  const auto users = users_of(*registry, registry->locks().front());
  if (!users || !users->is_held()) return {};
  return *std::ranges::find_if(users->all, [](const lock_user& each) { return each.is_alive; });
}

// Such a moment; or, where there was none, how it was last, and why.
struct settled {
  moment at;
  std::string doubt{};  // empty: it is one
};
std::expected<settled, error> settle(const domain_place& place) {
  constexpr int tries_max = 20;
  constexpr useconds_t pause_us = 10'000;
  for (int tries = 1;; ++tries) {
    SHMARK_ASSIGN_OR_RETURN(auto seen, domain_look::at(place));
    moment now{std::move(seen)};
    for (const auto& each : now.domain.variables()) {
      const bool is_ready = each.entry.state == detail::entry_state::ready;
      if (each.store && is_ready) now.contents.emplace(each.number, each.store->contents());
    }
    const auto holder = holder_of(place);
    SHMARK_ASSIGN_OR_RETURN(const auto again, domain_look::at(place));
    const bool is_quiet = is_same(now, again);
    if (!holder && is_quiet) return settled{std::move(now)};
    if (tries == tries_max) {
      auto why = std::string("it changes all the time");
      if (holder) {
        why = fmt::format("process {} ({}) holds its registry",
                          holder->process ? std::to_string(*holder->process) : "?",
                          holder->command.empty() ? "?" : printable(holder->command));
      }
      return settled{std::move(now), why};
    }
    usleep(pause_us);
  }
}

class examiner {
 public:
  explicit examiner(settled seen)
      : seen_(std::move(seen.at)),
        is_settled_(seen.doubt.empty()),
        collect_(command_for("collect", domain())) {
    if (domain().place().name.empty()) collect_ += ", with the name, which only its users know";
    if (is_settled_) return;
    done_.doubts.push_back(
        fmt::format("{}: {}, so that its entries and counts could not be judged; try again",
                    title_of(domain()), seen.doubt));
  }

  examination all() {
    examine_locks("(the registry)", domain().registry(), remove_registry_by_hand());
    for (const auto& each : domain().variables()) {
      if (each.entry.state == detail::entry_state::ready) {
        examine_ready(each);
      } else if (is_settled_) {
        add("cut_short", each,
            fmt::format("its {} was cut short by a death",
                        each.entry.state == detail::entry_state::making ? "making" : "removal"),
            collect_);
      }
    }
    if (is_settled_) examine_links();
    return std::move(done_);
  }

 private:
  [[nodiscard]] const domain_look& domain() const noexcept { return seen_.domain; }

  [[nodiscard]] std::string removal_of(const variable_look& of) const {
    if (!of.name) return collect_;
    if (!domain().place().name.empty()) return command_for("remove", domain(), *of.name);
    return fmt::format("ipcrm -M 0x{:08x}", static_cast<std::uint32_t>(of.number & 0x7fffffff));
  }
  [[nodiscard]] std::string by_hand(const variable_look& of) const {
    const auto key = domain().key_of(of.number);
    if (domain().place().where == medium::posix) {
      return fmt::format("rm /dev/shm/{}; {}", key.text().view(), removal_of(of));
    }
    return fmt::format("ipcrm -M 0x{:08x}; {}", static_cast<std::uint32_t>(of.number & 0x7fffffff),
                       removal_of(of));
  }
  [[nodiscard]] std::string remove_registry_by_hand() const {
    const auto& segment = domain().registry().segment();
    if (domain().place().where == medium::posix) {
      return fmt::format("rm /dev/shm/{0} /dev/shm/{0}:*", segment.name);
    }
    return fmt::format("ipcrm -m {}, and what the doctor then finds", segment.identity);
  }

  void add(const char* kind, const variable_look& about, std::string what, std::string mend) {
    add(kind, about.title(), std::move(what), std::move(mend));
  }
  void add(const char* kind, std::string object, std::string what, std::string mend) {
    done_.found.push_back(
        {kind, domain().place().title(), std::move(object), std::move(what), std::move(mend)});
  }

  void examine_ready(const variable_look& each) {
    if (!each.store) {
      switch (each.store.error().code) {
        case errc::not_found:
          return add("gone", each, "its segment has been removed by other means", removal_of(each));
        case errc::mismatch:
          return add("version", each, reason(each.store.error()),
                     "use the program that made it, or: " + by_hand(each));
        case errc::corrupt:
          return add("damaged", each, reason(each.store.error()), by_hand(each));
        default:
          done_.doubts.push_back(each.title() + ": " + each.store.error().message());
          return;
      }
    }
    examine_locks(each.title(), *each.store, removal_of(each));
    const auto& contents = seen_.contents.at(each.number);
    if (contents) return;
    if (contents.error().code == errc::corrupt) {
      add("damaged", each, reason(contents.error()),
          each.name ? removal_of(each) : "write it anew, or remove what refers to it");
    } else {
      done_.doubts.push_back(each.title() + ": " + contents.error().message());
    }
  }

  void examine_locks(const std::string& of, const store_look& store, const std::string& mend) {
    for (const auto& lock : store.locks()) {
      const auto users = users_of(store, lock);
      if (users || users.error().code != errc::not_found) continue;
      add("no_lock", of,
          fmt::format("the {} of its {}lock {} been removed by other means",
                      lock.semaphores ? "semaphores" : "roster",
                      lock.is_advisory ? "advisory " : "", lock.semaphores ? "have" : "has"),
          mend);
    }
  }

  // --- What refers to what.

  struct node {
    const variable_look* it;
    const store_contents* contents;  // null: it cannot be read
    std::uint64_t referrers = 0;     // counted here
    bool is_met = false;
  };

  void examine_links() {
    std::map<std::uint64_t, node> nodes;
    for (const auto& each : domain().variables()) {
      if (each.entry.state != detail::entry_state::ready || !each.store) continue;
      const auto& contents = seen_.contents.at(each.number);
      nodes.emplace(each.number, node{&each, contents ? &*contents : nullptr});
    }
    count(nodes);
    meet(nodes);
    // What cannot be read may refer to anything.
    const bool is_all_known = std::ranges::all_of(
        nodes, [](const auto& each) { return each.second.contents != nullptr; });
    for (const auto& [number, each] : nodes) examine_node(each, is_all_known);
  }

  void count(std::map<std::uint64_t, node>& nodes) {
    for (const auto& [number, each] : nodes) {
      if (each.contents == nullptr) continue;
      for (const auto to : each.contents->references) {
        const auto found = nodes.find(to);
        if (found != nodes.end()) {
          ++found->second.referrers;
        } else {
          add("dangling", *each.it, fmt::format("it refers to :{:016x}, which is not there", to),
              "write it anew, or remove it");
        }
      }
    }
  }

  static void meet(std::map<std::uint64_t, node>& nodes) {
    std::vector<std::uint64_t> next;
    for (const auto& [number, each] : nodes) {
      if (each.it->name || each.it->store->segment().is_open.value_or(true)) next.push_back(number);
    }
    while (!next.empty()) {
      auto& each = nodes.at(next.back());
      next.pop_back();
      if (std::exchange(each.is_met, true) || each.contents == nullptr) continue;
      for (const auto to : each.contents->references) {
        if (nodes.contains(to)) next.push_back(to);
      }
    }
  }

  void examine_node(const node& each, bool is_all_known) {
    const auto& store = *each.it->store;
    const auto said = store.referrers();
    if (!each.is_met && (is_all_known || said == 0)) {
      add("unused", *each.it,
          said == 0 ? "it has no name, nobody has it open, and nothing refers to it"
                    : "it has no name, nobody has it open, and only what is as unused refers to it",
          collect_);
      return;
    }
    if (said != each.referrers && is_all_known) {
      add("count", *each.it,
          fmt::format("its count says that {} values refer to it, and {} do", said, each.referrers),
          collect_);
    }
    if (store.is_unnamed() == each.it->name.has_value()) {
      add("unnamed", *each.it,
          each.it->name ? "its store says that it has no name"
                        : "its store says that it has a name",
          collect_);
    }
  }

  moment seen_;
  bool is_settled_;
  std::string collect_;  // the command
  examination done_;
};

}  // namespace

examination examine(const domain_place& what) {
  auto seen = settle(what);
  if (seen) return examiner(*std::move(seen)).all();
  const auto& why = seen.error();
  const auto name = what.id ? fmt::format("-m {}", *what.id) : key_option(what);
  const auto by_hand = what.where == medium::posix
                           ? fmt::format("rm /dev/shm/{0} /dev/shm/{0}:*", what.key.text().view())
                           : fmt::format("ipcrm {}, and what the doctor then finds", name);
  examination done;
  const auto add = [&](const char* kind, std::string text, std::string mend) {
    done.found.push_back({kind, what.title(), "(the registry)", std::move(text), std::move(mend)});
  };
  switch (why.code) {
    case errc::mismatch:
      add("version", reason(why), "use the program that made it, or: " + by_hand);
      break;
    case errc::corrupt:
      add("damaged", reason(why), by_hand);
      break;
    case errc::not_found:
      // Gone meanwhile; or half of it, for good.
      if (const auto there = look_at_registry(what); there && there->is_removed()) {
        add("cut_short", "its removal was cut short by a death", by_hand);
      }
      break;
    default:
      done.doubts.push_back(fmt::format("domain {}: {}", what.title(), why.message()));
  }
  return done;
}

}  // namespace shmark::inspector

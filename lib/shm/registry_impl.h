// How registry.h does it. Included by variable_impl.h alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <utility>

namespace shmark::detail {

template <class Backend>
auto registry<Backend>::open(const store_type& home) -> std::expected<registry, error> {
  SHMARK_ASSIGN_OR_RETURN(auto own, home.copy());
  return contained("open", "a registry", [&]() -> std::expected<registry, error> {
    return registry(home.key(), contents(std::move(own)));
  });
}

// --- Users.

template <class Backend>
std::expected<void, error> registry<Backend>::check_maker(std::string_view name) const {
  const auto owner = all_.store_.access().owner;
  if (geteuid() == owner) return {};
  return failure(errc::denied, "create variable", name,
                 because{"only user " + std::to_string(owner) + " makes variables here"},
                 "have that user make it");
}

template <class Backend>
std::expected<void, error> registry<Backend>::check_remover(const char* attempted) const {
  if (may_remove(all_.store_)) return {};
  const auto owner = all_.store_.access().owner;
  return failure(errc::denied, attempted, key_.text(),
                 because{"only user " + std::to_string(owner) + " and root remove variables here"},
                 "run as that user");
}

// --- (1) Making.

template <class Backend>
std::uint64_t registry<Backend>::number_of(const registry_contents& known, std::string_view name) {
  const auto found = known.names.find(name);
  if (found == known.names.end()) return 0;
  const auto about = known.variables.find(found->second);
  const bool is_ready = about != known.variables.end() && about->second.state == entry_state::ready;
  return is_ready ? found->second : 0;
}

template <class Backend>
auto registry<Backend>::find(const registry_contents& known, std::string_view name,
                             const char* type) const
    -> std::expected<std::optional<store_type>, error> {
  const auto number = number_of(known, name);
  if (number == 0) return std::nullopt;
  const auto& its = known.variables.at(number).type;
  if (its != type) {
    return failure(errc::mismatch, "open variable", name,
                   because{"it holds " + brief(readable(its.c_str()))},
                   "open it as that, or remove it");
  }
  auto key = key_of(number);
  key.label = name;
  SHMARK_ASSIGN_OR_RETURN(auto bytes, store_type::attach(key));
  return bytes;
}

template <class Backend>
auto registry<Backend>::open_named(std::string_view name, const char* type, store_options options)
    -> std::expected<store_type, error> {
  {
    SHMARK_ASSIGN_OR_RETURN(const auto* known, read());
    auto found = find(*known, name, type);
    if (found && *found) return **std::move(found);
    // What the copy says may just have been removed and made anew: only the lock tells.
    if (!found && found.error().code != errc::not_found) return std::unexpected(found.error());
  }
  if (name.empty()) return failure(errc::invalid, "create variable", "with an empty name");
  SHMARK_ASSIGN_OR_RETURN(auto change, all_.transact());
  if (const auto there = change.value().names.find(name); there != change.value().names.end()) {
    SHMARK_RETURN_IF_ERROR(finish(change, there->second, deadline::after(registry_patience)));
  }
  SHMARK_ASSIGN_OR_RETURN(auto found, find(change.value(), name, type));
  if (found) return *std::move(found);
  return make(change, name, type, options);
}

template <class Backend>
auto registry<Backend>::open_only(std::string_view name, const char* type, opening how,
                                  store_options options, std::string_view also)
    -> std::expected<opened, error> {
  constexpr const char* attempted = "open shared variable";
  SHMARK_ASSIGN_OR_RETURN(auto change, all_.transact(deadline::after(registry_patience)));
  const auto before = change.value().names;
  for (const auto& [its, number] : before) {
    SHMARK_RETURN_IF_ERROR(finish(change, number, deadline::after(registry_patience)));
  }
  const auto& names = change.value().names;
  if (!names.empty() && !names.contains(name)) {
    return failure(errc::mismatch, attempted, name,
                   because{"its place is taken by " + names.begin()->first});
  }
  auto found = find(change.value(), name, type);
  if (!found && found.error().code != errc::not_found) return std::unexpected(found.error());
  if (!found) {
    SHMARK_RETURN_IF_ERROR(check_remover(attempted));
    SHMARK_RETURN_IF_ERROR(erase(change, names.at(std::string(name))));
  }
  if (found && *found) {
    if (how != opening::fresh) return opened{**std::move(found), false};
    return failure(errc::exists, attempted, name, "open it without exclusive, or remove it");
  }
  if (how == opening::existing) {
    return failure(errc::not_found, attempted, name, "make it: open it with create");
  }
  auto made = make(change, name, type, options, also);
  if (made) return opened{*std::move(made), true};
  if (change.value().variables.empty()) static_cast<void>(change.remove());
  return std::unexpected(made.error());
}

template <class Backend>
auto registry<Backend>::make_unnamed(const char* type, store_options options)
    -> std::expected<store_type, error> {
  SHMARK_ASSIGN_OR_RETURN(auto change, all_.transact());
  return make(change, {}, type, options);
}

template <class Backend>
auto registry<Backend>::make(transaction& change, std::string_view name, const char* type,
                             store_options options, std::string_view also)
    -> std::expected<store_type, error> {
  SHMARK_RETURN_IF_ERROR(check_maker(name));
  if (options.mode != private_mode && options.mode != mode()) {
    return failure(errc::invalid, "create variable", name,
                   because{"its mode is not that of its domain"}, "give the mode to the domain");
  }
  options.mode = mode();
  options.company = all_.company();
  options.tag = fnv1a(type);
  options.is_unnamed = name.empty();
  for (;;) {
    store_key key(segment_key::random_in(key_.space), key_.whose);
    key.label = name;
    if (change.value().variables.contains(key.number)) continue;
    auto& all = change.value();
    all.variables[key.number] = {type, entry_state::making};
    for (const auto its : {name, also}) {
      if (!its.empty()) all.names.insert_or_assign(std::string(its), key.number);
    }
    if (auto done = change.commit(); !done) {
      change.value().variables.erase(key.number);
      take_names(change.value(), key.number);
      return std::unexpected(done.error());
    }
    auto made = store_type::create(key, options);
    auto done =
        made ? set_state(change, key.number, entry_state::ready) : erase(change, key.number);
    if (!done) {
      if (made) static_cast<void>(store_type::remove(key, deadline::none()));
      return std::unexpected(done.error());
    }
    if (made || made.error().code != errc::exists) return made;
  }
}

template <class Backend>
std::expected<void, error> registry<Backend>::set_state(transaction& change, std::uint64_t number,
                                                        entry_state state) {
  auto& its = change.value().variables[number].state;
  const auto before = std::exchange(its, state);
  auto done = change.commit();
  if (!done) change.value().variables[number].state = before;
  return done;
}

template <class Backend>
std::expected<void, error> registry<Backend>::erase(transaction& change, std::uint64_t number) {
  // Kept apart, so that no memory is needed to put them back.
  auto entry = change.value().variables.extract(number);
  auto names = take_names(change.value(), number);
  auto done = change.commit();
  if (!done) {
    if (entry) change.value().variables.insert(std::move(entry));
    change.value().names.merge(names);
  }
  return done;
}

// --- (7) Finishing what was cut short.

template <class Backend>
std::expected<void, error> registry<Backend>::finish(transaction& change, std::uint64_t number,
                                                     deadline until) {
  const auto about = change.value().variables.find(number);
  const bool is_there = about != change.value().variables.end();
  if (is_there && about->second.state == entry_state::ready) return {};
  SHMARK_RETURN_IF_ERROR(check_remover("finish what was cut short in"));
  if (!is_there) return erase(change, number);  // a name of nothing
  if (about->second.state == entry_state::making) {
    store_type::remove_unfinished(key_of(number));
    return erase(change, number);
  }
  if (store_type::attach(key_of(number))) return set_state(change, number, entry_state::ready);
  auto removed = store_type::remove(key_of(number), until);
  if (!removed && removed.error().code != errc::not_found) return removed;
  return erase(change, number);
}

// --- (4) Giving up.

template <class Backend>
bool registry<Backend>::is_in_use(std::uint64_t number) const {
  const auto key = key_of(number);
  const auto attached = Backend::segment::is_attached(key);
  if (!attached || *attached) return true;
  const auto links = store_type::links_of(key);
  return !links || links->referrers != 0;
}

template <class Backend>
void registry<Backend>::give_up(const store_type& home, std::uint64_t number) noexcept {
  if (!may_remove(home)) return;
  // Somebody may be stopped who holds the lock, and a process have thousands of handles to end.
  static std::atomic<bool> was_in_vain{false};
  const auto until = deadline::after(was_in_vain ? impatience : registry_patience);
  const auto done = contained("give up", "a variable", [&]() -> std::expected<void, error> {
    SHMARK_ASSIGN_OR_RETURN(auto all, open(home));
    return all.give_up(number, until);
  });
  was_in_vain = !done && done.error().code == errc::timed_out;
}

template <class Backend>
std::expected<void, error> registry<Backend>::give_up(std::uint64_t number, deadline until) {
  {
    // Mostly it is in use; that can be told without knowing what else there is.
    SHMARK_ASSIGN_OR_RETURN(const auto hold, all_.store_.write(until));
    if (is_in_use(number)) return {};
  }
  SHMARK_ASSIGN_OR_RETURN(auto change, all_.transact(until));
  SHMARK_RETURN_IF_ERROR(remove_unused(change, {number}));
  return {};
}

template <class Backend>
auto registry<Backend>::remove_unused(transaction& change, numbers some)
    -> std::expected<numbers, error> {
  numbers kept;
  while (!some.empty()) {
    const auto number = some.back();
    some.pop_back();
    const auto& known = change.value();
    const auto about = known.variables.find(number);
    if (about == known.variables.end() || about->second.state != entry_state::ready) continue;
    const auto links = store_type::links_of(key_of(number));
    // It has a name, though marked as unnamed, if somebody has died who was about to take it.
    if (!links || !links->is_unnamed || is_in_use(number) || has_name(known, number)) {
      kept.push_back(number);
      continue;
    }
    SHMARK_RETURN_IF_ERROR(bury(change, number));
    for (const auto next : count_down(links->references)) some.push_back(next);
  }
  return kept;
}

template <class Backend>
std::expected<void, error> registry<Backend>::bury(transaction& change, std::uint64_t number) {
  SHMARK_RETURN_IF_ERROR(set_state(change, number, entry_state::removing));
  auto removed = store_type::remove(key_of(number), deadline::none());
  if (!removed && removed.error().code != errc::not_found) {
    static_cast<void>(set_state(change, number, entry_state::ready));  // else finish() does so
    return removed;
  }
  return erase(change, number);
}

template <class Backend>
auto registry<Backend>::count_down(const numbers& some) const -> numbers {
  numbers unused;
  for (const auto number : some) {
    const auto left = store_type::drop_referrer(key_of(number));
    if (left && *left == 0) unused.push_back(number);
  }
  return unused;
}

// --- (5) Removing.

template <class Backend>
std::expected<void, error> registry<Backend>::remove(std::string_view name, deadline until) {
  SHMARK_RETURN_IF_ERROR(check_remover("remove variables of"));
  SHMARK_ASSIGN_OR_RETURN(const auto* known, read(until));
  const auto found = known->names.find(name);
  if (found == known->names.end()) return failure(errc::not_found, "remove variable", name);
  const auto number = found->second;
  const auto done = remove(number, {.name = name}, until);
  if (done) return {};
  // Whoever let go of it while we had it mapped found it in use.
  static_cast<void>(contained("give up", "a variable",
                              [&] { return give_up(number, deadline::after(impatience)); }));
  return std::unexpected(done.error());
}

template <class Backend>
auto registry<Backend>::remove(std::uint64_t number, const request& by, deadline until)
    -> std::expected<numbers, error> {
  std::optional<transaction> change;  // begun with the variable's lock held, and outlives it
  numbers references;
  bool is_removed = false;
  bool is_unnamed = false;
  const auto decide = [&](const typename store_type::candidate& it) -> std::expected<bool, error> {
    SHMARK_ASSIGN_OR_RETURN(auto begun, all_.transact(until));
    change.emplace(std::move(begun));
    const auto about = change->value().variables.find(number);
    const bool is_ready =
        about != change->value().variables.end() && about->second.state == entry_state::ready;
    if (!is_ready) return false;
    if (!by.name.empty() && number_of(change->value(), by.name) != number) {
      return failure(errc::not_found, "remove variable", by.name,
                     because{"somebody else has removed it"});
    }
    if (it.referrers() != 0 && !by.is_forced) {
      if (by.name.empty()) return false;
      it.set_unnamed();
      auto names = take_names(change->value(), number);
      if (auto taken = change->commit(); !taken) {
        change->value().names.merge(names);
        return std::unexpected(taken.error());
      }
      is_unnamed = true;
      return false;
    }
    references = it.references().copy();
    SHMARK_RETURN_IF_ERROR(set_state(*change, number, entry_state::removing));
    return is_removed = true;
  };
  const auto done = store_type::remove(key_of(number), until, decide);
  const bool is_gone = !done && done.error().code == errc::not_found;
  const auto refused = [&done] { return std::unexpected(done.error()); };
  if (is_unnamed) return numbers();
  if (is_removed) {
    if (!done && !is_gone) return refused();
    SHMARK_RETURN_IF_ERROR(erase(*change, number));
    return remove_unused(*change, count_down(references));
  }
  if (change && !done) return refused();  // what is not ready had a lock, too
  // It is referred to. Or it has gone by other means or cannot be opened, or its making or removal
  // was cut short.
  if (!change) {
    SHMARK_ASSIGN_OR_RETURN(auto begun, all_.transact(until));
    change.emplace(std::move(begun));
  }
  const auto about = change->value().variables.find(number);
  if (about == change->value().variables.end()) {
    return failure(errc::not_found, "remove variable", key_of(number).text(),
                   because{"somebody else has removed it"});
  }
  if (about->second.state == entry_state::ready) {
    if (is_gone) SHMARK_RETURN_IF_ERROR(erase(*change, number));
    if (!done && !is_gone) return refused();
    return numbers();
  }
  SHMARK_RETURN_IF_ERROR(finish(*change, number, until));
  if (!change->value().variables.contains(number)) return numbers();
  change.reset();
  return remove(number, by, until);  // its remover had died before it began
}

template <class Backend>
bool registry<Backend>::has_name(const registry_contents& known, std::uint64_t number) {
  return std::ranges::any_of(known.names, [=](const auto& name) { return name.second == number; });
}

template <class Backend>
auto registry<Backend>::take_names(registry_contents& all, std::uint64_t number)
    -> decltype(registry_contents::names) {
  decltype(registry_contents::names) taken;
  for (auto it = all.names.begin(); it != all.names.end();) {
    const auto name = it++;
    if (name->second == number) taken.insert(all.names.extract(name));
  }
  return taken;
}

// --- (6) Collecting.

// Which variable refers to which, and what can be reached.
template <class Backend>
class registry<Backend>::graph {
 public:
  struct node {
    std::optional<typename store_type::links> its{};  // none: it cannot be read
    bool is_named = false;
    bool is_root = false;
    bool is_met = false;
    std::uint64_t referrers = 0;  // counted here
  };

  // Requires: the registry exclusive.
  graph(const registry& in, const registry_contents& all) {
    std::set<std::uint64_t> named;
    for (const auto& [name, number] : all.names) named.insert(number);
    for (const auto& [number, about] : all.variables) {
      if (about.state != entry_state::ready) continue;
      const auto key = in.key_of(number);
      node one{.is_named = named.contains(number), .is_root = false};
      if (auto links = store_type::watch(key)) {
        one.its = *std::move(links);
      } else if (links.error().code == errc::not_found) {
        if (!one.is_named) lost_.push_back(number);
        continue;
      } else {
        one.is_root = true;
        ++unreadable_;
      }
      nodes_.emplace(number, std::move(one));
    }
    for (auto& [number, one] : nodes_) {
      const auto attached = Backend::segment::is_attached(in.key_of(number));
      if (one.is_named || is_yes(attached)) one.is_root = true;
    }
    mark();
    for (auto& [number, one] : nodes_) {
      if (!one.is_met) one.is_root = is_yes(store_type::was_opened(in.key_of(number)));
    }
    mark();
  }

  [[nodiscard]] const std::map<std::uint64_t, node>& nodes() const noexcept { return nodes_; }
  // Entries without a name, of stores that have gone by other means.
  [[nodiscard]] const std::vector<std::uint64_t>& lost() const noexcept { return lost_; }
  [[nodiscard]] std::uint64_t unreadable() const noexcept { return unreadable_; }
  [[nodiscard]] std::uint64_t dangling() const noexcept { return dangling_; }

 private:
  // Also if that cannot be known.
  static bool is_yes(const std::expected<bool, error>& answer) noexcept {
    return answer ? *answer : answer.error().code != errc::not_found;
  }
  // Meets what can be reached from roots, if it has not been met.
  void mark() {
    std::vector<std::uint64_t> next;
    for (auto& [number, one] : nodes_) {
      // What cannot be read may refer to anything that anybody refers to.
      const bool is_feared = unreadable_ != 0 && one.its && one.its->referrers != 0;
      if (one.is_root || is_feared) meet(number, one, next);
    }
    while (!next.empty()) {
      const auto number = next.back();
      next.pop_back();
      for (const auto to : nodes_.at(number).its->references) {
        const auto found = nodes_.find(to);
        if (found == nodes_.end()) {
          ++dangling_;
          continue;
        }
        ++found->second.referrers;
        meet(to, found->second, next);
      }
    }
  }
  static void meet(std::uint64_t number, node& one, std::vector<std::uint64_t>& next) {
    if (std::exchange(one.is_met, true) || !one.its) return;
    next.push_back(number);
  }

  std::map<std::uint64_t, node> nodes_;
  std::vector<std::uint64_t> lost_;
  std::uint64_t unreadable_ = 0;
  std::uint64_t dangling_ = 0;
};

template <class Backend>
std::expected<collection, error> registry<Backend>::collect(deadline until) {
  SHMARK_RETURN_IF_ERROR(check_remover("collect variables of"));
  collection found;
  SHMARK_ASSIGN_OR_RETURN(auto change, all_.transact(until));
  const auto before = change.value().variables;
  for (const auto& [number, about] : before) {
    if (about.state == entry_state::ready) continue;
    if (!finish(change, number, until)) ++found.unreadable;
    if (!change.value().variables.contains(number)) ++found.removed;
  }
  const graph all(*this, change.value());
  found.unreadable += all.unreadable();
  found.dangling = all.dangling();
  for (const auto number : all.lost()) {
    SHMARK_RETURN_IF_ERROR(erase(change, number));
    ++found.removed;
  }
  for (const auto& [number, one] : all.nodes()) {
    if (one.is_met || !one.its) continue;
    ++(bury(change, number) ? found.removed : found.unreadable);
  }
  for (const auto& [number, one] : all.nodes()) {
    if (!one.is_met || !one.its || all.unreadable() != 0) continue;
    const bool is_right =
        one.its->referrers == one.referrers && one.its->is_unnamed != one.is_named;
    if (is_right) continue;
    if (store_type::set_links(key_of(number), one.referrers, !one.is_named)) ++found.corrected;
  }
  return found;
}

// --- (8) Cleaning up.

template <class Backend>
template <class Condition>
std::expected<bool, error> registry<Backend>::clean_up_if_unused(deadline until,
                                                                 const Condition& may) {
  SHMARK_RETURN_IF_ERROR(check_remover("reclaim"));
  // Whoever opens one holds the registry's lock, or has open what refers to it.
  SHMARK_ASSIGN_OR_RETURN(auto change, all_.transact(until));
  SHMARK_ASSIGN_OR_RETURN(const bool is_to_go, may(std::as_const(change.value())));
  if (!is_to_go) return false;
  const auto all = change.value().variables;
  for (const auto& [number, about] : all) {
    const auto attached = Backend::segment::is_attached(key_of(number));
    if (attached ? *attached : attached.error().code != errc::not_found) return false;
  }
  for (const auto& [number, about] : all) {
    SHMARK_RETURN_IF_ERROR(finish(change, number, until));
    // Ready, or so again: its remover had died before it began.
    if (change.value().variables.contains(number)) SHMARK_RETURN_IF_ERROR(bury(change, number));
  }
  SHMARK_RETURN_IF_ERROR(change.remove());
  return true;
}

template <class Backend>
std::expected<void, error> registry<Backend>::clean_up(deadline until, std::uint64_t only) {
  SHMARK_RETURN_IF_ERROR(check_remover("clean up domain"));
  const auto has_next = [only](const registry_contents& known) {
    return only != 0 && !known.names.empty() && !has_name(known, only);
  };
  numbers before;
  for (auto how = effort::ask;;) {
    SHMARK_ASSIGN_OR_RETURN(const auto* known, read(until));
    if (!has_next(*known)) {  // else what there is besides is the next one's
      before.clear();
      for (const auto& [number, about] : known->variables) before.push_back(number);
    }
    SHMARK_RETURN_IF_ERROR(clean_up(before, how, until));
    SHMARK_ASSIGN_OR_RETURN(auto change, all_.transact(until));
    const auto& left = change.value().variables;
    if (left.empty()) return change.remove();
    std::size_t stayed = 0;
    for (const auto number : before) stayed += left.count(number);
    const bool is_others = has_next(change.value());
    if (stayed == 0 && is_others) return {};
    if (stayed < left.size() && !is_others && until.passed()) {
      return failure(errc::timed_out, "clean up domain", key_.text(),
                     because{"others go on making variables"});
    }
    const bool is_in_vain = stayed != 0 && stayed == before.size() && how != effort::force;
    how = is_in_vain ? static_cast<effort>(static_cast<int>(how) + 1) : effort::ask;
  }
}

template <class Backend>
std::expected<void, error> registry<Backend>::clean_up(const numbers& all, effort how,
                                                       deadline until) {
  std::expected<void, error> outcome;
  const auto note = [&outcome](const auto& done) {
    if (done || done.error().code == errc::not_found || !outcome) return;
    outcome = std::unexpected(done.error());
  };
  if (how == effort::empty) {
    for (const auto number : all) {
      if (outcome) note(empty(number, until));
    }
  }
  if (!outcome) return outcome;
  for (auto next = all; !next.empty();) {
    const auto number = next.back();
    next.pop_back();
    const auto unused = remove(number, {.is_forced = how == effort::force}, until);
    if (unused) next.insert(next.end(), unused->begin(), unused->end());
    note(unused);
  }
  return outcome;
}

template <class Backend>
std::expected<void, error> registry<Backend>::empty(std::uint64_t number, deadline until) {
  SHMARK_ASSIGN_OR_RETURN(auto its, store_type::attach(key_of(number)));
  auto value = its.write(until);
  if (!value && value.error().code == errc::corrupt) return {};  // it is left to greater efforts
  if (!value) return std::unexpected(value.error());
  SHMARK_ASSIGN_OR_RETURN(auto change, all_.transact(until));
  const auto references = value->references().copy();
  SHMARK_RETURN_IF_ERROR(value->commit());
  SHMARK_RETURN_IF_ERROR(remove_unused(change, count_down(references)));
  return {};
}

#ifndef __OPTIMIZE__
// Compiled once, in backends.cc.
extern template class registry<default_backend>;
extern template class registry<posix_semaphore_backend>;
extern template class registry<sysv_backend>;
extern template class registry<sysv_semaphore_backend>;
#endif

}  // namespace shmark::detail

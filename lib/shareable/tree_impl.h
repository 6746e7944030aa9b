// How tree.h does it. Included by it alone.
#pragma once

#include <algorithm>

#include "lib/base/check.h"
#include "lib/base/contained.h"

namespace shmark::detail {

template <class Backend>
tree<Backend>::~tree() {
  forget_parents();
  while (!holds_.empty()) {
    static_cast<void>(publish(holds_.back(), deadline::never()));
    release(holds_.back());
    holds_.pop_back();
  }
  // Nodes that refer to each other in a circle would keep each other's handles.
  static_cast<void>(contained("close", "a shared variable", [&]() -> expected {
    for (const auto& it : family_->all()) it->forget();
    return {};
  }));
}

template <class Backend>
void tree<Backend>::forget_parents() noexcept {
  if (since_fork_ == fork_depth()) return;
  since_fork_ = fork_depth();
  for (auto& one : holds_) {
    for (const auto& [number, it] : one.nodes) it->let_go();
  }
  holds_.clear();
}

template <class Backend>
auto tree<Backend>::hold_of(std::uint64_t number) noexcept -> hold* {
  forget_parents();
  const auto found = std::ranges::find_if(
      holds_, [number](const hold& one) { return one.nodes.contains(number); });
  return found == holds_.end() ? nullptr : &*found;
}

template <class Backend>
std::optional<mode> tree<Backend>::locked(const target<Backend>& of) noexcept {
  const auto* const in = hold_of(of.number());
  return in == nullptr ? std::nullopt : std::optional(in->how);
}

template <class Backend>
bool tree<Backend>::is_locked_by(const target<Backend>& of) noexcept {
  const auto* const in = hold_of(of.number());
  return in != nullptr && in->origin == of.number();
}

// --- Locking.

template <class Backend>
auto tree<Backend>::lock(const node& origin, mode how, deadline until) -> expected {
  return contained("lock", space_, [&]() -> expected {
    const auto check_own_locks = [this]() -> expected {
      if (!family_->any([](const target<Backend>& one) { return one.holds_own_lock(); })) return {};
      return failure(errc::would_deadlock, "lock", space_,
                     because{"this handle holds a variable's own lock"}, "release that first");
    };
    if (auto* const in = hold_of(origin->number()); in != nullptr) {
      const bool is_own = in->origin == origin->number();
      if (in->how == how || (!is_own && in->how == mode::exclusive)) return {};
      if (!is_own) {
        return failure(errc::would_deadlock, "lock exclusively", space_,
                       because{"what refers to it is locked shared by this handle"},
                       "lock that exclusively");
      }
      if (how == mode::shared) return downgrade(*in);
      SHMARK_RETURN_IF_ERROR(check_own_locks());
      return upgrade(*in, origin, until);
    }
    SHMARK_RETURN_IF_ERROR(check_own_locks());
    hold made{.origin = origin->number(), .how = how};
    holds_.reserve(holds_.size() + 1);
    SHMARK_RETURN_IF_ERROR(take(made, origin, until));
    holds_.push_back(std::move(made));
    return {};
  });
}

template <class Backend>
auto tree<Backend>::reach(const node& origin, deadline until) const
    -> std::expected<targets<Backend>, error> {
  targets<Backend> all{{origin->number(), origin}};
  std::vector<node> next{origin};
  while (!next.empty()) {
    const auto it = std::move(next.back());
    next.pop_back();
    SHMARK_ASSIGN_OR_RETURN(const auto* found, it->read_references(patience_for(until)));
    for (const auto& one : *found) {
      if (all.insert(one).second) next.push_back(one.second);
    }
  }
  return all;
}

template <class Backend>
auto tree<Backend>::take(hold& in, const node& origin, deadline until) -> expected {
  std::vector<std::uint64_t> added;
  for (;;) {
    const auto done = contained("lock", space_, [&]() -> std::expected<progress, error> {
      SHMARK_ASSIGN_OR_RETURN(const auto set, reach(origin, until));
      SHMARK_ASSIGN_OR_RETURN(const auto got, take_missing(in, set, added, until));
      if (got != progress::nothing_missing) return got;
      std::vector<std::uint64_t> left;  // the set
      for (const auto& [number, it] : in.nodes) {
        if (!set.contains(number)) left.push_back(number);
      }
      give_back(in, left);
      return got;
    });
    if (!done) {
      give_back(in, added);
      return std::unexpected(done.error());
    }
    if (*done == progress::nothing_missing) return {};
  }
}

template <class Backend>
auto tree<Backend>::take_missing(hold& in, const targets<Backend>& set,
                                 std::vector<std::uint64_t>& added, deadline until)
    -> std::expected<progress, error> {
  const auto deadlock = [this](const char* why) {
    return failure(errc::would_deadlock, "lock", space_, because{why}, "release that first");
  };
  const std::size_t before = added.size();
  for (const auto& [number, it] : set) {
    if (in.nodes.contains(number)) continue;
    if (held_here::holds(space(), number)) {
      return deadlock("this thread holds a part of it already");
    }
    const bool may_wait = number > held_here::last(space());
    added.reserve(added.size() + 1);
    held_here::prepare();
    const auto entry = in.nodes.emplace(number, it).first;
    auto got = acquire(it, in.how, may_wait ? until : deadline::none());
    if (got) {
      added.push_back(number);
      held_here::add(space(), number);
      continue;
    }
    in.nodes.erase(entry);
    if (may_wait || until.is_none() || got.error().code != errc::would_block) {
      return std::unexpected(got.error());
    }
    give_back(in, added);
    if (number < held_here::last(space())) {
      return deadlock("another holds a part of it, and may wait for what this thread holds");
    }
    return progress::again;
  }
  if (added.size() == before) return progress::nothing_missing;
  for (std::size_t i = before; i < added.size(); ++i) {
    SHMARK_RETURN_IF_ERROR(in.nodes.at(added[i])->keep(in.how, patience_for(until)));
  }
  return progress::taken;
}

template <class Backend>
auto tree<Backend>::acquire(const node& of, mode how, deadline until) const -> expected {
  SHMARK_ASSIGN_OR_RETURN(auto* const lock, of->advisory_lock());
  auto got = lock->acquire(how, until);
  if (got) return {};
  auto why = got.error();
  why.object = space_;
  return std::unexpected(why);
}

template <class Backend>
void tree<Backend>::give_back(hold& in, std::vector<std::uint64_t>& numbers) noexcept {
  std::ranges::sort(numbers, std::greater());
  for (const auto number : numbers) {
    release(*in.nodes.at(number), in.how);
    in.nodes.erase(number);
  }
  numbers.clear();
}

template <class Backend>
void tree<Backend>::release(target<Backend>& it, mode how) noexcept {
  it.let_go();
  (*it.advisory_lock())->release(how);
  held_here::remove(space(), it.number());
}

template <class Backend>
void tree<Backend>::release(hold& in) noexcept {
  for (auto it = in.nodes.rbegin(); it != in.nodes.rend(); ++it) release(*it->second, in.how);
  in.nodes.clear();
}

template <class Backend>
void tree<Backend>::end(hold& in) noexcept {
  release(in);
  std::erase_if(holds_, [&in](const hold& one) { return &one == &in; });
}

// --- Converting.

template <class Backend>
auto tree<Backend>::upgrade(hold& in, const node& origin, deadline until) -> expected {
  if constexpr (!convertible_lock<typename Backend::lock>) {
    return failure(errc::would_deadlock, "lock exclusively", space_,
                   because{"it is locked shared, and locks of its kind cannot be upgraded"},
                   "unlock it first");
  } else {
    std::vector<std::uint64_t> done;
    done.reserve(in.nodes.size());
    const auto undo = [&] {
      for (std::size_t left = done.size(); left-- > 0;) downgrade(in, done[left]);
      in.how = mode::shared;
      for (const auto& [number, it] : in.nodes) it->keep_as(mode::shared);
      static_cast<void>(has_origin(in));
    };
    for (const auto& [number, it] : in.nodes) {
      SHMARK_ASSIGN_OR_RETURN(auto* const lock, it->advisory_lock());
      const bool may_wait = number == held_here::last(space());
      const auto got = lock->upgrade(may_wait ? until : deadline::none());
      if (got) {
        done.push_back(number);
        continue;
      }
      auto why = got.error();
      why.object = space_;
      if (!may_wait && !until.is_none() && why.code == errc::would_block) {
        why = {errc::would_deadlock, 0,
               "lock exclusively",   space_,
               "unlock it first",    "others hold a part of it, too, and may wait for another"};
      }
      undo();
      return std::unexpected(why);
    }
    in.how = mode::exclusive;
    auto refreshed = [&]() -> expected {
      for (const auto& [number, it] : in.nodes) {
        SHMARK_RETURN_IF_ERROR(it->keep(mode::exclusive, patience_for(until)));
      }
      return take(in, origin, until);
    }();
    if (!refreshed) undo();
    return refreshed;
  }
}

template <class Backend>
auto tree<Backend>::downgrade(hold& in) -> expected {
  if constexpr (!convertible_lock<typename Backend::lock>) {
    return failure(errc::would_deadlock, "lock shared", space_,
                   because{"it is locked exclusively, and locks of its kind cannot be downgraded"},
                   "unlock it first");
  } else {
    for (const auto& [number, it] : in.nodes) {
      if (!it->is_in_transaction()) continue;
      return failure(errc::would_deadlock, "lock shared", space_,
                     because{"a transaction under the exclusive lock goes on"}, "end that first");
    }
    SHMARK_RETURN_IF_ERROR(publish(in, deadline::never()));
    auto left = std::prev(in.nodes.end());
    // If one cannot be, this one says so.
    auto first = (*left->second->advisory_lock())->downgrade();
    if (!first) {
      if (first.error().code != errc::not_found) return first;
      release(*left->second, mode::exclusive);
      left = in.nodes.erase(left);
    }
    while (left != in.nodes.begin()) {
      const auto number = (--left)->first;
      left = downgrade(in, number);
    }
    in.how = mode::shared;
    for (const auto& [number, it] : in.nodes) it->keep_as(mode::shared);
    if (has_origin(in)) return {};
    return failure(errc::not_found, "lock shared", space_, because{"it has been removed"});
  }
}

template <class Backend>
auto tree<Backend>::downgrade(hold& in, std::uint64_t number) noexcept ->
    typename decltype(hold::nodes)::iterator {
  const auto found = in.nodes.find(number);
  const auto done = (*found->second->advisory_lock())->downgrade();
  if (done) return found;
  SHMARK_CHECK(done.error().code == errc::not_found, "a part of a lock cannot be downgraded");
  release(*found->second, mode::exclusive);
  return in.nodes.erase(found);
}

template <class Backend>
bool tree<Backend>::has_origin(hold& in) noexcept {
  if (in.nodes.contains(in.origin)) return true;
  end(in);
  return false;
}

// --- Unlocking.

template <class Backend>
auto tree<Backend>::unlock(const target<Backend>& origin) -> expected {
  auto* const in = hold_of(origin.number());
  if (in == nullptr || in->origin != origin.number()) return {};
  auto done = publish(*in, deadline::never());
  end(*in);
  return done;
}

template <class Backend>
void tree<Backend>::abandon(const target<Backend>& origin) noexcept {
  auto* const in = hold_of(origin.number());
  if (in != nullptr && in->origin == origin.number()) end(*in);
}

template <class Backend>
void tree<Backend>::abandon_all() noexcept {
  forget_parents();
  for (auto& one : holds_) release(one);
  holds_.clear();
}

template <class Backend>
auto tree<Backend>::publish(const target<Backend>& of, deadline until) -> expected {
  auto* const in = hold_of(of.number());
  return in == nullptr ? expected() : publish(*in, until);
}

template <class Backend>
auto tree<Backend>::discard(const target<Backend>& of) -> expected {
  auto* const in = hold_of(of.number());
  if (in == nullptr) return {};
  for (const auto& [number, it] : in->nodes) {
    if (!it->is_changed()) continue;
    it->let_go();
    SHMARK_RETURN_IF_ERROR(it->keep(in->how, deadline::never()));
  }
  return {};
}

template <class Backend>
auto tree<Backend>::publish(hold& in, deadline until) -> expected {
  std::vector<target<Backend>*> begun;
  publication<Backend> all;
  auto done = contained("publish", space_, [&]() -> expected {
    for (const auto& [number, it] : in.nodes) {
      if (!it->is_changed()) continue;
      begun.reserve(begun.size() + 1);
      SHMARK_RETURN_IF_ERROR(it->begin_publishing(all, until));
      begun.push_back(it.get());
    }
    if (begun.empty()) return {};
    if (!all.concerns_references()) return all.commit(nullptr, until);
    SHMARK_ASSIGN_OR_RETURN(auto* const to, registry_store());
    return all.commit(to, until);
  });
  for (auto* const it : begun) it->end_publishing(done.has_value());
  for (const auto number : all.forsaken()) registry<Backend>::give_up(*home_, number);
  return done;
}

template <class Backend>
auto tree<Backend>::all() -> std::expected<registry<Backend>*, error> {
  if (!all_) {
    SHMARK_ASSIGN_OR_RETURN(auto own, registry<Backend>::open(*home_));
    all_.emplace(std::move(own));
  }
  return &*all_;
}

template <class Backend>
auto tree<Backend>::registry_store() -> std::expected<store_type*, error> {
  if (!registry_) {
    SHMARK_ASSIGN_OR_RETURN(auto own, home_->copy());
    registry_.emplace(std::move(own));
  }
  return &*registry_;
}

}  // namespace shmark::detail

// How shareable.h does it. Included by it alone.
#pragma once

#include <iterator>
#include <string>
#include <typeinfo>

#include "lib/base/check.h"
#include "lib/base/contained.h"

namespace shmark {

namespace detail {

// How its registry is made, and opened.
inline domain_options by(const shareable_options& options) noexcept {
  return {.mode = options.mode, .owner = options.owner};
}

// The second name of what is protected.
constexpr std::string_view protected_name = "protected";

template <class Backend>
std::expected<void, error> remove_shareable(const acquaintance& it, bool named, deadline until) {
  using store_type = store_on<Backend>;
  SHMARK_ASSIGN_OR_RETURN(const auto home, store_type::attach({it.space, 0, it.whose}));
  SHMARK_ASSIGN_OR_RETURN(auto all, registry<Backend>::open(home));
  SHMARK_ASSIGN_OR_RETURN(const auto* known, all.read());
  const bool is_there =
      std::ranges::any_of(known->names, [&it](const auto& name) { return name.second == it.root; });
  if (!is_there) {
    return failure(errc::not_found, "remove shared variable", it.space,
                   because{"somebody else has removed it"});
  }
  if (!named && known->names.contains(protected_name)) return {};
  return all.clean_up(until, it.root);
}

// The registry's store, by which a process has a shared variable open. What is private to a family
// of processes is removed by the last that lets go of it.
template <class Backend>
home_of<Backend> home_in(store_on<Backend> bytes, const acquaintance& it, bool is_private) {
  using store_type = store_on<Backend>;
  if (!is_private) return std::make_shared<const store_type>(std::move(bytes));
  const auto end = [it](const store_type* home) {
    delete home;
    const auto attached = Backend::segment::is_attached({it.space, 0});
    if (!attached || *attached) return;
    if (remove_shareable<Backend>(it, true, deadline::after(removal_patience))) part_from(it);
  };
  return home_of<Backend>(new const store_type(std::move(bytes)), end);
}

}  // namespace detail

// --- Opening.

template <class T, class Backend>
auto shareable<T, Backend>::open(const glue& where, const shareable_options& options)
    -> std::expected<shareable, error> {
  constexpr const char* attempted = "open shared variable";
  return contained(attempted, "", [&]() -> std::expected<shareable, error> {
    const bool is_to_be_new = where.is_private() || (options.create && options.exclusive);
    if (is_to_be_new && detail::by(options).user() != geteuid()) {
      return shmark::failure(errc::invalid, attempted, where.text(),
                             because{"it is to be made, and to be another user's"},
                             "have that user make it");
    }
    auto opened =
        open_in(where.space(options.crc32), where.name(options.crc32), where.is_private(), options);
    if (!opened && opened.error().code == errc::not_found) {
      return std::unexpected(error{errc::not_found, 0, attempted, where.text(),
                                   "start what makes it first, or open it with create",
                                   "nobody has made it"});
    }
    return opened;
  });
}

template <class T, class Backend>
auto shareable<T, Backend>::open_in(const std::string& space, const std::string& name,
                                    bool is_private, const shareable_options& options)
    -> std::expected<shareable, error> {
  using store_type = store_on<Backend>;
  using registry = detail::registry<Backend>;
  using opening = typename registry::opening;
  const auto by = detail::by(options);
  const store_key key{space, 0, by.whose()};
  const bool makes = (is_private || options.create) && by.user() == geteuid();
  const auto how = !makes ? opening::existing : options.exclusive ? opening::fresh : opening::any;
  for (;;) {
    auto there = makes ? store_type::open_or_create(key, by.store()) : store_type::attach(key);
    if (!there) return std::unexpected(detail::with_options(there.error()));
    auto home = *std::move(there);
    auto all = registry::open(home);
    auto root =
        all ? all->open_only(
                  name, typeid(T).name(), how,
                  {.capacity = options.size, .limit = options.limit, .has_advisory_lock = true},
                  options.protect ? detail::protected_name : std::string_view())
            : std::unexpected(all.error());
    // Else somebody has just removed it.
    if (!root && makes && root.error().code == errc::not_found) continue;
    if (!root) return std::unexpected(root.error());

    const detail::acquaintance it{space, root->bytes.key().number, by.whose(),
                                  detail::remove_shareable<Backend>};
    const auto shared = detail::home_in<Backend>(std::move(home), it, is_private);
    auto handles = std::make_shared<detail::family<Backend>>();
    handles->enforces = options.enforce;
    auto own = detail::target_to(variable<T, Backend>(std::move(root->bytes), shared));
    own->join(handles);
    handles->add(own->number(), own);
    detail::meet(it, {.was_made = root->was_made, .is_destroyed = options.destroy});
    return shareable(std::make_shared<tree>(shared, std::move(handles)), std::move(own), true);
  }
}

template <class T, class Backend>
auto shareable<T, Backend>::open_unless_there(const glue& where, shareable_options options)
    -> std::expected<std::optional<shareable>, error> {
  options.create = options.exclusive = true;
  auto made = open(where, options);
  if (made) return std::optional(*std::move(made));
  if (made.error().code == errc::exists) return std::nullopt;
  return std::unexpected(made.error());
}

template <class T, class Backend>
auto shareable<T, Backend>::singleton(const glue& where, shareable_options options)
    -> std::expected<std::optional<shareable>, error> {
  options.create = true;
  SHMARK_ASSIGN_OR_RETURN(auto own, open(where, options));
  auto locked = own.lock(mode::exclusive, deadline::none());
  if (locked) return std::optional(std::move(own));
  const auto why = locked.error().code;
  if (why == errc::would_block || why == errc::would_deadlock) return std::nullopt;
  return std::unexpected(locked.error());
}

template <class T, class Backend>
std::expected<bool, error> shareable<T, Backend>::reclaim(const glue& where,
                                                          const shareable_options& options) {
  using store_type = store_on<Backend>;
  return contained("reclaim", where.text(), [&]() -> std::expected<bool, error> {
    const store_key key{where.space(options.crc32), 0, detail::by(options).whose()};
    const auto home = store_type::attach(key);
    if (!home) return std::unexpected(detail::with_options(home.error()));
    SHMARK_ASSIGN_OR_RETURN(auto all, detail::registry<Backend>::open(*home));
    const auto name = where.name(options.crc32);
    const auto may = [&](const detail::registry_contents& known) -> std::expected<bool, error> {
      const auto& names = known.names;  // none: a removal was cut short
      if (!names.empty() && !names.contains(name)) {
        return shmark::failure(errc::mismatch, "reclaim", where.text(),
                               because{"its place is taken by " + names.begin()->first});
      }
      return !names.contains(detail::protected_name);
    };
    return all.clean_up_if_unused(deadline::after(removal_patience), may);
  });
}

// --- Locks as objects.

template <class T, class Backend>
auto shareable<T, Backend>::writable(deadline until) -> std::expected<writing, error> {
  const auto before = locked();
  if (before != mode::exclusive) SHMARK_RETURN_IF_ERROR(lock(mode::exclusive, until));
  failure_.reset();
  return writing(*this, !before, before == mode::shared);
}

template <class T, class Backend>
auto shareable<T, Backend>::readable(deadline until) -> std::expected<reading, error> {
  const auto before = locked();
  if (!before) SHMARK_RETURN_IF_ERROR(lock(mode::shared, until));
  return reading(*this, !before);
}

template <class T, class Backend>
template <std::invocable F>
std::expected<void, error> shareable<T, Backend>::lock(mode how, F&& work, deadline until) {
  if (how == mode::shared) {
    SHMARK_ASSIGN_OR_RETURN(const auto held, readable(until));
    std::forward<F>(work)();
    return {};
  }
  SHMARK_ASSIGN_OR_RETURN(auto held, writable(until));
  std::forward<F>(work)();
  return held.unlock();
}

template <class T, class Backend>
std::expected<void, error> shareable<T, Backend>::writing::end(bool drops) {
  if (of_ == nullptr) return {};
  if (is_outermost_ && !drops) return of_->unlock();
  if (is_outermost_) of_->abandon();
  if (!is_upgrade_) return {};
  std::expected<void, error> done;
  std::expected<void, error> back;
  if (!drops) done = of_->publish();
  if (drops || !done) back = of_->tree_->discard(*of_->node_);
  if (back) back = of_->lock(mode::shared);
  if (!back) of_->abandon();  // it may have been removed: there is nothing to go back to
  return done ? back : done;
}

// --- Values.

template <class T, class Backend>
std::expected<void, error> shareable<T, Backend>::notice_locks() {
  if (!tree_->handles()->enforces) return {};
  SHMARK_ASSIGN_OR_RETURN(auto* const lock, node_->advisory_lock());
  if constexpr (requires { lock->is_held_exclusively(); }) {  // it holds nobody up
    SHMARK_ASSIGN_OR_RETURN(const bool is_held, lock->is_held_exclusively());
    if (is_held) ++unlocked_reads_;
    return {};
  }
  const auto got = lock->acquire(mode::shared, deadline::none());
  if (got) {
    lock->release(mode::shared);
  } else if (got.error().code == errc::would_block || got.error().code == errc::would_deadlock) {
    ++unlocked_reads_;
  } else {
    return std::unexpected(got.error());
  }
  return {};
}

template <class T, class Backend>
std::expected<const T*, error> shareable<T, Backend>::look() {
  if (locked()) return &node_->value();
  end_walk();
  SHMARK_RETURN_IF_ERROR(notice_locks());
  return node_->it.read();
}

template <class T, class Backend>
std::expected<const T*, error> shareable<T, Backend>::get() {
  return look();
}

template <class T, class Backend>
template <class F>
std::expected<bool, error> shareable<T, Backend>::each(F&& visit) {
  SHMARK_ASSIGN_OR_RETURN(const T* const all, look());
  const auto mine = ++walk_;
  // Another handle, or a reference, may read or write the same variable.
  const auto before = node_->touches();
  struct leaving {
    const void*& at;
    ~leaving() { at = nullptr; }
  };
  const auto goes_on_after = [&](const void* element, const auto& key, const auto& value) {
    at_ = element;
    const leaving after{at_};
    visit(key, value);
    return walk_ == mine && node_->touches() == before;
  };
  if constexpr (requires { typename T::mapped_type; }) {
    for (const auto& [key, value] : *all) {
      if (!goes_on_after(&key, key, value)) return false;
    }
  } else {
    std::size_t index = 0;
    for (const auto& value : *all) {
      if (!goes_on_after(&value, index++, value)) return false;
    }
  }
  return true;
}

template <class T, class Backend>
template <class Key>
auto shareable<T, Backend>::at(const Key& key) {
  const auto find = [&key](const T& all) {
    if constexpr (requires { typename T::mapped_type; }) {
      const auto found = all.find(key);
      using pair = std::pair<const void*, const typename T::mapped_type*>;
      return found == all.end() ? pair() : pair(&found->first, &found->second);
    } else {
      const auto index = static_cast<std::size_t>(key);
      using pair = std::pair<const void*, const typename T::value_type*>;
      static_assert(std::is_reference_v<decltype(*all.begin())>,
                    "its elements have no addresses: read them by each() or get()");
      if (index >= all.size()) return pair();
      const auto& element = *std::next(all.begin(), static_cast<std::ptrdiff_t>(index));
      return pair(&element, &element);
    }
  };
  using result = std::expected<decltype(find(node_->value()).second), error>;
  // The one that each() is at.
  if (at_ != nullptr) {
    if (const auto found = find(node_->value()); found.first == at_) return result(found.second);
  }
  const auto all = look();
  return all ? result(find(**all).second) : result(std::unexpected(all.error()));
}

// --- Children.

template <class T, class Backend>
template <class U>
auto shareable<T, Backend>::make_ref(const U& value, const store_options& options)
    -> std::expected<ref<U, Backend>, error> {
  return contained("make", "a shared variable", [&]() -> std::expected<ref<U, Backend>, error> {
    auto with_lock = options;
    with_lock.has_advisory_lock = true;
    SHMARK_ASSIGN_OR_RETURN(auto* const all, tree_->all());
    SHMARK_ASSIGN_OR_RETURN(auto bytes, all->make_unnamed(typeid(U).name(), with_lock));
    auto made = detail::target_to(variable<U, Backend>(std::move(bytes), tree_->home()));
    made->join(tree_->handles());
    tree_->handles()->add(made->number(), made);
    SHMARK_RETURN_IF_ERROR(made->it.write(value));
    return detail::reference_to::made(std::move(made));
  });
}

template <class T, class Backend>
template <class U>
auto shareable<T, Backend>::child(const ref<U, Backend>& of)
    -> std::expected<shareable<U, Backend>, error> {
  using wanted = detail::target_of<U, Backend>;
  using result = std::expected<shareable<U, Backend>, error>;
  return contained("use", "a reference", [&]() -> result {
    auto it = detail::reference_to::in(of);
    if (it == nullptr || it->space().view() != node_->space().view()) {
      return shmark::failure(
          errc::invalid, "use", "a reference",
          because{it == nullptr ? "it refers to nothing" : "it refers to another glue's variable"});
    }
    // By the one handle that this tree has for it.
    if (auto known = std::dynamic_pointer_cast<wanted>(tree_->handles()->find(it->number()))) {
      it = std::move(known);
    } else {
      SHMARK_ASSIGN_OR_RETURN(auto own, detail::family<Backend>::adopt(tree_->handles(), it));
      it = std::static_pointer_cast<wanted>(std::move(own));
    }
    return shareable<U, Backend>(tree_, std::move(it), false);
  });
}

template <class T, class Backend>
auto shareable<T, Backend>::segments() -> std::expected<segment_map, error> {
  using store_type = store_on<Backend>;
  return contained("list", "segments", [&]() -> std::expected<segment_map, error> {
    SHMARK_ASSIGN_OR_RETURN(auto* const all, tree_->all());
    SHMARK_ASSIGN_OR_RETURN(const auto* known, all->read());
    const auto variables = known->variables;
    segment_map found;
    for (const auto& [number, about] : variables) {
      if (about.state != detail::entry_state::ready) continue;
      const auto key = tree_->home()->key().sibling(number);
      const auto attached = Backend::segment::is_attached(key);
      auto own = store_type::attach(key);
      if (!own) continue;  // it has just gone
      const bool is_unnamed = own->is_unnamed();
      const auto now = own->stats(deadline::after(removal_patience));
      own = std::unexpected(error{});  // lets go of it
      if (is_unnamed) detail::registry<Backend>::give_up(*tree_->home(), number);
      if (!now) return std::unexpected(now.error());
      found.emplace(number, shareable_segment{.type = detail::readable(about.type.c_str()),
                                              .is_root = !is_unnamed,
                                              .is_open = !attached || *attached,
                                              .bytes = now->length,
                                              .allocated = now->allocated,
                                              .serial = now->serial,
                                              .referrers = now->referrers});
    }
    return found;
  });
}

// --- Its end.

template <class T, class Backend>
std::expected<void, error> shareable<T, Backend>::remove(deadline until) {
  return contained("remove", "a shared variable", [&]() -> std::expected<void, error> {
    if (!is_root_) {
      return shmark::failure(errc::invalid, "remove", "a child of a shared variable",
                             "erase the references to it");
    }
    tree_->abandon_all();
    const detail::acquaintance it{std::string(node_->space().view()), node_->number(),
                                  tree_->home()->key().whose, detail::remove_shareable<Backend>};
    auto done = it.remove(it, true, until);
    if (done || done.error().code == errc::not_found) detail::part_from(it);
    return done;
  });
}

}  // namespace shmark

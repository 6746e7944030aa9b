// How domain.h does it. Included by it alone.
#pragma once

namespace shmark {

template <class Backend>
std::expected<segment_key, error> domain<Backend>::well_known(std::string_view name) {
  constexpr std::size_t longest = 40;
  const segment_key key{short_text(detail::space_of(name)), 0};
  if (name.empty() || name.size() > longest || !key.valid()) {
    return failure(errc::invalid, "open domain", name, "use 1 to 40 of A-Z a-z 0-9 . _ -");
  }
  return key;
}

template <class Backend>
std::expected<domain<Backend>, error> domain<Backend>::open(std::string_view name) {
  return contained("open domain", name, [&]() -> std::expected<domain, error> {
    SHMARK_ASSIGN_OR_RETURN(const auto key, well_known(name));
    SHMARK_ASSIGN_OR_RETURN(auto bytes, store_type::open_or_create(key, {}));
    return domain(key, registry(std::move(bytes)));
  });
}

template <class Backend>
std::expected<domain<Backend>, error> domain<Backend>::open_existing(std::string_view name) {
  return contained("open domain", name, [&]() -> std::expected<domain, error> {
    SHMARK_ASSIGN_OR_RETURN(const auto key, well_known(name));
    SHMARK_ASSIGN_OR_RETURN(auto bytes, store_type::attach(key));
    return domain(key, registry(std::move(bytes)));
  });
}

template <class Backend>
template <class T>
auto domain<Backend>::variable(std::string_view name, const store_options& options)
    -> std::expected<variable_of<T>, error> {
  return contained("open variable", name, [&]() -> std::expected<variable_of<T>, error> {
    const char* type = typeid(T).name();
    {
      SHMARK_ASSIGN_OR_RETURN(const auto* known, registry_.read());
      auto found = find(*known, name, type);
      if (found && *found) return variable_of<T>(**std::move(found));
      // What the copy says may just have been removed and made anew: only the lock tells.
      if (!found && found.error().code != errc::not_found) return std::unexpected(found.error());
    }
    SHMARK_ASSIGN_OR_RETURN(auto change, registry_.transact());
    SHMARK_ASSIGN_OR_RETURN(auto found, find(change.value(), name, type));
    if (found) return variable_of<T>(*std::move(found));
    SHMARK_ASSIGN_OR_RETURN(auto made, make(change, std::string(name), type, options));
    return variable_of<T>(std::move(made));
  });
}

template <class Backend>
auto domain<Backend>::find(const entries& known, std::string_view name, const char* type) const
    -> std::expected<std::optional<store_type>, error> {
  const auto at = known.find(name);
  if (at == known.end() || at->second.state != detail::entry_state::ready) return std::nullopt;
  if (at->second.type != type) {
    return failure(errc::mismatch, "open variable", name,
                   because{"its type is " + detail::readable(at->second.type.c_str())},
                   "open it as that, or remove it");
  }
  SHMARK_ASSIGN_OR_RETURN(auto bytes, store_type::attach(key_of(at->second.number)));
  return bytes;
}

template <class Backend>
auto domain<Backend>::make(transaction& change, const std::string& name, const char* type,
                           const store_options& options) -> std::expected<store_type, error> {
  if (name.empty()) return failure(errc::invalid, "create variable", "with an empty name");
  if (change.value().contains(name)) {
    SHMARK_RETURN_IF_ERROR(remove_entry(change, name, deadline::after(removal_patience)));
  }
  for (;;) {
    const auto key = segment_key::random_in(key_.space);
    change.value()[name] = {key.number, type, detail::entry_state::making};
    SHMARK_RETURN_IF_ERROR(change.commit());
    store_options with_company = options;
    with_company.company = registry_.company();
    auto made = store_type::create(key, with_company);
    if (made) {
      change.value()[name].state = detail::entry_state::ready;
    } else {
      change.value().erase(name);
    }
    if (auto done = change.commit(); !done) {
      if (made) static_cast<void>(store_type::remove(key, deadline::none()));
      return std::unexpected(done.error());
    }
    if (made || made.error().code != errc::exists) return made;
  }
}

template <class Backend>
std::expected<void, error> domain<Backend>::remove(std::string_view name, deadline until) {
  return contained("remove variable", name, [&]() -> std::expected<void, error> {
    SHMARK_ASSIGN_OR_RETURN(auto change, registry_.transact(until));
    if (!change.value().contains(name)) return failure(errc::not_found, "remove variable", name);
    return remove_entry(change, std::string(name), until);
  });
}

template <class Backend>
std::expected<void, error> domain<Backend>::remove_entry(transaction& change,
                                                         const std::string& name, deadline until) {
  auto& about = change.value()[name];
  const auto key = key_of(about.number);
  if (about.state == detail::entry_state::making) {
    store_type::remove_unfinished(key);
  } else {
    about.state = detail::entry_state::removing;
    SHMARK_RETURN_IF_ERROR(change.commit());
    auto removed = store_type::remove(key, until);
    if (!removed && removed.error().code != errc::not_found) {
      change.value()[name].state = detail::entry_state::ready;
      static_cast<void>(change.commit());  // else the next removal finds it as it is
      return removed;
    }
  }
  change.value().erase(name);
  return change.commit();
}

template <class Backend>
auto domain<Backend>::list() -> std::expected<std::map<std::string, entry>, error> {
  using names = std::map<std::string, entry>;
  return contained("list variables", key_.text(), [&]() -> std::expected<names, error> {
    SHMARK_ASSIGN_OR_RETURN(const auto* known, registry_.read());
    names found;
    for (const auto& [name, about] : *known) {
      if (about.state != detail::entry_state::ready) continue;
      found[name] = {detail::readable(about.type.c_str())};
    }
    return found;
  });
}

template <class Backend>
std::expected<void, error> domain<Backend>::cleanup(deadline until) {
  return contained("clean up domain", key_.text(), [&]() -> std::expected<void, error> {
    auto change = registry_.transact(until);
    if (!change) {
      if (change.error().code != errc::not_found) return std::unexpected(change.error());
      // Removed, if not to the end; the attempt to open it does the rest. What is there now under
      // the same key, if anything, is a new registry and not ours to remove.
      static_cast<void>(store_type::attach(key_));
      return {};
    }
    std::expected<void, error> outcome;
    const entries all = change->value();
    for (const auto& [name, about] : all) {
      if (auto done = remove_entry(*change, name, until); !done && outcome) outcome = done;
    }
    return outcome ? change->remove() : outcome;
  });
}

}  // namespace shmark

// How domain.h does it. Included by it alone.
#pragma once

namespace shmark {

template <class Backend>
std::expected<store_key, error> domain<Backend>::well_known(std::string_view name,
                                                            const domain_options& options) {
  constexpr std::size_t longest = 40;
  const store_key key{short_text(detail::space_of(name, options.user())), 0, options.whose()};
  if (name.empty() || name.size() > longest || !key.valid()) {
    return failure(errc::invalid, "open domain", name, "use 1 to 40 of A-Z a-z 0-9 . _ -");
  }
  return key;
}

template <class Backend>
std::expected<domain<Backend>, error> domain<Backend>::use(store_type home) {
  auto shared = std::make_shared<const store_type>(std::move(home));
  SHMARK_ASSIGN_OR_RETURN(auto all, registry::open(*shared));
  return domain(std::move(shared), std::move(all));
}

template <class Backend>
auto domain<Backend>::attach(const store_key& key) -> std::expected<store_type, error> {
  auto home = store_type::attach(key);
  if (!home) return std::unexpected(detail::with_options(home.error()));
  return home;
}

template <class Backend>
std::expected<domain<Backend>, error> domain<Backend>::open(std::string_view name,
                                                            const domain_options& options) {
  if (options.user() != geteuid()) return open_existing(name, options);
  return contained("open domain", name, [&]() -> std::expected<domain, error> {
    SHMARK_ASSIGN_OR_RETURN(const auto key, well_known(name, options));
    for (;;) {
      auto home = store_type::open_or_create(key, options.store());
      if (!home) return std::unexpected(detail::with_options(home.error()));
      auto opened = use(*std::move(home));
      // Else somebody has just cleaned it up.
      if (opened || opened.error().code != errc::not_found) return opened;
    }
  });
}

template <class Backend>
std::expected<domain<Backend>, error> domain<Backend>::open_existing(
    std::string_view name, const domain_options& options) {
  return contained("open domain", name, [&]() -> std::expected<domain, error> {
    SHMARK_ASSIGN_OR_RETURN(const auto key, well_known(name, options));
    SHMARK_ASSIGN_OR_RETURN(auto home, attach(key));
    return use(std::move(home));
  });
}

template <class Backend>
std::expected<domain<Backend>, error> domain<Backend>::open_space(std::string_view space,
                                                                  const domain_options& options) {
  return contained("open", space, [&]() -> std::expected<domain, error> {
    SHMARK_ASSIGN_OR_RETURN(auto home, attach({space, 0, options.whose()}));
    return use(std::move(home));
  });
}

template <class Backend>
template <class T>
auto domain<Backend>::variable(std::string_view name, const store_options& options)
    -> std::expected<variable_of<T>, error> {
  return contained("open variable", name, [&]() -> std::expected<variable_of<T>, error> {
    SHMARK_ASSIGN_OR_RETURN(auto bytes, registry_.open_named(name, typeid(T).name(), options));
    return variable_of<T>(std::move(bytes), home_);
  });
}

template <class Backend>
template <class T>
auto domain<Backend>::unnamed(const store_options& options)
    -> std::expected<variable_of<T>, error> {
  return contained("make", "an unnamed variable", [&]() -> std::expected<variable_of<T>, error> {
    SHMARK_ASSIGN_OR_RETURN(auto bytes, registry_.make_unnamed(typeid(T).name(), options));
    return variable_of<T>(std::move(bytes), home_);
  });
}

template <class Backend>
template <class T>
auto domain<Backend>::make_ref(const T& value) -> std::expected<ref<T, Backend>, error> {
  SHMARK_ASSIGN_OR_RETURN(auto made, unnamed<T>());
  SHMARK_RETURN_IF_ERROR(made.write(value));
  return made.reference();
}

template <class Backend>
std::expected<void, error> domain<Backend>::remove(std::string_view name, deadline until) {
  return contained("remove variable", name, [&] { return registry_.remove(name, until); });
}

template <class Backend>
auto domain<Backend>::list() -> std::expected<std::map<std::string, entry>, error> {
  using names = std::map<std::string, entry>;
  return contained("list", "variables", [&]() -> std::expected<names, error> {
    SHMARK_ASSIGN_OR_RETURN(const auto* known, registry_.read());
    names found;
    for (const auto& [name, number] : known->names) {
      const auto about = known->variables.find(number);
      if (about == known->variables.end()) continue;
      if (about->second.state != detail::entry_state::ready) continue;
      found[name] = {detail::readable(about->second.type.c_str())};
    }
    return found;
  });
}

template <class Backend>
std::expected<std::size_t, error> domain<Backend>::count() {
  SHMARK_ASSIGN_OR_RETURN(const auto* known, registry_.read());
  return known->variables.size();
}

template <class Backend>
std::expected<collection, error> domain<Backend>::collect(deadline until) {
  return contained("collect", "unnamed variables", [&] { return registry_.collect(until); });
}

template <class Backend>
std::expected<void, error> domain<Backend>::cleanup(deadline until) {
  return contained("clean up", "a domain", [&]() -> std::expected<void, error> {
    auto done = registry_.clean_up(until);
    if (done || done.error().code != errc::not_found) return done;
    // Removed, if not to the end; the attempt to open it does the rest. What is there now under
    // the same key, if anything, is a new registry and not ours to remove.
    static_cast<void>(store_type::attach(home_->key()));
    return {};
  });
}

}  // namespace shmark

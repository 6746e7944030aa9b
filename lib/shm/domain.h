// A domain: a set of names belonging to one user, each of which names a variable.
//
//     auto domain = shmark::domain<>::open();             // the user's default domain
//     auto table = domain->variable<std::map<std::string, int>>("table");
//     const auto names = domain->list();
//     for (const auto& [name, about] : *names) …
//     domain->remove("table");
//     domain->cleanup();                                  // everything, the domain itself last
//
//     auto notes = domain->unnamed<std::string>();        // reached by references only: see ref.h
//     auto note = domain->make_ref(std::string("x"));
//     domain->collect();                                  // what keeps but itself, or was leaked
//
// A named variable stays until it is removed. An unnamed one stays as long as a process has it
// open, children of fork included, or the value of another variable refers to it.
//
// One registry per domain, itself a store, maps names to segments; registry.h has the protocol.
//
// Process and thread safety: any number of processes; a handle is for one thread at a time, and
// what was opened by it may be another thread's.
//
// What survives a crash: all variables as of their last commits (see store.h). Unnamed ones that
// only the dead had open are found by collect(); so are those that only static objects have, which
// end when their thread can take no locks any more.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include "lib/base/contained.h"
#include "lib/base/error.h"
#include "lib/shm/ref.h"
#include "lib/shm/registry.h"
#include "lib/shm/variable.h"

namespace shmark {

namespace detail {

// The space of a user's domain: "1000.name".
[[nodiscard]] std::string space_of(std::string_view domain);
}  // namespace detail

template <class Backend = default_backend>
class domain {
  template <class T>
  using variable_of = shmark::variable<T, Backend>;

 public:
  // Opens a domain of this user's, or makes it; `name` is 1 to 40 of [A-Za-z0-9._-]. Errors:
  // denied, if it is somebody else's; no_space, invalid, mismatch, corrupt.
  [[nodiscard]] static std::expected<domain, error> open(std::string_view name = "default");
  // Opens it only if it is there. Errors: not_found, and as open().
  [[nodiscard]] static std::expected<domain, error> open_existing(std::string_view name);
  // The same, by the space (segment.h) of whatever has a registry: a domain, or a glue.
  [[nodiscard]] static std::expected<domain, error> open_space(std::string_view space);

  // Opens a variable, or makes it. `options` matter only to the one who makes it. Errors: mismatch,
  // if it was made for another type; no_space, invalid; not_found, if its segment has been removed
  // by other means: remove(name), and it can be made again.
  template <class T>
  [[nodiscard]] std::expected<variable_of<T>, error> variable(std::string_view name,
                                                              const store_options& options = {});

  // Makes one without a name.  Errors: no_space, invalid.
  template <class T>
  [[nodiscard]] std::expected<variable_of<T>, error> unnamed(const store_options& options = {});
  // The same with a value, as a reference to be stored in other variables' values.
  template <class T>
  [[nodiscard]] std::expected<ref<T, Backend>, error> make_ref(const T& value);

  // Removes a variable; whoever has it open gets not_found. If the values of others refer to it, it
  // only loses its name, and stays as long as they do. Waits for its holder. Errors: not_found;
  // timed_out; no_space.
  [[nodiscard]] std::expected<void, error> remove(
      std::string_view name, deadline until = deadline::after(removal_patience));

  struct entry {
    std::string type;
  };
  // All names. Errors: those of read().
  [[nodiscard]] std::expected<std::map<std::string, entry>, error> list();

  // How many variables there are, unnamed ones included. Errors: those of read().
  [[nodiscard]] std::expected<std::size_t, error> count();

  // Removes unnamed variables that nothing refers to but themselves, directly or in a circle, and
  // that no process has open; finishes what a death has cut short, and sets counts right. Nobody
  // makes or removes variables, or changes what their values refer to, meanwhile. Errors: those of
  // read(), timed_out.
  [[nodiscard]] std::expected<collection, error> collect(
      deadline until = deadline::after(removal_patience));

  // Removes all variables and the registry, whoever has them open or refers to them. Carries on
  // past what it cannot remove, be it that somebody holds it until the deadline, which is one for
  // all; the first such error is returned, and the registry then stays, with all that the value of
  // what stays may refer to. Otherwise the handle is of no use after. It is no error if somebody
  // has done so already.
  [[nodiscard]] std::expected<void, error> cleanup(
      deadline until = deadline::after(removal_patience));

 private:
  using registry = detail::registry<Backend>;
  using store_type = store_on<Backend>;

  domain(detail::home_of<Backend> home, registry all) noexcept
      : home_(std::move(home)), registry_(std::move(all)) {}

  // The registry's key. Errors: invalid.
  [[nodiscard]] static std::expected<segment_key, error> well_known(std::string_view name);
  static std::expected<domain, error> use(store_type home);

  detail::home_of<Backend> home_;
  registry registry_;
};

}  // namespace shmark

#include "lib/shm/domain_impl.h"

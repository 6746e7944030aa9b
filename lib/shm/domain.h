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
// A domain is its user's alone, unless he makes it with another mode, on a backend whose lock can
// be shared (posix_semaphore_backend, sysv_semaphore_backend). Others then say whose it is:
//
//     using shared = shmark::domain<shmark::posix_semaphore_backend>;
//     auto mine = shared::open("plant", {.mode = 0660});  // user 1000 makes it
//     auto his = shared::open("plant", {.owner = 1000});  // another of his group opens it
//
// They read, write and lock the values, and store references that they have got from values. Its
// owner alone makes variables, with or without a name, and he or root removes them; one without a
// name of which another user lets go last stays until the owner's collect(). Values are as long as
// the capacity (store_options) at most. All who can write it trust each other.
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

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <optional>
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

// The space of a user's domain: "1000.name". The second is of this user's.
[[nodiscard]] std::string space_of(std::string_view domain, uid_t user);
[[nodiscard]] std::string space_of(std::string_view domain);

// An error of opening a registry that is another user's, or that others can write, with what to do
// about it in terms of the options `mode` and `owner`.
[[nodiscard]] error with_options(error why) noexcept;
}  // namespace detail

struct domain_options {
  // Who may read and write it, and all its variables: 0600, or 0660 or 0666, as store_options has
  // it. It matters to the one who makes it; but whoever gives another than 0600 trusts whom the
  // mode of what is there lets write.
  mode_t mode = private_mode;
  // Whose it is: this user's. Whoever names one, himself or another, trusts him, and whom its mode
  // lets write. Another's is not made.
  std::optional<uid_t> owner{};
  // Bytes that the registry has room for: about 100 for each variable. That of a shared one cannot
  // grow, and others can. 0: 4096, or 262144 if it is shared.
  std::size_t registry_capacity = 0;

  [[nodiscard]] uid_t user() const noexcept { return owner.value_or(geteuid()); }
  [[nodiscard]] owners whose() const noexcept {
    return owner || mode != private_mode ? owners::of(user()) : owners::own;
  }
  // Of the registry.
  [[nodiscard]] store_options store() const noexcept {
    const std::size_t usual = mode == private_mode ? 4096 : 262144;
    return {.capacity = registry_capacity != 0 ? registry_capacity : usual, .mode = mode};
  }
};

template <class Backend = default_backend>
class domain {
  template <class T>
  using variable_of = shmark::variable<T, Backend>;

 public:
  // Opens a domain, or makes it; `name` is 1 to 40 of [A-Za-z0-9._-]. Errors: denied, if it is
  // somebody else's than the options say, if others can write it and the options do not say so, or
  // if its mode does not allow it; invalid, also if the backend's lock cannot be shared; not_found,
  // if it is another's and not there; no_space, mismatch, corrupt.
  [[nodiscard]] static std::expected<domain, error> open(std::string_view name = "default",
                                                         const domain_options& options = {});
  // Opens it only if it is there. Errors: not_found, and as open().
  [[nodiscard]] static std::expected<domain, error> open_existing(
      std::string_view name, const domain_options& options = {});
  // The same, by the space (segment.h) of whatever has a registry: a domain, or a glue.
  [[nodiscard]] static std::expected<domain, error> open_space(std::string_view space,
                                                               const domain_options& options = {});

  // Opens a variable, or makes it, so that a misspelt name reads as T{}; list() tells what there
  // is. `options` matter only to the one who makes it. Errors: mismatch, if it was made for another
  // type; no_space, invalid; denied, if it is to be made in another user's domain; not_found, if
  // its segment has been removed by other means: remove(name), and it can be made again.
  template <class T>
  [[nodiscard]] std::expected<variable_of<T>, error> variable(std::string_view name,
                                                              const store_options& options = {});

  // Makes one without a name. Errors: no_space, invalid; denied, in another user's domain.
  template <class T>
  [[nodiscard]] std::expected<variable_of<T>, error> unnamed(const store_options& options = {});
  // The same with a value, as a reference to be stored in other variables' values.
  template <class T>
  [[nodiscard]] std::expected<ref<T, Backend>, error> make_ref(const T& value);

  // Removes a variable; whoever has it open gets not_found. If the values of others refer to it, it
  // only loses its name, and stays as long as they do. Waits for its holder. Errors: not_found;
  // timed_out; no_space; denied, in another user's domain, but for root.
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
  // read(), timed_out; denied, as remove().
  [[nodiscard]] std::expected<collection, error> collect(
      deadline until = deadline::after(removal_patience));

  // Removes all variables and the registry, whoever has them open or refers to them. Carries on
  // past what it cannot remove, be it that somebody holds it until the deadline, which is one for
  // all; the first such error is returned, and the registry then stays, with all that the value of
  // what stays may refer to. Otherwise the handle is of no use after. It is no error if somebody
  // has done so already. Errors: denied, as remove().
  [[nodiscard]] std::expected<void, error> cleanup(
      deadline until = deadline::after(removal_patience));

 private:
  using registry = detail::registry<Backend>;
  using store_type = store_on<Backend>;

  domain(detail::home_of<Backend> home, registry all) noexcept
      : home_(std::move(home)), registry_(std::move(all)) {}

  // The registry's key. Errors: invalid.
  [[nodiscard]] static std::expected<store_key, error> well_known(std::string_view name,
                                                                  const domain_options& options);
  static std::expected<domain, error> use(store_type home);
  static std::expected<store_type, error> attach(const store_key& key);

  detail::home_of<Backend> home_;
  registry registry_;
};

}  // namespace shmark

#include "lib/shm/domain_impl.h"

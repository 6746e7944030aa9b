// A domain: a set of names belonging to one user, each of which names a variable.
//
//     auto domain = shmark::domain<>::open();             // the user's default domain
//     auto table = domain->variable<std::map<std::string, int>>("table");
//     const auto names = domain->list();
//     for (const auto& [name, about] : *names) …
//     domain->remove("table");
//     domain->cleanup();                                  // everything, the domain itself last
//
// One registry per domain, itself a variable, maps names to segments. It is the domain's only
// segment with a well-known key; all others have keys drawn at random and recorded there before
// they are made.
//
// Protocol. All changes happen under the registry's exclusive lock.
//   create  entry {number, making}, commit; make the store; entry.state := ready, commit
//   remove  entry.state := removing, commit; remove the store; erase the entry, commit
//   clean up  remove all entries, then the registry itself without letting go of its lock: nobody
//             can make an entry in between, nor in a registry that is gone
// Invariants
//   D1  Every store of the domain is named by an entry, from before it is made until after it has
//       gone: a death at any instruction leaks nothing.
//   D2  Whoever holds the lock and meets an entry that is making or removing knows that its maker
//       or remover is dead, and finishes the removal.
//   D3  However many open a name at once, one store is made.
//
// Process and thread safety: any number of processes; a handle is for one thread at a time.
//
// What survives a crash: all variables as of their last commits (see store.h).
#pragma once

#include <unistd.h>

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>

#include "lib/base/contained.h"
#include "lib/base/error.h"
#include "lib/shm/variable.h"

namespace shmark {

namespace detail {

enum class entry_state : std::uint8_t { making, ready, removing };

struct registry_entry {
  std::uint64_t number = 0;
  std::string type;
  entry_state state = entry_state::making;

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & number & type & state;
  }
};
using registry_entries = std::map<std::string, registry_entry, std::less<>>;

// The space of a user's domain: "1000.name".
[[nodiscard]] std::string space_of(std::string_view domain);
// A type's name as people write it.
[[nodiscard]] std::string readable(const char* type_name);

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

  // Opens a variable, or makes it. `options` matter only to the one who makes it. Errors: mismatch,
  // if it was made for another type; no_space, invalid; not_found, if its segment has been removed
  // by other means: remove(name), and it can be made again.
  template <class T>
  [[nodiscard]] std::expected<variable_of<T>, error> variable(std::string_view name,
                                                              const store_options& options = {});

  // Removes a variable; whoever has it open gets not_found. Waits for its holder, and holds the
  // registry meanwhile: nobody opens, makes or removes another. Errors: not_found; timed_out;
  // no_space.
  [[nodiscard]] std::expected<void, error> remove(
      std::string_view name, deadline until = deadline::after(removal_patience));

  struct entry {
    std::string type;
  };
  // All names. Errors: those of read().
  [[nodiscard]] std::expected<std::map<std::string, entry>, error> list();

  // Removes all variables and the registry. Carries on past what it cannot remove, be it that
  // somebody holds it until the deadline, which is one for all; the first such error is returned,
  // and the registry then stays. Otherwise the handle is of no use after. Holds the registry
  // meanwhile, as remove() does. It is no error if somebody has done so already.
  [[nodiscard]] std::expected<void, error> cleanup(
      deadline until = deadline::after(removal_patience));

 private:
  using entries = detail::registry_entries;
  using registry = variable_of<entries>;
  using store_type = typename registry::store_type;
  using transaction = typename registry::transaction;

  domain(segment_key key, registry names) noexcept : key_(key), registry_(std::move(names)) {}

  // The registry's key. Errors: invalid.
  [[nodiscard]] static std::expected<segment_key, error> well_known(std::string_view name);
  [[nodiscard]] segment_key key_of(std::uint64_t number) const noexcept {
    return {key_.space, number};
  }
  std::expected<std::optional<store_type>, error> find(const entries& known, std::string_view name,
                                                       const char* type) const;
  std::expected<store_type, error> make(transaction& change, const std::string& name,
                                        const char* type, const store_options& options);
  std::expected<void, error> remove_entry(transaction& change, const std::string& name,
                                          deadline until);

  segment_key key_;
  registry registry_;
};

}  // namespace shmark

#include "lib/shm/domain_impl.h"

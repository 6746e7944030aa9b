// The registry of a domain: which variables there are, which have names, and how they go. What
// domain.h and ref.h stand on; users meet it as shmark::domain.
//
// It is a store of its own, the domain's only segment with a well-known key. All others have keys
// drawn at random and recorded in it before they are made.
//
// Terms
//   named       found by its name, and there until it is removed
//   unnamed     found by references only, and there while the current value of a variable refers to
//               it or a process has it open. What was removed while others refer to it is unnamed
//   open        mapped by a process, as the kernel counts it (segment.h: is_attached)
//   referrers   a count in each store: how many current values refer to it
//   registry's lock   of the store that the registry is. It is the innermost lock: whoever holds it
//               waits for no other, but may try
//
// Protocol. A variable is changed under its own lock; then, where it says so, the registry's.
//   (1) create   registry exclusive: entry {number, making}, commit; make the store; entry.state :=
//                ready, commit
//   (2) publish  of a value that refers to variables, or follows one that did. Variable exclusive,
//                registry shared: count up at those newly referred to, which are open here; commit;
//                count down at those no longer referred to. Both locks released: (4) for each of
//                these whose count is 0
//   (3) resolve  a reference in a value that is being decoded: open it. Variable shared or
//                exclusive, so that the value stays current meanwhile
//   (4) give up  a handle of an unnamed variable (once it is unmapped), or the last reference to
//                one. Registry exclusive: if it has no name, its count is 0 and nobody has it open:
//                entry.state := removing, commit; remove its store; erase the entry, commit; count
//                down at those it referred to, and the same for each whose count is 0 now. Whoever
//                sees no mark that it is unnamed, and unmaps it, looks then whether the registry
//                has changed since before, and if so does not rely on that
//   (5) remove   by name: variable exclusive, registry exclusive; only now ask for its name, which
//                may be another's by now (not_found), and for its count. If that is not 0, it
//                becomes unnamed: mark it; take its name, commit; else as in (4). Who was refused
//                had it open, too: (4)
//   (6) collect  registry exclusive: finish (7) what was cut short. Watch all (store.h: watch). Ask
//                of each whether it is open, and follow references from what is, or has a name. Of
//                what was not met, ask whether it was opened since, and follow these, too. Remove
//                the rest, as in (4), and set all counts to what was met. If a value cannot be
//                read, nothing goes that it may refer to
//   (7) finish   an entry that is making, or removing with a store that says `removed`: remove what
//                there is, erase the entry; removing with one that does not say so: ready again
//   (8) clean up remove as in (5) what nothing refers to, then what only that referred to, and on.
//                What is left refers to itself in circles: empty its values, as (2) would. Or it
//                has been counted wrong, or cannot be read: remove it all the same. Then remove the
//                registry, if still empty, without letting go of its lock. What cannot be removed
//                stays, with all that it may refer to.
//                Or, if nobody has any of it open: registry exclusive: (7) for each, and what is
//                ready then goes as in (4), whatever refers to it; the registry last
//
// Invariants
//   D1  Every store of the domain is named by an entry, from before it is made until after it has
//       gone: a death at any instruction leaks nothing that collect() or cleanup() does not find.
//   D2  Whoever holds the registry's lock and meets an entry that is making or removing knows that
//       its maker or remover is dead.
//   D3  However many open a name at once, one store is made.
//   D4  While nobody holds the registry's lock, each count is at least the number of current values
//       that refer to the store: it goes up before they do, and down after. It is more only if
//       somebody died in (2), (4) or (5), until the next collect().
//   D5  While the registry's lock is held exclusively, no current value changes what it refers to.
//   D6  What becomes open was referred to by the current value of an open or named variable whose
//       lock is held (3), or is made under the registry's lock (1), or is found by its name, or is
//       open in the parent of a forked child. So what is unreachable at any instant stays so, and
//       no reference is ever met whose variable is gone.
//   D7  (6) knows such an instant, the one before it asks what was opened since. Who is open it has
//       to ask of one after the other, while others move, open the next and close the last. Suppose
//       that X is removed, but open at that instant. It was closed when asked, and is not told to
//       have been opened: it is just being opened, from a Y that is not met either. So Y was closed
//       when asked, and is open: it is told to have been opened, and met.
//
// Users: a domain's owner may let others write it (domain.h). All of it is his all the same, for
// the system lets nobody remove a segment but its owner and root, and what a third puts in its
// place is told by its owner. So (1) is the owner's only, and (5) to (8) his and root's. Others do
// (2) and (3); what they should do in (4) is left to the owner's collect().
//
// Process and thread safety: any number of processes; a handle is for one thread at a time.
//
// What survives a crash: all variables as of their last commits (see store.h); unnamed ones that
// only the dead had open, or that lost their last referrer at that moment, until collect().
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/contained.h"
#include "lib/base/error.h"
#include "lib/shm/backend.h"

namespace shmark {

template <class T, class Backend>
class variable;

// What collect() came to.
struct collection {
  std::uint64_t removed = 0;    // variables, and entries whose making or removal was cut short
  std::uint64_t corrected = 0;  // counts
  std::uint64_t dangling = 0;   // references to what is not there: never seen, should be 0
  std::uint64_t unreadable =
      0;  // variables whose references are not known, or that stay for an error
};

namespace detail {

// A type's name as people write it.
[[nodiscard]] std::string readable(const char* type_name);
// The same as users write it: std::string, and no allocators and orders of containers.
[[nodiscard]] std::string brief(std::string type);

enum class entry_state : std::uint8_t { making, ready, removing };

struct registry_entry {
  std::string type;  // mangled
  entry_state state = entry_state::making;

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & type & state;
  }
};

struct registry_contents {
  std::map<std::uint64_t, registry_entry> variables;        // by number
  std::map<std::string, std::uint64_t, std::less<>> names;  // of those that have one

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & variables & names;
  }
};

// How long to wait for the registry's lock where nobody says how long.
constexpr std::chrono::nanoseconds registry_patience = removal_patience;
// And where they have just waited in vain, for something that can be left.
constexpr std::chrono::nanoseconds impatience = std::chrono::milliseconds(10);

// The registry's store, to make handles from: copying is all that is done with it, so that threads
// may share it.
template <class Backend>
using home_of = std::shared_ptr<const store_on<Backend>>;

template <class Backend>
class registry {
 public:
  using store_type = store_on<Backend>;
  using home = home_of<Backend>;

  // Errors: no_space, not_found.
  [[nodiscard]] static std::expected<registry, error> open(const store_type& home);

  // What the registry says now; good until the next call. Errors: those of variable::read().
  [[nodiscard]] std::expected<const registry_contents*, error> read(
      deadline until = deadline::never()) {
    return all_.read(until);
  }
  // (1), unless the name is there. Errors: mismatch, if that is of another type; no_space, invalid,
  // not_found, denied, those of the registry's lock.
  [[nodiscard]] std::expected<store_type, error> open_named(std::string_view name, const char* type,
                                                            store_options options);
  // The same, for a space in which only one name is used.
  enum class opening : std::uint8_t {
    existing,  // opens what is there
    any,       // makes it if it is not
    fresh      // makes it
  };
  // One whose segment has gone by other means is not there. Errors: not_found, exists; mismatch, if
  // there is another name; as open_named(). Where nothing else is there either, an attempt to make
  // it that fails leaves no registry. What is made has the name `also`, too, if there is one.
  struct opened {
    store_type bytes;
    bool was_made;
  };
  [[nodiscard]] std::expected<opened, error> open_only(std::string_view name, const char* type,
                                                       opening how, store_options options,
                                                       std::string_view also = {});
  // (1), without a name.
  [[nodiscard]] std::expected<store_type, error> make_unnamed(const char* type,
                                                              store_options options);
  // (5). Errors: not_found, and as domain::remove().
  [[nodiscard]] std::expected<void, error> remove(std::string_view name, deadline until);
  // (6).
  [[nodiscard]] std::expected<collection, error> collect(deadline until);
  // (8), if no process has any of its variables open, and `may`, of what is there, says so, or an
  // error; whether it was so. Errors: as clean_up().
  template <class Condition>
  [[nodiscard]] std::expected<bool, error> clean_up_if_unused(deadline until, const Condition& may);
  // (8). `only`, of a space in which only one variable has a name: if others make the next one
  // meanwhile, that stays, with the registry. 0: all. Errors: as domain::cleanup().
  [[nodiscard]] std::expected<void, error> clean_up(deadline until, std::uint64_t only = 0);

  // (4). What cannot be done is left to collect(); so is all the rest, for want of patience, when
  // somebody does not let go of the registry.
  static void give_up(const store_type& home, std::uint64_t number) noexcept;

 private:
  using contents = variable<registry_contents, Backend>;
  using transaction = typename contents::transaction;
  using numbers = std::vector<std::uint64_t>;
  class graph;

  registry(store_key key, contents all) noexcept : key_(key), all_(std::move(all)) {}
  [[nodiscard]] store_key key_of(std::uint64_t number) const noexcept {
    return key_.sibling(number);
  }
  // Whether this user may make variables, and remove them. Errors: denied.
  [[nodiscard]] std::expected<void, error> check_maker(std::string_view name) const;
  [[nodiscard]] std::expected<void, error> check_remover(const char* attempted) const;
  [[nodiscard]] static bool may_remove(const store_type& home) noexcept {
    return geteuid() == home.access().owner || geteuid() == 0;
  }
  // That of all variables.
  [[nodiscard]] mode_t mode() const noexcept {
    return key_.whose.are_sharing() ? all_.store_.access().mode : private_mode;
  }

  // The number of a variable of this name that is ready; 0 if there is none.
  static std::uint64_t number_of(const registry_contents& known, std::string_view name);
  std::expected<std::optional<store_type>, error> find(const registry_contents& known,
                                                       std::string_view name,
                                                       const char* type) const;
  // (4). Errors: as collect().
  std::expected<void, error> give_up(std::uint64_t number, deadline until);

  // All of these require the registry exclusive, by `change`. What it holds is current after them,
  // also if they fail.

  // (1).
  std::expected<store_type, error> make(transaction& change, std::string_view name,
                                        const char* type, store_options options,
                                        std::string_view also = {});
  // (7), unless it is ready. Errors: those of the store's removal.
  std::expected<void, error> finish(transaction& change, std::uint64_t number, deadline until);
  static std::expected<void, error> set_state(transaction& change, std::uint64_t number,
                                              entry_state state);
  static std::expected<void, error> erase(transaction& change, std::uint64_t number);
  // Whether anybody refers to it, or has it open; also if that cannot be known.
  [[nodiscard]] bool is_in_use(std::uint64_t number) const;
  // (4), for all of these. Returns those to which nothing refers, but which are open or have names.
  std::expected<numbers, error> remove_unused(transaction& change, numbers some);
  // Removes a store that nobody uses, with its entry.
  std::expected<void, error> bury(transaction& change, std::uint64_t number);
  // Counts down at these; those that are at 0.
  numbers count_down(const numbers& some) const;

  static bool has_name(const registry_contents& known, std::uint64_t number);
  // Returns them.
  static decltype(registry_contents::names) take_names(registry_contents& all,
                                                       std::uint64_t number);

  // How to remove one.
  struct request {
    std::string_view name{};  // if it still has this one; empty: whatever it has, for (8)
    bool is_forced = false;   // also if something refers to it
  };
  // (5). For (8): leaves alone what something refers to, and tells like remove_unused().
  std::expected<numbers, error> remove(std::uint64_t number, const request& by, deadline until);

  // What (8) tries, one after the other, as long as that removes nothing.
  enum class effort : std::uint8_t { ask, empty, force };
  // Goes on past errors, as far as nothing is lost by it, and returns the first.
  std::expected<void, error> clean_up(const numbers& all, effort how, deadline until);
  // Publishes no value in place of its value, as one that nobody has written has none.
  std::expected<void, error> empty(std::uint64_t number, deadline until);

  store_key key_;
  contents all_;
};

}  // namespace detail
}  // namespace shmark

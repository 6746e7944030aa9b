// The advisory locks of a shareable and of all that its value refers to, and what is published when
// they are released. What shareable.h stands on.
//
// Terms
//   node       a variable with an advisory lock: the root of a glue, or a child, which values of
//              other nodes refer to. Nodes that refer to each other in a circle are allowed
//   set        of a node: itself, and all that can be reached from it by references
//   lock       of a node: the advisory locks of its whole set, in one mode, as one
//   kept copy  what this process reads of a node, and changes, while it holds its lock (variable.h)
//   changed    of a kept copy: it has been written to, and not been published
//
// Lock order. Advisory locks, in the order of the nodes' numbers; then variables' own locks, in the
// same order; then the registry's. Nobody waits for an advisory lock while holding one of the
// others, and the others are held for the time of a read or a publication only.
//   (a) A thread waits for an advisory lock only if it holds none of the same space with a larger
//       number, or, to upgrade, the lock itself and none with a larger number. Any other it tries.
//   So whoever waits, waits for one who, if it waits, does so for a larger number, and no circle
//   closes within a space. (Between spaces: give a deadline.)
//
// Protocol
//   (1) lock       read all values of the set as they are; take the advisory locks that are missing
//                  in the order of their numbers; when one must be tried (a) and is busy, release
//                  what this call has taken, and begin again; with all of them held, fetch what is
//                  new in the set and keep the copies; follow their references: what is in the set
//                  now and is not held yet is taken in the same way, until nothing is missing.
//                  Release what is not in the set any more. If a node of the set is held already by
//                  this thread, by another lock, or a variable's own lock by this tree:
//                  would_deadlock
//   (2) publish    of all kept copies that are changed: variables' own locks in the order of their
//                  numbers; write the values beside the old ones, without what an open transaction
//                  has not committed; registry shared, counts up; commit all of them together
//                  (store.h, (8)); counts down; release
//   (3) unlock     (2); drop what could not be published; let go of the copies; release the locks
//                  in the reverse order
//   (4) upgrade    each lock in the order of numbers, from shared to exclusive; if one is refused,
//                  those before it are downgraded again, and all is as it was. Then (1) goes on
//                  from the fetching, for values may have been written by somebody who did not ask
//   (5) downgrade  (2), then each lock in the reverse order. Not amid a transaction on a copy
//
// Invariants
//   A1  Between (1) and (3), everything that is read of a node of the set is one copy, whoever
//       publishes meanwhile, and by whichever reference one comes to it.
//   A2  What is changed under an exclusive lock is seen by others at once, all of it (S6), or not
//       seen: not before (2), and never if the process dies before (2) decides.
//   A3  Of those who ask for locks, nobody changes what a set consists of while another holds it.
//   A4  An error of (1), (4) or (5) leaves held what was held before, in the same mode; but nothing
//       is held of what somebody removed meanwhile with its locks.
//   A5  A forked child holds nothing, and publishes nothing of what its parent has changed.
//
// Process and thread safety: a tree belongs to one handle and those made from it: one thread at a
// time, and the one that locked unlocks. Any number of processes.
//
// What survives a crash: see A2. The kernel frees the locks of the dead.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/lock/lock.h"
#include "lib/shareable/held_here.h"
#include "lib/shm/publication.h"
#include "lib/shm/ref.h"
#include "lib/shm/registry.h"
#include "lib/shm/variable.h"

namespace shmark::detail {

template <class Backend>
class tree {
 public:
  using store_type = store_on<Backend>;
  using node = std::shared_ptr<target<Backend>>;

  tree(home_of<Backend> home, std::shared_ptr<family<Backend>> handles)
      : home_(std::move(home)), family_(std::move(handles)) {}
  tree(const tree&) = delete;
  tree& operator=(const tree&) = delete;
  // What is held is unlocked, unless it is a parent's.
  ~tree();

  // How this tree holds a node, if it does.
  [[nodiscard]] std::optional<mode> locked(const target<Backend>& of) noexcept;
  // The same, if it was locked by this very node.
  [[nodiscard]] bool is_locked_by(const target<Backend>& of) noexcept;
  // (1), or, of what is held, (4) or (5); nothing, if it is held in this mode, or, by another node,
  // exclusively. Errors: would_block, timed_out, would_deadlock, no_space; those of reading values
  // and, to downgrade, of publishing them; A4.
  [[nodiscard]] std::expected<void, error> lock(const node& origin, mode how, deadline until);
  // (3), if it is held by this node. Errors: as publish(); it is released all the same.
  [[nodiscard]] std::expected<void, error> unlock(const target<Backend>& origin);
  // (2); the lock stays. Errors: no_space, invalid, not_found, those of variables' own locks:
  // nothing is published then, and all copies are as they were.
  [[nodiscard]] std::expected<void, error> publish(const target<Backend>& of, deadline until);
  // Drops what was changed; the lock stays. Errors: those of reading.
  [[nodiscard]] std::expected<void, error> discard(const target<Backend>& of);
  // Unlocks and drops what was changed.
  void abandon(const target<Backend>& origin) noexcept;
  void abandon_all() noexcept;

  [[nodiscard]] const home_of<Backend>& home() const noexcept { return home_; }
  // Errors: those of registry::open().
  [[nodiscard]] std::expected<registry<Backend>*, error> all();
  [[nodiscard]] const std::shared_ptr<family<Backend>>& handles() const noexcept { return family_; }

 private:
  struct hold {
    std::uint64_t origin;
    mode how;
    std::map<std::uint64_t, node> nodes{};  // by number
  };
  using expected = std::expected<void, error>;

  void forget_parents() noexcept;
  hold* hold_of(std::uint64_t number) noexcept;
  [[nodiscard]] std::string_view space() const noexcept { return space_; }
  // The set. Errors: those of reading.
  std::expected<targets<Backend>, error> reach(const node& origin, deadline until) const;
  // (1), from what is held already. Errors: see lock(); what was not held before is not after.
  expected take(hold& in, const node& origin, deadline until);
  // Takes and keeps what is missing of `set`; whether anything was, or whether to begin again.
  enum class progress : std::uint8_t { nothing_missing, taken, again };
  std::expected<progress, error> take_missing(hold& in, const targets<Backend>& set,
                                              std::vector<std::uint64_t>& added, deadline until);
  // By the rule (a). Errors: those of the lock.
  expected acquire(const node& of, mode how, deadline until) const;
  // Releases these, in the reverse order.
  void give_back(hold& in, std::vector<std::uint64_t>& numbers) noexcept;
  void release(hold& in) noexcept;
  // Of one node, and its kept copy.
  void release(target<Backend>& it, mode how) noexcept;
  // Releases it, and forgets it.
  void end(hold& in) noexcept;
  expected upgrade(hold& in, const node& origin, deadline until);
  expected downgrade(hold& in);
  // To shared, of what is held exclusively; what comes after it. One whose lock has gone with its
  // store, because somebody removed it, is held no longer.
  typename decltype(hold::nodes)::iterator downgrade(hold& in, std::uint64_t number) noexcept;
  // If it has not gone by that; else there is nothing to hold any more, and `in` has gone, too.
  bool has_origin(hold& in) noexcept;
  expected publish(hold& in, deadline until);
  // For the registry's lock.
  std::expected<store_type*, error> registry_store();
  // How long to wait for variables' own locks, which are held for a short while only: for somebody
  // who does not want to wait for an advisory lock, too.
  static deadline patience_for(deadline until) noexcept {
    return until.is_never() ? until : deadline::after(removal_patience);
  }

  home_of<Backend> home_;
  std::string space_{home_->key().space.view()};
  std::shared_ptr<family<Backend>> family_;
  std::optional<registry<Backend>> all_;  // once they were needed
  std::optional<store_type> registry_;
  std::vector<hold> holds_;
  std::uint32_t since_fork_ = fork_depth();
};

}  // namespace shmark::detail

#include "lib/shareable/tree_impl.h"

// shareable<T>: a T that programs share by a glue. The model is IPC::Shareable.
//
//     auto table = shmark::shareable<std::map<std::string, int>>::open("data", {.create = true});
//     {
//       auto change = table->writable();                  // the exclusive lock
//       (**change)["a"] = 1;
//       (**change)["b"] = 2;
//     }                                                   // both are seen by others now
//     const auto now = table->get();                      // without a lock
//     if (now) std::printf("%d\n", (*now)->at("a"));
//
// T is whatever Boost.Serialization can save, references included: those that make_ref() returns
// keep a part of the value in a shared variable of its own, a *child*, to any depth.
//
//     struct folder {
//       std::map<std::string, shmark::ref<folder>> folders;  // and serialize()
//     };
//     auto root = shmark::shareable<folder>::open("tree", {.create = true});
//     auto made = root->make_ref(folder{});
//     root->update([&](folder& all) { all.folders["usr"] = *made; });
//
// Locks are advisory: they keep out only those who ask for them, too. Who locks has all that can be
// reached by references locked with it, reads it once, and goes on with that copy until it unlocks;
// who locks exclusively has what he writes published then, all of it at once. Without a lock, each
// read looks whether somebody has published, and each write publishes. With the option `enforce`,
// writes are refused where somebody else holds a lock.
//
// Reads and writes of children, by the variables that references lead to (ref.h), or by
// child(): they keep to the same rules.
//
// Process and thread safety: any number of processes. A handle, and all that was made from it,
// references it has read included, is for one thread at a time; while it holds a lock, for the one
// that locked. A forked child may use its parent's handles; it holds nothing by them, whatever the
// parent does.
//
// What survives a crash: all variables as of the last publication; of what was written under a
// lock, nothing; the lock is free (tree.h, A2). What is private to a family of processes stays if
// the last of them is killed.
#pragma once

#include <sys/types.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/lock/lock.h"
#include "lib/shareable/glue.h"
#include "lib/shareable/met.h"
#include "lib/shareable/tree.h"
#include "lib/shm/backend.h"
#include "lib/shm/domain.h"
#include "lib/shm/ref.h"
#include "lib/shm/registry.h"
#include "lib/shm/variable.h"

namespace shmark {

// `destroy` to `limit` and `protect` matter only to the one who makes it; but see `mode`.
struct shareable_options {
  bool create = false;     // make it, if it is not there
  bool exclusive = false;  // with create: refuse what is there
  bool destroy = false;    // remove it at the normal end of the process that made it
  // Who may read and write: 0600, or 0660 or 0666 on a backend whose lock can be shared. As
  // domain_options has it: whoever gives another than 0600 trusts whom it lets write, and others
  // say whose it is. They make no children, and remove nothing.
  mode_t mode = 0600;
  std::optional<uid_t> owner{};
  std::size_t size = 65536;  // bytes that the value has room for before it needs more; 256 to 2^60
  std::uint64_t limit = 0;   // bytes that it may need; 0: as many as there are
  bool crc32 = false;        // all of the glue's text counts, see glue.h
  // Refuse writes, and count reads, where another holds a lock; one who is just writing without a
  // lock holds it for that time.
  bool enforce = false;
  bool protect = false;  // only remove() removes it, neither cleaning up nor `destroy`
};

// What a shareable, or one of its children, has in memory.
struct shareable_segment {
  std::string type;
  bool is_root;
  bool is_open;             // some process has it mapped
  std::uint64_t bytes;      // of the value
  std::uint64_t allocated;  // of all that it consists of
  std::uint64_t serial;
  std::uint64_t referrers;  // how many of the others' values refer to it
};

template <class T, class Backend = default_backend>
class shareable {
 public:
  class reading;
  class writing;

  shareable(shareable&& other) noexcept = default;
  shareable& operator=(shareable&& other) noexcept {
    shareable taken(std::move(other));
    std::swap(tree_, taken.tree_);
    std::swap(node_, taken.node_);
    std::swap(is_root_, taken.is_root_);
    std::swap(has_locked_, taken.has_locked_);
    std::swap(failure_, taken.failure_);
    std::swap(unlocked_reads_, taken.unlocked_reads_);
    end_walk();
    return *this;
  }
  // Unlocks, if it was locked by this handle: unlock(), to be told what came of it.
  ~shareable() {
    if (node_ != nullptr && has_locked_) static_cast<void>(unlock());
  }

  // Opens what is there, or, with `create`, makes it. A private glue (glue.h) always makes one; a
  // forked child has it by its parent's handle, and the last of the family to let go of its handles
  // removes it. Errors: not_found, if it is not there and `create` does not say to make it; exists,
  // if it is and `exclusive` forbids; mismatch, if it is of another type, backend, or glue of the
  // same CRC-32; denied, if it is somebody else's than the options say, if others can write it and
  // the options do not say so, or if its mode does not allow it; no_space, invalid, corrupt. An
  // attempt to make it that fails leaves nothing.
  [[nodiscard]] static std::expected<shareable, error> open(const glue& where = {},
                                                            const shareable_options& options = {});

  // With `exclusive`; nothing, if it is there: for one who then leaves it to others.
  [[nodiscard]] static std::expected<std::optional<shareable>, error> open_unless_there(
      const glue& where, shareable_options options = {});
  // For programs of which only one is to run at a time: opens or makes it, and takes the lock,
  // which goes with the handle or, whatever its end, with the process. Nothing, if somebody has it.
  [[nodiscard]] static std::expected<std::optional<shareable>, error> singleton(
      const glue& where, shareable_options options = {});

  // --- Locks.

  // Takes the lock, of this and all that can be reached from it, and reads all of it. Nothing, if
  // it is held in this mode already. From exclusive to shared it publishes first; from shared to
  // exclusive is an upgrade, with nobody in between. After an error, what was held before still is.
  // Errors: would_block, if it does not wait, timed_out; would_deadlock, if this thread holds a
  // part of it by itself, or would have to wait, or upgrade, in a way in which all could wait for
  // each other; those of get(), and when it publishes, of set().
  [[nodiscard]] std::expected<void, error> lock(mode how = mode::exclusive,
                                                deadline until = deadline::never()) {
    end_walk();
    const bool was_held = locked().has_value();  // by another handle to it, for one
    auto done = tree_->lock(node_, how, until);
    if (done && !was_held) has_locked_ = true;
    return done;
  }
  // Publishes what was written, all or nothing, and releases. Nothing, if it is not held, or by a
  // lock of what refers to it. Errors: as set(); it is released all the same, and what could not be
  // published is dropped: publish() before, to be able to mend it.
  [[nodiscard]] std::expected<void, error> unlock() {
    end_walk();
    has_locked_ = false;
    return tree_->unlock(*node_);
  }
  // Calls `work` under the lock, which is held after it only if it was before. What was written
  // under a lock that this has taken is dropped if `work` throws. Errors: as lock() and unlock().
  template <std::invocable F>
  [[nodiscard]] std::expected<void, error> lock(mode how, F&& work,
                                                deadline until = deadline::never());
  template <std::invocable F>
  [[nodiscard]] std::expected<void, error> lock(F&& work) {
    return lock(mode::exclusive, std::forward<F>(work));
  }
  // How it is held, by this handle or one that it was made from.
  [[nodiscard]] std::optional<mode> locked() const noexcept { return tree_->locked(*node_); }
  // Publishes now what was written under the lock, and goes on holding it. Errors: as set(), and it
  // is as it was.
  [[nodiscard]] std::expected<void, error> publish(deadline until = deadline::never()) {
    return tree_->publish(*node_, until);
  }
  // Releases, and drops what was written under the lock.
  void abandon() noexcept {
    end_walk();
    has_locked_ = false;
    tree_->abandon(*node_);
  }

  // The exclusive lock, to write by, and the shared one, to read by, as long as what is returned
  // lives. If it is held in this mode already, or exclusively, that goes on after it. Errors: as
  // lock().
  [[nodiscard]] std::expected<writing, error> writable(deadline until = deadline::never());
  [[nodiscard]] std::expected<reading, error> readable(deadline until = deadline::never());
  // Why what was written by a `writing` could not be published at its end, if so: of the last one.
  [[nodiscard]] const std::optional<error>& failure() const noexcept { return failure_; }

  // --- Values.

  // The value: under a lock, the copy; else as of now. The pointer is good until the next call.
  // Errors: not_found, if somebody has removed it; corrupt, no_space.
  [[nodiscard]] std::expected<const T*, error> get();
  // Replaces it. Errors: not_found, if it, or what the value refers to, has been removed; no_space,
  // if the value exceeds the limit, or memory; invalid, if T's serialize() threw; would_block, if
  // somebody holds a lock, with `enforce`. The old value then stays. Of what is published by a
  // lock's end, it is that which says so.
  [[nodiscard]] std::expected<void, error> set(const T& value) {
    end_walk();
    return node_->it.write(value);
  }
  // Lets `change` work on it: see variable::update(). Errors: as set(), and get().
  template <change_of<T> F>
  [[nodiscard]] std::expected<void, error> update(F&& change) {
    end_walk();
    return node_->it.update(std::forward<F>(change));
  }

  // Calls `visit(key, value)`, or, of what has no keys, `visit(index, value)`, for one element
  // after the other, and returns whether it got to the end. Without a lock, the value is read at
  // the first, and that copy is used for all; set(), update(), get() and taking another element in
  // between, by at(), end it, and so does what changes it by other means. Errors: as get().
  template <class F>
  [[nodiscard]] std::expected<bool, error> each(F&& visit);
  // The element under a key, or an index; null if there is none. Good until the next call. Errors:
  // as get().
  template <class Key>
  [[nodiscard]] auto at(const Key& key);

  // --- Children.

  // A new child with this value, to be stored in this value or another child's. Its size and limit
  // are those of lib/shm, and of `options`. Errors: no_space, invalid; denied, if it is another
  // user's.
  template <class U>
  [[nodiscard]] std::expected<ref<U, Backend>, error> make_ref(const U& value,
                                                               const store_options& options = {});
  // What a reference that was read from this value, or another child's, leads to: to be locked with
  // what can be reached from it, for instance. Errors: invalid, if it refers to nothing.
  template <class U>
  [[nodiscard]] std::expected<shareable<U, Backend>, error> child(const ref<U, Backend>& of);

  // --- Its end.

  // Removes it with all children, whoever made it, uses or has locked it: they are told not_found.
  // What this handle holds is released. Errors: not_found, if it has gone; invalid, of a child:
  // erase the references to it; timed_out, if somebody is stopped while he publishes; denied.
  [[nodiscard]] std::expected<void, error> remove(
      deadline until = deadline::after(removal_patience));
  // Removes all, of whatever type and backend, that this process made; and all that it has met; but
  // for what is protected. Carries on past what cannot be removed, and returns the first such
  // error.
  [[nodiscard]] static std::expected<void, error> clean_up(
      deadline until = deadline::after(removal_patience)) {
    return detail::remove_met(false, until);
  }
  [[nodiscard]] static std::expected<void, error> clean_up_all(
      deadline until = deadline::after(removal_patience)) {
    return detail::remove_met(true, until);
  }

  // Removes what is there, of whatever type, if no process has it open and it is not protected:
  // what one left that was to remove it and was killed. Whether it was so. Of `options`, crc32,
  // mode and owner count. Errors: not_found, denied; mismatch, if another glue of the same CRC-32,
  // or a domain, has the place.
  [[nodiscard]] static std::expected<bool, error> reclaim(const glue& where,
                                                          const shareable_options& options = {});

  // --- To be looked at.

  // All that this glue has in memory, by number. Errors: as get().
  using segment_map = std::map<std::uint64_t, shareable_segment>;
  [[nodiscard]] std::expected<segment_map, error> segments();
  // By which its glue's registry knows it.
  [[nodiscard]] std::uint64_t number() const noexcept { return node_->number(); }
  // Of the copy in this process; of what was changed under a lock, 0.
  [[nodiscard]] std::uint64_t serial() const noexcept { return node_->it.serial(); }
  // Errors: as get().
  [[nodiscard]] auto stats() { return node_->it.stats(); }
  // How often, with `enforce`, a write was refused, and get(), at() or each() read without a lock,
  // while somebody else held one.
  [[nodiscard]] std::uint64_t refused_writes() const noexcept {
    return tree_->handles()->refused_writes;
  }
  [[nodiscard]] std::uint64_t unlocked_reads() const noexcept { return unlocked_reads_; }

 private:
  template <class U, class B>
  friend class shareable;
  using tree = detail::tree<Backend>;
  using node = detail::target_of<T, Backend>;

  shareable(std::shared_ptr<tree> in, std::shared_ptr<node> it, bool is_root) noexcept
      : tree_(std::move(in)), node_(std::move(it)), is_root_(is_root) {}

  // At this place.
  static std::expected<shareable, error> open_in(const std::string& space, const std::string& name,
                                                 bool is_private, const shareable_options& options);
  // With `enforce`, without a lock: whether another holds it exclusively. Errors: the lock's.
  std::expected<void, error> notice_locks();
  // The value, for one that goes on with an each(), if any.
  std::expected<const T*, error> look();
  void end_walk() noexcept { ++walk_; }

  std::shared_ptr<tree> tree_;
  std::shared_ptr<node> node_;
  bool is_root_;
  bool has_locked_ = false;
  std::optional<error> failure_;
  std::uint64_t unlocked_reads_ = 0;
  std::uint64_t walk_ = 0;    // which each() it is that goes on,
  const void* at_ = nullptr;  // with which element; null: none does
};

// Requires: as reading.
template <class T, class Backend>
class shareable<T, Backend>::writing {
 public:
  writing(writing&& other) noexcept
      : of_(std::exchange(other.of_, nullptr)),
        is_outermost_(other.is_outermost_),
        is_upgrade_(other.is_upgrade_),
        exceptions_(other.exceptions_) {}
  writing& operator=(writing&&) = delete;
  // As unlock(), whose error is kept: see failure(). If an exception ends it, what was written
  // since the lock was taken is dropped. Inside a reading, nothing is locked after it if the value
  // cannot be had back: it has been removed, or this process is out of memory.
  ~writing() {
    if (of_ == nullptr) return;
    const bool is_unwinding = std::uncaught_exceptions() > exceptions_;
    if (auto done = end(is_unwinding); !done) of_->failure_ = done.error();
  }

  [[nodiscard]] T& operator*() noexcept { return of_->node_->change(); }
  [[nodiscard]] T* operator->() noexcept { return &of_->node_->change(); }
  // Ends it now. Errors: those of shareable::unlock().
  [[nodiscard]] std::expected<void, error> unlock() {
    auto done = end(false);
    of_ = nullptr;
    return done;
  }

 private:
  friend class shareable;
  writing(shareable& of, bool is_outermost, bool is_upgrade) noexcept
      : of_(&of), is_outermost_(is_outermost), is_upgrade_(is_upgrade) {}
  std::expected<void, error> end(bool drops);

  shareable* of_;
  bool is_outermost_;
  bool is_upgrade_;  // of a lock that is held shared after it
  int exceptions_ = std::uncaught_exceptions();
};

// Requires: the shareable outlives it, is not moved, and not unlocked by other means meanwhile.
template <class T, class Backend>
class shareable<T, Backend>::reading {
 public:
  reading(reading&& other) noexcept
      : of_(std::exchange(other.of_, nullptr)), is_outermost_(other.is_outermost_) {}
  reading& operator=(reading&&) = delete;
  ~reading() {
    if (of_ != nullptr && is_outermost_) static_cast<void>(of_->unlock());
  }

  [[nodiscard]] const T& operator*() const noexcept { return of_->node_->value(); }
  [[nodiscard]] const T* operator->() const noexcept { return &of_->node_->value(); }

 private:
  friend class shareable;
  reading(shareable& of, bool is_outermost) noexcept : of_(&of), is_outermost_(is_outermost) {}

  shareable* of_;
  bool is_outermost_;
};

}  // namespace shmark

#include "lib/shareable/shareable_impl.h"

// variable<T>: a T that outlives the program and that all processes see. The model is IPC::Shm.
//
//     auto domain = shmark::domain<>::open();
//     auto visits = domain->variable<int>("visits");
//     visits->update([](int& n) { ++n; });                     // atomic: all of it or nothing
//     std::printf("%d\n", **visits->read());
//
// T is whatever Boost.Serialization can save: numbers, strings, the standard containers (include
// boost/serialization/map.hpp and so on), types with serialize(); the compiler says so of others. A
// variable that nobody has written reads as T{}.
//
// Several operations under one lock:
//
//     {
//       auto change = visits->transact();                      // write lock
//       if (change->value() < 100) ++change->value();
//       change->commit();                                      // else nothing has happened
//     }
//     {
//       auto seen = visits->readlock();                        // nobody writes meanwhile
//       std::printf("%d %d\n", **seen, **seen);
//     }
//     **visits->writable() = 5;     // commits at its end, and stops the program if that fails
//
// Locks nest: who asks, by the same handle, for what the handle holds gets it at once, and it is
// released by the outermost. Reads and writes in between use what is held. A write lock asked for
// while the handle holds a read lock is an upgrade: with nobody in between, or refused.
//
// Each handle keeps a decoded copy, and the serial number that it was decoded under. A read whose
// serial is unchanged is a *hit*: one atomic load and one comparison. Otherwise it is a *miss*: the
// value is decoded again, under the shared lock.
//
// A value may hold references to other variables: see ref.h. Whoever has a variable open keeps it,
// if it is an unnamed one (domain.h).
//
// Process and thread safety: any number of processes; a handle is for one thread at a time. Give
// each thread, and each forked child, a copy() of its own. A child that asks by its parent's
// handle, while the parent holds a lock by it, is stopped: it holds nothing. It may, if it is an
// advisory lock that the parent holds, and reads what everybody sees.
//
// Kept copies: whoever holds a variable's advisory lock (lib/shareable does) has this handle keep
// its copy: that is what it then reads, whatever others publish, and, under an exclusive lock, what
// it writes, until all that was changed under the lock is published. update(), transact() and so on
// then take no lock. Under a shared lock they do, and what they commit is published at once, and is
// the copy from then on; what they do not commit leaves it as it was.
//
// What survives a crash: the value as of the last commit. A transaction that was cut short at any
// instruction leaves no trace (see store.h), but for counts that collect() sets right.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <expected>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/base/contained.h"
#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/codec/codec.h"
#include "lib/shm/backend.h"
#include "lib/shm/publication.h"
#include "lib/shm/ref.h"
#include "lib/shm/registry.h"
#include "lib/store/store.h"

namespace shmark {

namespace detail {

// Kept by all handles of a process to one mapping of a variable; lets go of it after the last: (4)
// in registry.h.
template <class Backend>
class lease {
 public:
  lease(home_of<Backend> home, const store_on<Backend>& of) noexcept
      : home_(std::move(home)), pin_(of) {}
  lease(const lease&) = delete;
  lease& operator=(const lease&) = delete;
  ~lease() {
    const std::uint64_t number = pin_.number();
    const std::uint64_t serial = serial_of(home_->word());
    const bool is_unnamed = pin_.is_unnamed();
    pin_.let_go();
    // Its name may have been taken away just before it was let go of.
    const bool is_same = serial_of(home_->word()) == serial;
    if (is_unnamed || !is_same) registry<Backend>::give_up(*home_, number);
  }

 private:
  home_of<Backend> home_;
  typename store_on<Backend>::pin pin_;
};

}  // namespace detail

// What works on a value in place: it returns nothing, or true if the value is to be published.
// Nothing that merely converts to bool: `[](int& n) { return n++; }` would not publish its first.
template <class F, class T>
concept change_of = std::invocable<F, T&> && (std::same_as<std::invoke_result_t<F, T&>, void> ||
                                              std::same_as<std::invoke_result_t<F, T&>, bool>);

template <class T, class Backend = default_backend>
class variable {
 public:
  using store_type = store_on<Backend>;
  using codec = typename Backend::codec;
  static_assert(!std::is_array_v<T>,
                "an array is no value: use std::string, std::array or a vector");
  static_assert(std::default_initializable<T>,
                "T needs a default constructor: what nobody has written reads as T{}");
  static_assert(shmark::codec<codec, T>);

  class reading;
  class transaction;
  class writing;

  // Users get variables from a domain; this is for those who bring a store of their own. Its value
  // holds no references. Throws what T{} throws.
  explicit variable(store_type bytes) noexcept(std::is_nothrow_default_constructible_v<T>)
      : store_(std::move(bytes)) {}
  // In the domain of this registry. Throws what T{} throws, and std::bad_alloc.
  variable(store_type bytes, detail::home_of<Backend> home)
      : home_(std::move(home)),
        lease_(std::make_shared<detail::lease<Backend>>(home_, bytes)),
        store_(std::move(bytes)) {}

  // Another handle, with a cache of its own.
  [[nodiscard]] std::expected<variable, error> copy() const {
    SHMARK_ASSIGN_OR_RETURN(auto bytes, store_.copy());
    return contained("copy", "a variable", [&]() -> std::expected<variable, error> {
      variable other(std::move(bytes));
      other.home_ = home_;
      other.lease_ = lease_;
      return other;
    });
  }

  // A reference to it, for a value of another variable of the same domain. Errors: no_space;
  // invalid, if it is in no domain.
  [[nodiscard]] std::expected<ref<T, Backend>, error> reference() const;

  // The value as of now. The pointer is good until the next call on this handle. Errors: those of
  // the lock (a hit takes none), corrupt, no_space, not_found if somebody has removed the variable.
  [[nodiscard]] std::expected<const T*, error> read(deadline until = deadline::never()) {
    if (store_.word() == word_) [[likely]] {
      ++hits_;
      return &copy_;
    }
    return fetch(until);
  }

  // Replaces the value, even one that fails its checksum. Errors: those of the lock, no_space,
  // invalid (T's assignment or serialize() threw, or it refers to a variable of another domain),
  // not_found (it, or what the value refers to, has been removed); the old value then stays.
  [[nodiscard]] std::expected<void, error> write(const T& value,
                                                 deadline until = deadline::never());

  // Takes the exclusive lock, lets `change` work on the value, publishes. `change` is called with a
  // T&, and returns nothing, or whether to publish. If it throws, nothing is published and the
  // exception goes on to the caller. Inside a transaction of the same handle it is that which
  // publishes: what `change` has done until it threw or returned false is then part of value(), as
  // what write() has assigned, and stays there unless the caller takes it back or commits nothing.
  // Errors: as write(), and corrupt.
  template <change_of<T> F>
  [[nodiscard]] std::expected<void, error> update(F&& change, deadline until = deadline::never());

  // The write lock: several operations, published by commit(). Errors: as read(); would_deadlock,
  // if this handle holds the read lock and another wants to upgrade, too, or another handle of this
  // thread holds either.
  [[nodiscard]] std::expected<transaction, error> transact(deadline until = deadline::never());
  // The same, published at its end; inside a transaction of the same handle, as an update() is.
  [[nodiscard]] std::expected<writing, error> writable(deadline until = deadline::never());
  // The read lock. Errors: as read().
  [[nodiscard]] std::expected<reading, error> readlock(deadline until = deadline::never());
  // How this handle holds the lock, if it does. A forked child's copy of it does not.
  [[nodiscard]] std::optional<mode> locked() const noexcept {
    if (kept_ && kept_->since_fork == fork_depth()) return kept_->how;
    if (since_fork_ != fork_depth()) return std::nullopt;
    if (exclusive_) return mode::exclusive;
    return shared_ ? std::optional(mode::shared) : std::nullopt;
  }

  // Calls `visit` with each key, and the value that belongs to it by then: the keys are those of
  // the beginning, values are read anew, and what was erased meanwhile is left out. T is a map.
  // Errors: as read().
  template <class F>
  [[nodiscard]] std::expected<void, error> each(F&& visit, deadline until = deadline::never());

  // How long reads go on using this handle's copy once it was decoded, whatever others write: for
  // values that may be somewhat old. Locks are not concerned. 0, to begin with: never.
  void set_dwell(std::chrono::nanoseconds dwell) noexcept { dwell_ns_ = dwell.count(); }
  // Whether each commit is read back and decoded once more. It then returns corrupt if that fails.
  void set_verify(bool verify) noexcept { verify_ = verify; }

  // Of the value in this handle's copy, or, in a transaction, of what it began with; 0 if there is
  // none.
  [[nodiscard]] std::uint64_t serial() const noexcept {
    return detail::serial_of(exclusive_ ? exclusive_->word() : word_);
  }
  // How many reads and transactions of this handle found its copy up to date, and how many did not.
  [[nodiscard]] std::uint64_t hits() const noexcept { return hits_; }
  [[nodiscard]] std::uint64_t misses() const noexcept { return misses_; }

  // By which its domain knows it.
  [[nodiscard]] std::uint64_t number() const noexcept { return store_.key().number; }
  // For store_options::company.
  [[nodiscard]] std::uint64_t company() const noexcept { return store_.company(); }
  // Sizes and counts of the store below. Errors: as read().
  [[nodiscard]] std::expected<typename store_type::statistics, error> stats() {
    refuse_forked();
    if (exclusive_) return store_.stats_of(*exclusive_);
    return shared_ ? store_.stats_of(*shared_) : store_.stats();
  }

 private:
  static constexpr std::uint64_t no_copy = 0;  // no store has this word: serials begin at 1

  // Errors: what T throws.
  template <class Assignment>
  static std::expected<void, error> assign(const Assignment& assignment) noexcept {
    return contained("copy", "a variable's value", [&]() -> std::expected<void, error> {
      assignment();
      return {};
    });
  }
  [[gnu::noinline]] std::expected<const T*, error> fetch(deadline until);
  std::expected<void, error> decode(std::span<const std::byte> bytes, std::uint64_t word);

  // Brings the copy up to date, once the lock is held. Errors: as read().
  template <class Held>
  std::expected<void, error> refresh(const Held& by);
  // The write lock, without asking what the value is. Errors: as transact().
  std::expected<transaction, error> begin(deadline until);
  // `goes_on`: more may be changed after. `until`: for the registry's lock, if the value has
  // references.
  std::expected<void, error> commit(bool goes_on, deadline until = deadline::never());
  // Writes the value to the transaction's output, and what it refers to into published_. Errors: as
  // commit().
  std::expected<void, error> encode(const T& value);
  // Publishes what was encoded, which refers to these: (2) in registry.h. Errors: as commit().
  std::expected<void, error> publish(const detail::targets<Backend>& now, deadline until);
  std::expected<void, error> read_back();
  // After publishing: opens what copy_ refers to by handles of somebody else's. Two handles whose
  // copies hold each other would never end.
  void open_own() noexcept;
  // For forked children, which do not hold what their parents held when they were forked.
  void refuse_forked() const noexcept {
    const bool is_held = exclusive_ || shared_;
    SHMARK_CHECK(!is_held || since_fork_ == fork_depth(),
                 "a forked child uses the handle by which its parent holds a lock: copy() it");
  }
  void end_transaction() noexcept;
  void end_reading() noexcept;
  void give_up_forsaken() noexcept;

  // Keeps the copy, brought up to date; or changes how. Errors: as read(); would_deadlock, if this
  // handle holds the variable's own lock.
  std::expected<void, error> keep(mode how, deadline until);
  // Brings the copy up to date, or leaves it as it is. Errors: as read().
  std::expected<void, error> replace(const typename store_type::snapshot& by);
  // What was changed and not published is dropped.
  void let_go() noexcept;
  // A forked child keeps nothing of what its parent does.
  void let_go_of_parents() noexcept {
    if (kept_ && kept_->since_fork != fork_depth()) [[unlikely]]
      let_go();
  }
  [[nodiscard]] bool keeps(mode how) const noexcept { return kept_ && kept_->how == how; }
  // A transaction on the kept copy. Errors: invalid (it cannot be copied), no_space.
  std::expected<transaction, error> begin_kept();
  std::expected<void, error> commit_kept(bool goes_on);
  std::expected<void, error> back_up();
  void go_back() noexcept;
  [[nodiscard]] bool holds_own_lock() const noexcept {
    return (exclusive_ || shared_) && since_fork_ == fork_depth();
  }
  // Takes the variable's own lock, with the new value written and added to what is published. Until
  // end_publishing(). Errors: those of the lock, and as commit().
  std::expected<void, error> begin_publishing(detail::publication<Backend>& in, deadline until);
  void end_publishing(bool is_published) noexcept;
  void forget() noexcept;
  // A handle to the store's advisory lock. Errors: as store::advisory_lock().
  std::expected<typename Backend::lock*, error> advisory_lock();
  // Where the family enforces advisory locks: keeps others from taking it while this writes.
  // Errors: would_block, if somebody holds it.
  std::expected<void, error> take_fence();
  void leave_fence() noexcept;

  // For publishing references: a handle to the registry's store. Errors: invalid, no_space.
  std::expected<store_type*, error> registry();
  [[nodiscard]] store_key key_of(std::uint64_t number) const noexcept {
    return store_.key().sibling(number);
  }
  friend class detail::target_of<T, Backend>;
  friend class detail::registry<Backend>;

  std::shared_ptr<detail::family<Backend>> family_;  // null: there is none
  detail::home_of<Backend> home_;                    // null: in no domain
  std::shared_ptr<detail::lease<Backend>> lease_;    // ends after store_, which has it mapped, too
  store_type store_;
  std::optional<store_type> registry_;  // once it was needed
  detail::targets<Backend> targets_;    // what copy_ refers to, or did last
  T copy_{};
  std::uint64_t word_ = no_copy;  // under which copy_ was decoded or written
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
  std::uint64_t touches_ = 0;  // how often copy_ may have become another

  // What is held, and how often by whom.
  std::optional<typename store_type::snapshot> shared_;
  std::optional<typename store_type::transaction> exclusive_;
  std::uint32_t readings_ = 0;
  std::uint32_t transactions_ = 0;
  std::uint32_t since_fork_ = fork_depth();         // when it was taken
  bool changed_ = false;                            // since the last commit, copy_ may have been
  std::vector<std::uint64_t> forsaken_;             // to be given up once the lock is released
  std::optional<typename Backend::lock> advisory_;  // once it was needed
  bool is_fenced_ = false;                          // it is held for the time of a write

  struct keeping {
    mode how;
    std::uint32_t since_fork = fork_depth();
    bool is_changed = false;  // the copy is not what was published
    // What the end of a transaction goes back to.
    std::optional<T> before{};
    detail::targets<Backend> targets_before{};
    std::uint64_t word_before = no_copy;
  };
  std::optional<keeping> kept_;
  detail::targets<Backend> published_;  // what a copy that is being published refers to

  std::int64_t dwell_ns_ = 0;
  std::int64_t decoded_ns_ = 0;  // when, if there is a dwell
  bool verify_ = false;
};

// The write lock is held as long as this lives; what was not committed is dropped at its end, or,
// of one inside another, at the end of the outermost. Requires: the variable outlives it, and is
// not moved meanwhile.
template <class T, class Backend>
class variable<T, Backend>::transaction {
 public:
  transaction(transaction&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  transaction& operator=(transaction&&) = delete;
  ~transaction() {
    if (of_ != nullptr) of_->end_transaction();
  }

  // The value, to be read and changed. It is this process's own until commit(); ask again after
  // that, since only then is it known that the copy may differ from what everybody sees.
  [[nodiscard]] T& value() noexcept {
    of_->changed_ = true;
    ++of_->touches_;
    of_->word_ = no_copy;  // for a forked child, too: it must not take it for what everybody sees
    return of_->copy_;
  }

  // Publishes value(). The lock is still held; more may follow. Errors: no_space, invalid (the
  // value's serialize() threw, or the codec does not take it), not_found (it refers to a variable
  // that has been removed); nothing is published then.
  [[nodiscard]] std::expected<void, error> commit() { return of_->commit(true); }

  // Removes the variable's store, before anybody else gets the lock: for what its contents decide.
  // The transaction is of no use after. Errors: denied; invalid, if it is in a domain, which has to
  // know.
  [[nodiscard]] std::expected<void, error> remove() {
    if (of_->home_ != nullptr) {
      return failure(errc::invalid, "remove", of_->store_.key().text(),
                     because{"it is in a domain"}, "remove it by its name");
    }
    of_->changed_ = true;
    return of_->exclusive_->remove();
  }

 private:
  friend class variable;
  // Requires: the lock is held, and this counted.
  explicit transaction(variable& of) noexcept : of_(&of) {}

  variable* of_;
};

// The same, whose end commits, unless an exception ends it. A program is stopped whose last commit
// fails there: call commit() to be told. The end of one inside another leaves it to that, which may
// be a transaction that nobody commits.
template <class T, class Backend>
class variable<T, Backend>::writing {
 public:
  writing(writing&&) noexcept = default;
  writing& operator=(writing&&) = delete;
  ~writing() {
    if (by_.of_ == nullptr || !by_.of_->changed_ || std::uncaught_exceptions() > exceptions_)
      return;
    if (by_.of_->transactions_ > 1) return;
    const auto done = commit();
    SHMARK_CHECK(done, ("what was written could not be published, and nobody called commit() to be "
                        "told: " +
                        done.error().message())
                           .c_str());
  }

  [[nodiscard]] T& operator*() noexcept { return by_.value(); }
  [[nodiscard]] T* operator->() noexcept { return &by_.value(); }
  // Errors: those of transaction::commit().
  [[nodiscard]] std::expected<void, error> commit() { return by_.commit(); }

 private:
  friend class variable;
  explicit writing(transaction by) noexcept : by_(std::move(by)) {}

  transaction by_;
  int exceptions_ = std::uncaught_exceptions();
};

// The read lock is held as long as this lives. Requires: as a transaction.
template <class T, class Backend>
class variable<T, Backend>::reading {
 public:
  reading(reading&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  reading& operator=(reading&&) = delete;
  ~reading() {
    if (of_ != nullptr) of_->end_reading();
  }

  [[nodiscard]] const T& operator*() const noexcept { return of_->copy_; }
  [[nodiscard]] const T* operator->() const noexcept { return &of_->copy_; }

 private:
  friend class variable;
  explicit reading(variable& of) noexcept : of_(&of) {}

  variable* of_;
};

}  // namespace shmark

#include "lib/shm/variable_impl.h"

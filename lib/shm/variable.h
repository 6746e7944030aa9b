// variable<T>: a T that outlives the program and that all processes see. The model is IPC::Shm.
//
//     auto domain = shmark::domain<>::open();
//     auto visits = domain->variable<int>("visits");
//     visits->update([](int& n) { ++n; });                     // atomic: all of it or nothing
//     std::printf("%d\n", **visits->read());
//
// T is whatever Boost.Serialization can save: numbers, strings, the standard containers (include
// boost/serialization/map.hpp and so on), types with serialize(). A variable that nobody has
// written reads as T{}.
//
// Each handle keeps a decoded copy, and the serial number that it was decoded under. A read whose
// serial is unchanged is a *hit*: one atomic load and one comparison. Otherwise it is a *miss*: the
// value is decoded again, under the shared lock.
//
// A value may hold references to other variables: see ref.h. Whoever has a variable open keeps it,
// if it is an unnamed one (domain.h).
//
// Process and thread safety: any number of processes; a handle is for one thread at a time. Give
// each thread, and each forked child, a copy() of its own.
//
// What survives a crash: the value as of the last commit. A transaction that was cut short at any
// instruction leaves no trace (see store.h), but for counts that collect() sets right.
#pragma once

#include <concepts>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "lib/base/contained.h"
#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/codec/codec.h"
#include "lib/shm/backend.h"
#include "lib/shm/ref.h"
#include "lib/shm/registry.h"
#include "lib/store/store.h"

namespace shmark {

namespace detail {

// Kept by all handles of a process to one mapping of a variable; lets go of it after the last.
template <class Backend>
class lease {
 public:
  lease(home_of<Backend> home, const store_on<Backend>& of) noexcept
      : home_(std::move(home)), pin_(of) {}
  lease(const lease&) = delete;
  lease& operator=(const lease&) = delete;
  ~lease() {
    const std::uint64_t number = pin_.number();
    const bool is_unnamed = pin_.is_unnamed();
    pin_.let_go();
    if (is_unnamed) registry<Backend>::give_up(*home_, number);
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
  static_assert(std::default_initializable<T>, "what nobody has written reads as T{}");
  static_assert(shmark::codec<codec, T>);

  class transaction;

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
  // exception goes on to the caller. Errors: as write(), and corrupt.
  template <change_of<T> F>
  [[nodiscard]] std::expected<void, error> update(F&& change, deadline until = deadline::never());

  // Several operations under one exclusive lock, published by commit(). Errors: as read().
  [[nodiscard]] std::expected<transaction, error> transact(deadline until = deadline::never());

  // Of the value in this handle's copy; 0 if it has none.
  [[nodiscard]] std::uint64_t serial() const noexcept { return detail::serial_of(word_); }
  // How many reads and transactions of this handle found its copy up to date, and how many did not.
  [[nodiscard]] std::uint64_t hits() const noexcept { return hits_; }
  [[nodiscard]] std::uint64_t misses() const noexcept { return misses_; }

  // By which its domain knows it.
  [[nodiscard]] std::uint64_t number() const noexcept { return store_.key().number; }
  // For store_options::company.
  [[nodiscard]] std::uint64_t company() const noexcept { return store_.company(); }
  // Sizes and counts of the store below.
  [[nodiscard]] std::expected<typename store_type::statistics, error> stats() {
    return store_.stats();
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

  // For publishing references: a handle to the registry's store. Errors: invalid, no_space.
  std::expected<store_type*, error> registry();
  [[nodiscard]] segment_key key_of(std::uint64_t number) const noexcept {
    return {store_.key().space, number};
  }
  friend class detail::target_of<T, Backend>;
  friend class detail::registry<Backend>;

  detail::home_of<Backend> home_;                  // null: in no domain
  std::shared_ptr<detail::lease<Backend>> lease_;  // ends after store_, which has it mapped, too
  store_type store_;
  std::optional<store_type> registry_;  // once it was needed
  detail::targets<Backend> targets_;    // what copy_ refers to, or did last
  T copy_{};
  std::uint64_t word_ = no_copy;  // under which copy_ was decoded or written
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

// The exclusive lock is held as long as this lives; what was not committed is dropped at its end.
// Requires: the variable outlives it, and is not used otherwise meanwhile.
template <class T, class Backend>
class variable<T, Backend>::transaction {
 public:
  transaction(transaction&& other) noexcept
      : of_(std::exchange(other.of_, nullptr)),
        change_(std::move(other.change_)),
        forsaken_(std::move(other.forsaken_)),
        published_(other.published_) {}
  transaction& operator=(transaction&&) = delete;
  ~transaction() {
    if (of_ == nullptr) return;
    // The copy may have been changed since the last commit; it must not be taken for the value.
    if (!published_) of_->word_ = no_copy;
    change_.reset();
    for (const auto number : forsaken_) detail::registry<Backend>::give_up(*of_->home_, number);
  }

  // The value, to be read and changed. It is this process's own until commit(); ask again after
  // that, since only then is it known that the copy may differ from what everybody sees.
  [[nodiscard]] T& value() noexcept {
    published_ = false;
    return of_->copy_;
  }

  // Publishes value(). The lock is still held; more may follow. Errors: no_space, invalid (the
  // value's serialize() threw, or the codec does not take it), not_found (it refers to a variable
  // that has been removed); nothing is published then.
  [[nodiscard]] std::expected<void, error> commit();

  // Removes the variable's store, before anybody else gets the lock: for what its contents decide.
  // The transaction is of no use after. Errors: denied.
  [[nodiscard]] std::expected<void, error> remove() {
    published_ = false;
    return change_->remove();
  }

 private:
  friend class variable;
  using target = detail::target<Backend>;
  transaction(variable& of, typename store_type::transaction change) noexcept
      : of_(&of), change_(std::move(change)) {}
  // Publishes what was encoded, which refers to these: (2) in registry.h. Errors: as commit().
  std::expected<void, error> publish(const detail::targets<Backend>& now);

  variable* of_;
  std::optional<typename store_type::transaction> change_;
  std::vector<std::uint64_t> forsaken_;  // to be given up once the lock is released
  bool published_ = true;                // the copy is what everybody sees
};

}  // namespace shmark

#include "lib/shm/variable_impl.h"

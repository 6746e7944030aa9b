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
// Process and thread safety: any number of processes; a handle is for one thread at a time. Give
// each thread, and each forked child, a copy() of its own.
//
// What survives a crash: the value as of the last commit. A transaction that was cut short at any
// instruction leaves no trace (see store.h).
#pragma once

#include <concepts>
#include <cstdint>
#include <expected>
#include <type_traits>
#include <utility>

#include "lib/base/contained.h"
#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/codec/codec.h"
#include "lib/codec/direct.h"
#include "lib/lock/robust_rw.h"
#include "lib/segment/posix.h"
#include "lib/store/store.h"

namespace shmark {

// What variables stand on. Another backend is another struct like this one.
struct default_backend {
  using segment = posix_segment;
  using lock = robust_rw;
  using codec = direct;
};

// What works on a value in place: it returns nothing, or true if the value is to be published.
// Nothing that merely converts to bool: `[](int& n) { return n++; }` would not publish its first.
template <class F, class T>
concept change_of = std::invocable<F, T&> && (std::same_as<std::invoke_result_t<F, T&>, void> ||
                                              std::same_as<std::invoke_result_t<F, T&>, bool>);

template <std::default_initializable T, class Backend = default_backend>
class variable {
 public:
  using store_type = store<typename Backend::segment, typename Backend::lock>;
  using codec = typename Backend::codec;
  static_assert(shmark::codec<codec, T>);

  class transaction;

  // Users get variables from a domain; this is for those who bring a store of their own.
  // Throws what T{} throws.
  explicit variable(store_type bytes) noexcept(std::is_nothrow_default_constructible_v<T>)
      : store_(std::move(bytes)) {}

  // Another handle, with a cache of its own.
  [[nodiscard]] std::expected<variable, error> copy() const {
    SHMARK_ASSIGN_OR_RETURN(auto bytes, store_.copy());
    return contained("copy", "a variable", [&]() -> std::expected<variable, error> {
      return variable(std::move(bytes));
    });
  }

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
  // invalid (T's assignment or serialize() threw), not_found; the old value then stays.
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

  store_type store_;
  T copy_{};
  std::uint64_t word_ = no_copy;  // under which copy_ was decoded or written
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

// The exclusive lock is held as long as this lives; what was not committed is dropped at its end.
// Requires: the variable outlives it, and is not used otherwise meanwhile.
template <std::default_initializable T, class Backend>
class variable<T, Backend>::transaction {
 public:
  transaction(transaction&& other) noexcept
      : of_(std::exchange(other.of_, nullptr)),
        change_(std::move(other.change_)),
        published_(other.published_) {}
  transaction& operator=(transaction&&) = delete;
  ~transaction() {
    // The copy may have been changed since the last commit; it must not be taken for the value.
    if (of_ != nullptr && !published_) of_->word_ = no_copy;
  }

  // The value, to be read and changed. It is this process's own until commit(); ask again after
  // that, since only then is it known that the copy may differ from what everybody sees.
  [[nodiscard]] T& value() noexcept {
    published_ = false;
    return of_->copy_;
  }

  // Publishes value(). The lock is still held; more may follow. Errors: no_space, invalid (the
  // value's serialize() threw, or the codec does not take it); nothing is published then.
  [[nodiscard]] std::expected<void, error> commit() {
    sink& to = change_.output();
    to.clear();
    SHMARK_RETURN_IF_ERROR(encode_into(to));
    SHMARK_RETURN_IF_ERROR(change_.commit());
    of_->word_ = change_.word();
    published_ = true;
    return {};
  }

  // Removes the variable's store, before anybody else gets the lock: for what its contents decide.
  // The transaction is of no use after. Errors: denied.
  [[nodiscard]] std::expected<void, error> remove() {
    published_ = false;
    return change_.remove();
  }

 private:
  friend class variable;
  transaction(variable& of, typename store_type::transaction change) noexcept
      : of_(&of), change_(std::move(change)) {}
  std::expected<void, error> encode_into(sink& to) {
    auto done = codec::encode(of_->copy_, to);
    // A sink that is full says so at commit, which also makes it usable again.
    if (!done && !to.failure()) return done;
    return {};
  }

  variable* of_;
  typename store_type::transaction change_;
  bool published_ = true;  // the copy is what everybody sees
};

template <std::default_initializable T, class Backend>
std::expected<void, error> variable<T, Backend>::decode(std::span<const std::byte> bytes,
                                                        std::uint64_t word) {
  ++misses_;
  word_ = no_copy;  // should decoding fail, the copy is half of something
  if (bytes.empty()) {
    SHMARK_RETURN_IF_ERROR(assign([this] { copy_ = T{}; }));
  } else {
    SHMARK_RETURN_IF_ERROR(codec::decode(bytes, copy_));
  }
  word_ = word;
  return {};
}

template <std::default_initializable T, class Backend>
std::expected<const T*, error> variable<T, Backend>::fetch(deadline until) {
  SHMARK_ASSIGN_OR_RETURN(const auto now, store_.read(until));
  // A writer may have come and gone without committing.
  if (now.word() == word_) {
    ++hits_;
  } else {
    SHMARK_RETURN_IF_ERROR(decode(now.bytes(), now.word()));
  }
  return &copy_;
}

template <std::default_initializable T, class Backend>
auto variable<T, Backend>::transact(deadline until) -> std::expected<transaction, error> {
  SHMARK_ASSIGN_OR_RETURN(auto change, store_.write(until));
  if (change.word() == word_) {
    ++hits_;
  } else {
    SHMARK_RETURN_IF_ERROR(change.verify());
    SHMARK_RETURN_IF_ERROR(decode(change.bytes(), change.word()));
  }
  return transaction(*this, std::move(change));
}

template <std::default_initializable T, class Backend>
std::expected<void, error> variable<T, Backend>::write(const T& value, deadline until) {
  SHMARK_ASSIGN_OR_RETURN(auto change, store_.write(until));
  transaction whole(*this, std::move(change));  // without decoding what is replaced anyway
  T& copy = whole.value();
  SHMARK_RETURN_IF_ERROR(assign([&copy, &value] { copy = value; }));
  return whole.commit();
}

template <std::default_initializable T, class Backend>
template <change_of<T> F>
std::expected<void, error> variable<T, Backend>::update(F&& change, deadline until) {
  SHMARK_ASSIGN_OR_RETURN(auto whole, transact(until));
  if constexpr (std::is_void_v<std::invoke_result_t<F, T&>>) {
    std::forward<F>(change)(whole.value());
  } else {
    if (!std::forward<F>(change)(whole.value())) return {};
  }
  return whole.commit();
}

}  // namespace shmark

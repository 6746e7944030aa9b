// ref<T>: a reference to a variable, to be kept inside the value of another.
//
//     struct node {
//       int value = 0;
//       shmark::ref<node> next;
//       template <class Archive>
//       void serialize(Archive& archive, unsigned) { archive & value & next; }
//     };
//     auto head = domain->variable<node>("head");
//     auto tail = domain->make_ref(node{.value = 2});
//     head->write({.value = 1, .next = *tail});
//     const node* first = *head->read();
//     std::printf("%d\n", (*first->next->read())->value);          // 2
//
// Copies of a reference mean the same variable, whoever holds them and in however many values they
// stand: what is written through one is read through all. It keeps its variable: as long as a value
// refers to it, or a process has a reference to it, it is there.
//
// Cycles keep themselves, until domain::collect() finds that nothing else does. In a process, they
// keep nothing: what a value refers to is open as long as its handle or a copy of the reference is.
//
// Each variable that a value refers to is mapped while it is decoded; Linux gives a process 65,530
// mappings, unless vm.max_map_count says otherwise, and so a value about as many references.
//
// Process and thread safety: that of a variable's handle, which all copies of a reference that come
// from the same read() share: one thread at a time. In a forked child, read the value anew.
//
// What survives a crash: the values that refer, and what they refer to (D1 to D7 in registry.h).
#pragma once

#include <algorithm>
#include <boost/mpl/int.hpp>
#include <boost/mpl/integral_c_tag.hpp>
#include <boost/serialization/level.hpp>
#include <boost/serialization/tracking.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <typeinfo>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/codec/border.h"
#include "lib/lock/lock.h"
#include "lib/shm/registry.h"

namespace shmark {

template <class T, class Backend>
class ref;

namespace detail {

template <class Backend>
class publication;
template <class Backend>
class target;

// By number: no value has two handles to the same.
template <class Backend>
using targets = std::map<std::uint64_t, std::shared_ptr<target<Backend>>>;

// The handles by which one user of lib/shareable reaches variables: one for each, however many
// values refer to it. So what is changed under a lock is the same by whichever way one comes to it.
template <class Backend>
class family {
 public:
  bool enforces = false;  // writes are refused where somebody else holds the advisory lock
  std::uint64_t refused_writes = 0;

  // Null: there is none, or none any more.
  [[nodiscard]] std::shared_ptr<target<Backend>> find(std::uint64_t number) const noexcept {
    const auto found = members_.find(number);
    return found == members_.end() ? nullptr : found->second.lock();
  }
  // Has this one as a member; of what is another family's, a copy. Which it is. Errors: those of
  // copying. Throws std::bad_alloc.
  [[nodiscard]] static std::expected<std::shared_ptr<target<Backend>>, error> adopt(
      const std::shared_ptr<family>& in, std::shared_ptr<target<Backend>> it) {
    if (it->is_in_another(in)) {
      SHMARK_ASSIGN_OR_RETURN(it, it->copy());
    }
    it->join(in);
    in->add(it->number(), it);
    return it;
  }
  // In place of what was there. Throws std::bad_alloc.
  void add(std::uint64_t number, const std::shared_ptr<target<Backend>>& it) {
    if (members_.size() >= room_) {  // those that have gone take as much memory as the others
      std::erase_if(members_, [](const auto& one) { return one.second.expired(); });
      room_ = 2 * members_.size() + 16;
    }
    members_.insert_or_assign(number, it);
  }
  // Whether one is so.
  template <class Predicate>
  [[nodiscard]] bool any(const Predicate& is_so) const {
    return std::ranges::any_of(members_, [&is_so](const auto& one) {
      const auto it = one.second.lock();
      return it != nullptr && is_so(*it);
    });
  }
  // Throws std::bad_alloc.
  [[nodiscard]] std::vector<std::shared_ptr<target<Backend>>> all() const {
    std::vector<std::shared_ptr<target<Backend>>> those;
    for (const auto& [number, member] : members_) {
      if (auto it = member.lock()) those.push_back(std::move(it));
    }
    return those;
  }

 private:
  std::map<std::uint64_t, std::weak_ptr<target<Backend>>> members_;  // by number
  std::size_t room_ = 16;
};

// A variable that is open because somebody refers to it.
template <class Backend>
class target {
 public:
  target() = default;
  target(const target&) = delete;
  target& operator=(const target&) = delete;
  virtual ~target() = default;
  // Of its store: the key, whether it has been removed, and the count.
  [[nodiscard]] virtual std::uint64_t number() const noexcept = 0;
  [[nodiscard]] virtual short_text space() const noexcept = 0;
  [[nodiscard]] virtual bool is_gone() const noexcept = 0;
  virtual void add_referrer() noexcept = 0;

  // For lib/shareable; see "Kept copies" in variable.h.
  virtual void join(const std::shared_ptr<family<Backend>>& in) noexcept = 0;
  [[nodiscard]] virtual bool is_in_another(
      const std::shared_ptr<family<Backend>>& than) const noexcept = 0;
  // Another handle to it, in no family. Errors: as variable::copy().
  [[nodiscard]] virtual std::expected<std::shared_ptr<target>, error> copy() const = 0;
  // Reads the value; what it refers to. Errors: as variable::read().
  [[nodiscard]] virtual std::expected<const targets<Backend>*, error> read_references(
      deadline until) = 0;
  [[nodiscard]] virtual std::expected<typename Backend::lock*, error> advisory_lock() = 0;
  [[nodiscard]] virtual std::expected<void, error> keep(mode how, deadline until) = 0;
  virtual void keep_as(mode how) noexcept = 0;
  virtual void let_go() noexcept = 0;
  // Whether its handle holds the variable's own lock; and whether it has begun a transaction.
  [[nodiscard]] virtual bool holds_own_lock() const noexcept = 0;
  [[nodiscard]] virtual bool is_in_transaction() const noexcept = 0;
  [[nodiscard]] virtual bool is_changed() const noexcept = 0;
  [[nodiscard]] virtual std::expected<void, error> begin_publishing(publication<Backend>& in,
                                                                    deadline until) = 0;
  virtual void end_publishing(bool is_published) noexcept = 0;
  // Lets go of what its copy refers to.
  virtual void forget() noexcept = 0;

  // What a shared_ptr to one does at its end. One after the other, also with those that only the
  // copy of another kept: a list is longer than a stack is deep.
  static void end(target* it) noexcept {
    static constinit thread_local target* ended = nullptr;
    static constinit thread_local bool is_ending = false;
    it->next_ = std::exchange(ended, it);
    if (std::exchange(is_ending, true)) return;
    while (ended != nullptr) {
      const std::unique_ptr<target> next(std::exchange(ended, ended->next_));
    }
    is_ending = false;
  }

 private:
  target* next_ = nullptr;  // to be ended
};

template <class T, class Backend>
class target_of;

// What references ask for while a value is encoded or decoded: the variable that does so, in this
// thread, sets one up around the codec.
template <class Backend>
class reference_scope {
 public:
  // `home` null: there is no domain, and references are refused. `before`: what the value at hand
  // refers to. `in`: whose handles to use; null: there is no family.
  reference_scope(home_of<Backend> home, std::shared_ptr<family<Backend>> in,
                  targets<Backend>& before) noexcept
      : home_(std::move(home)),
        family_(std::move(in)),
        before_(before),
        outer_(std::exchange(current, this)) {}
  reference_scope(const reference_scope&) = delete;
  reference_scope& operator=(const reference_scope&) = delete;
  ~reference_scope() { current = outer_; }

  // Encoding met a reference; in a family, whose handle that is to be from now on. Throws refusal.
  [[nodiscard]] std::shared_ptr<target<Backend>> meet(const std::shared_ptr<target<Backend>>& to);
  // Decoding met one. Throws refusal.
  template <class T>
  [[nodiscard]] std::shared_ptr<target_of<T, Backend>> resolve(std::uint64_t number);

  // What was met. The rest of what the value referred to is let go of by the caller, when it holds
  // no lock of the registry.
  [[nodiscard]] targets<Backend>& met() noexcept { return met_; }

  // Throws refusal.
  [[nodiscard]] static reference_scope& here();

 private:
  static inline thread_local reference_scope* current = nullptr;

  // One that is open already.
  template <class T>
  [[nodiscard]] std::shared_ptr<target_of<T, Backend>> find(std::uint64_t number) const;

  home_of<Backend> home_;
  std::shared_ptr<family<Backend>> family_;
  targets<Backend>& before_;
  targets<Backend> met_;
  reference_scope* outer_;
};

// What a reference consists of.
struct reference_to {
  template <class T, class Backend>
  [[nodiscard]] static ref<T, Backend> made(std::shared_ptr<target_of<T, Backend>> to) noexcept {
    return ref<T, Backend>(std::move(to));
  }
  template <class T, class Backend>
  [[nodiscard]] static const std::shared_ptr<target_of<T, Backend>>& in(
      const ref<T, Backend>& of) noexcept {
    return of.to_;
  }
};

}  // namespace detail

template <class T, class Backend = default_backend>
class ref {
 public:
  // Refers to nothing.
  ref() noexcept = default;

  explicit operator bool() const noexcept { return to_ != nullptr; }
  // Requires: it refers to something.
  [[nodiscard]] variable<T, Backend>& operator*() const noexcept;
  [[nodiscard]] variable<T, Backend>* operator->() const noexcept { return &**this; }

  // Whether both refer to the same variable, or to none.
  friend bool operator==(const ref& one, const ref& other) noexcept {
    return one.number() == other.number();
  }

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    if constexpr (Archive::is_saving::value) {
      const std::uint64_t to = number();
      if (to != 0) meet();
      archive & to;
    } else {
      std::uint64_t to = 0;
      archive & to;
      to_ = to == 0 ? nullptr : detail::reference_scope<Backend>::here().template resolve<T>(to);
    }
  }

 private:
  friend class variable<T, Backend>;
  friend struct detail::reference_to;
  explicit ref(std::shared_ptr<detail::target_of<T, Backend>> to) noexcept : to_(std::move(to)) {}
  [[nodiscard]] std::uint64_t number() const noexcept;
  void meet();

  std::shared_ptr<detail::target_of<T, Backend>> to_;
};

}  // namespace shmark

// References are saved as plain members: no class information, no tracking of their addresses.
namespace boost::serialization {
template <class T, class Backend>
struct implementation_level<shmark::ref<T, Backend>> {
  using tag = mpl::integral_c_tag;
  using type = mpl::int_<object_serializable>;
  static constexpr int value = type::value;
};
template <class T, class Backend>
struct tracking_level<shmark::ref<T, Backend>> {
  using tag = mpl::integral_c_tag;
  using type = mpl::int_<track_never>;
  static constexpr int value = type::value;
};
}  // namespace boost::serialization

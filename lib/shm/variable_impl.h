// How variable.h and ref.h do it. Included by variable.h alone.
#pragma once

#include <algorithm>

#include "lib/base/hash.h"

namespace shmark {

namespace detail {

// What a store says of the type that it holds.
template <class T>
[[nodiscard]] std::uint64_t tag_of() noexcept {
  static const std::uint64_t tag = fnv1a(typeid(T).name());
  return tag;
}

template <class T, class Backend>
class target_of final : public target<Backend> {
 public:
  explicit target_of(variable<T, Backend> its) : it(std::move(its)) {}
  [[nodiscard]] std::uint64_t number() const noexcept override { return it.number(); }
  [[nodiscard]] short_text space() const noexcept override { return it.store_.key().space; }
  [[nodiscard]] bool is_gone() const noexcept override { return it.store_.is_gone(); }
  void add_referrer() noexcept override { it.store_.add_referrer(); }

  variable<T, Backend> it;
};

template <class T, class Backend>
std::shared_ptr<target_of<T, Backend>> target_to(variable<T, Backend> its) {
  const auto end = [](target<Backend>* it) noexcept { target<Backend>::end(it); };
  return std::shared_ptr<target_of<T, Backend>>(new target_of<T, Backend>(std::move(its)), end);
}

template <class Backend>
reference_scope<Backend>& reference_scope<Backend>::here() {
  if (current == nullptr || current->home_ == nullptr) {
    throw refusal({errc::invalid, 0, "store", "a reference",
                   "keep it in the value of a variable of a domain"});
  }
  return *current;
}

template <class Backend>
void reference_scope<Backend>::meet(const std::shared_ptr<target<Backend>>& to) {
  if (to->space().view() != home_->key().space.view()) {
    throw refusal({errc::invalid, 0, "store reference to", to->space(),
                   "refer to variables of the same domain", "it is another domain's variable"});
  }
  met_.emplace(to->number(), to);
}

template <class Backend>
template <class T>
std::shared_ptr<target_of<T, Backend>> reference_scope<Backend>::resolve(std::uint64_t number) {
  using wanted = target_of<T, Backend>;
  for (const auto* known : {&met_, &before_}) {
    const auto found = known->find(number);
    if (found == known->end()) continue;
    if (auto it = std::dynamic_pointer_cast<wanted>(found->second)) {
      met_.insert(*found);
      return it;
    }
  }
  const segment_key key{home_->key().space, number};
  auto bytes = store_on<Backend>::attach(key);
  if (!bytes) throw refusal(bytes.error());
  if (bytes->tag() != tag_of<T>()) {
    throw refusal(
        {errc::mismatch, 0, "open reference", key.text(), "", "the variable is of another type"});
  }
  auto it = target_to(variable<T, Backend>(*std::move(bytes), home_));
  met_.insert_or_assign(number, it);
  return it;
}

}  // namespace detail

// --- References.

template <class T, class Backend>
variable<T, Backend>& ref<T, Backend>::operator*() const noexcept {
  SHMARK_CHECK(to_ != nullptr, "used a reference that refers to nothing");
  return to_->it;
}

template <class T, class Backend>
std::uint64_t ref<T, Backend>::number() const noexcept {
  return to_ == nullptr ? 0 : to_->number();
}

template <class T, class Backend>
void ref<T, Backend>::meet() const {
  detail::reference_scope<Backend>::here().meet(to_);
}

template <class T, class Backend>
auto variable<T, Backend>::reference() const -> std::expected<ref<T, Backend>, error> {
  if (home_ == nullptr) {
    return failure(errc::invalid, "refer to", "a variable", because{"it is in no domain"});
  }
  SHMARK_ASSIGN_OR_RETURN(auto own, copy());
  return contained("refer to", "a variable", [&]() -> std::expected<ref<T, Backend>, error> {
    return ref<T, Backend>(detail::target_to(std::move(own)));
  });
}

// --- Reading.

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::decode(std::span<const std::byte> bytes,
                                                        std::uint64_t word) {
  ++misses_;
  word_ = no_copy;  // should decoding fail, the copy is half of something
  if (dwell_ns_ != 0) decoded_ns_ = monotonic_ns();
  if (bytes.empty()) {
    SHMARK_RETURN_IF_ERROR(assign([this] { copy_ = T{}; }));
    targets_.clear();
  } else {
    detail::reference_scope<Backend> scope(home_, targets_);
    SHMARK_RETURN_IF_ERROR(codec::decode(bytes, copy_));
    targets_.swap(scope.met());
  }
  word_ = word;
  return {};
}

template <class T, class Backend>
template <class Held>
std::expected<void, error> variable<T, Backend>::refresh(const Held& by) {
  // A writer may have come and gone without committing.
  if (by.word() == word_) {
    ++hits_;
    return {};
  }
  return decode(by.bytes(), by.word());
}

template <class T, class Backend>
std::expected<const T*, error> variable<T, Backend>::fetch(deadline until) {
  refuse_forked();
  if (locked()) return &copy_;
  if (dwell_ns_ != 0 && word_ != no_copy && monotonic_ns() - decoded_ns_ < dwell_ns_) {
    ++hits_;
    return &copy_;
  }
  SHMARK_ASSIGN_OR_RETURN(const auto now, store_.read(until));
  SHMARK_RETURN_IF_ERROR(refresh(now));
  return &copy_;
}

template <class T, class Backend>
auto variable<T, Backend>::readlock(deadline until) -> std::expected<reading, error> {
  refuse_forked();
  if (!locked()) {
    SHMARK_ASSIGN_OR_RETURN(auto now, store_.read(until));
    SHMARK_RETURN_IF_ERROR(refresh(now));
    shared_.emplace(std::move(now));
    since_fork_ = fork_depth();
  }
  ++readings_;
  return reading(*this);
}

template <class T, class Backend>
void variable<T, Backend>::end_reading() noexcept {
  if (--readings_ == 0) shared_.reset();
}

template <class T, class Backend>
template <class F>
std::expected<void, error> variable<T, Backend>::each(F&& visit, deadline until) {
  std::vector<typename T::key_type> keys;
  SHMARK_ASSIGN_OR_RETURN(const T* all, read(until));
  SHMARK_RETURN_IF_ERROR(assign([&] {
    for (const auto& [key, value] : *all) keys.push_back(key);
  }));
  for (const auto& key : keys) {
    SHMARK_ASSIGN_OR_RETURN(all, read(until));
    if (const auto found = all->find(key); found != all->end()) visit(key, found->second);
  }
  return {};
}

// --- Writing.

template <class T, class Backend>
auto variable<T, Backend>::begin(deadline until) -> std::expected<transaction, error> {
  refuse_forked();
  if (!exclusive_) {
    SHMARK_ASSIGN_OR_RETURN(auto change,
                            shared_ ? store_.upgrade(*shared_, until) : store_.write(until));
    shared_.reset();
    exclusive_.emplace(std::move(change));
    since_fork_ = fork_depth();
  }
  ++transactions_;
  return transaction(*this);
}

template <class T, class Backend>
auto variable<T, Backend>::transact(deadline until) -> std::expected<transaction, error> {
  const bool is_held = exclusive_.has_value();
  SHMARK_ASSIGN_OR_RETURN(auto whole, begin(until));
  if (!is_held) {
    if (exclusive_->word() != word_) SHMARK_RETURN_IF_ERROR(exclusive_->verify());
    SHMARK_RETURN_IF_ERROR(refresh(*exclusive_));
  }
  return whole;
}

template <class T, class Backend>
auto variable<T, Backend>::writable(deadline until) -> std::expected<writing, error> {
  SHMARK_ASSIGN_OR_RETURN(auto whole, transact(until));
  return writing(std::move(whole));
}

template <class T, class Backend>
void variable<T, Backend>::end_transaction() noexcept {
  if (--transactions_ != 0) return;
  // It must not be taken for the value that everybody sees.
  if (std::exchange(changed_, false)) word_ = no_copy;
  if (readings_ != 0) {
    // Back to what is still held. Without it, or with a copy that is nobody's, there is no going
    // on.
    auto still = store_.downgrade(*exclusive_);
    SHMARK_CHECK(still, "a read lock could not be kept at the end of a write lock");
    shared_.emplace(*std::move(still));
    SHMARK_CHECK(refresh(*shared_), "a value could not be read again at the end of a write lock");
  }
  exclusive_.reset();
  give_up_forsaken();
}

template <class T, class Backend>
void variable<T, Backend>::give_up_forsaken() noexcept {
  for (const auto number : forsaken_) detail::registry<Backend>::give_up(*home_, number);
  forsaken_.clear();
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::write(const T& value, deadline until) {
  const bool is_held = exclusive_.has_value();
  SHMARK_ASSIGN_OR_RETURN(auto whole, begin(until));  // without decoding what is replaced anyway
  T& copy = whole.value();
  SHMARK_RETURN_IF_ERROR(assign([&copy, &value] { copy = value; }));
  return is_held ? std::expected<void, error>() : commit(until);
}

template <class T, class Backend>
template <change_of<T> F>
std::expected<void, error> variable<T, Backend>::update(F&& change, deadline until) {
  const bool is_held = exclusive_.has_value();
  SHMARK_ASSIGN_OR_RETURN(auto whole, transact(until));
  if constexpr (std::is_void_v<std::invoke_result_t<F, T&>>) {
    std::forward<F>(change)(whole.value());
  } else {
    if (!std::forward<F>(change)(whole.value())) return {};
  }
  return is_held ? std::expected<void, error>() : commit(until);
}

// --- Publishing.

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::commit(deadline until) {
  sink& to = exclusive_->output();
  to.clear();
  detail::reference_scope<Backend> scope(home_, targets_);
  const auto encoded = codec::encode(copy_, to);
  // A sink that is full says so at commit, which also makes it usable again.
  if (!encoded && !to.failure()) return encoded;
  if (scope.met().empty() && exclusive_->references().empty()) {
    SHMARK_RETURN_IF_ERROR(exclusive_->commit());
  } else {
    SHMARK_RETURN_IF_ERROR(publish(scope.met(), until));
  }
  word_ = exclusive_->word();
  changed_ = false;
  open_own(scope.met());
  return verify_ ? read_back() : std::expected<void, error>();
}

template <class T, class Backend>
void variable<T, Backend>::open_own(detail::targets<Backend>& published) noexcept {
  const bool are_own = std::ranges::all_of(published, [this](const auto& one) {
    const auto found = targets_.find(one.first);
    return found != targets_.end() && found->second == one.second;
  });
  if (are_own) return targets_.swap(published);
  const auto done = contained("open", "references", [&]() -> std::expected<void, error> {
    detail::reference_scope<Backend> scope(home_, targets_);
    T own{};
    SHMARK_RETURN_IF_ERROR(codec::decode(exclusive_->bytes(), own));
    copy_ = std::move(own);
    targets_.swap(scope.met());
    return {};
  });
  if (!done) word_ = no_copy;  // whoever reads it next tries again
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::read_back() {
  SHMARK_RETURN_IF_ERROR(exclusive_->verify());
  return contained("read back", "a variable's value", [&]() -> std::expected<void, error> {
    detail::reference_scope<Backend> scope(home_, targets_);
    T again{};
    return codec::decode(exclusive_->bytes(), again);
  });
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::publish(const detail::targets<Backend>& now,
                                                         deadline until) {
  return contained("publish", "references", [&]() -> std::expected<void, error> {
    const std::vector<std::uint64_t> before = exclusive_->references().copy();
    std::vector<std::uint64_t> after;
    std::vector<detail::target<Backend>*> added;
    for (const auto& [number, to] : now) {
      after.push_back(number);
      if (!std::ranges::binary_search(before, number)) added.push_back(to.get());
    }
    std::vector<std::uint64_t> dropped;
    std::ranges::set_difference(before, after, std::back_inserter(dropped));
    forsaken_.reserve(forsaken_.size() + dropped.size());  // nothing may fail once it is published

    SHMARK_ASSIGN_OR_RETURN(auto* all, registry());
    const auto patience = deadline::after(detail::registry_patience);
    SHMARK_ASSIGN_OR_RETURN(const auto hold, all->read(patience.or_before(until)));
    for (const auto* to : added) {
      // Told here, where nobody can remove it any more.
      if (to->is_gone()) {
        return failure(errc::not_found, "refer to", key_of(to->number()).text(),
                       because{"it has been removed"});
      }
    }
    for (auto* to : added) to->add_referrer();
    if (auto done = exclusive_->commit(after); !done) {
      for (const auto* to : added) {
        static_cast<void>(store_type::drop_referrer(key_of(to->number())));
      }
      return done;
    }
    for (const auto number : dropped) {
      const auto left = store_type::drop_referrer(key_of(number));
      if (left && *left == 0) forsaken_.push_back(number);
    }
    return {};
  });
}

template <class T, class Backend>
auto variable<T, Backend>::registry() -> std::expected<store_type*, error> {
  if (home_ == nullptr) {
    return failure(errc::invalid, "publish", store_.key().text(),
                   because{"it refers to other variables"}, "open it in its domain");
  }
  if (!registry_) {
    SHMARK_ASSIGN_OR_RETURN(auto own, home_->copy());
    registry_.emplace(std::move(own));
  }
  return &*registry_;
}

}  // namespace shmark

#include "lib/shm/registry_impl.h"

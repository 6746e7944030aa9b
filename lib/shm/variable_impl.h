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
  auto it = std::make_shared<wanted>(variable<T, Backend>(*std::move(bytes), home_));
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
    return ref<T, Backend>(std::make_shared<detail::target_of<T, Backend>>(std::move(own)));
  });
}

// --- Reading.

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::decode(std::span<const std::byte> bytes,
                                                        std::uint64_t word) {
  ++misses_;
  word_ = no_copy;  // should decoding fail, the copy is half of something
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

// --- Writing.

template <class T, class Backend>
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

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::write(const T& value, deadline until) {
  SHMARK_ASSIGN_OR_RETURN(auto change, store_.write(until));
  transaction whole(*this, std::move(change));  // without decoding what is replaced anyway
  T& copy = whole.value();
  SHMARK_RETURN_IF_ERROR(assign([&copy, &value] { copy = value; }));
  return whole.commit();
}

template <class T, class Backend>
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

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::transaction::commit() {
  sink& to = change_->output();
  to.clear();
  detail::reference_scope<Backend> scope(of_->home_, of_->targets_);
  const auto encoded = codec::encode(of_->copy_, to);
  // A sink that is full says so at commit, which also makes it usable again.
  if (!encoded && !to.failure()) return encoded;
  if (scope.met().empty() && change_->references().empty()) {
    SHMARK_RETURN_IF_ERROR(change_->commit());
  } else {
    SHMARK_RETURN_IF_ERROR(publish(scope.met()));
    of_->targets_.swap(scope.met());
  }
  of_->word_ = change_->word();
  published_ = true;
  return {};
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::transaction::publish(
    const detail::targets<Backend>& now) {
  return contained("publish", "references", [&]() -> std::expected<void, error> {
    std::vector<std::uint64_t> before = change_->references().copy();
    std::ranges::sort(before);
    std::vector<std::uint64_t> after;
    std::vector<target*> added;
    for (const auto& [number, to] : now) {
      after.push_back(number);
      if (!std::ranges::binary_search(before, number)) added.push_back(to.get());
    }
    std::vector<std::uint64_t> dropped;
    std::ranges::set_difference(before, after, std::back_inserter(dropped));
    forsaken_.reserve(forsaken_.size() + dropped.size());  // nothing may fail once it is published

    SHMARK_ASSIGN_OR_RETURN(auto* registry, of_->registry());
    SHMARK_ASSIGN_OR_RETURN(const auto hold,
                            registry->read(deadline::after(detail::registry_patience)));
    for (const auto* to : added) {
      // Told here, where nobody can remove it any more.
      if (to->is_gone()) {
        return failure(errc::not_found, "refer to", of_->key_of(to->number()).text(),
                       because{"it has been removed"});
      }
    }
    for (auto* to : added) to->add_referrer();
    if (auto done = change_->commit(after); !done) {
      for (const auto* to : added) {
        static_cast<void>(store_type::drop_referrer(of_->key_of(to->number())));
      }
      return done;
    }
    for (const auto number : dropped) {
      const auto left = store_type::drop_referrer(of_->key_of(number));
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

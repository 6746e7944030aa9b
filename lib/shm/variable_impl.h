// How variable.h and ref.h do it. Included by variable.h alone.
#pragma once

#include <algorithm>
#include <array>

#include "lib/base/check.h"
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
  void join(const std::shared_ptr<family<Backend>>& in) noexcept override {
    if (it.family_ == nullptr) it.family_ = in;
  }
  [[nodiscard]] bool is_in_another(
      const std::shared_ptr<family<Backend>>& than) const noexcept override {
    return it.family_ != nullptr && it.family_ != than;
  }
  [[nodiscard]] std::expected<std::shared_ptr<target<Backend>>, error> copy() const override;
  [[nodiscard]] std::expected<const targets<Backend>*, error> read_references(
      deadline until) override {
    SHMARK_RETURN_IF_ERROR(it.read(until));
    return &it.targets_;
  }
  [[nodiscard]] std::expected<typename Backend::lock*, error> advisory_lock() override {
    return it.advisory_lock();
  }
  [[nodiscard]] std::expected<void, error> keep(mode how, deadline until) override {
    return it.keep(how, until);
  }
  void keep_as(mode how) noexcept override { it.kept_->how = how; }
  // The kept copy, to be changed. Requires: it is kept, exclusively.
  [[nodiscard]] T& change() noexcept {
    SHMARK_CHECK(it.keeps(mode::exclusive) && it.kept_->since_fork == fork_depth(),
                 "a writing is used without its lock");
    it.kept_->is_changed = true;
    it.word_ = variable<T, Backend>::no_copy;
    ++it.touches_;
    return it.copy_;
  }
  // Another number, whenever the copy may be another.
  [[nodiscard]] std::uint64_t touches() const noexcept { return it.touches_; }
  [[nodiscard]] const T& value() const noexcept { return it.copy_; }
  void let_go() noexcept override { it.let_go(); }
  [[nodiscard]] bool holds_own_lock() const noexcept override { return it.holds_own_lock(); }
  [[nodiscard]] bool is_in_transaction() const noexcept override { return it.transactions_ != 0; }
  [[nodiscard]] bool is_changed() const noexcept override {
    return it.kept_ && it.kept_->is_changed;
  }
  [[nodiscard]] std::expected<void, error> begin_publishing(publication<Backend>& in,
                                                            deadline until) override {
    return it.begin_publishing(in, until);
  }
  void end_publishing(bool is_published) noexcept override { it.end_publishing(is_published); }
  void forget() noexcept override { it.forget(); }

  variable<T, Backend> it;
};

template <class T, class Backend>
std::shared_ptr<target_of<T, Backend>> target_to(variable<T, Backend> its) {
  const auto end = [](target<Backend>* it) noexcept { target<Backend>::end(it); };
  return std::shared_ptr<target_of<T, Backend>>(new target_of<T, Backend>(std::move(its)), end);
}

template <class T, class Backend>
auto target_of<T, Backend>::copy() const -> std::expected<std::shared_ptr<target<Backend>>, error> {
  SHMARK_ASSIGN_OR_RETURN(auto own, it.copy());
  return target_to(std::move(own));
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
std::shared_ptr<target<Backend>> reference_scope<Backend>::meet(
    const std::shared_ptr<target<Backend>>& to) {
  if (to->space().view() != home_->key().space.view()) {
    throw refusal({errc::invalid, 0, "store reference to", to->space(),
                   "refer to variables of the same domain", "it is another domain's variable"});
  }
  auto own = to;
  if (family_ != nullptr) {
    if (auto known = family_->find(to->number())) {
      own = std::move(known);
    } else {
      auto adopted = family<Backend>::adopt(family_, to);
      if (!adopted) throw refusal(adopted.error());
      own = *std::move(adopted);
    }
  }
  met_.emplace(own->number(), own);
  return own;
}

template <class Backend>
template <class T>
std::shared_ptr<target_of<T, Backend>> reference_scope<Backend>::find(std::uint64_t number) const {
  using wanted = target_of<T, Backend>;
  for (const auto* known : std::array<const targets<Backend>*, 2>{&met_, &before_}) {
    const auto found = known->find(number);
    if (found == known->end()) continue;
    if (auto it = std::dynamic_pointer_cast<wanted>(found->second)) return it;
  }
  if (family_ == nullptr) return nullptr;
  return std::dynamic_pointer_cast<wanted>(family_->find(number));
}

template <class Backend>
template <class T>
std::shared_ptr<target_of<T, Backend>> reference_scope<Backend>::resolve(std::uint64_t number) {
  if (auto it = find<T>(number)) {
    met_.emplace(number, it);
    return it;
  }
  const auto key = home_->key().sibling(number);
  auto bytes = store_on<Backend>::attach(key);
  if (!bytes) throw refusal(bytes.error());
  if (bytes->tag() != tag_of<T>()) {
    throw refusal(
        {errc::mismatch, 0, "open reference", key.text(), "", "the variable is of another type"});
  }
  auto it = target_to(variable<T, Backend>(*std::move(bytes), home_));
  met_.insert_or_assign(number, it);
  if (family_ != nullptr) {
    it->join(family_);
    family_->add(number, it);
  }
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
void ref<T, Backend>::meet() {
  const auto own = detail::reference_scope<Backend>::here().meet(to_);
  if (own == to_) return;
  if (auto it = std::dynamic_pointer_cast<detail::target_of<T, Backend>>(own)) to_ = std::move(it);
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
  ++touches_;
  word_ = no_copy;  // should decoding fail, the copy is half of something
  if (dwell_ns_ != 0) decoded_ns_ = monotonic_ns();
  if (bytes.empty()) {
    SHMARK_RETURN_IF_ERROR(assign([this] { copy_ = T{}; }));
    targets_.clear();
  } else {
    detail::reference_scope<Backend> scope(home_, family_, targets_);
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
  let_go_of_parents();
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
  let_go_of_parents();
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
  if (readings_ == 0) return;  // a parent's: see let_go()
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
  let_go_of_parents();
  if (!exclusive_) {
    if (keeps(mode::exclusive)) return begin_kept();
    SHMARK_RETURN_IF_ERROR(take_fence());
    auto change = shared_ ? store_.upgrade(*shared_, until) : store_.write(until);
    if (!change) {
      leave_fence();
      return std::unexpected(change.error());
    }
    if (kept_) {
      if (auto done = back_up(); !done) {
        leave_fence();
        return std::unexpected(done.error());
      }
    }
    shared_.reset();
    exclusive_.emplace(*std::move(change));
    since_fork_ = fork_depth();
  }
  ++transactions_;
  return transaction(*this);
}

template <class T, class Backend>
auto variable<T, Backend>::transact(deadline until) -> std::expected<transaction, error> {
  const bool is_held = exclusive_.has_value();
  SHMARK_ASSIGN_OR_RETURN(auto whole, begin(until));
  if (!is_held && exclusive_) {
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
  if (transactions_ == 0) return;  // a parent's: see let_go()
  if (--transactions_ != 0) return;
  const bool was_changed = std::exchange(changed_, false);
  if (!exclusive_) {  // of the kept copy
    if (was_changed) go_back();
    kept_->before.reset();
    return;
  }
  // It must not be taken for the value that everybody sees.
  if (was_changed) word_ = no_copy;
  if (kept_ && kept_->before) {  // nothing was published: it also goes back if it was refreshed
    go_back();
    kept_->before.reset();
  } else if (kept_ && was_changed) {
    SHMARK_CHECK(refresh(*exclusive_), "a value could not be read again under its lock");
  } else if (readings_ != 0) {
    // Back to what is still held. Without it, or with a copy that is nobody's, there is no going
    // on.
    auto still = store_.downgrade(*exclusive_);
    SHMARK_CHECK(still, "a read lock could not be kept at the end of a write lock");
    shared_.emplace(*std::move(still));
    SHMARK_CHECK(refresh(*shared_), "a value could not be read again at the end of a write lock");
  }
  exclusive_.reset();
  published_.clear();  // there is something if it was not published
  leave_fence();
  give_up_forsaken();
}

template <class T, class Backend>
void variable<T, Backend>::give_up_forsaken() noexcept {
  for (const auto number : forsaken_) detail::registry<Backend>::give_up(*home_, number);
  forsaken_.clear();
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::write(const T& value, deadline until) {
  const bool is_held = transactions_ != 0;
  SHMARK_ASSIGN_OR_RETURN(auto whole, begin(until));  // without decoding what is replaced anyway
  T& copy = whole.value();
  SHMARK_RETURN_IF_ERROR(assign([&copy, &value] { copy = value; }));
  return is_held ? std::expected<void, error>() : commit(false, until);
}

template <class T, class Backend>
template <change_of<T> F>
std::expected<void, error> variable<T, Backend>::update(F&& change, deadline until) {
  const bool is_held = transactions_ != 0;
  SHMARK_ASSIGN_OR_RETURN(auto whole, transact(until));
  if constexpr (std::is_void_v<std::invoke_result_t<F, T&>>) {
    std::forward<F>(change)(whole.value());
  } else {
    if (!std::forward<F>(change)(whole.value())) return {};
  }
  return is_held ? std::expected<void, error>() : commit(false, until);
}

// --- Publishing.

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::encode(const T& value) {
  sink& to = exclusive_->output();
  to.clear();
  detail::reference_scope<Backend> scope(home_, family_, targets_);
  const auto encoded = codec::encode(value, to);
  // A sink that is full says so at commit, which also makes it usable again.
  if (!encoded && !to.failure()) return encoded;
  published_.swap(scope.met());
  return {};
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::commit(bool goes_on, deadline until) {
  if (!exclusive_) return commit_kept(goes_on);
  SHMARK_RETURN_IF_ERROR(encode(copy_));
  if (published_.empty() && exclusive_->references().empty()) {
    SHMARK_RETURN_IF_ERROR(exclusive_->commit());
  } else {
    SHMARK_RETURN_IF_ERROR(publish(published_, until));
  }
  word_ = exclusive_->word();
  changed_ = false;
  if (kept_) kept_->before.reset();
  open_own();
  return verify_ ? read_back() : std::expected<void, error>();
}

template <class T, class Backend>
void variable<T, Backend>::open_own() noexcept {
  auto now = std::exchange(published_, {});
  // A family's handles are all its own, and it ends its circles itself.
  const bool are_own = family_ != nullptr || std::ranges::all_of(now, [this](const auto& one) {
                         const auto found = targets_.find(one.first);
                         return found != targets_.end() && found->second == one.second;
                       });
  if (are_own) {
    targets_ = std::move(now);
    return;
  }
  const auto done = contained("open", "references", [&]() -> std::expected<void, error> {
    detail::reference_scope<Backend> scope(home_, nullptr, targets_);
    T own{};
    SHMARK_RETURN_IF_ERROR(codec::decode(exclusive_->bytes(), own));
    ++touches_;
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
    detail::reference_scope<Backend> scope(home_, family_, targets_);
    T again{};
    return codec::decode(exclusive_->bytes(), again);
  });
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::publish(const detail::targets<Backend>& now,
                                                         deadline until) {
  return contained("publish", "references", [&]() -> std::expected<void, error> {
    detail::publication<Backend> one;
    one.add(*exclusive_, now);
    SHMARK_ASSIGN_OR_RETURN(auto* all, registry());
    // Nothing may fail once it is published.
    forsaken_.reserve(forsaken_.size() + exclusive_->references().size());
    auto done = one.commit(all, until);
    forsaken_.insert(forsaken_.end(), one.forsaken().begin(), one.forsaken().end());
    return done;
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

// --- Kept copies.

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::keep(mode how, deadline until) {
  let_go_of_parents();
  if (transactions_ != 0 || readings_ != 0) {
    return failure(errc::would_deadlock, "keep a copy of", store_.key().text(),
                   because{"this handle holds its own lock"}, "release that first");
  }
  // What was changed is not published: others have no say in it.
  if (!kept_ || !kept_->is_changed) {
    if (store_.word() != word_) {
      SHMARK_ASSIGN_OR_RETURN(const auto now, store_.read(until));
      SHMARK_RETURN_IF_ERROR(kept_ ? replace(now) : refresh(now));
    }
  }
  if (kept_) {
    kept_->how = how;
  } else {
    kept_.emplace(keeping{.how = how});
  }
  return {};
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::replace(const typename store_type::snapshot& by) {
  if (by.word() == word_) return {};
  const auto word = word_;
  std::optional<T> before;
  SHMARK_RETURN_IF_ERROR(assign([&] {
    T fresh{};
    before.emplace(std::move(copy_));
    copy_ = std::move(fresh);
  }));
  auto done = refresh(by);
  if (done) return {};
  // Of the lock that it was kept under, it goes on being the copy.
  SHMARK_RETURN_IF_ERROR(assign([&] { copy_ = *std::move(before); }));
  word_ = word;
  return done;
}

template <class T, class Backend>
void variable<T, Backend>::let_go() noexcept {
  if (kept_ && kept_->since_fork != fork_depth()) {
    // A forked child is in none of its parent's transactions, though it may see their ends.
    if (!exclusive_) transactions_ = 0;
    if (!shared_) readings_ = 0;
    changed_ = false;
  }
  SHMARK_CHECK(transactions_ == 0 || exclusive_,
               "an advisory lock was released amid a transaction under it");
  kept_.reset();
}

template <class T, class Backend>
void variable<T, Backend>::go_back() noexcept {
  ++touches_;
  std::swap(copy_, *kept_->before);
  targets_.swap(kept_->targets_before);
  word_ = kept_->word_before;
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::back_up() {
  if constexpr (std::copy_constructible<T>) {
    return assign([this] {
      kept_->targets_before = targets_;
      kept_->before.emplace(copy_);
      kept_->word_before = word_;
    });
  } else {
    return failure(errc::invalid, "change", store_.key().text(),
                   because{"its type cannot be copied"}, "change it by what holds the lock");
  }
}

template <class T, class Backend>
auto variable<T, Backend>::begin_kept() -> std::expected<transaction, error> {
  if (transactions_ == 0) SHMARK_RETURN_IF_ERROR(back_up());
  ++transactions_;
  return transaction(*this);
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::commit_kept(bool goes_on) {
  SHMARK_CHECK(keeps(mode::exclusive) && kept_->since_fork == fork_depth(),
               "a forked child uses its parent's transaction");
  word_ = no_copy;
  if (goes_on) SHMARK_RETURN_IF_ERROR(back_up());
  kept_->is_changed = true;
  changed_ = false;
  return {};
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::begin_publishing(detail::publication<Backend>& in,
                                                                  deadline until) {
  SHMARK_ASSIGN_OR_RETURN(auto change, store_.write(until));
  exclusive_.emplace(std::move(change));
  since_fork_ = fork_depth();
  // Amid a transaction, without what that has not committed.
  auto written = encode(changed_ ? *kept_->before : copy_);
  if (written) {
    written = contained("publish", store_.key().text(), [&]() -> std::expected<void, error> {
      in.add(*exclusive_, published_);
      return {};
    });
  }
  if (!written) end_publishing(false);
  return written;
}

template <class T, class Backend>
void variable<T, Backend>::end_publishing(bool is_published) noexcept {
  if (is_published) {
    (changed_ ? kept_->word_before : word_) = exclusive_->word();
    (changed_ ? kept_->targets_before : targets_).swap(published_);
    kept_->is_changed = false;
  }
  exclusive_.reset();
  published_.clear();
}

template <class T, class Backend>
void variable<T, Backend>::forget() noexcept {
  if (locked()) return;
  word_ = no_copy;
  ++touches_;
  targets_.clear();
  static_cast<void>(assign([this] { copy_ = T{}; }));
}

template <class T, class Backend>
auto variable<T, Backend>::advisory_lock() -> std::expected<typename Backend::lock*, error> {
  if (!advisory_) {
    SHMARK_ASSIGN_OR_RETURN(auto lock, store_.advisory_lock());
    advisory_.emplace(std::move(lock));
  }
  return &*advisory_;
}

template <class T, class Backend>
std::expected<void, error> variable<T, Backend>::take_fence() {
  if (family_ == nullptr || !family_->enforces) return {};
  SHMARK_ASSIGN_OR_RETURN(auto* const lock, advisory_lock());
  if (!kept_) {
    const auto got = lock->acquire(mode::exclusive, deadline::none());
    is_fenced_ = got.has_value();
    if (got) return {};
    const auto code = got.error().code;
    if (code != errc::would_block && code != errc::would_deadlock) {
      return std::unexpected(got.error());
    }
  }
  ++family_->refused_writes;
  return failure(errc::would_block, "write", store_.key().text(),
                 because{"somebody holds its lock"}, "lock it first, exclusively");
}

template <class T, class Backend>
void variable<T, Backend>::leave_fence() noexcept {
  if (std::exchange(is_fenced_, false)) advisory_->release(mode::exclusive);
}

}  // namespace shmark

#include "lib/shm/registry_impl.h"

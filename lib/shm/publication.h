// How new values are published that refer to variables, or follow ones that did: (2) in registry.h,
// for one variable, or for several at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <iterator>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/shm/ref.h"
#include "lib/shm/registry.h"

namespace shmark::detail {

template <class Backend>
class publication {
 public:
  using store_type = store_on<Backend>;
  using transaction = typename store_type::transaction;

  // A variable's new value, which was written to its output and refers to `now`. Both outlive this.
  // Of several, in the order of their numbers. Throws std::bad_alloc.
  void add(transaction& of, const targets<Backend>& now) {
    draft made{.of = &of, .before = of.references().copy()};
    for (const auto& [number, to] : now) {
      made.after.push_back(number);
      if (!std::ranges::binary_search(made.before, number)) made.added.push_back(to.get());
    }
    std::ranges::set_difference(made.before, made.after, std::back_inserter(made.dropped));
    concerns_references_ = concerns_references_ || !made.before.empty() || !made.after.empty();
    drafts_.push_back(std::move(made));
  }

  // Whether commit() needs the registry.
  [[nodiscard]] bool concerns_references() const noexcept { return concerns_references_; }

  // Publishes all of it, or nothing. Waits for the registry's lock, and not long. Errors: those of
  // the stores and of the registry's lock; not_found, if what a value refers to has been removed.
  // Throws std::bad_alloc.
  [[nodiscard]] std::expected<void, error> commit(store_type* registry, deadline until);

  // What nothing may refer to any more: to be given up, (4), when all locks are released.
  [[nodiscard]] std::vector<std::uint64_t>& forsaken() noexcept { return forsaken_; }

 private:
  struct draft {
    transaction* of;
    std::vector<std::uint64_t> before{};
    std::vector<std::uint64_t> after{};
    std::vector<target<Backend>*> added{};
    std::vector<std::uint64_t> dropped{};
  };

  std::vector<draft> drafts_;
  std::vector<std::uint64_t> forsaken_;
  bool concerns_references_ = false;
};

template <class Backend>
std::expected<void, error> publication<Backend>::commit(store_type* registry, deadline until) {
  std::vector<typename transaction::part> parts;
  std::size_t dropped = 0;
  for (const auto& one : drafts_) {
    parts.push_back({one.of, one.after});
    dropped += one.dropped.size();
  }
  forsaken_.reserve(forsaken_.size() + dropped);  // nothing may fail once it is published
  if (!concerns_references_) return transaction::commit_together(parts);

  const auto key_of = [registry](std::uint64_t number) { return registry->key().sibling(number); };
  const auto each_added = [this](const auto& visit) {
    for (const auto& one : drafts_) std::ranges::for_each(one.added, visit);
  };
  const auto patience = deadline::after(registry_patience);
  SHMARK_ASSIGN_OR_RETURN(const auto hold, registry->read(patience.or_before(until)));
  for (const auto& one : drafts_) {
    for (const auto* to : one.added) {
      // Told here, where nobody can remove it any more.
      if (!to->is_gone()) continue;
      return failure(errc::not_found, "refer to", key_of(to->number()).text(),
                     because{"it has been removed"});
    }
  }
  each_added([](target<Backend>* to) { to->add_referrer(); });
  if (auto done = transaction::commit_together(parts); !done) {
    each_added([&key_of](const target<Backend>* to) {
      static_cast<void>(store_type::drop_referrer(key_of(to->number())));
    });
    return done;
  }
  for (const auto& one : drafts_) {
    for (const auto number : one.dropped) {
      const auto left = store_type::drop_referrer(key_of(number));
      if (left && *left == 0) forsaken_.push_back(number);
    }
  }
  return {};
}

}  // namespace shmark::detail

// How store.h does it. Included by it alone.
#pragma once

#include <cstdio>

namespace shmark {

namespace detail {

// Whoever makes what others can write trusts them.
[[nodiscard]] inline store_key made_by(const store_key& key, mode_t mode) noexcept {
  if (mode == private_mode || key.whose.are_sharing()) return key;
  auto own = key;
  own.whose = owners::of(geteuid());
  return own;
}

}  // namespace detail

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::initialize(const segment_key& key,
                                                            const store_options& options,
                                                            std::span<std::byte> fresh) {
  auto* block = new (fresh.data()) control{};
  auto* state = new (block->lock_area.data()) typename Lock::state{};
  SHMARK_RETURN_IF_ERROR(Lock::create(*state, {key.space, options.company, options.mode}));
  if (options.has_advisory_lock) {
    auto* advisory = new (block + 1) typename Lock::state{};
    // Before the lock is made: for whoever removes what we leave if we die.
    block->has_advisory = 1;
    std::atomic_signal_fence(std::memory_order_release);
    // In no company: a thread can hold only so many of one roster shared.
    if (auto made = Lock::create(*advisory, {key.space, 0, options.mode}); !made) {
      Lock::destroy(*state);
      return made;
    }
  }
  detail::stamp(*block,
                {.lock_name = Lock::name,
                 .lock_size = sizeof *state,
                 .segment_size = segment_size(options),
                 .capacity = options.capacity,
                 .has_checksum = options.has_checksum,
                 .limit = options.mode == private_mode || options.limit != 0 ? options.limit
                                                                             : options.capacity,
                 .has_advisory = options.has_advisory_lock,
                 .tag = options.tag,
                 .is_unnamed = options.is_unnamed});
  return {};
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::check(const segment_key& key,
                                                       const store_options& options) noexcept {
  const auto refused = [&key](const char* why, const char* remedy) {
    return failure(errc::invalid, "create store", key.text(), because{why}, remedy);
  };
  if (!detail::is_capacity(options.capacity)) {
    return refused("its capacity is not within 256 and 2^60 bytes", "choose another");
  }
  if (!is_store_mode(options.mode)) {
    char why[32];
    std::snprintf(why, sizeof why, "its mode is %04o", options.mode);
    return refused(why, "use 0600, 0660 or 0666: who reads takes a lock, which is writing");
  }
  if (options.mode == private_mode) return {};
  if (!Lock::can.shared_between_users) {
    return refused("its lock cannot be shared between users",
                   "use a backend with semaphores, or mode 0600");
  }
  if (options.limit > options.capacity) {
    return refused("its limit is beyond its capacity, and what users share does not grow",
                   "make the capacity as large as the limit");
  }
  return {};
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::admit(const store_key& key) noexcept -> std::expected<store_key, error> {
  if (!key.whose.are_sharing() || Lock::can.shared_between_users) return key;
  if (key.whose == owners::of(geteuid())) {
    auto own = key;
    own.whose = owners::own;  // of what others cannot write
    return own;
  }
  return failure(errc::invalid, "open store", key.text(),
                 because{"its lock cannot be shared between users"},
                 "use a backend with semaphores");
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::check_remover(const attachment& shared) noexcept {
  const uid_t user = geteuid();
  const auto [owner, mode] = shared.segment.access();
  if (user == owner || user == 0) return {};
  char why[64];
  std::snprintf(why, sizeof why, "it belongs to user %u (mode %04o)", owner, mode);
  return failure(errc::denied, "remove store", shared.key.text(), because{why},
                 "have that user, or root, remove it");
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::create(const store_key& key, const store_options& options)
    -> std::expected<store, error> {
  SHMARK_RETURN_IF_ERROR(check(key, options));
  const auto at = detail::made_by(key, options.mode);
  SHMARK_ASSIGN_OR_RETURN(auto segment,
                          Segment::create(at, segment_size(options), options.mode, at.whose));
  auto made = [&]() -> std::expected<store, error> {
    SHMARK_RETURN_IF_ERROR(initialize(at, options, segment.bytes()));
    SHMARK_ASSIGN_OR_RETURN(auto shared, open(at, std::move(segment)));
    return handle_to(std::move(shared));
  }();
  if (!made) remove_unfinished(at);  // with what its lock has taken from the system
  return made;
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::attach(const store_key& key) -> std::expected<store, error> {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, visit(key));
  auto handle = handle_to(shared);
  auto& opened = shared->block->opened;
  if (opened.load() == 0) opened.store(1);
  // Should its remover have died, this does the rest; should it live, it does so itself.
  if (!handle && is_removed(*shared)) static_cast<void>(remove(*shared, deadline::none()));
  return handle;
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::open_or_create(const store_key& key, const store_options& options)
    -> std::expected<store, error> {
  SHMARK_RETURN_IF_ERROR(check(key, options));
  SHMARK_ASSIGN_OR_RETURN(const auto at, admit(detail::made_by(key, options.mode)));
  // Small enough for std::function to hold without memory of its own.
  const segment_initializer init(
      [&key, &options](std::span<std::byte> fresh) { return initialize(key, options, fresh); },
      free_unfinished);
  for (;;) {
    SHMARK_ASSIGN_OR_RETURN(auto segment, Segment::open_or_create(at, segment_size(options),
                                                                  options.mode, init, at.whose));
    SHMARK_ASSIGN_OR_RETURN(const auto shared, open(at, std::move(segment)));
    auto handle = handle_to(shared);
    if (handle || !is_removed(*shared)) return handle;
    SHMARK_RETURN_IF_ERROR(remove(*shared, deadline::after(removal_patience)));
  }
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::open(const store_key& key, Segment segment)
    -> std::expected<std::shared_ptr<attachment>, error> {
  SHMARK_ASSIGN_OR_RETURN(
      const auto found,
      detail::examine(segment.bytes(), Lock::name, sizeof(typename Lock::state), key.text()));
  using result = std::expected<std::shared_ptr<attachment>, error>;
  return contained("use store", key.text(), [&]() -> result {
    return std::make_shared<attachment>(key, std::move(segment), found);
  });
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::handle_to(std::shared_ptr<attachment> shared)
    -> std::expected<store, error> {
  auto lock = Lock::attach(lock_state(*shared->block));
  // Asked after: a removal takes the lock away last.
  if (is_removed(*shared)) {
    return failure(errc::not_found, "use store", shared->key.text(),
                   because{"it has been removed"});
  }
  if (!lock) return about(shared->key, lock.error());
  return store(std::move(shared), *std::move(lock));
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::remove(const store_key& key, deadline until) {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, visit(key));
  return remove(*shared, until);
}

template <named_segment Segment, lock Lock>
template <class Decision>
std::expected<void, error> store<Segment, Lock>::remove(const store_key& key, deadline until,
                                                        const Decision& decide) {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, visit(key));
  return remove(*shared, until, decide);
}

template <named_segment Segment, lock Lock>
template <class Decision>
std::expected<void, error> store<Segment, Lock>::remove(attachment& shared, deadline until,
                                                        const Decision& decide) {
  // Before anything is taken from it that only the rest of a removal makes good.
  SHMARK_RETURN_IF_ERROR(check_remover(shared));
  const auto carry_on = [&]() -> std::expected<bool, error> {
    // The others need it: without their leader they would go back. What is damaged has to go
    // all the same.
    if (auto done = complete(shared); !done && done.error().code != errc::corrupt) {
      return std::unexpected(done.error());
    }
    const std::uint64_t word = shared.block->word.load(std::memory_order_acquire);
    const auto now = contents_of(shared, word, "remove store");
    const candidate it(*shared.block, now ? now->list() : reference_list());
    SHMARK_ASSIGN_OR_RETURN(const bool is_to_go, decide(it));
    if (is_to_go) empty(shared);
    return is_to_go;
  };
  std::expected<bool, error> emptied = false;
  auto lock = Lock::attach(lock_state(*shared.block));
  if (!lock) {
    // The lock itself is gone: an earlier removal was cut short, or somebody took its semaphores.
    if (lock.error().code != errc::not_found && !is_removed(shared)) {
      return about(shared.key, lock.error());
    }
    emptied = carry_on();
  } else if (const auto got = lock->acquire(mode::exclusive, until); got) {
    const held<Lock> holding(*lock, mode::exclusive);
    emptied = carry_on();
  } else if (got.error().code == errc::not_found) {
    emptied = carry_on();  // gone while we waited
  } else {
    return about(shared.key, got.error());
  }
  if (!emptied) return std::unexpected(emptied.error());
  if (!*emptied) return {};
  return bury(shared);
}

template <named_segment Segment, lock Lock>
void store<Segment, Lock>::empty(attachment& shared) noexcept {
  shared.block->removed.store(1, std::memory_order_release);
  // Never taken down again, so that no cached read hits.
  shared.block->word.fetch_or(detail::writing_bit, std::memory_order_release);
  for (const std::size_t index : {0U, 1U}) discard(shared, index);
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::bury(attachment& shared) {
  destroy_locks(*shared.block, shared.has_advisory);
  auto done = shared.segment.unlink();
  if (!done && done.error().code == errc::not_found) return {};  // somebody did it with us
  return done;
}

template <named_segment Segment, lock Lock>
bool store<Segment, Lock>::free_unfinished(std::span<std::byte> bytes) {
  if (bytes.size() < sizeof(control) || !detail::may_be_unfinished(bytes)) return false;
  auto* block = std::launder(reinterpret_cast<control*>(bytes.data()));
  const bool has_room = bytes.size() >= detail::buffers_at(true);
  destroy_locks(*block, block->has_advisory == 1 && has_room);
  return true;
}

template <named_segment Segment, lock Lock>
void store<Segment, Lock>::remove_unfinished(const store_key& key) {
  if (const auto there = Segment::attach(key, key.whose); there) {
    if (!free_unfinished(there->bytes())) return;
  } else if (there.error().code == errc::denied) {
    return;  // another program has taken the key
  }
  static_cast<void>(Segment::remove(key));  // it may never have been
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::acquire(mode how, deadline until) -> std::expected<admission, error> {
  const auto got = lock_.acquire(how, until);
  if (!got) return about(attachment_->key, got.error());
  held<Lock> lock(lock_, how);
  if (block_->removed.load(std::memory_order_relaxed) != 0) {
    return failure(errc::not_found, "use store", attachment_->key.text(),
                   because{"it has been removed"});
  }
  return admission{std::move(lock), *got};
}

template <named_segment Segment, lock Lock>
std::expected<std::uint64_t, error> store<Segment, Lock>::repair() {
  SHMARK_RETURN_IF_ERROR(complete(*attachment_));
  std::uint64_t word = block_->word.load(std::memory_order_acquire);
  block_->recoveries.fetch_add(1, std::memory_order_relaxed);
  if ((word & detail::writing_bit) == 0) return word;  // what was begun is complete
  word &= ~detail::writing_bit;
  discard(*attachment_, (detail::serial_of(word) + 1) % 2);
  block_->word.store(word, std::memory_order_release);
  return word;
}

template <named_segment Segment, lock Lock>
void store<Segment, Lock>::advance(control& block, std::uint64_t word, std::uint64_t id) noexcept {
  block.word.compare_exchange_strong(word, detail::word_of(detail::serial_of(word) + 1),
                                     std::memory_order_acq_rel);
  block.joint.compare_exchange_strong(id, 0, std::memory_order_acq_rel);
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::find_partner(const store_key& key)
    -> std::expected<std::shared_ptr<attachment>, error> {
  auto segment = Segment::attach(key, key.whose);
  if (!segment && segment.error().code == errc::not_found) return nullptr;
  if (!segment) return std::unexpected(segment.error());
  auto found = open(key, *std::move(segment));
  if (!found && found.error().code != errc::no_space) return nullptr;
  return found;
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::complete(attachment& shared) {
  control& block = *shared.block;
  // In this order: who writes next clears joint before.
  const std::uint64_t word = block.word.load(std::memory_order_acquire);
  const std::uint64_t id = block.joint.load(std::memory_order_acquire);
  if ((word & detail::writing_bit) == 0 || id == 0 || is_removed(shared)) return {};
  const auto leader = shared.key.sibling(block.leader.load(std::memory_order_acquire));
  if (leader.number != shared.key.number) {
    SHMARK_ASSIGN_OR_RETURN(const auto leads, find_partner(leader));
    if (leads == nullptr || leads->block->decided.load(std::memory_order_acquire) != id) return {};
  } else {
    if (block.decided.load(std::memory_order_acquire) != id) return {};
    SHMARK_RETURN_IF_ERROR(complete_followers(shared, word, id));
  }
  advance(block, word, id);
  return {};
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::complete_followers(attachment& shared,
                                                                    std::uint64_t word,
                                                                    std::uint64_t id) {
  const std::size_t index = (detail::serial_of(word) + 1) % 2;
  SHMARK_ASSIGN_OR_RETURN(const auto where, find(shared, index));
  const side& written = shared.block->sides[index];
  SHMARK_ASSIGN_OR_RETURN(const auto value, contents_in(written, where, shared.key, "complete"));
  const auto behind = where.bytes.subspan(value.all().size());
  const auto count = static_cast<std::size_t>(shared.block->followers);
  if (count > behind.size() / sizeof(std::uint64_t)) {
    return failure(errc::corrupt, "complete a joint commit of", shared.key.text());
  }
  const reference_list numbers(behind.first(count * sizeof(std::uint64_t)));
  for (std::size_t i = 0; i < count; ++i) {
    SHMARK_ASSIGN_OR_RETURN(const auto follows, find_partner(shared.key.sibling(numbers[i])));
    if (follows == nullptr) continue;
    const std::uint64_t its_word = follows->block->word.load(std::memory_order_acquire);
    const std::uint64_t its_id = follows->block->joint.load(std::memory_order_acquire);
    if ((its_word & detail::writing_bit) == 0 || its_id != id || is_removed(*follows)) continue;
    advance(*follows->block, its_word, id);
  }
  return {};
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::read(deadline until) -> std::expected<snapshot, error> {
  for (;;) {
    {
      SHMARK_ASSIGN_OR_RETURN(auto admitted, acquire(mode::shared, until));
      const std::uint64_t word = block_->word.load(std::memory_order_acquire);
      if ((word & detail::writing_bit) == 0 && admitted.told == acquired::ok) {
        SHMARK_ASSIGN_OR_RETURN(auto now, current(word, "read store"));
        SHMARK_RETURN_IF_ERROR(check_sum(word, now));
        return snapshot(std::move(admitted.lock), std::move(now), word);
      }
    }
    // A writer died. Repairing takes the exclusive lock, and is what every write begins with; and
    // only a release from exclusive makes the lock forget the death.
    SHMARK_RETURN_IF_ERROR(write(until));
  }
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::write(deadline until) -> std::expected<transaction, error> {
  // Whether an owner died is not asked: the writing bit says it, for every kind of lock.
  SHMARK_ASSIGN_OR_RETURN(auto admitted, acquire(mode::exclusive, until));
  std::uint64_t word = block_->word.load(std::memory_order_acquire);
  if ((word & detail::writing_bit) != 0) {
    SHMARK_ASSIGN_OR_RETURN(word, repair());
  }
  SHMARK_ASSIGN_OR_RETURN(auto now, current(word, "write store"));
  return transaction(*this, std::move(admitted.lock), std::move(now), word, spare_of(word));
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::spare_of(std::uint64_t word) -> place {
  const std::size_t index = (detail::serial_of(word) + 1) % 2;
  auto spare = find(*attachment_, index);
  if (spare) return *std::move(spare);
  // A writer died while it gave it back, or it went by other means; nothing of value was in it.
  discard(*attachment_, index);
  return buffer_of(*attachment_, index);
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::upgrade(snapshot& from, deadline until)
    -> std::expected<transaction, error> {
  if constexpr (convertible_lock<Lock>) {
    if (const auto got = lock_.upgrade(until); !got) return about(attachment_->key, got.error());
    from.lock_.converted(mode::exclusive);
    return transaction(*this, std::move(from.lock_), std::move(from.what_), from.word_,
                       spare_of(from.word_));
  } else {
    return failure(errc::would_deadlock, "upgrade", attachment_->key.text(),
                   because{"its lock cannot do it"}, "release it first");
  }
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::downgrade(transaction& from) -> std::expected<snapshot, error> {
  if constexpr (convertible_lock<Lock>) {
    from.end_writing();
    if (auto done = lock_.downgrade(); !done) return about(attachment_->key, done.error());
    from.lock_.converted(mode::shared);
    return snapshot(std::move(from.lock_), std::move(from.current_), from.word_);
  } else {
    return failure(errc::would_deadlock, "downgrade", attachment_->key.text(),
                   because{"its lock cannot do it"}, "release it first");
  }
}

template <named_segment Segment, lock Lock>
std::expected<Lock, error> store<Segment, Lock>::advisory_lock() const {
  if (!attachment_->has_advisory) {
    return failure(errc::invalid, "use the advisory lock of", attachment_->key.text(),
                   because{"it has none"}, "make the store with one");
  }
  auto lock = Lock::attach(advisory_state(*block_));
  if (is_removed(*attachment_)) {
    return failure(errc::not_found, "use store", attachment_->key.text(),
                   because{"it has been removed"});
  }
  if (!lock) return about(attachment_->key, lock.error());
  return lock;
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::stats(deadline until) -> std::expected<statistics, error> {
  SHMARK_ASSIGN_OR_RETURN(const auto now, read(until));
  return stats_of(now);
}

template <named_segment Segment, lock Lock>
template <class Held>
auto store<Segment, Lock>::stats_of(const Held& by) -> statistics {
  std::size_t allocated = attachment_->segment.bytes().size();
  for (const std::size_t index : {0U, 1U}) {
    if (block_->sides[index].segment.load(std::memory_order_relaxed) == 0) continue;
    // The spare one's may be gone: a writer died while it gave it back.
    if (const auto where = find(*attachment_, index))
      allocated += where->mapped->segment.bytes().size();
  }
  return statistics{.serial = detail::serial_of(by.word()),
                    .length = by.bytes().size(),
                    .allocated = allocated,
                    .references = by.references().size(),
                    .referrers = block_->referrers.load(std::memory_order_relaxed),
                    .recoveries = block_->recoveries.load(std::memory_order_relaxed)};
}

template <named_segment Segment, lock Lock>
void store<Segment, Lock>::discard(attachment& shared, std::size_t index) noexcept {
  side& which = shared.block->sides[index];
  const std::uint64_t number = which.segment.load(std::memory_order_relaxed);
  if (number == 0) return;
  // First, lest a process that has it mapped goes on using what has no name any more.
  which.generation.store(0, std::memory_order_release);
  const auto key = shared.key.sibling(number);
  const auto there = Segment::attach(key, key.whose);
  // Not so if another program has taken the key: System V keys are few.
  const bool ours = there ? detail::may_remove(there->bytes(), shared.key.number)
                          : there.error().code != errc::denied;
  const bool gone = there && ours && there->unlink();
  // By name what could not be attached (never made, or hardly, or no descriptor is free) or
  // unlinked as what it is.
  if (ours && !gone) static_cast<void>(Segment::remove(key));
  which.segment.store(0, std::memory_order_release);
  const std::scoped_lock guard(shared.guard);
  shared.sides[index].reset();
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::buffer_of(attachment& shared, std::size_t index) noexcept -> place {
  return {shared.segment.bytes().subspan(
              detail::buffers_at(shared.has_advisory) + index * shared.capacity, shared.capacity),
          nullptr};
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::contents_of(attachment& shared, std::uint64_t word,
                                       const char* attempted) -> std::expected<contents, error> {
  const std::size_t index = detail::serial_of(word) % 2;
  SHMARK_ASSIGN_OR_RETURN(auto where, find(shared, index));
  return contents_in(shared.block->sides[index], std::move(where), shared.key, attempted);
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::contents_in(const side& which, place where, const segment_key& key,
                                       const char* attempted) -> std::expected<contents, error> {
  const auto length = static_cast<std::size_t>(which.length);
  const auto references = static_cast<std::size_t>(which.references);
  const std::size_t room = where.bytes.size();
  if (length > room || references > (room - length) / sizeof(std::uint64_t)) {
    return failure(errc::corrupt, attempted, key.text(),
                   because{"its value is longer than its segment"});
  }
  return contents{std::move(where), length, references};
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::current(std::uint64_t word, const char* attempted) const
    -> std::expected<contents, error> {
  return contents_of(*attachment_, word, attempted);
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::check_sum(std::uint64_t word,
                                                           const contents& what) const noexcept {
  const std::uint64_t serial = detail::serial_of(word);
  const auto bytes = what.all();
  const bool is_unwritten = serial == 1 && bytes.empty();
  if (!attachment_->has_checksum || is_unwritten ||
      detail::checksum(bytes) == block_->sides[serial % 2].checksum) {
    return {};
  }
  return failure(errc::corrupt, "read store", attachment_->key.text(),
                 because{"its value does not have its checksum"});
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::visit(const store_key& key)
    -> std::expected<std::shared_ptr<attachment>, error> {
  SHMARK_ASSIGN_OR_RETURN(const auto at, admit(key));
  SHMARK_ASSIGN_OR_RETURN(auto segment, Segment::attach(at, at.whose));
  return open(at, std::move(segment));
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::links_of(const store_key& key) -> std::expected<links, error> {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, visit(key));
  return links_of(*shared);
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::watch(const store_key& key) -> std::expected<links, error> {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, visit(key));
  shared->block->opened.store(0);
  return links_of(*shared);
}

template <named_segment Segment, lock Lock>
std::expected<bool, error> store<Segment, Lock>::was_opened(const store_key& key) {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, visit(key));
  return shared->block->opened.load() != 0;
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::links_of(attachment& shared) -> std::expected<links, error> {
  const control& block = *shared.block;
  const auto name = shared.key.text();
  if (is_removed(shared)) return failure(errc::not_found, "use store", name);
  SHMARK_RETURN_IF_ERROR(complete(shared));
  return contained("read references", name, [&]() -> std::expected<links, error> {
    links found{{},
                block.referrers.load(std::memory_order_acquire),
                block.unnamed.load(std::memory_order_acquire) != 0};
    for (;;) {
      // What has no references may be replaced by another such while we look.
      const std::uint64_t word = block.word.load(std::memory_order_acquire);
      const side& now = block.sides[detail::serial_of(word) % 2];
      if (std::atomic_ref(const_cast<std::uint64_t&>(now.references)).load() != 0) {
        auto what = contents_of(shared, word, "read references");
        if (what) found.references = what->list().copy();
        const bool is_same = detail::serial_of(block.word.load()) == detail::serial_of(word);
        if (!what && is_same) return std::unexpected(what.error());
        if (is_same) return found;
        found.references.clear();
      } else if (detail::serial_of(block.word.load()) == detail::serial_of(word)) {
        return found;
      }
    }
  });
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::drop_referrer(const store_key& key)
    -> std::expected<std::uint64_t, error> {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, visit(key));
  auto& count = shared->block->referrers;
  std::uint64_t now = count.load(std::memory_order_acquire);
  // Never below none, whatever another program has written there.
  while (now != 0 && !count.compare_exchange_weak(now, now - 1, std::memory_order_acq_rel)) {
  }
  return now == 0 ? 0 : now - 1;
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::set_links(const store_key& key,
                                                           std::uint64_t referrers,
                                                           bool is_unnamed) {
  SHMARK_ASSIGN_OR_RETURN(const auto shared, visit(key));
  shared->block->referrers.store(referrers, std::memory_order_release);
  shared->block->unnamed.store(is_unnamed ? 1 : 0, std::memory_order_release);
  return {};
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::find(attachment& shared, std::size_t index)
    -> std::expected<place, error> {
  const side& which = shared.block->sides[index];
  const std::uint64_t number = which.segment.load(std::memory_order_relaxed);
  if (number == 0) return buffer_of(shared, index);
  const std::scoped_lock guard(shared.guard);
  auto& met = shared.sides[index];
  const std::uint64_t generation = which.generation.load(std::memory_order_relaxed);
  if (!met || met->generation != generation) {
    const auto key = shared.key.sibling(number);
    auto segment = Segment::attach(key, key.whose);
    if (!segment && segment.error().code == errc::not_found) {
      return failure(errc::corrupt, "attach data segment", key.text(),
                     because{"it has been removed by other means"},
                     "remove and recreate the store");
    }
    if (!segment) return std::unexpected(segment.error());
    if (!detail::is_data(segment->bytes(), shared.key.number, generation)) {
      return failure(errc::corrupt, "attach data segment", key.text(),
                     because{"its header is not what the store expects"});
    }
    SHMARK_ASSIGN_OR_RETURN(met, share(*std::move(segment), generation, key));
  }
  return place{met->segment.bytes().subspan(sizeof(detail::data_header)), met};
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::check_growth() const noexcept {
  const auto refused = [this](const char* why) {
    return failure(errc::no_space, "write store", attachment_->key.text(), because{why},
                   "write less");
  };
  if ((attachment_->segment.access().mode & ~private_mode) != 0) {
    return refused("what users share does not grow");
  }
  if (!attachment_->is_owners()) return refused("only its owner can give it more room");
  return {};
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::replace(std::size_t index, std::size_t size)
    -> std::expected<place, error> {
  if (size > attachment_->capacity) SHMARK_RETURN_IF_ERROR(check_growth());
  discard(*attachment_, index);
  if (size <= attachment_->capacity) return buffer_of(*attachment_, index);
  side& spare = block_->sides[index];
  for (;;) {
    const auto key = segment_key::random_in(attachment_->key.space);
    const auto generation = block_->generations.fetch_add(1, std::memory_order_relaxed) + 1;
    spare.generation.store(generation, std::memory_order_relaxed);
    spare.segment.store(key.number, std::memory_order_release);
    auto segment = Segment::create(key, sizeof(detail::data_header) + size, private_mode);
    if (segment) {
      auto* header = new (segment->bytes().data()) detail::data_header{};
      detail::stamp(*header, attachment_->key.number, generation);
      auto made = share(*std::move(segment), generation, key);
      if (!made) {
        discard(*attachment_, index);
        return std::unexpected(made.error());
      }
      const std::scoped_lock guard(attachment_->guard);
      attachment_->sides[index] = *made;
      return place{(*made)->segment.bytes().subspan(sizeof *header), *made};
    }
    spare.segment.store(0, std::memory_order_release);
    if (segment.error().code != errc::exists) return std::unexpected(segment.error());
  }
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::transaction::verify() const {
  return store_->check_sum(word_, current_);
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::transaction::check_limit(std::size_t size) const {
  const auto& its = *store_->attachment_;
  if (size <= its.limit) return {};
  return shmark::failure(
      errc::no_space, "write store", its.key.text(), because{"the value is longer than its limit"},
      "write less, or make it with a larger limit or, if users share it, capacity");
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::transaction::move_spare(std::size_t size) {
  SHMARK_ASSIGN_OR_RETURN(auto moved, store_->replace(spare_index(), size));
  std::ranges::copy(sink::bytes(), moved.bytes.begin());
  spare_place_ = std::move(moved);  // only now may the memory that was copied from go
  return {};
}

template <named_segment Segment, lock Lock>
auto store<Segment, Lock>::transaction::grow(std::size_t size)
    -> std::expected<std::span<std::byte>, error> {
  refuse_forked();
  if (!adds_followers_) SHMARK_RETURN_IF_ERROR(check_limit(size));
  const auto whole_pages = [](std::size_t wanted) {
    constexpr std::size_t page = 4096;
    constexpr std::size_t header = sizeof(detail::data_header);
    return (header + wanted + page - 1) / page * page - header;
  };
  const std::size_t enough = whole_pages(size);
  const std::size_t generous = whole_pages(std::max(size, 2 * spare_place_.bytes.size()));
  auto moved = move_spare(generous);
  if (!moved && generous > enough) moved = move_spare(enough);  // no room to be generous
  if (!moved) return std::unexpected(moved.error());
  return spare_place_.bytes;
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::transaction::commit(
    std::span<const std::uint64_t> references) {
  SHMARK_RETURN_IF_ERROR(make_ready(references));
  publish();
  return {};
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::transaction::commit_together(
    std::span<const part> parts) {
  if (parts.empty()) return {};
  if (parts.size() == 1) return parts.front().of->commit(parts.front().references);
  transaction& leader = *parts.front().of;
  const auto number_of = [](const part& one) { return one.of->store_->key().number; };
  auto ready = contained("commit", "several stores", [&]() -> std::expected<void, error> {
    std::vector<std::uint64_t> followers;
    for (const auto& one : parts.subspan(1)) followers.push_back(number_of(one));
    SHMARK_RETURN_IF_ERROR(leader.make_ready(parts.front().references, followers));
    for (const auto& one : parts.subspan(1)) {
      SHMARK_RETURN_IF_ERROR(one.of->make_ready(one.references));
    }
    return {};
  });
  if (!ready) {
    for (const auto& one : parts) one.of->sink::clear();
    return ready;
  }
  std::uint64_t id = 0;
  while (id == 0) id = unpredictable_number();
  const auto block_of = [](const part& one) -> control& { return *one.of->store_->block_; };
  for (const auto& one : parts) {
    block_of(one).leader.store(number_of(parts.front()), std::memory_order_relaxed);
    block_of(one).joint.store(id, std::memory_order_release);
  }
  block_of(parts.front()).decided.store(id, std::memory_order_release);
  for (std::size_t left = parts.size(); left-- > 0;) {  // the leader last
    parts[left].of->publish();
    block_of(parts[left]).joint.store(0, std::memory_order_release);
  }
  return {};
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::transaction::make_ready(
    std::span<const std::uint64_t> references, std::span<const std::uint64_t> followers) {
  refuse_forked();
  if (!writing_) begin_writing();  // after another commit
  control& block = *store_->block_;
  const std::size_t length = sink::bytes().size();
  sink::write(references.data(), references.size_bytes());
  const std::size_t all = sink::bytes().size();
  adds_followers_ = true;
  sink::write(followers.data(), followers.size_bytes());
  adds_followers_ = false;
  const std::size_t whole = sink::bytes().size();
  std::expected<void, error> written;
  if (sink::failure()) {
    written = std::unexpected(*sink::failure());
  } else if (written = check_limit(all); written && spare_is_lost()) {
    written = move_spare(whole);
  }
  if (!written) {
    // Which is all that is left to the side.
    spare_place_ = buffer_of(*store_->attachment_, spare_index());
    sink::restart(spare_place_.bytes);
    return written;
  }
  if (whole <= store_->attachment_->capacity && is_too_large(spare_place_, whole)) {
    SHMARK_RETURN_IF_ERROR(move_spare(whole));
  }
  side& written_to = block.sides[spare_index()];
  written_to.length = length;
  written_to.references = references.size();
  written_to.checksum =
      store_->attachment_->has_checksum ? detail::checksum(spare_place_.bytes.first(all)) : 0;
  block.followers = followers.size();
  ready_ = {length, references.size()};
  return {};
}

template <named_segment Segment, lock Lock>
void store<Segment, Lock>::transaction::publish() noexcept {
  word_ = detail::word_of(detail::serial_of(word_) + 1);
  store_->block_->word.store(word_, std::memory_order_release);
  writing_ = false;

  std::swap(current_.where, spare_place_);
  current_.length = ready_.length;
  current_.references = ready_.references;
  if (is_too_large(spare_place_, current_.all().size())) {
    store_->discard(*store_->attachment_, spare_index());
    spare_place_ = buffer_of(*store_->attachment_, spare_index());
  }
  sink::restart(spare_place_.bytes);
}

template <named_segment Segment, lock Lock>
std::expected<void, error> store<Segment, Lock>::transaction::remove() {
  refuse_forked();
  SHMARK_RETURN_IF_ERROR(check_remover(*store_->attachment_));
  empty(*store_->attachment_);
  writing_ = false;  // what has gone up stays up
  {
    const auto released = std::move(lock_);
  }
  return bury(*store_->attachment_);
}

}  // namespace shmark

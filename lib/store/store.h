// A store: one value, as bytes, that several processes read and write. The crash-atomic heart.
//
//     auto made = store<posix_segment, robust_rw>::create(key, {});
//     auto change = made->write();                       // exclusive lock
//     change->output().write(data, size);
//     change->commit();                                  // all of it, for everybody, at once
//
//     auto seen = made->read();                          // shared lock
//     use(seen->bytes());
//
// Several stores of a space can be written at once: see transaction::commit_together().
//
// Terms
//   serial      64 bits, 1 in a store that nobody has written, +1 per commit
//   word        serial << 1 | writing, one atomic: what a cached copy is compared with
//   side        one of two places for a value. The parity of the serial says which is *current*;
//               the other is *spare*, and is where the next value is written
//   buffer      room for a side in the control segment; a larger value has a data segment
//   references  numbers of other stores of the same space that the current value refers to; they
//               are published with it, and can be read without knowing what the value means
//   referrers   how many stores' current values refer to this one, as counted by those who publish
//               them; what is never too low, and when it may be changed, is their business: see
//               lib/shm/domain.h
//
// Protocol. All but (1) needs the lock; M is the memory order.
//   (1) cached read   word.load(M acquire) == the word that the copy was decoded under: no change
//                     since, and no writer now
//   (2) read          acquire shared; if writing is up, or an owner died, begin and end a write (it
//                     repairs) and do this again; use the current side; release
//   (3) write         acquire exclusive; repair if writing is up; word |= writing (M release);
//                     write into the spare side only; commit (4) or word &= ~writing; release
//   (4) commit        spare.length, references, checksum; word := (serial + 1) << 1 (M release):
//                     this one store makes the spare side current and takes writing down
//   (5) repair        remove the spare side's data segment, if any; word &= ~writing (M release)
//   (6) new segment   of the spare side, when it must be larger or may be smaller: remove the old
//                     one (still mapped here); spare.segment := 0; spare.segment := a fresh number;
//                     make the segment, stamp its header; copy what was written so far
//   (7) removal       acquire exclusive; removed := 1 and word |= writing, for good; remove both
//                     sides' segments; release; destroy the lock; remove the control segment. Once
//                     removed is 1 anybody may finish, and whoever opens it does; should the lock
//                     be gone by then, nothing is left that it guarded
//   (8) joint commit  of several transactions. Write all spare sides as in (4); one store *leads*,
//                     and has the numbers of the others, who follow, behind its spare value. In
//                     each: leader := its number; joint := a random id. In the leader: decided :=
//                     id (M release): this one store makes all of them commits. Then in each, the
//                     leader last: word as in (4); joint := 0
//   (9) completing    before (5), and before (7), which fails if this does, unless for damage: if
//                     writing is up, joint is an id, and its leader has decided that: word as in
//                     (4) by compare-exchange, joint := 0; in a leader, after it has done so to
//                     those who follow. Needs no lock. Who writes next clears joint before writing
//                     goes up
//
// Invariants
//   S1  The current side is written by nobody: a value is not there, or whole.
//   S2  Every data segment that exists is named by a side: it is recorded before it is made, and
//       forgotten after it is gone. So nothing is leaked by a death at any instruction.
//   S3  writing is up only while an exclusive holder lives, or until the first to acquire after its
//       death. It goes up before the caller may write.
//   S4  The serial counts the commits.
//   S5  Repair, removal and completing may be cut short anywhere, and done again.
//   S6  Of a joint commit, whoever holds the locks of its stores, all at once, sees all or nothing:
//       its locks are held until it is done, and a death before that leaves writing up in its
//       leader and in whatever is not published yet. For the same reasons whoever reads one store
//       after the other, each under its own lock or by (1), sees no old value once he has seen a
//       new one.
//
// Process and thread safety: any number of processes; a handle is for one thread at a time. A copy
// of a handle (copy()) shares its mappings and has its own lock handle: one for each thread, and
// one for each forked child. Do not fork while another thread is inside a call.
//
// What survives a crash: the value as of the last commit (by (4), at every instruction), if the
// lock is crash_safe. The memory is the machine's: a power failure empties it.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/base/contained.h"
#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/base/random.h"
#include "lib/codec/codec.h"
#include "lib/lock/lock.h"
#include "lib/segment/segment.h"
#include "lib/store/layout.h"

namespace shmark {

// Segments are for their owner's processes only, unless he says otherwise; see "Trust" in
// DESIGN.md.
constexpr mode_t private_mode = 0600;
// What a store's mode may be. Who reads takes the lock, and that is writing: nobody can be allowed
// the one without the other.
[[nodiscard]] constexpr bool is_store_mode(mode_t mode) noexcept {
  return mode == private_mode || mode == 0660 || mode == 0666;
}

// Where a store is, and whose it has to be for whoever opens it. One that other users can write is
// refused (denied) unless that is asked for, by owners::of(its owner): he, and all whom its mode
// lets write, are then trusted. If its lock cannot be shared between users (lock.h), this user's is
// all that can be asked for (invalid).
struct store_key : segment_key {
  store_key(const segment_key& key, owners its = owners::own) noexcept  // NOLINT: converts
      : segment_key(key), whose(its) {}
  store_key(short_text its_space, std::uint64_t its_number, owners its = owners::own) noexcept
      : segment_key{its_space, its_number}, whose(its) {}
  // As messages have it: "visits (shmark.1000.website:7f00aa…)", if it has a label.
  [[nodiscard]] short_text text() const noexcept {
    const auto its = segment_key::text();
    if (label.view().empty()) return its;
    std::array<char, 2 * short_text::capacity + 3> both;
    auto* end = std::ranges::copy(label.view(), both.data()).out;
    end = std::ranges::copy(std::string_view(" ("), end).out;
    end = std::ranges::copy(its.view(), end).out;
    *end++ = ')';
    return std::string_view(both.data(), end);
  }
  // Another one of this space and owner.
  [[nodiscard]] store_key sibling(std::uint64_t its_number) const noexcept {
    return {space, its_number, whose};
  }

  owners whose;
  short_text label{};  // what its users call it: for messages, and no part of where it is
};

// How long to wait for whoever holds what is being removed.
constexpr auto removal_patience = std::chrono::seconds(10);

struct store_options {
  std::size_t capacity = 4096;  // bytes of each side before it gets a data segment; 256 to 2^60
  // Bytes that a value, its references included, may have; 0: as many as there is room for. What
  // users share does not grow, for one could not remove what another made for it: its limit is the
  // capacity, or less.
  std::uint64_t limit = 0;
  // Who may read and write: its owner, 0660 his group, too, or 0666 all users. Whoever makes it by
  // another mode than 0600 trusts them, and needs a lock that can be shared between users.
  mode_t mode = private_mode;
  bool has_checksum = true;  // verify contents before decoding; costs time for each byte
  // What company() says of a store in the same space that outlives this one: their locks then share
  // what they keep about threads. 0: it keeps its own.
  std::uint64_t company = 0;
  std::uint64_t tag = 0;    // what it holds, in a number of the maker's; for whoever opens it
  bool is_unnamed = false;  // see store::is_unnamed()
  bool has_advisory_lock = false;  // see store::advisory_lock()
};

// Numbers of stores that a value refers to, where they lie.
class reference_list {
 public:
  reference_list() = default;
  explicit reference_list(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() / sizeof(std::uint64_t); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] std::uint64_t operator[](std::size_t index) const noexcept {
    std::uint64_t number;
    std::memcpy(&number, bytes_.data() + index * sizeof number, sizeof number);
    return number;
  }
  // Sorted, and each once, whatever another program has written there: who counts by this would
  // count twice. Throws std::bad_alloc.
  [[nodiscard]] std::vector<std::uint64_t> copy() const {
    std::vector<std::uint64_t> all(size());
    if (!all.empty()) std::memcpy(all.data(), bytes_.data(), all.size() * sizeof all[0]);
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
    return all;
  }

 private:
  std::span<const std::byte> bytes_;
};

template <named_segment Segment, lock Lock>
class store {
 public:
  class candidate;
  class snapshot;
  class transaction;
  class pin;

  // Makes a store under `key` (number not 0), to be this user's. Errors: exists, no_space, denied,
  // invalid.
  [[nodiscard]] static std::expected<store, error> create(const store_key& key,
                                                          const store_options& options);
  // Opens the one that is there. Errors: not_found, denied, invalid, corrupt, mismatch.
  [[nodiscard]] static std::expected<store, error> attach(const store_key& key);
  // Opens it or makes it; however many start at once, it is made once. One whose removal was cut
  // short is removed first. Errors: those of create() and attach(); timed_out, if somebody goes on
  // holding what is being removed.
  [[nodiscard]] static std::expected<store, error> open_or_create(const store_key& key,
                                                                  const store_options& options);
  // Removes it with all that it consists of; whoever has it open gets not_found from then on. Waits
  // for its holder. May be cut short and done again. Errors: not_found, timed_out, would_deadlock;
  // no_space, of (9); denied, if this user is neither its owner nor root: the system lets no other
  // remove a segment.
  [[nodiscard]] static std::expected<void, error> remove(const store_key& key, deadline until);

  // The same, if `decide` says so, which is called with the lock held and a candidate, and returns
  // std::expected<bool, error>. Errors: as above, and those of `decide`.
  template <class Decision>
  [[nodiscard]] static std::expected<void, error> remove(const store_key& key, deadline until,
                                                         const Decision& decide);

  // Removes what a create() that died midway has left, if anything. Requires: nobody has it open.
  static void remove_unfinished(const store_key& key);

  // Another handle to the same store, for another thread or a forked child.
  [[nodiscard]] std::expected<store, error> copy() const { return handle_to(attachment_); }

  // serial << 1 | writing; see (1). One atomic load.
  [[nodiscard]] std::uint64_t word() const noexcept {
    return block_->word.load(std::memory_order_acquire);
  }

  // What the maker's options said.
  [[nodiscard]] std::uint64_t tag() const noexcept { return block_->tag; }
  // Whether it is to go when nobody refers to it and nobody has it open.
  [[nodiscard]] bool is_unnamed() const noexcept {
    return block_->unnamed.load(std::memory_order_acquire) != 0;
  }
  // Whether it has been removed, or is being.
  [[nodiscard]] bool is_gone() const noexcept { return is_removed(*attachment_); }
  [[nodiscard]] const store_key& key() const noexcept { return attachment_->key; }
  // Whose it is, and for whom.
  [[nodiscard]] segment_access access() const noexcept { return attachment_->segment.access(); }

  // Counts; who counts decides when. The second, by key for one that is not open here, says how
  // many are left. Errors: not_found, denied, corrupt, mismatch.
  void add_referrer() noexcept { block_->referrers.fetch_add(1, std::memory_order_acq_rel); }
  [[nodiscard]] static std::expected<std::uint64_t, error> drop_referrer(const store_key& key);
  // Sets right what they have got wrong who died.
  [[nodiscard]] static std::expected<void, error> set_links(const store_key& key,
                                                            std::uint64_t referrers,
                                                            bool is_unnamed);
  // How it is linked to others.
  struct links {
    std::vector<std::uint64_t> references;
    std::uint64_t referrers;
    bool is_unnamed;
  };
  // Takes no lock: nobody may publish references, or a value without them in the place of one with
  // them, meanwhile. Errors: as drop_referrer().
  [[nodiscard]] static std::expected<links, error> links_of(const store_key& key);
  // The same, and from now on was_opened() tells whether anybody has opened it since. It is told as
  // soon as the handle is there; the store is mapped before.
  [[nodiscard]] static std::expected<links, error> watch(const store_key& key);
  [[nodiscard]] static std::expected<bool, error> was_opened(const store_key& key);

  // The current value, under the shared lock. Errors: those of the lock; not_found, if the store
  // has been removed; corrupt, if it is damaged or its data segment has gone; no_space.
  [[nodiscard]] std::expected<snapshot, error> read(deadline until = deadline::never());
  // The exclusive lock, and the right to write one new value. Errors: as read().
  [[nodiscard]] std::expected<transaction, error> write(deadline until = deadline::never());

  // From reading to writing, with nobody in between; `from` is used up, or, after an error, as it
  // was. Errors: would_deadlock, if another wants the same, or if the lock cannot do it;
  // would_block, timed_out, and as write().
  [[nodiscard]] std::expected<transaction, error> upgrade(snapshot& from, deadline until);
  // The way back; what `from` has not committed is dropped. Errors: no_space, or would_deadlock if
  // the lock cannot do it; it is then as it was.
  [[nodiscard]] std::expected<snapshot, error> downgrade(transaction& from);

  // For store_options::company.
  [[nodiscard]] std::uint64_t company() const noexcept {
    if constexpr (requires { Lock::company(lock_state(*block_)); }) {
      return Lock::company(lock_state(*block_));
    } else {
      return 0;
    }
  }

  // A handle to the store's second lock, for whoever wants to hold one over many operations. It
  // guards nothing here and keeps nobody out but those who ask for it, too; whoever takes both
  // takes it first. It goes with the store: ask is_gone() when it is held. Requires: the store, or
  // a pin of it, outlives the handle. Errors: invalid, if the store was made without; those of
  // Lock::attach().
  [[nodiscard]] std::expected<Lock, error> advisory_lock() const;

  struct statistics {
    std::uint64_t serial;
    std::uint64_t length;      // bytes of the current value
    std::uint64_t allocated;   // bytes of all segments
    std::uint64_t references;  // to other stores
    std::uint64_t referrers;
    std::uint64_t recoveries;  // dead writers cleaned up after, since the store was made
  };
  // Errors: those of read().
  [[nodiscard]] std::expected<statistics, error> stats(deadline until = deadline::never());
  // The same for whoever holds the lock already, by a snapshot or a transaction of this store.
  template <class Held>
  [[nodiscard]] statistics stats_of(const Held& by);

 private:
  using control = detail::control;
  using side = detail::side;

  // A data segment, mapped.
  struct data {
    Segment segment;
    std::uint64_t generation;
  };
  // Where a side's bytes are, kept mapped as long as this lives.
  struct place {
    std::span<std::byte> bytes;
    std::shared_ptr<data> mapped;  // null: in the control segment
  };
  static std::expected<std::shared_ptr<data>, error> share(Segment segment,
                                                           std::uint64_t generation,
                                                           const segment_key& key) noexcept {
    using result = std::expected<std::shared_ptr<data>, error>;
    return contained("map data segment", key.text(), [&]() -> result {
      return std::make_shared<data>(data{std::move(segment), generation});
    });
  }
  // What the handles of one process share.
  struct attachment {
    attachment(store_key its_key, Segment its_segment, const detail::examined& found)
        : key(its_key),
          segment(std::move(its_segment)),
          block(found.block),
          capacity(found.capacity),
          limit(found.limit),
          has_checksum(found.has_checksum),
          has_advisory(found.has_advisory) {}
    [[nodiscard]] bool is_owners() const noexcept { return segment.access().owner == geteuid(); }
    store_key key;
    Segment segment;
    control* block;
    std::size_t capacity;  // as examined: what lies in the block may be damaged later
    std::size_t limit;
    bool has_checksum;
    bool has_advisory;
    std::mutex guard;                            // of:
    std::array<std::shared_ptr<data>, 2> sides;  // the data segments met last
  };

  store(std::shared_ptr<attachment> shared, Lock lock) noexcept
      : attachment_(std::move(shared)), block_(attachment_->block), lock_(std::move(lock)) {}

  static typename Lock::state& lock_state(control& block) noexcept {
    static_assert(sizeof(typename Lock::state) <= detail::lock_area_size);
    return *std::launder(reinterpret_cast<typename Lock::state*>(block.lock_area.data()));
  }
  // Right behind the control block. Requires: it is there.
  static typename Lock::state& advisory_state(control& block) noexcept {
    return *std::launder(reinterpret_cast<typename Lock::state*>(&block + 1));
  }
  static void destroy_locks(control& block, bool has_advisory) noexcept {
    if (has_advisory) Lock::destroy(advisory_state(block));
    Lock::destroy(lock_state(block));
  }
  static std::size_t segment_size(const store_options& options) noexcept {
    return detail::control_size(options.has_advisory_lock, options.capacity);
  }
  // Errors: invalid.
  static std::expected<void, error> check(const segment_key& key,
                                          const store_options& options) noexcept;
  // The key by which this user gets at it, whose lock may not be for others. Errors: invalid.
  static std::expected<store_key, error> admit(const store_key& key) noexcept;
  // Whether this user may remove it. Errors: denied.
  static std::expected<void, error> check_remover(const attachment& shared) noexcept;
  // Makes the first contents of a control segment.
  static std::expected<void, error> initialize(const segment_key& key, const store_options& options,
                                               std::span<std::byte> fresh);
  // Frees what its locks have taken from the system, and says whether it may be a control segment
  // that somebody began. Can be cut short, and done again.
  static bool free_unfinished(std::span<std::byte> bytes);
  static std::expected<store, error> handle_to(std::shared_ptr<attachment> shared);
  // For what takes a key, and no handle that could be had open. Errors: as drop_referrer().
  static std::expected<std::shared_ptr<attachment>, error> visit(const store_key& key);
  static std::expected<links, error> links_of(attachment& shared);
  static std::expected<std::shared_ptr<attachment>, error> open(const store_key& key,
                                                                Segment segment);

  // (7), all of it; its first part, which requires exclusive; and the rest.
  template <class Decision>
  static std::expected<void, error> remove(attachment& shared, deadline until,
                                           const Decision& decide);
  static std::expected<void, error> remove(attachment& shared, deadline until) {
    return remove(shared, until,
                  [](const candidate&) -> std::expected<bool, error> { return true; });
  }
  static void empty(attachment& shared) noexcept;
  static std::expected<void, error> bury(attachment& shared);
  [[nodiscard]] static bool is_removed(const attachment& shared) noexcept {
    return shared.block->removed.load(std::memory_order_acquire) != 0;
  }
  // A lock's error, with the store's name.
  [[nodiscard]] static std::unexpected<error> about(const store_key& key, error why) noexcept {
    why.object = key.text();
    return std::unexpected(why);
  }

  struct admission {
    held<Lock> lock;
    acquired told;
  };
  // Acquires the lock, of a store that is not being removed.
  std::expected<admission, error> acquire(mode how, deadline until);
  // (5), and the word after it. Requires: exclusive. Errors: those of complete().
  std::expected<std::uint64_t, error> repair();
  // (9). Errors: no_space, denied, or the like: it could not be found out.
  static std::expected<void, error> complete(attachment& shared);
  static std::expected<void, error> complete_followers(attachment& shared, std::uint64_t word,
                                                       std::uint64_t id);
  // Makes `word` what follows it, if it is still the word of a store in this joint commit.
  static void advance(control& block, std::uint64_t word, std::uint64_t id) noexcept;
  // The store, mapped; nothing if it is not there, or is none.
  static std::expected<std::shared_ptr<attachment>, error> find_partner(const store_key& key);
  // Where to write the next value. Requires: exclusive.
  place spare_of(std::uint64_t word);
  // Removes a side's data segment, if it has one. Requires: exclusive, and that the side is spare
  // or the store being removed. Can be cut short anywhere and done again.
  static void discard(attachment& shared, std::size_t index) noexcept;

  // A value, with what it refers to, where they lie.
  struct contents {
    place where;
    std::size_t length;      // of the value
    std::size_t references;  // their numbers follow
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
      return where.bytes.first(length);
    }
    [[nodiscard]] std::span<const std::byte> all() const noexcept {
      return where.bytes.first(length + references * sizeof(std::uint64_t));
    }
    [[nodiscard]] reference_list list() const noexcept {
      return reference_list(all().subspan(length));
    }
  };
  // Of the current side, whether it fits where it is. Requires: the lock, or as links_of(). Errors:
  // corrupt, and those of find().
  std::expected<contents, error> current(std::uint64_t word, const char* attempted) const;
  static std::expected<contents, error> contents_of(attachment& shared, std::uint64_t word,
                                                    const char* attempted);
  static std::expected<contents, error> contents_in(const side& which, place where,
                                                    const segment_key& key, const char* attempted);
  // Whether it has its checksum, if the store has any; what nobody has written yet has none.
  // Errors: corrupt.
  std::expected<void, error> check_sum(std::uint64_t word, const contents& what) const noexcept;
  // Where a side's bytes are. Requires: the lock. Errors: corrupt, denied, no_space.
  static std::expected<place, error> find(attachment& shared, std::size_t index);
  static place buffer_of(attachment& shared, std::size_t index) noexcept;
  // Gives the spare side room for `size` bytes elsewhere: (6). What it held is gone, but for those
  // who have it mapped. Errors: no_space; it then has its buffer.
  std::expected<place, error> replace(std::size_t index, std::size_t size);
  // Whether a side may have a data segment: only its owner's can be opened and removed by all who
  // may write the store, and that only if they are his. Errors: no_space.
  [[nodiscard]] std::expected<void, error> check_growth() const noexcept;

  std::shared_ptr<attachment> attachment_;
  control* block_;
  Lock lock_;
};

// One whose removal is being decided upon.
template <named_segment Segment, lock Lock>
class store<Segment, Lock>::candidate {
 public:
  // Of the current value; none, if that cannot be read.
  [[nodiscard]] reference_list references() const noexcept { return references_; }
  // As of now: whoever keeps them from changing does so before asking.
  [[nodiscard]] std::uint64_t referrers() const noexcept {
    return block_->referrers.load(std::memory_order_acquire);
  }
  // Makes it one that goes when nobody refers to it and nobody has it open.
  void set_unnamed() const noexcept { block_->unnamed.store(1, std::memory_order_release); }

 private:
  friend class store;
  candidate(control& block, reference_list references) noexcept
      : block_(&block), references_(references) {}

  control* block_;
  reference_list references_;
};

// The current value; the shared lock is held as long as this lives.
template <named_segment Segment, lock Lock>
class store<Segment, Lock>::snapshot {
 public:
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return what_.bytes(); }
  [[nodiscard]] reference_list references() const noexcept { return what_.list(); }
  [[nodiscard]] std::uint64_t word() const noexcept { return word_; }

 private:
  friend class store;
  snapshot(held<Lock> lock, contents what, std::uint64_t word) noexcept
      : lock_(std::move(lock)), what_(std::move(what)), word_(word) {}

  held<Lock> lock_;
  contents what_;
  std::uint64_t word_;
};

// Keeps a store mapped, without a handle to its lock.
template <named_segment Segment, lock Lock>
class store<Segment, Lock>::pin {
 public:
  explicit pin(const store& of) noexcept : attachment_(of.attachment_) {}
  [[nodiscard]] std::uint64_t number() const noexcept { return attachment_->key.number; }
  [[nodiscard]] bool is_unnamed() const noexcept {
    return attachment_->block->unnamed.load(std::memory_order_acquire) != 0;
  }
  // It is of no use after.
  void let_go() noexcept { attachment_.reset(); }

 private:
  std::shared_ptr<attachment> attachment_;
};

// The right to publish new values; the exclusive lock is held as long as this lives. What was
// written and not committed is dropped at its end. Requires: the store outlives it; the process is
// the one that began it, and not a forked child, which is stopped.
template <named_segment Segment, lock Lock>
class store<Segment, Lock>::transaction final : private sink {
 public:
  transaction(transaction&& other) noexcept
      : sink(std::move(other)),
        store_(other.store_),
        lock_(std::move(other.lock_)),
        current_(std::move(other.current_)),
        word_(other.word_),
        spare_place_(std::move(other.spare_place_)),
        since_fork_(other.since_fork_),
        writing_(std::exchange(other.writing_, false)) {}
  transaction& operator=(transaction&&) = delete;
  ~transaction() {
    // A forked child's copy of it ends nothing: it is its parent who writes.
    if (since_fork_ == fork_depth()) end_writing();
  }

  // The value as it is without this transaction's changes, and its word once committed.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return current_.bytes(); }
  [[nodiscard]] reference_list references() const noexcept { return current_.list(); }
  [[nodiscard]] std::uint64_t word() const noexcept { return word_; }
  // Whether bytes() have their checksum. Not asked by write(), because one who only replaces a
  // value can replace a damaged one; do ask before decoding. Errors: corrupt.
  [[nodiscard]] std::expected<void, error> verify() const;

  // Where to write the new value, all of it, from its beginning.
  [[nodiscard]] sink& output() noexcept {
    refuse_forked();
    if (!writing_) begin_writing();
    return *this;
  }

  // Publishes what was written to output(). The lock is still held, bytes() is what was published,
  // and another value may follow. Errors: no_space, if the output failed to grow, or is longer than
  // the store's limit: nothing is
  // published, and the output is empty, as after clear(). `references` are the stores that the new
  // value refers to.
  [[nodiscard]] std::expected<void, error> commit(std::span<const std::uint64_t> references = {});

  // Publishes several transactions, on different stores of one space: all of them or none, at
  // whichever instruction this process dies. Take their locks in the order of the stores' numbers,
  // and keep them all until this has returned. The first needs room for 8 bytes more for each of
  // the others: beyond its limit, unless users share it. Errors: as commit(), of any of them:
  // nothing is published then, and all outputs are empty.
  struct part {
    transaction* of;
    std::span<const std::uint64_t> references;
  };
  [[nodiscard]] static std::expected<void, error> commit_together(std::span<const part> parts);

  // Removes the store with all that it consists of, before anybody else gets the lock. The
  // transaction is of no use after. Errors: denied.
  [[nodiscard]] std::expected<void, error> remove();

 private:
  friend class store;
  transaction(store& of, held<Lock> lock, contents current, std::uint64_t word, place spare)
      : sink(spare.bytes),
        store_(&of),
        lock_(std::move(lock)),
        current_(std::move(current)),
        word_(word),
        spare_place_(std::move(spare)) {
    begin_writing();
  }
  void begin_writing() noexcept {
    writing_ = true;
    // Of one who died between the two stores at the end of (8).
    if (store_->block_->joint.load(std::memory_order_relaxed) != 0) [[unlikely]] {
      store_->block_->joint.store(0, std::memory_order_release);
    }
    store_->block_->word.store(word_ | detail::writing_bit, std::memory_order_release);
  }

  void end_writing() noexcept {
    if (!std::exchange(writing_, false)) return;
    store_->block_->word.store(word_, std::memory_order_release);
  }

  void refuse_forked() const noexcept {
    SHMARK_CHECK(since_fork_ == fork_depth(), "a forked child uses its parent's transaction");
  }

  [[nodiscard]] std::size_t spare_index() const noexcept {
    return (detail::serial_of(word_) + 1) % 2;
  }
  // Whether the output's memory is not the spare side's any more: growing failed after the old
  // segment had gone, and then the output was cleared and written again.
  [[nodiscard]] bool spare_is_lost() const noexcept {
    const side& spare = store_->block_->sides[spare_index()];
    if (spare_place_.mapped == nullptr) return spare.segment.load(std::memory_order_relaxed) != 0;
    return spare.generation.load(std::memory_order_relaxed) != spare_place_.mapped->generation;
  }
  std::expected<std::span<std::byte>, error> grow(std::size_t size) override;
  [[nodiscard]] std::expected<void, error> move_spare(std::size_t size);
  // Errors: no_space.
  [[nodiscard]] std::expected<void, error> check_limit(std::size_t size) const;
  // All of a commit that can fail: the spare side is ready then. Errors: as commit().
  [[nodiscard]] std::expected<void, error> make_ready(
      std::span<const std::uint64_t> references, std::span<const std::uint64_t> followers = {});
  // The rest.
  void publish() noexcept;
  // A value that is this much smaller than its segment gives the segment back; not if it is root
  // who writes, for he could not make another when there is more to write.
  [[nodiscard]] bool is_too_large(const place& where, std::size_t size) const noexcept {
    constexpr std::size_t waste = 4;
    return where.mapped != nullptr && where.bytes.size() > waste * size &&
           store_->attachment_->is_owners();
  }

  store* store_;
  held<Lock> lock_;
  contents current_;
  std::uint64_t word_;  // without the writing bit
  place spare_place_;
  std::uint32_t since_fork_ = fork_depth();
  bool writing_ = false;
  bool adds_followers_ = false;  // which are beyond the limit
  struct {
    std::size_t length;
    std::size_t references;
  } ready_{};  // by make_ready()
};

}  // namespace shmark

#include "lib/store/store_impl.h"

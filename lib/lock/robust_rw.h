// shmark's own lock: reader-writer, crash-safe at every instruction, and fair.
//
// Writers exclude everybody, readers only writers; two readers touch no cache line in common. When
// a holder dies, whoever wants the lock takes it over at once; the death of one who held it
// exclusively is reported (owner_died) until somebody who was told of it has released it from
// exclusive mode. A stopped holder keeps it.
//
// Terms
//   word        64 bits: the owner's seat in the roster (see roster.h), 0 if none; and six flags
//   owner       whose seat is in the word: it alone changes what is guarded, or lets readers in
//   mark        a reader's record in the roster names the lock: that, and nothing else, is a shared
//               hold. The word knows only that there may be readers (`biased`)
//   flags       waiting   somebody may be asleep: whoever gives the word up sees to the next
//               biased    readers may have marks, and more may come by mark alone
//               pending   the owner has not got exclusive yet: it waits for marks to go
//               entering  the owner is a reader on its way to its mark
//               offered   the owner was chosen from those who wait, and has not accepted yet
//               damaged   an exclusive holder died; nobody has repaired what is guarded
//               woken     one of those who wait was woken and is on its way
//
// Protocol. M is the memory order; what has none given is seq_cst, for (2) and (4) rely on one
// order of marks and words. Everything but the one compare-exchange or exchange of (1), (2), (5)
// and (6) is out of line.
//   (1) exclusive, nobody there     word: 0 -> me (M acquire and release). Held.
//   (2) shared, readers there       word is `biased` and nothing else; mark := the lock's number;
//                                   word is still that: held. Else mark := 0 (5), and (3)
//   (3) the word's next owner       by compare-exchange of the whole word:
//         it has no owner           -> me, with the flags it has
//         offered to me             -> me, without `offered`
//         its owner is dead         -> me; + damaged unless the dead had pending, entering, offered
//         offered to one who does not wait any more, is stopped, or has not come for 50 ms
//                                   -> me; the other goes to the end of the queue
//         else                      wait (7), and again
//       A reader adds `entering`, a writer `pending` if `biased` is set. Then
//         reader  mark := number; word -> no owner, + biased, - entering: held
//         writer  (4), then word: - biased, - pending: held
//   (4) drain   for each record but one's own: wait until it has no mark of this lock, or until its
//       thread is dead. A reader that is waited for is asked to wake us (`awaited` in its mark),
//       and one that sleeps because it upgrades is woken, to be refused
//   (5) release shared       mark := 0 (M release, exchange); if it was awaited, wake
//   (6) release exclusive    word: me -> 0 (M release); if there are flags: word -> no owner,
//                            without damaged; then see to the next (8)
//       downgrade            mark := number; then as (6), + biased
//       upgrade              as (3), while keeping the mark; refused (would_deadlock) if another
//                            writer is pending, for each would wait for the other. (4); mark := 0;
//                            word: - biased, - pending: held
//   (7) wait    say in one's record for which lock, with a ticket; word: + waiting; sleep on one's
//       `turn` and on the owner's proof of life, for 1 ms, and twice as long each time up to 50 ms;
//       then look at everything again. Before refusing, once more, and whether the owner has gone
//       unmarked ((6) of roster.h)
//   (8) the next one, if `waiting` is set: the word is left without an owner and the longest waiter
//       is woken (unless one is `woken` already), so that whoever runs may go on; once the woken
//       one asks for it, or one whose sleep of (7) has ended in vain, or after `patience` times,
//       the word goes to the longest waiter (`offered`). If nobody waits, `waiting` goes, and comes
//       back if somebody was just about to sleep. Whoever was woken or chosen, and whose wait (as
//       its ticket tells) has ended by then, is replaced
//
// Invariants
//   R1  One owner: every change of owner is a compare-exchange of the word with the seat in it, and
//       seats never repeat (T1).
//   R2  While the word has an owner that is not pending, entering or offered, no live thread but
//       the owner has a mark that was acknowledged: a reader acknowledges its mark only if it saw
//       `biased` without an owner after making it, and a writer that took such a word has seen the
//       mark since, or the reader sees the writer (both are seq_cst).
//   R3  `biased` is cleared only by an owner who has seen all marks go; it is set only by an owner,
//       or one leaving.
//   R4  A dead exclusive holder leaves its seat without pending, entering or offered, or `damaged`;
//       whoever takes it over has `damaged`. It goes only with a release from exclusive, thus by
//       one who was told.
//   R5  Nobody waits for one who is dead for longer than 50 ms: each wait ends by then and looks at
//       everything anew. Usually at once: the proof of life wakes the one that watches it. (Three
//       times that for a death that the kernel does not mark, see roster.h.)
//   R6  A waiter is overtaken at most bypass_max(n) times, n being those in the queue, itself
//       included, unless it is stopped or does not come for 50 ms when it is its turn. A death, or
//       a stop, between two steps of (8) can hide it for one wait of (7), in which nobody counts.
//   R7  A death at any instruction leaves a state that these rules cover: marks of the dead count
//       for nothing, a dead owner is taken over from, all else are hints (`waiting`, `woken`,
//       tickets) whose loss costs one wait of (7).
// A model of the protocol, model/robust_rw.pml, is searched for violations of R1 to R5 and R7.
//
// Process and thread safety: any number of processes of one PID namespace, 16,384 threads at once.
// A handle is for one thread at a time; it may be moved to another while it holds nothing. In a
// child of fork(2) it holds nothing. Who asks for what the handle holds gets would_deadlock, and so
// does a thread that asks by another handle for what excludes itself; several handles of a thread
// may hold a lock shared. A thread may hold 8 locks of one roster shared at the same time (then:
// no_space).
//
// What survives a crash: the lock, with the roster beside it, in its own space. The segment that
// the state lies in must be one that no other user can write.
//
// Sources. Reader marks away from the lock's word: D. Dice, A. Kogan, "BRAVO: Biased Locking for
// Reader-Writer Locks", USENIX ATC 2019. Handing over after a bound: the starvation mode of Go's
// sync.Mutex. Robust futexes: see roster.h.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/lock/lock.h"
#include "lib/lock/roster.h"

namespace shmark {

class robust_rw {
 public:
  static constexpr std::string_view name = "robust_rw";
  static constexpr lock_traits can{.shared = true,
                                   .timed = true,
                                   .crash_safe = true,
                                   .reports_owner_death = true,
                                   .per_thread = true,
                                   .convertible = true};
  // 192 bytes. The first line is written by all, the rest by create() and destroy() only.
  struct state {
    alignas(64) std::atomic<std::uint64_t> word;
    std::atomic<std::uint64_t> taken;           // times the word was taken while somebody waited
    std::atomic<std::uint64_t> bypass_longest;  // most that were let past one waiter
    std::atomic<std::uint64_t> served;          // of `taken`, when the longest waiter had its turn
    std::atomic<std::uint32_t> woken;           // the index of the one who was woken last
    alignas(64) std::atomic<std::uint64_t> roster;  // the key's number; 0: there is none
    std::uint32_t number;                           // the lock's, in the roster
    std::atomic<std::uint32_t> destroyed;           // 1: so it is, or is being
    std::uint32_t shares_roster;                    // 1: the roster belongs to another lock
    std::uint32_t unused;
    std::atomic<std::uint64_t> roster_number;  // which table it is; 0 until the first attach()
    std::array<char, 64> space;                // the key's, with a 0 at the end
  };

  // How often in a row others may take the lock while somebody waits.
  static constexpr std::uint32_t patience = 4096;
  // How often, at most, a waiter is overtaken when there are `waiters` in all.
  [[nodiscard]] static constexpr std::uint64_t bypass_max(std::uint64_t waiters) noexcept {
    return (patience + 2) * waiters;
  }

  // With a roster of its own, in the space that `home` names; it is made by the first attach().
  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home& home) noexcept;
  [[nodiscard]] static std::expected<robust_rw, error> attach(state& at) noexcept;
  static void destroy(state& at) noexcept;
  // For lock_home::beside: locks that are made so share the roster of this one.
  [[nodiscard]] static std::uint64_t company(const state& at) noexcept;

  // What a lock's bytes say of those who use it, for somebody who only looks on, by copies of the
  // state and of the roster's bytes: takes no lock and changes nothing. The copies are of two
  // moments, so what changed meanwhile may be shown twice, or not at all.
  enum class part : std::uint8_t {
    holds_exclusive,
    holds_shared,
    drains,   // has the word, and waits for readers to go, to hold it exclusively
    enters,   // has the word, on its way to hold it shared
    offered,  // was chosen from those who wait, and has not come yet
    waits
  };
  struct user {
    std::uint32_t thread;   // its number; 0: not known
    std::uint64_t started;  // see start_ticks(); 0: not known
    part does;
    bool is_alive;
    std::uint64_t ticket;  // its place among those who wait
  };
  struct view {
    std::vector<user> users;  // holders first, then those who wait, the longest first
    bool is_damaged;          // one who held it exclusively died, and nobody has repaired it
  };
  // The roster's key; number 0: there is none yet, and nobody uses the lock.
  [[nodiscard]] static segment_key roster_key(const state& copy) noexcept;
  // Errors: mismatch, if that is no roster, or not the lock's. Throws std::bad_alloc.
  [[nodiscard]] static std::expected<view, error> look(const state& copy,
                                                       std::span<const std::byte> roster);

  robust_rw(robust_rw&& other) noexcept
      : state_(other.state_),
        roster_(std::move(other.roster_)),
        member_(other.member_),
        serial_(other.serial_),
        held_(std::exchange(other.held_, held::nothing)),
        mark_(other.mark_),
        is_crowded_(other.is_crowded_) {}
  robust_rw& operator=(robust_rw&& other) noexcept;
  ~robust_rw();

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    if (serial_ != detail::thread_serial || held_ != held::nothing) [[unlikely]]
      return begin(how, until);
    if (how == mode::exclusive) {
      std::uint64_t nobody = 0;
      if (!is_crowded_ &&
          state_->word.compare_exchange_strong(nobody, member_->self, std::memory_order_acq_rel,
                                               std::memory_order_relaxed)) [[likely]] {
        ++member_->holds;
        held_ = held::exclusive;
        return acquired::ok;
      }
    } else if (state_->word.load(std::memory_order_relaxed) == biased && member_->marks_used == 0)
        [[likely]] {
      futex_word& mark = member_->record->marks[0];
      mark.exchange(state_->number);
      if (state_->word.load() == biased) [[likely]] {
        member_->marks_used = 1;
        member_->handles[0] = 1;
        mark_ = 0;
        ++member_->holds;
        held_ = held::shared;
        return acquired::ok;
      }
      unmark(mark);
    }
    return acquire_slowly(how, until);
  }

  void release(mode how) noexcept {
    SHMARK_CHECK(held_ != held::nothing && serial_ == detail::thread_serial,
                 "released a lock that is not held");
    SHMARK_CHECK(held_ == as_held(how), "released a lock that is not held in this mode");
    held_ = held::nothing;
    --member_->holds;
    if (how == mode::exclusive) {
      std::uint64_t mine = member_->self;
      if (is_crowded_ || !state_->word.compare_exchange_strong(mine, 0, std::memory_order_release,
                                                               std::memory_order_relaxed))
          [[unlikely]]
        give_up(0, damaged);
    } else if (--member_->handles[mark_] == 0) {
      member_->marks_used &= ~(1U << mark_);
      unmark(member_->record->marks[mark_]);
    }
  }

  // Whether somebody alive holds it exclusively, by this handle or another; asks, and changes
  // nothing.
  [[nodiscard]] std::expected<bool, error> is_held_exclusively() const noexcept {
    const std::uint64_t word = state_->word.load();
    const detail::seat owner = word & detail::seat_bits;
    if (owner == 0 || (word & (pending | entering | offered)) != 0) return false;
    return roster_->is_alive(owner);
  }

  // From exclusive to shared, with nobody in between. Requires: held exclusively by the caller.
  // Errors: no_space, if the thread holds 8 locks of the roster shared; it then stays exclusive.
  [[nodiscard]] std::expected<void, error> downgrade() noexcept;

  // From shared to exclusive, with nobody in between. Requires: held shared by the caller, who
  // after an error still holds it so. Errors: would_deadlock, if another waits for exclusive or
  // upgrades, or another handle of this thread holds it; would_block, timed_out.
  [[nodiscard]] std::expected<acquired, error> upgrade(deadline until) noexcept;

 private:
  enum class held : std::uint8_t { nothing, exclusive, shared };
  static constexpr held as_held(mode how) noexcept {
    return how == mode::exclusive ? held::exclusive : held::shared;
  }

  // Bits of the word that are not the seat's.
  static constexpr std::uint64_t waiting = 1U << 15U;
  static constexpr std::uint64_t woken = 1U << 16U;
  static constexpr std::uint64_t biased = 1U << 17U;
  static constexpr std::uint64_t damaged = 1U << 18U;
  static constexpr std::uint64_t pending = 1U << 19U;
  static constexpr std::uint64_t entering = 1U << 20U;
  static constexpr std::uint64_t offered = 1U << 21U;
  // Those that stay when the owner changes.
  static constexpr std::uint64_t lasting = waiting | woken | biased | damaged;
  static_assert(((lasting | pending | entering | offered) & detail::seat_bits) == 0);

  // Why somebody wants to own the word.
  enum class purpose : std::uint8_t { writing, reading, upgrading };
  class contender;
  // Who waits, and its ticket: another one is another wait of the same thread.
  struct waiter {
    std::uint32_t index;
    std::uint64_t ticket;
  };

  robust_rw(state& at, std::shared_ptr<detail::roster> in) noexcept
      : state_(&at), roster_(std::move(in)) {
    roster_->enter();
  }

  // (5).
  static void unmark(futex_word& mark) noexcept {
    if ((mark.exchange(0, std::memory_order_release) & detail::participant::awaited) != 0)
        [[unlikely]]
      futex_wake(mark, 1);
  }
  [[nodiscard]] std::expected<acquired, error> begin(mode how, deadline until) noexcept;
  [[nodiscard]] std::expected<acquired, error> acquire_slowly(mode how, deadline until) noexcept;
  [[nodiscard]] bool overtake() noexcept;
  // (3) for a writer, from the ownership of the word on.
  [[nodiscard]] std::expected<acquired, error> become_writer(std::uint64_t word,
                                                             deadline until) noexcept;
  // Which of this thread's marks says that it holds this lock shared; 8 if none does.
  [[nodiscard]] std::uint32_t own_mark() const noexcept;
  // Makes a mark. Requires: one is left.
  void mark() noexcept;
  // (4). Errors: would_block, timed_out.
  [[nodiscard]] std::expected<void, error> drain(deadline until) noexcept;
  [[nodiscard]] std::expected<void, error> drain(futex_word& mark, std::uint32_t index,
                                                 deadline until) noexcept;
  // Gives the word up, with these flags changed, and sees to the next (8). Requires: owns it.
  void give_up(std::uint64_t set, std::uint64_t clear) noexcept;
  // Takes back what was offered to one whose wait has ended; whether it did. `word` is the word as
  // it was, and will be, before that.
  [[nodiscard]] bool take_back(const waiter& chosen, std::uint64_t& word) noexcept;
  void see_to_the_next() noexcept;
  [[nodiscard]] bool is_time_to_serve() const noexcept;
  // Makes it so, for one that was woken and is there.
  void ask() noexcept;
  // The longest waiter that is alive, if there is one.
  [[nodiscard]] std::optional<waiter> longest_waiter() const noexcept;
  // The same wait, still.
  [[nodiscard]] bool is_waiting(const waiter& who) const noexcept;
  [[nodiscard]] bool is_waiting(const detail::participant& who) const noexcept {
    return who.awaits.load() == state_->number;
  }
  // Whether a reader's mark, as it was loaded, is one of this lock.
  [[nodiscard]] bool is_ours(std::uint32_t mark) const noexcept {
    return (mark & ~detail::participant::awaited) == state_->number;
  }
  void rouse(std::uint32_t index) noexcept;

  state* state_;
  std::shared_ptr<detail::roster> roster_;
  detail::member* member_ = nullptr;
  std::uint64_t serial_ = ~std::uint64_t{0};  // of the thread whose member it is
  held held_ = held::nothing;
  std::uint8_t mark_ = 0;  // which of its marks, while it holds shared
  // Whether others waited when it last acquired: then it is better to look at the word before a
  // compare-exchange, which costs as much when it fails; else looking first costs more.
  bool is_crowded_ = false;
};

}  // namespace shmark

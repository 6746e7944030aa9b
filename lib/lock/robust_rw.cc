#include "lib/lock/robust_rw.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <new>
#include <optional>
#include <span>
#include <string_view>

#include "lib/base/futex.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace shmark {

using detail::member;
using detail::participant;
using detail::roster;
using detail::seat;
using detail::seat_bits;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");
// What lib/store/LAYOUT.md says.
static_assert(sizeof(robust_rw::state) == 192 && offsetof(robust_rw::state, word) == 0);
static_assert(offsetof(robust_rw::state, taken) == 8);
static_assert(offsetof(robust_rw::state, bypass_longest) == 16);
static_assert(offsetof(robust_rw::state, served) == 24);
static_assert(offsetof(robust_rw::state, woken) == 32);
static_assert(offsetof(robust_rw::state, roster) == 64);
static_assert(offsetof(robust_rw::state, number) == 72);
static_assert(offsetof(robust_rw::state, destroyed) == 76);
static_assert(offsetof(robust_rw::state, shares_roster) == 80);
static_assert(offsetof(robust_rw::state, roster_number) == 88);
static_assert(offsetof(robust_rw::state, space) == 96);
static_assert(convertible_lock<robust_rw>);

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t slice_ns_min = 1 * ns_per_ms;
constexpr std::int64_t slice_ns_max = 50 * ns_per_ms;
// Looks at a word before going to sleep: about as long as it takes to sleep and be woken. Between
// them the owner is left alone with the word, for each look takes the cache line away from it.
constexpr int spins = 10;
constexpr std::uint32_t all_marks = 0xFF;

void relax() noexcept {
#if defined(__x86_64__)
  for (int i = 0; i < 32; ++i) _mm_pause();
#endif
}

// The roster's key, of what a state says; it is input.
segment_key key_of(const robust_rw::state& at) noexcept {
  const std::string_view space(at.space.data(), at.space.size());
  return {space.substr(0, space.find('\0')), at.roster.load(std::memory_order_acquire)};
}

// Requires: the caller owns the word.
void count(std::atomic<std::uint64_t>& number) noexcept {
  number.store(number.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

std::expected<void, error> robust_rw::create(state& at, const lock_home& home) noexcept {
  auto* made = new (&at) state{};
  const auto space = home.space.view();
  if (space.empty() || space.size() >= made->space.size()) {
    return failure(errc::invalid, "make a lock in the space", home.space, "use 1 to 63 characters");
  }
  std::ranges::copy(space, made->space.begin());
  if (home.beside != 0) {
    made->shares_roster = 1;
    SHMARK_ASSIGN_OR_RETURN(const auto in, roster::open({home.space, home.beside}, 0));
    made->number = in->next_lock_number();
    made->roster_number.store(in->number(), std::memory_order_relaxed);
    made->roster.store(home.beside, std::memory_order_release);
  } else {
    made->number = 1;
    made->roster.store(segment_key::random_in(home.space).number, std::memory_order_release);
  }
  return {};
}

std::expected<robust_rw, error> robust_rw::attach(state& at) noexcept {
  const auto key = key_of(at);
  const auto is_destroyed = [&at] { return at.destroyed.load() != 0; };
  if (key.number == 0 || is_destroyed()) return failure(errc::not_found, "use lock", key.text());
  std::uint64_t number = at.roster_number.load();
  SHMARK_ASSIGN_OR_RETURN(auto in, roster::open(key, number));
  if (is_destroyed()) {
    if (at.shares_roster == 0) roster::remove(key);  // we may have made it anew
    return failure(errc::not_found, "use lock", key.text());
  }
  if (number == 0 && !at.roster_number.compare_exchange_strong(number, in->number()) &&
      number != in->number()) {
    return failure(errc::corrupt, "use lock", key.text(),
                   "its table of participants was removed while it was opened: try again");
  }
  return robust_rw(at, std::move(in));
}

void robust_rw::destroy(state& at) noexcept {
  const auto key = key_of(at);
  at.destroyed.store(1);
  if (key.number != 0 && at.shares_roster == 0) roster::remove(key);
  at.roster.store(0, std::memory_order_release);
}

std::uint64_t robust_rw::company(const state& at) noexcept {
  return at.roster.load(std::memory_order_acquire);
}

segment_key robust_rw::roster_key(const state& copy) noexcept { return key_of(copy); }

auto robust_rw::look(const state& copy, std::span<const std::byte> roster)
    -> std::expected<view, error> {
  SHMARK_ASSIGN_OR_RETURN(const auto table,
                          detail::roster_copy::of(roster, copy.roster_number.load()));
  const std::uint64_t word = copy.word.load();
  view seen{.users = {}, .is_damaged = (word & damaged) != 0};
  const seat owner = word & seat_bits;
  const part owns = (word & offered) != 0    ? part::offered
                    : (word & pending) != 0  ? part::drains
                    : (word & entering) != 0 ? part::enters
                                             : part::holds_exclusive;
  bool owner_met = owner == 0;
  std::vector<user> waiters;
  for (std::uint32_t index = 0; index < table.used(); ++index) {
    const auto who = table.at(index);
    user its{who.thread, who.started, owns, who.is_alive, who.ticket};
    if (who.self == owner) {
      owner_met = true;
      seen.users.insert(seen.users.begin(), its);
    }
    if (!who.is_alive) continue;  // its marks, and its waiting, count for nothing
    if (std::ranges::find(who.marks, copy.number) != who.marks.end()) {
      its.does = part::holds_shared;
      seen.users.push_back(its);
    }
    if (who.awaits == copy.number && who.self != owner) {
      its.does = part::waits;
      waiters.push_back(its);
    }
  }
  // Its record has another thread by now.
  if (!owner_met) seen.users.insert(seen.users.begin(), {0, 0, owns, false, 0});
  std::ranges::sort(waiters, {}, &user::ticket);
  seen.users.insert(seen.users.end(), waiters.begin(), waiters.end());
  return seen;
}

robust_rw& robust_rw::operator=(robust_rw&& other) noexcept {
  std::swap(state_, other.state_);
  std::swap(roster_, other.roster_);
  std::swap(member_, other.member_);
  std::swap(serial_, other.serial_);
  std::swap(held_, other.held_);
  std::swap(mark_, other.mark_);
  std::swap(is_crowded_, other.is_crowded_);
  return *this;
}

robust_rw::~robust_rw() {
  if (roster_ != nullptr) roster_->exit();
}

std::expected<acquired, error> robust_rw::begin(mode how, deadline until) noexcept {
  if (serial_ == detail::thread_serial) {
    return failure(errc::would_deadlock, "acquire lock", name);
  }
  // Another thread's, or the parent's: what that one holds is not ours.
  held_ = held::nothing;
  SHMARK_ASSIGN_OR_RETURN(member_, roster::join(roster_, until));
  serial_ = detail::thread_serial;
  return acquire(how, until);
}

// What one thread does to own the word: (3) and (7).
class robust_rw::contender {
 public:
  contender(robust_rw& of, purpose why, deadline until) noexcept
      : lock_(of), me_(*of.member_), why_(why), until_(until), turn_(me_.record->turn.load()) {}

  // The word, now ours. Errors: would_block, timed_out, would_deadlock.
  std::expected<std::uint64_t, error> own() noexcept {
    for (;;) {
      std::uint64_t word = lock_.state_->word.load();
      const auto next = successor(word);
      if (!next) return refuse(errc::would_deadlock);
      if (*next != 0) {
        if (lock_.state_->word.compare_exchange_strong(word, *next)) return taken(word, *next);
      } else if (spins_left_ > 0) {
        --spins_left_;
        relax();
        // Awake, and its turn: ask for it, for a running owner leaves hardly a gap.
        if (is_woken()) lock_.ask();
      } else if (!until_.passed()) {
        sleep();
      } else if (!is_last_look_) {
        is_last_look_ = true;
        lock_.roster_->bury_if_gone(word & seat_bits, !until_.is_none());
      } else {
        return refuse(until_.is_none() ? errc::would_block : errc::timed_out);
      }
    }
  }

 private:
  // The word with us as its owner; 0 if that must wait; nothing if it would wait for itself.
  std::optional<std::uint64_t> successor(std::uint64_t word) noexcept {
    const seat owner = word & seat_bits;
    std::uint64_t next = word & lasting;
    if (owner == me_.self) {
      if ((word & offered) == 0) return {};
    } else if (owner != 0) {
      if (!lock_.roster_->is_alive(owner)) {
        if ((word & (pending | entering | offered)) == 0) next |= damaged;
      } else if (why_ == purpose::upgrading && (word & pending) != 0) {
        return {};
      } else if ((word & offered) == 0 || !has_not_come(owner)) {
        return 0;
      }
    }
    if (is_registered_) next &= ~woken;  // it was we, or somebody who does not come
    if (why_ == purpose::reading) next |= entering;
    if (why_ == purpose::upgrading || (why_ == purpose::writing && (word & biased) != 0)) {
      next |= pending;
    }
    return next | me_.self;
  }

  // Whether the one whom the word is offered to will not come. Asking the kernel is slow: it is
  // done once for each wait, and before giving up.
  bool has_not_come(seat whose) noexcept {
    const participant* const record = lock_.roster_->record_of(whose);
    if (record == nullptr || !lock_.is_waiting(*record)) return true;
    const std::uint32_t turn = record->turn.load();
    const std::int64_t now_ns = monotonic_ns();
    if (whose != offered_.to || turn != offered_.turn) offered_ = {whose, turn, now_ns, waits_};
    if (now_ns - offered_.since_ns >= slice_ns_max) return true;
    if (waits_ == offered_.waits && !is_last_look_) return false;
    offered_.waits = waits_;
    return lock_.roster_->is_stopped(whose);
  }

  [[nodiscard]] bool is_woken() const noexcept {
    return is_registered_ && me_.record->turn.load() != turn_;
  }

  std::expected<std::uint64_t, error> taken(std::uint64_t before, std::uint64_t word) noexcept {
    state& shared = *lock_.state_;
    const seat passed_over = (before & offered) != 0 ? before & seat_bits : 0;
    if (is_registered_ || (before & waiting) != 0) {
      count(shared.taken);
      if (is_woken() || passed_over != 0) {  // the longest waiter's turn, even if it did not come
        shared.served.store(shared.taken.load(std::memory_order_relaxed),
                            std::memory_order_relaxed);
      }
    }
    if (passed_over != 0 && passed_over != me_.self) postpone(passed_over);
    if (is_registered_) {
      if ((before & woken) != 0 && !is_woken()) postpone_if_stopped();
      const std::uint64_t bypass = shared.taken.load(std::memory_order_relaxed) - taken_before_ - 1;
      if (bypass > shared.bypass_longest.load(std::memory_order_relaxed)) {
        shared.bypass_longest.store(bypass, std::memory_order_relaxed);
      }
      me_.record->awaits.store(0);
    }
    return word;
  }

  // Sends one who did not come to the end of the queue, lest all wait for it again and again.
  void postpone(seat whose) noexcept {
    participant* const record = lock_.roster_->record_of(whose);
    if (record == nullptr || !lock_.is_waiting(*record)) return;
    record->ticket.store(lock_.roster_->next_ticket());
  }
  void postpone_if_stopped() noexcept {
    const std::uint32_t index = lock_.state_->woken.load(std::memory_order_relaxed);
    if (index >= lock_.roster_->used()) return;
    const seat whose = lock_.roster_->seat_at(index);
    if (lock_.roster_->is_stopped(whose)) postpone(whose);
  }

  std::unexpected<error> refuse(errc why) noexcept {
    if (is_registered_) {
      me_.record->awaits.store(0);
      std::uint64_t word = lock_.state_->word.load();
      while ((word & seat_bits) == me_.self && (word & offered) != 0) {
        // Just now: pass it on. If anybody was woken, it was we.
        const std::uint64_t next = (word & (lasting | seat_bits) & ~woken) | entering;
        if (!lock_.state_->word.compare_exchange_strong(word, next)) continue;
        lock_.give_up(0, 0);
        return failure(why, "acquire lock", name);
      }
      if (me_.record->turn.load() != turn_) {
        lock_.state_->word.fetch_and(~woken);
        lock_.see_to_the_next();
      }
    }
    return failure(why, "acquire lock", name);
  }

  // (7).
  void sleep() noexcept {
    participant& mine = *me_.record;
    state& shared = *lock_.state_;
    // What woke us, if anything did, has not helped; a later wake is seen by the kernel.
    const std::uint32_t turn = mine.turn.load();  // once: a wake between two looks would be lost
    const bool was_woken = is_registered_ && turn != turn_;
    turn_ = turn;
    if (!is_registered_) {
      taken_before_ = shared.taken.load(std::memory_order_relaxed);
      mine.ticket.store(lock_.roster_->next_ticket(), std::memory_order_relaxed);
      mine.awaits.store(shared.number);
      is_registered_ = true;
    }
    std::uint64_t word = shared.word.load();
    const seat owner = word & seat_bits;
    const std::uint64_t next = (word | waiting) & ~(was_woken ? woken : 0);
    if (owner == 0 || owner == me_.self ||
        (next != word && !shared.word.compare_exchange_strong(word, next))) {
      if (was_woken) --turn_;  // still to be answered
      return;
    }
    const auto proof = lock_.roster_->watch(owner);
    if (!proof) return;
    const std::array watched{futex_watch{&mine.turn, turn_}, *proof};
    mine.asleep.store(1);
    futex_wait(watched, std::min(slice_ns_, until_.remaining_ns()));
    mine.asleep.store(0, std::memory_order_relaxed);
    ++waits_;
    if (is_woken()) {
      spins_left_ = spins;
      slice_ns_ = slice_ns_min;
      return;
    }
    // `patience` may be long where each holds the lock for long, and whoever was woken be dead.
    lock_.ask();
    if (slice_ns_ == slice_ns_max) lock_.roster_->bury_if_gone(owner, true);
    slice_ns_ = std::min(2 * slice_ns_, slice_ns_max);
  }

  // The one whom we found the word offered to, by which turn, since when, and how often we had
  // slept then.
  struct offer {
    seat to;
    std::uint32_t turn;
    std::int64_t since_ns;
    std::uint64_t waits;
  };

  robust_rw& lock_;
  member& me_;
  purpose why_;
  deadline until_;
  std::uint32_t turn_;  // of our record, as of the last answer: another one now means we were woken
  int spins_left_ = spins;
  bool is_registered_ = false;  // others can see that we wait
  bool is_last_look_ = false;
  std::int64_t slice_ns_ = slice_ns_min;
  std::uint64_t taken_before_ = 0;
  std::uint64_t waits_ = 0;
  offer offered_{};
};

// (3), of a word without an owner for which others may wait: those who run may go on, for a while.
bool robust_rw::overtake() noexcept {
  std::uint64_t word = state_->word.load(std::memory_order_relaxed);
  is_crowded_ = word != 0;
  if ((word & ~(waiting | woken)) != 0 ||
      !state_->word.compare_exchange_strong(word, word | member_->self)) {
    return false;
  }
  if (is_crowded_) count(state_->taken);
  return true;
}

std::expected<acquired, error> robust_rw::acquire_slowly(mode how, deadline until) noexcept {
  if (how == mode::exclusive && overtake()) {
    held_ = held::exclusive;
    ++member_->holds;
    return acquired::ok;
  }
  const auto why = how == mode::exclusive ? purpose::writing : purpose::reading;
  if (const std::uint32_t own = own_mark(); own < member_->handles.size()) {
    if (why == purpose::writing) {
      return failure(errc::would_deadlock, "acquire lock", name);
    }
    // Whoever waits for our mark to go waits for this handle, too.
    mark_ = static_cast<std::uint8_t>(own);
    ++member_->handles[own];
    ++member_->holds;
    held_ = held::shared;
    const bool is_damaged = (state_->word.load(std::memory_order_relaxed) & damaged) != 0;
    return is_damaged ? acquired::owner_died : acquired::ok;
  }
  if (why == purpose::reading && member_->marks_used == all_marks) {
    return failure(errc::no_space, "acquire lock", name,
                   because{"this thread reads 8 others already"}, "release one of them first");
  }
  SHMARK_ASSIGN_OR_RETURN(const std::uint64_t word, contender(*this, why, until).own());
  if (why == purpose::writing) return become_writer(word, until);
  mark();
  held_ = held::shared;
  ++member_->holds;
  give_up(biased, 0);
  return (word & damaged) != 0 ? acquired::owner_died : acquired::ok;
}

std::expected<acquired, error> robust_rw::become_writer(std::uint64_t word,
                                                        deadline until) noexcept {
  if ((word & pending) != 0) {
    if (auto drained = drain(until); !drained) {
      give_up(0, 0);
      return std::unexpected(drained.error());
    }
    if (held_ == held::shared) {  // it upgrades
      member_->marks_used &= ~(1U << mark_);
      member_->handles[mark_] = 0;
      member_->record->marks[mark_].store(0);
      --member_->holds;
    }
    state_->word.fetch_and(~(pending | biased));
  }
  held_ = held::exclusive;
  ++member_->holds;
  return (word & damaged) != 0 ? acquired::owner_died : acquired::ok;
}

std::expected<void, error> robust_rw::downgrade() noexcept {
  SHMARK_CHECK(held_ == held::exclusive && serial_ == detail::thread_serial,
               "downgraded a lock that is not held exclusively");
  if (member_->marks_used == all_marks) {
    return failure(errc::no_space, "downgrade lock", name,
                   because{"this thread reads 8 others already"}, "release one of them first");
  }
  mark();
  held_ = held::shared;
  give_up(biased, damaged);
  return {};
}

std::expected<acquired, error> robust_rw::upgrade(deadline until) noexcept {
  SHMARK_CHECK(held_ == held::shared && serial_ == detail::thread_serial,
               "upgraded a lock that is not held shared");
  if (member_->handles[mark_] > 1) {
    return failure(errc::would_deadlock, "upgrade lock", name,
                   because{"this thread holds it by another handle, too"}, "release that first");
  }
  SHMARK_ASSIGN_OR_RETURN(const std::uint64_t word,
                          contender(*this, purpose::upgrading, until).own());
  return become_writer(word, until);
}

std::uint32_t robust_rw::own_mark() const noexcept {
  std::uint32_t at = 0;
  for (const auto& mark : member_->record->marks) {
    if (is_ours(mark.load(std::memory_order_relaxed))) break;
    ++at;
  }
  return at;
}

void robust_rw::mark() noexcept {
  mark_ = static_cast<std::uint8_t>(std::countr_one(member_->marks_used));
  member_->marks_used |= 1U << mark_;
  member_->handles[mark_] = 1;
  member_->record->marks[mark_].store(state_->number);
}

std::expected<void, error> robust_rw::drain(deadline until) noexcept {
  for (std::uint32_t index = 0; index < roster_->used(); ++index) {
    participant& who = roster_->at(index);
    if (&who == member_->record) continue;
    for (auto& mark : who.marks) {
      if (!is_ours(mark.load())) continue;
      SHMARK_RETURN_IF_ERROR(drain(mark, index, until));
    }
  }
  return {};
}

// Waits for one mark to go.
std::expected<void, error> robust_rw::drain(futex_word& mark, std::uint32_t index,
                                            deadline until) noexcept {
  int spins_left = spins;
  bool is_last_look = false;
  for (;;) {
    std::uint32_t seen = mark.load();
    if (!is_ours(seen)) return {};
    const seat reader = roster_->seat_at(index);
    if (!roster_->is_alive(reader)) return {};
    if (spins_left > 0) {
      --spins_left;
      relax();
      continue;
    }
    if (until.passed()) {
      if (is_last_look) {
        return failure(until.is_none() ? errc::would_block : errc::timed_out, "acquire lock", name);
      }
      is_last_look = true;
      roster_->bury_if_gone(reader, !until.is_none());
      continue;
    }
    const std::uint32_t awaited = seen | participant::awaited;
    if (seen != awaited && !mark.compare_exchange_strong(seen, awaited)) continue;
    const auto proof = roster_->watch(reader);
    if (!proof) continue;
    // A reader that upgrades sleeps until the word changes hands, and must be refused now.
    if (is_waiting(roster_->at(index))) rouse(index);
    const std::array watched{futex_watch{&mark, awaited}, *proof};
    futex_wait(watched, std::min(slice_ns_max, until.remaining_ns()));
    if (mark.load() == awaited) roster_->bury_if_gone(reader, true);
  }
}

bool robust_rw::is_time_to_serve() const noexcept {
  return state_->taken.load(std::memory_order_relaxed) -
             state_->served.load(std::memory_order_relaxed) >=
         patience;
}

void robust_rw::ask() noexcept {
  state_->served.store(state_->taken.load(std::memory_order_relaxed) - patience,
                       std::memory_order_relaxed);
}

// (6) and (8).
void robust_rw::give_up(std::uint64_t set, std::uint64_t clear) noexcept {
  std::uint64_t word = state_->word.load();
  for (;;) {
    SHMARK_CHECK((word & seat_bits) == member_->self, "released a lock that is not held");
    std::uint64_t next = (word & lasting & ~clear) | set;
    std::optional<waiter> chosen;
    if ((word & waiting) != 0 && is_time_to_serve()) {
      chosen = longest_waiter();
      if (chosen) {
        next |= offered | roster_->seat_at(chosen->index);
      } else {
        next &= ~woken;  // whoever it was
        state_->served.store(state_->taken.load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
      }
    }
    if (!state_->word.compare_exchange_strong(word, next)) continue;
    if (chosen) {
      rouse(chosen->index);
      if (!take_back(*chosen, next)) return;
    }
    if ((next & (waiting | woken)) == waiting) see_to_the_next();
    return;
  }
}

// One that was just chosen may have given up waiting, and have looked at the word before it was
// offered. It may change flags meanwhile.
bool robust_rw::take_back(const waiter& chosen, std::uint64_t& word) noexcept {
  constexpr std::uint64_t whose = offered | seat_bits;
  for (const std::uint64_t before = word; (word & whose) == (before & whose);) {
    if (is_waiting(chosen)) return false;
    if (state_->word.compare_exchange_strong(word, word & lasting)) return true;
  }
  return false;
}

void robust_rw::see_to_the_next() noexcept {
  for (;;) {
    std::uint64_t word = state_->word.load();
    if ((word & seat_bits) != 0 || (word & waiting) == 0 || (word & woken) != 0) return;
    if (!state_->word.compare_exchange_strong(word, word | woken)) continue;
    if (const auto next = longest_waiter(); next) {
      rouse(next->index);
      if (is_waiting(*next)) return;
      state_->word.fetch_and(~woken);  // it has just given up waiting, or has the lock
      continue;
    }
    state_->word.fetch_and(~(waiting | woken));
    if (!longest_waiter()) return;
    state_->word.fetch_or(waiting);  // it came just now, and found `waiting` set
  }
}

std::optional<robust_rw::waiter> robust_rw::longest_waiter() const noexcept {
  std::optional<waiter> longest;
  for (std::uint32_t index = 0; index < roster_->used(); ++index) {
    const participant& who = roster_->at(index);
    if (!is_waiting(who)) continue;
    const std::uint64_t ticket = who.ticket.load(std::memory_order_relaxed);
    if (longest && ticket >= longest->ticket) continue;
    if (!roster_->is_alive(roster_->seat_at(index))) continue;
    longest = waiter{index, ticket};
  }
  return longest;
}

bool robust_rw::is_waiting(const waiter& who) const noexcept {
  const participant& record = roster_->at(who.index);
  return is_waiting(record) && record.ticket.load(std::memory_order_relaxed) == who.ticket;
}

void robust_rw::rouse(std::uint32_t index) noexcept {
  state_->woken.store(index, std::memory_order_relaxed);
  participant& who = roster_->at(index);
  who.turn.fetch_add(1);
  if (who.asleep.load() != 0) futex_wake(who.turn, 1);
}

}  // namespace shmark

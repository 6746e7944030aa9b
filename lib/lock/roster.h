// A roster: which threads take part in a lock, or in several, and which of them are alive.
//
// A table in shared memory with a record for each thread that takes part. While it does, the thread
// holds the robust mutex in its record, its *proof of life*: the kernel marks that mutex when the
// thread ends, however it ends, so that everybody else can see it and is woken. Locks name threads
// by their *seat*: the record's index together with its incarnation, which no other thread ever
// has.
//
// Terms
//   record       128 bytes of the table; its first cache line says who, its second what it does
//   incarnation  of a record, odd while a thread has it: +1 when one takes it, +1 when it is given
//                back or found dead. A seat whose incarnation is not the record's has gone for good
//   mark         the number of a lock that the thread holds shared; only the thread itself writes
//                its marks, but for the bit `awaited`, which asks it to wake whoever set it
//
// Protocol. The claims mutex (robust as well) orders (1), (2) and (3); M is the memory order.
//   (1) join     take the first record that is free, or whose thread has died (3); make its mutex
//                anew and lock it; write thread, start time, no marks; incarnation += 1 (M release)
//   (2) leave    holding nothing: unlock the proof, which takes it out of the list that the kernel
//                walks when the thread ends; then incarnation += 1 (M release)
//   (3) bury     of a record whose incarnation is odd and whose proof is dead: clear its marks;
//                incarnation += 1 (M release)
//   (4) alive?   of a seat: incarnation (M acquire) is the record's, and its proof (M acquire) has
//                an owner and not FUTEX_OWNER_DIED. A proof that was seen dead is that of the seat,
//                or of one that came after it, so the seat is dead either way
//   (5) grow     reserve the next page of the table, then say so in `allocated` (M release)
// Invariants
//   T1  A seat that is alive stays so until its thread ends or leaves; one that is not, never is
//       again. Incarnations never repeat (42 bits).
//   T2  A record's marks are those of its current incarnation: they are cleared before the next.
//   T3  A death inside (1), (2), (3) or (5) leaves a table on which the next does the same again:
//       a record counts as taken only by its last step.
// A death that the kernel does not mark, that of a thread other than the first which calls
// execve(2), is found by (6): `bury_if_gone` asks whether there is a thread of that number, and
// whether it started when ours did.
//
// Process and thread safety: any number of processes of one PID namespace; a roster object is
// shared by all threads of a process, which has one per table. A member belongs to its thread. A
// child of fork(2) has none of its parent's members; one made without the handlers of
// pthread_atfork(3), by _Fork(3) or clone(2), must not use a lock of its parent's.
//
// What survives a crash: the table, as part of the lock that it belongs to. Up to 16,384 threads
// at once. A table has a number drawn at random, so that none is taken for another that was removed
// by other means.
//
// Sources: set_robust_list(2), pthread_mutexattr_setrobust(3); the kernel's documentation,
// locking/robust-futexes.rst, for the bits of a robust futex.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/futex.h"
#include "lib/segment/posix.h"
#include "lib/segment/segment.h"

namespace shmark::detail {

struct participant {
  pthread_mutex_t proof;
  std::atomic<std::uint64_t> incarnation;
  std::atomic<std::uint32_t> thread;  // its number, as gettid(2) says
  std::uint32_t unused;
  std::atomic<std::uint64_t> started;  // see start_ticks(); 0: not known

  static constexpr std::uint32_t awaited = 1U << 31U;
  alignas(64) std::array<futex_word, 8> marks;
  futex_word turn;                    // +1: have a look (see robust_rw.h)
  std::atomic<std::uint32_t> asleep;  // 1: it may be asleep on its turn
  std::atomic<std::uint32_t> awaits;  // the number of the lock that it waits for; 0: none
  std::atomic<std::uint64_t> ticket;  // its place among those who do
};
// What lib/store/LAYOUT.md says.
static_assert(sizeof(participant) == 128 && offsetof(participant, proof) == 0);
static_assert(offsetof(participant, incarnation) == 40 && offsetof(participant, thread) == 48);
static_assert(offsetof(participant, started) == 56 && offsetof(participant, marks) == 64);
static_assert(offsetof(participant, turn) == 96 && offsetof(participant, asleep) == 100);
static_assert(offsetof(participant, awaits) == 104 && offsetof(participant, ticket) == 112);

// A thread's identity in a roster, in one number: index + 1 in bits 0 to 14, incarnation from bit
// 22 on. The bits between are the lock's.
using seat = std::uint64_t;
constexpr int incarnation_shift = 22;
constexpr seat index_bits = 0x7FFF;
constexpr seat seat_bits = index_bits | ~((seat{1} << incarnation_shift) - 1);

class roster;

// What one thread is in one roster.
struct member {
  std::shared_ptr<roster> in;
  participant* record;
  seat self;
  std::uint32_t marks_used = 0;            // a bit for each of its marks
  std::array<std::uint32_t, 8> handles{};  // how many handles of the thread share each
  std::uint32_t holds = 0;                 // how many locks it holds, in whatever mode
  member* dropped_before = nullptr;        // in the list of those that nobody can give back
};

// 0 in a thread that has joined nothing yet, and in a child of fork; else a number that no other
// thread of this process ever has.
extern constinit thread_local std::uint64_t thread_serial;

class roster {
 public:
  static constexpr std::uint32_t capacity = 16384;

  // Opens the table under this key. One whose number the caller does not know (0) is made, unless
  // it is there. Errors: no_space, denied; mismatch, if it is of another PID namespace or version;
  // corrupt, if the table of that number has gone.
  [[nodiscard]] static std::expected<std::shared_ptr<roster>, error> open(
      const segment_key& key, std::uint64_t number) noexcept;
  // Removes the table, if it is there.
  static void remove(const segment_key& key) noexcept;

  // This thread's member; joins if it is none yet. Stays valid until the thread ends, or the last
  // user of the roster in this process has gone. Errors: no_space; would_block and timed_out, if
  // another is stopped while it joins or leaves; not_recoverable, if the thread is at its end.
  [[nodiscard]] static std::expected<member*, error> join(const std::shared_ptr<roster>& in,
                                                          deadline until) noexcept;

  // One for each handle of this process: when the last goes, so does the calling thread's member;
  // those of other threads go when they join something else, or end.
  void enter() noexcept { users_.fetch_add(1, std::memory_order_relaxed); }
  void exit() noexcept;

  // Drawn at random when the table was made.
  [[nodiscard]] std::uint64_t number() const noexcept;
  // A number for a further lock that is to use this table, 2 to 2^31 - 1; the lock that it belongs
  // to has number 1.
  [[nodiscard]] std::uint32_t next_lock_number() noexcept;

  // A place behind all those given out before.
  [[nodiscard]] std::uint64_t next_ticket() noexcept;

  // All records that may be in use: at(0) to at(used() - 1).
  [[nodiscard]] std::uint32_t used() const noexcept;
  [[nodiscard]] participant& at(std::uint32_t index) const noexcept { return records()[index]; }
  // The record of a seat; nullptr if the number cannot be one of this table.
  [[nodiscard]] participant* record_of(seat whose) const noexcept;
  // The seat of whoever has the record now.
  [[nodiscard]] seat seat_at(std::uint32_t index) const noexcept;

  // (4).
  [[nodiscard]] bool is_alive(seat whose) const noexcept;
  // What changes when the thread dies, for futex_wait(); nothing if it is dead already.
  [[nodiscard]] std::optional<futex_watch> watch(seat whose) const noexcept;
  // Whether the thread is stopped (SIGSTOP, a debugger); false if nothing is known.
  [[nodiscard]] bool is_stopped(seat whose) const noexcept;
  // (6). Does nothing while others join or leave. A thorough look reads /proc, which costs tens of
  // microseconds; any other one is a system call and finds only that the number is nobody's.
  void bury_if_gone(seat whose, bool thorough) noexcept;

  roster(const roster&) = delete;
  roster& operator=(const roster&) = delete;
  ~roster() = default;

 private:
  struct header;
  friend struct memberships;

  roster(segment_key key, posix_segment segment) noexcept
      : key_(key), segment_(std::move(segment)) {}
  static std::expected<posix_segment, error> open_segment(const segment_key& key,
                                                          std::uint64_t number);
  static std::expected<std::shared_ptr<roster>, error> map(const segment_key& key,
                                                           std::uint64_t number);
  static std::expected<std::shared_ptr<roster>, error> find_or_map(const segment_key& key,
                                                                   std::uint64_t number);
  [[nodiscard]] header& head() const noexcept;
  [[nodiscard]] participant* records() const noexcept;
  [[nodiscard]] bool in_use() const noexcept { return users_.load(std::memory_order_relaxed) != 0; }

  class claiming;
  std::expected<participant*, error> claim(deadline until);
  std::expected<void, error> grow();
  void bury(participant& record) noexcept;
  void shrink() noexcept;
  // (2). Returns false if somebody is stopped while it joins or leaves; then nothing is changed.
  [[nodiscard]] bool leave(const member& who) noexcept;
  friend class roster_copy;

  segment_key key_;
  posix_segment segment_;
  std::atomic<std::uint64_t> users_{0};
};

// A table as copied by somebody who only looks on, byte by byte while others change it: records may
// be half of one moment and half of another. Any bytes make a copy or an error.
class roster_copy {
 public:
  struct record {
    seat self;
    bool is_alive;  // as the proof says; false for a record that nobody has
    std::uint32_t thread;
    std::uint64_t started;
    std::array<std::uint32_t, 8> marks;  // without `awaited`
    std::uint32_t awaits;
    std::uint64_t ticket;
  };

  // Requires: the bytes outlive it. Errors: mismatch, if they are no table of this number, which 0
  // leaves open.
  [[nodiscard]] static std::expected<roster_copy, error> of(std::span<const std::byte> bytes,
                                                            std::uint64_t number) noexcept;
  // How many records there may be.
  [[nodiscard]] std::uint32_t used() const noexcept { return used_; }
  // Requires: index < used().
  [[nodiscard]] record at(std::uint32_t index) const noexcept;

 private:
  roster_copy(std::span<const std::byte> bytes, std::uint32_t used) noexcept
      : bytes_(bytes), used_(used) {}

  std::span<const std::byte> bytes_;
  std::uint32_t used_;
};

}  // namespace shmark::detail

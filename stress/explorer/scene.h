// What the processes of one exploration share, besides the lock or store that they explore: who
// they are, how far the victim has come, and what they have found.
//
// Every body of an operation (see operation.h) is called with a scene, in a process of its own. It
// says what it saw by saw(), and what must not be by fail(); whoever cannot go on after that calls
// give_up(). Nothing here is itself explored: the memory is the explorer's own, and its locks are
// atomics.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/base/futex.h"
#include "lib/segment/segment.h"

namespace shmark::explorer {

// How far a process has come in what it does, as it notes itself. Between `taking` and `giving` and
// what follows each it may or may not have the lock, and may or may not have published.
enum class phase : std::uint32_t {
  outside,    // has not begun
  taking,     // inside a call that may get the lock, or publish
  exclusive,  // that call has returned: it holds the lock exclusively
  reading,    // or shared
  giving,     // inside a call that gives the exclusive lock up; what was written is there
  leaving,    // inside a call that gives a shared hold up
  raising,    // inside an upgrade: as taking, and it holds it shared at least
  lowering,   // inside a downgrade: as giving, and it holds it shared at least
  done,       // that call has returned
};

// What peers found after a death. One death is one of them, unless there is a finding.
enum class sight : std::uint8_t { old_value, new_value, owner_died };
inline constexpr std::size_t sights = 3;

// What must not be.
//   stuck   a peer that did not get on by its deadline
//   lost    a change that was acknowledged and is not there
//   torn    a value that is neither the old nor the new one
//   leaked  an object that is still there when all has been removed
//   broken  any other promise: a death that was not told, or one told that was none; a lock that
//           two had; an error where there is no reason for one
enum class finding : std::uint8_t { stuck, lost, torn, leaked, broken };
inline constexpr std::size_t findings = 5;
[[nodiscard]] std::string_view name_of(finding what) noexcept;

// The exit status of a process that gives up.
inline constexpr int has_given_up = 3;

// The steps of a bystander; see operation.h.
enum step : std::uint32_t { nothing, warm, ready, about_to_wait, event, answered, over };

struct board {
  std::atomic<phase> victim, recoverer;
  std::atomic<std::uint32_t> wrote;  // 1: the victim changes what is guarded
  // 1: a peer has had the lock exclusively since the last death, or since the victim's, and so
  // whatever there was to be told of it has been told.
  std::atomic<std::uint32_t> cleared, settled;
  std::atomic<pid_t> bystander;
  futex_word stepped;
  futex_word checked;    // 1: the first peer has judged, and changes what is guarded from now on
  futex_word probing;    // of a prober: 1 it has joined, 2 it may probe
  futex_word witnessed;  // of a witness: 1 it has joined, 2 it may look, 3 it has looked
  // Of a recoverer, or a victim: 1 it writes another value, or removes, or makes anew what is
  // explored; 2 it has done so.
  std::atomic<std::uint32_t> rewrote, removal, remade;
  // By what was asked for: 1 granted, 2 it blocks, 3 any other error.
  std::array<std::atomic<std::uint32_t>, 4> probed;
  std::array<std::atomic<std::uint32_t>, sights> seen;
  std::array<std::atomic<std::uint32_t>, findings> found;
  std::atomic<std::uint32_t> has_sentence;
  std::array<char, 500> sentence;  // of the first finding
};

class scene {
 public:
  scene(board& shared, segment_key its_key, std::chrono::nanoseconds its_patience, int its_variant)
      : key(its_key), patience(its_patience), variant(its_variant), board_(&shared) {}

  segment_key key;                    // of what is explored; its space is the exploration's own
  std::chrono::nanoseconds patience;  // how long a peer may wait for anything
  int variant;                        // in which of its ways a check is to be made
  bool is_recoverer = false;          // whose phase enter() notes
  bool is_newcomer = false;           // a prober that has not joined before
  bool has_witness = false;

  [[nodiscard]] board& shared() const noexcept { return *board_; }
  [[nodiscard]] deadline soon() const noexcept { return deadline::after(patience); }

  void enter(phase now) const noexcept {
    (is_recoverer ? board_->recoverer : board_->victim).store(now, std::memory_order_relaxed);
  }

  // Whether a peer must, or may, hear that an owner died.
  [[nodiscard]] bool must_be_told() const noexcept;
  [[nodiscard]] bool may_be_told() const noexcept;
  // Whether the value must be the old one, or the new one, if nobody was told of a death.
  [[nodiscard]] bool must_be_old() const noexcept;
  [[nodiscard]] bool must_be_new() const noexcept;

  void saw(sight what) const noexcept;
  // Keeps the sentence of the first.
  void fail(finding what, std::string_view sentence) const noexcept;
  // The same, and ends the process.
  [[noreturn]] void give_up(finding what, std::string_view sentence) const noexcept;
  // For an error that a peer has got: one that says that it waited in vain is `stuck`.
  [[noreturn]] void give_up(std::string_view doing, const error& why) const noexcept;

  // Bystander and victim; see operation.h.
  void reach(step to) const noexcept { raise(board_->stepped, to); }
  void await(step to) const noexcept { wait(board_->stepped, to); }
  // Until the bystander sleeps in the kernel. Requires: it has reached about_to_wait, and sleeps
  // nowhere else from there on.
  void await_sleep() const noexcept;

  static void raise(futex_word& number, std::uint32_t to) noexcept;
  static void wait(const futex_word& number, std::uint32_t to) noexcept;
  // Whether it has come to that by the deadline.
  static bool wait(const futex_word& number, std::uint32_t to, deadline until) noexcept;

 private:
  board* board_;
};

// Between the two, a traced process is executed instruction by instruction.
[[gnu::noinline]] inline void begin_mark() noexcept { asm volatile("int3"); }
[[gnu::noinline]] inline void end_mark() noexcept { asm volatile("int3"); }

}  // namespace shmark::explorer

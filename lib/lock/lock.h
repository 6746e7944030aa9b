// A lock: mutual exclusion between threads of any number of processes.
//
// One concept, one file pair per algorithm. A lock's *state* lies in a segment; each process, or
// thread, works with a *handle* of its own onto it.
//
//     auto lock = robust_rw::attach(state);
//     auto got = lock->acquire(mode::exclusive, deadline::after(1s));
//     if (!got) return std::unexpected(got.error());       // not held
//     if (*got == acquired::owner_died) repair();          // held, after a death
//     …
//     lock->release(mode::exclusive);
//
// Terms
//   acquire, release   between the two, the caller *holds* the lock
//   exclusive, shared  one exclusive holder and no other, or any number of shared holders
//   owner died         the last holder ended without releasing; what the lock guards may be half
//                      changed. Told to the one that acquires next.
//
// What every lock promises
//   L1  A value, ok or owner_died, means that the caller holds the lock; an error, that it doesn't.
//   L2  What a holder wrote before its release is seen by whoever acquires after (release and
//       acquire, in the sense of the C++ memory model).
//   L3  A child of fork holds nothing of what its parent holds.
//   L4  A stopped holder is alive: its lock is never taken from it.
//   L5  Releasing what one does not hold stops the program, where the lock can know (see each).
//
// Whatever else a lock can do is part of its type (lock_traits), so that tests, benchmarks and
// stress runs ask of each what it promises and no more.
//
// Process and thread safety: the state may be used by all at once. A handle is used by one thread
// at a time; each thread that may hold the lock at the same time as others has a handle of its own.
#pragma once

#include <sys/types.h>

#include <concepts>
#include <cstdint>
#include <expected>
#include <string_view>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/error.h"

namespace shmark {

enum class mode : std::uint8_t { exclusive, shared };

[[nodiscard]] constexpr std::string_view name_of(mode how) noexcept {
  return how == mode::exclusive ? "exclusive" : "shared";
}

enum class [[nodiscard]] acquired : std::uint8_t { ok, owner_died };

struct lock_traits {
  bool excludes = true;  // false only for the baseline that locks nothing
  // Shared holders coexist. Without it, shared is granted as exclusive.
  bool shared = false;
  bool timed = false;                // honours deadlines other than never() and none()
  bool crash_safe = false;           // a holder's death frees the lock
  bool reports_owner_death = false;  // and the next to acquire is told
  bool per_thread = false;           // held by threads: one that ends while holding has died
  bool convertible = false;          // changes between modes while held (see convertible_lock)
  // Its state may lie where users who trust each other can write. Without it, the kernel or glibc
  // follows what lies there, so that whoever can write it has power over all who use the lock.
  bool shared_between_users = false;
};

// What a lock may take from the system: where, and for whom.
struct lock_home {
  short_text space;          // of the segment that its state lies in
  std::uint64_t beside = 0;  // what L::company() says of a lock that outlives it; 0: none
  mode_t mode = 0600;        // of what can be shared between users
};

template <class L>
concept lock = std::movable<L> && requires(typename L::state& state, const lock_home& home,
                                           L& handle, mode how, deadline until) {
  // The name that tables, flags and files use.
  { L::name } -> std::convertible_to<std::string_view>;
  { L::can } -> std::convertible_to<lock_traits>;
  // Makes a lock, held by nobody, of zero-filled memory. Errors: no_space, denied.
  { L::create(state, home) } -> std::same_as<std::expected<void, error>>;
  // Opens a handle to a lock that create() made; the state stays where it is for the handle's
  // life. Errors: corrupt, not_found.
  { L::attach(state) } -> std::same_as<std::expected<L, error>>;
  // Frees what create() took from the system, also when it died midway; idempotent. Whoever
  // uses a handle after that gets not_found, or waits in vain: destroy what nobody uses. Of a lock
  // that users share, only the one who made it, or root, can: others change nothing.
  { L::destroy(state) } -> std::same_as<void>;
  // Errors, none of which leaves it held: would_block (only for deadline::none()), timed_out,
  // would_deadlock (this thread, or handle, holds it), not_recoverable, not_found, denied, system.
  { handle.acquire(how, until) } -> std::same_as<std::expected<acquired, error>>;
  // Requires: held by the caller, in mode `how`.
  { handle.release(how) } -> std::same_as<void>;
};

// Locks whose holder can go from one mode to the other, with nobody in between.
template <class L>
concept convertible_lock =
    lock<L> && L::can.shared && L::can.convertible && requires(L& handle, deadline until) {
      // From exclusive to shared. Requires: held exclusively by the caller, who after an error
      // still holds it so. Errors: no_space, not_found, system.
      { handle.downgrade() } -> std::same_as<std::expected<void, error>>;
      // From shared to exclusive. Requires: held shared by the caller, who after an error still
      // holds it so. Errors: would_deadlock, if another upgrades, for each would wait for the other
      // to release (a lock may refuse while somebody waits for exclusive, too); would_block (only
      // for deadline::none()), timed_out, not_found, system.
      { handle.upgrade(until) } -> std::same_as<std::expected<acquired, error>>;
    };

// Releases on destruction what the caller has acquired. A child of fork must not destroy its copy
// of one: it holds nothing (L3), and releasing that stops the program (L5).
template <lock L>
class held {
 public:
  // Requires: `lock` outlives this, and is held in mode `how`.
  held(L& lock, mode how) noexcept : lock_(&lock), how_(how) {}
  held(held&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)), how_(other.how_) {}
  held& operator=(held&& other) noexcept {
    std::swap(lock_, other.lock_);
    std::swap(how_, other.how_);
    return *this;
  }
  ~held() {
    if (lock_ != nullptr) lock_->release(how_);
  }
  // Says that the lock was upgraded or downgraded.
  void converted(mode now) noexcept { how_ = now; }

 private:
  L* lock_;
  mode how_;
};

}  // namespace shmark

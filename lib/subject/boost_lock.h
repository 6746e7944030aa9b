// Three peers, of Boost.Interprocess:
//
//     boost_mutex             interprocess_mutex, which has no shared mode
//     boost_sharable_mutex    interprocess_sharable_mutex: shared and exclusive
//     boost_upgradable_mutex  interprocess_upgradable_mutex, whose holders change modes
//
// The latter two are a mutex and two conditions around counts of holders; a writer that waits keeps
// further readers out. A dead owner leaves each locked for ever, and for the latter two so does a
// death within a call, also of one that releases. Who acquires without waiting can be refused,
// though nobody holds it, if another is in the middle of a call.
//
// Their timed forms take a date of Boost.Date_Time, in the time of day, which can be set; so
// deadlines are not offered here (can.timed is false), not for conversions either.
//
// An upgrade goes by Boost's third mode, which only one has at a time: first from shared to
// upgradable, which must not wait, then to exclusive. So it is refused (would_deadlock) if another
// upgrades, or is in the middle of a call, or waits for exclusive.
//
// Source: boost/interprocess/sync/interprocess_mutex.hpp, interprocess_sharable_mutex.hpp,
// interprocess_upgradable_mutex.hpp.
#pragma once

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>
#include <boost/interprocess/sync/interprocess_upgradable_mutex.hpp>
#include <cstddef>
#include <new>
#include <string_view>

#include "lib/base/check.h"
#include "lib/lock/lock.h"

namespace shmark {
namespace detail {

struct boost_plain {
  static constexpr std::string_view name = "boost_mutex";
  using mutex = boost::interprocess::interprocess_mutex;
  static constexpr lock_traits can{};
};
struct boost_sharable {
  static constexpr std::string_view name = "boost_sharable_mutex";
  using mutex = boost::interprocess::interprocess_sharable_mutex;
  static constexpr lock_traits can{.shared = true};
};
struct boost_upgradable {
  static constexpr std::string_view name = "boost_upgradable_mutex";
  using mutex = boost::interprocess::interprocess_upgradable_mutex;
  static constexpr lock_traits can{.shared = true, .convertible = true};
};

}  // namespace detail

template <class Kind>
class boost_lock {
  using mutex = typename Kind::mutex;

 public:
  static constexpr std::string_view name = Kind::name;
  static constexpr lock_traits can = Kind::can;
  struct state {
    alignas(mutex) std::byte memory[sizeof(mutex)];
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    return guarded("create lock", [&] { new (at.memory) mutex(); });
  }
  [[nodiscard]] static std::expected<boost_lock, error> attach(state& at) noexcept {
    return boost_lock(at);
  }
  static void destroy(state&) noexcept {}

  [[nodiscard]] std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    const bool waits = waits_until(until);
    bool got = true;
    SHMARK_RETURN_IF_ERROR(guarded("acquire lock", [&] {
      if (is_shared(how)) {
        if constexpr (can.shared) got = waits ? wait_shared() : mutex_->try_lock_sharable();
      } else {
        got = waits ? wait_exclusive() : mutex_->try_lock();
      }
    }));
    if (!got) return failure(errc::would_block, "acquire lock", name);
    return acquired::ok;
  }
  void release(mode how) noexcept {
    if (is_shared(how)) {
      if constexpr (can.shared) mutex_->unlock_sharable();
    } else {
      mutex_->unlock();
    }
  }

  [[nodiscard]] std::expected<void, error> downgrade() noexcept
    requires(can.convertible)
  {
    return guarded("downgrade lock", [&] { mutex_->unlock_and_lock_sharable(); });
  }
  [[nodiscard]] std::expected<acquired, error> upgrade(deadline until) noexcept
    requires(can.convertible)
  {
    const bool waits = waits_until(until);
    bool refused = false;
    bool got = true;
    SHMARK_RETURN_IF_ERROR(guarded("upgrade lock", [&] {
      refused = !mutex_->try_unlock_sharable_and_lock_upgradable();
      if (refused) return;
      if (waits) {
        mutex_->unlock_upgradable_and_lock();
      } else if (got = mutex_->try_unlock_upgradable_and_lock(); !got) {
        mutex_->unlock_upgradable_and_lock_sharable();
      }
    }));
    if (refused) {
      return failure(errc::would_deadlock, "upgrade lock", name,
                     because{"another upgrades it, or waits for it"},
                     "release it, and acquire it exclusively");
    }
    if (!got) return failure(errc::would_block, "upgrade lock", name);
    return acquired::ok;
  }

 private:
  explicit boost_lock(state& at) noexcept
      : mutex_(std::launder(reinterpret_cast<mutex*>(at.memory))) {}

  [[nodiscard]] static bool is_shared(mode how) noexcept {
    return can.shared && how == mode::shared;
  }
  [[nodiscard]] static bool waits_until(deadline until) noexcept {
    SHMARK_CHECK(until.is_never() || until.is_none(), "locks of Boost have no deadlines here");
    return until.is_never();
  }
  bool wait_exclusive() {
    mutex_->lock();
    return true;
  }
  bool wait_shared() {
    mutex_->lock_sharable();
    return true;
  }

  template <class F>
  static std::expected<void, error> guarded(const char* attempted, F&& call) noexcept {
    try {
      call();
      return {};
    } catch (const boost::interprocess::interprocess_exception& thrown) {
      return system_failure(thrown.get_native_error(), attempted, name);
    }
  }

  mutex* mutex_;
};

using boost_mutex = boost_lock<detail::boost_plain>;
using boost_sharable_mutex = boost_lock<detail::boost_sharable>;
using boost_upgradable_mutex = boost_lock<detail::boost_upgradable>;
static_assert(lock<boost_mutex> && lock<boost_sharable_mutex>);
static_assert(convertible_lock<boost_upgradable_mutex>);

}  // namespace shmark

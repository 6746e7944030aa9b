// A peer: Boost.Interprocess's mutex. A dead owner leaves it locked for ever.
//
// Its timed form takes a date of Boost.Date_Time, in the time of day, which can be set; so
// deadlines are not offered here (can.timed is false).
//
// Source: boost/interprocess/sync/interprocess_mutex.hpp.
#pragma once

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <cstddef>
#include <new>

#include "lib/base/check.h"
#include "lib/lock/lock.h"

namespace shmark {

class boost_mutex {
  using mutex = boost::interprocess::interprocess_mutex;

 public:
  static constexpr std::string_view name = "boost_mutex";
  static constexpr lock_traits can{};
  struct state {
    alignas(mutex) std::byte memory[sizeof(mutex)];
  };

  [[nodiscard]] static std::expected<void, error> create(state& at, const lock_home&) noexcept {
    return guarded("create lock", [&] { new (at.memory) mutex(); });
  }
  [[nodiscard]] static std::expected<boost_mutex, error> attach(state& at) noexcept {
    return boost_mutex(at);
  }
  static void destroy(state&) noexcept {}

  [[nodiscard]] std::expected<acquired, error> acquire(mode, deadline until) noexcept {
    SHMARK_CHECK(until.is_never() || until.is_none(), "boost_mutex has no deadlines");
    bool got = true;
    SHMARK_RETURN_IF_ERROR(guarded("acquire lock", [&] {
      if (until.is_never()) {
        mutex_->lock();
      } else {
        got = mutex_->try_lock();
      }
    }));
    if (!got) return failure(errc::would_block, "acquire lock", name);
    return acquired::ok;
  }
  void release(mode) noexcept { mutex_->unlock(); }

 private:
  explicit boost_mutex(state& at) noexcept
      : mutex_(std::launder(reinterpret_cast<mutex*>(at.memory))) {}

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
static_assert(lock<boost_mutex>);

}  // namespace shmark

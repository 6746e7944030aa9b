// A lock of one's own under stress:
//
//     bazel run -c opt //examples:own_lock_stress -- --seconds=10
//     bazel test //examples:own_lock_stress_test
//
// It is a word with its holder's process number, and taken from a holder that is gone. That is not
// enough for a lock to be trusted: a number is given to another process some day, which then seems
// to hold it.

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "lib/base/check.h"
#include "lib/lock/lock.h"
#include "stress/program.h"
#include "stress/scenario/counter.h"

namespace {

using shmark::acquired;
using shmark::deadline;
using shmark::errc;
using shmark::error;

class own_lock {
 public:
  static constexpr std::string_view name = "own_lock";
  static constexpr shmark::lock_traits can{
      .timed = true, .crash_safe = true, .reports_owner_death = true};
  struct state {
    std::atomic<pid_t> holder;
  };

  static std::expected<void, error> create(state& at, const shmark::lock_home&) noexcept {
    at.holder = 0;
    return {};
  }
  static std::expected<own_lock, error> attach(state& at) noexcept { return own_lock(at); }
  static void destroy(state&) noexcept {}

  std::expected<acquired, error> acquire(shmark::mode, deadline until) noexcept {
    for (;;) {
      pid_t holder = 0;
      if (state_->holder.compare_exchange_strong(holder, getpid())) return acquired::ok;
      if (holder == getpid()) return shmark::failure(errc::would_deadlock, "acquire lock", name);
      const bool is_gone = kill(holder, 0) != 0 && errno == ESRCH;
      if (is_gone && state_->holder.compare_exchange_strong(holder, getpid())) {
        return acquired::owner_died;
      }
      if (until.is_none()) return shmark::failure(errc::would_block, "acquire lock", name);
      if (until.passed()) return shmark::failure(errc::timed_out, "acquire lock", name);
      sched_yield();
    }
  }
  void release(shmark::mode) noexcept {
    SHMARK_CHECK(state_->holder == getpid(), "released a lock that is not held");
    state_->holder = 0;
  }

 private:
  explicit own_lock(state& at) noexcept : state_(&at) {}
  state* state_;
};
static_assert(shmark::lock<own_lock>);

constexpr shmark::stress::scenario mine[] = {
    {"counter", "count under own_lock", &shmark::stress::run_counter<own_lock>}};

}  // namespace

int main(int argc, char** argv) {
  return shmark::stress::main_of("//examples:own_lock_stress", mine, argc, argv);
}

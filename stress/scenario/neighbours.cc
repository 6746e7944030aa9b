#include "stress/scenario/neighbours.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>

#include "lib/base/interrupt.h"
#include "lib/base/process.h"
#include "stress/checker/progress.h"

namespace shmark::stress::detail {

std::string reply::text() const {
  const auto told = outcome.load();
  if (told == 0) return "nothing";
  if (told <= 2) return told == 1 ? "that all is well" : "that its owner died";
  return std::string(name_of(static_cast<errc>(told - 3)));
}

void stage::reach(std::uint32_t to) noexcept {
  std::uint32_t now = step.load();
  while (now < to && !step.compare_exchange_weak(now, to)) {
  }
  futex_wake(step, INT_MAX);
}

bool stage::await(std::uint32_t to, deadline until) const noexcept {
  constexpr std::int64_t slice_ns = 100'000'000;
  for (std::uint32_t now = step.load(); now < to; now = step.load()) {
    if (until.passed()) return false;
    const std::array watched{futex_watch{&step, now}};
    futex_wait(watched, std::min(slice_ns, until.remaining_ns()));
  }
  return true;
}

scene::scene(stage& on, const options& chosen, outcome& seen)
    : stage_(&on), chosen_(&chosen), seen_(&seen), cast_({.size = 4, .pin = pinning::none}) {}

std::expected<void, error> scene::enter(int index, const crew::body& part) {
  if (is_over()) return {};
  return cast_.start(index, part);
}

deadline scene::patience() const noexcept { return deadline::after(chosen_->patience); }

void scene::find(std::uint64_t& counter, std::string sentence) {
  ++counter;
  seen_->findings.push_back(std::move(sentence));
}

bool scene::comes_to(std::uint32_t step, const char* what) {
  if (is_over()) return false;
  if (stage_->await(step, patience())) return true;
  find(seen().stuck, fmt::format("{} did not get the lock", what));
  return false;
}

bool scene::ends(int index, const char* what) {
  const auto until = patience();
  while (!is_over() && cast_.running(index)) {
    const auto event = cast_.wait(until, {});
    if (event.interrupted) {
      seen_->interrupted = true;
      return false;
    }
    if (event.ended && !event.ended->clean()) {
      find(seen().died, fmt::format("{}: {}", what, event.ended->text()));
      return false;
    }
    if (!event.ended && until.passed()) {
      find(seen().stuck, fmt::format("{} does not come to an end: it is {}", what,
                                     whereabouts(cast_.process(index))));
      return false;
    }
  }
  return !is_over();
}

void scene::stop(int index) {
  if (is_over()) return;
  cast_.signal(index, SIGSTOP);
  while (process_state(cast_.process(index)) != 'T') sched_yield();
}

void scene::resume(int index) {
  if (!is_over()) cast_.signal(index, SIGCONT);
}

namespace {

// A child of this process with that number, which waits to be killed; 0 if that is not allowed, or
// the number is another's.
pid_t imitate(pid_t number) noexcept {
  clone_args how{};
  how.exit_signal = SIGCHLD;
  how.set_tid = reinterpret_cast<std::uintptr_t>(&number);
  how.set_tid_size = 1;
  const auto made = static_cast<pid_t>(syscall(SYS_clone3, &how, sizeof how));
  if (made != 0) return made > 0 ? made : 0;
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);  // no C library: it knows nothing of this process
  for (;;) syscall(SYS_pause);
}

void end(pid_t process) noexcept {
  kill(process, SIGKILL);
  while (waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// The same, started later than the one that had the number, as far as anybody can tell.
pid_t succeed(pid_t number, std::optional<std::uint64_t> began) noexcept {
  for (;;) {
    const pid_t made = imitate(number);
    if (made == 0 || start_ticks(made) != began) return made;
    end(made);
  }
}

}  // namespace

bool scene::replaced(int index, const std::function<void()>& body) {
  if (is_over()) return false;
  const pid_t number = cast_.process(index);
  const auto began = start_ticks(number);
  cast_.signal(index, SIGKILL);
  while (cast_.running(index)) {
    const auto event = cast_.wait(patience(), {});
    if (!event.interrupted && event.ended) break;
    seen_->interrupted = event.interrupted;
    if (!event.interrupted) find(seen().stuck, "a holder does not die");
    return false;
  }
  ++seen().kills;
  ++seen().kills_in_operation;
  ++seen().kills_holding;
  const pid_t other = succeed(number, began);
  body();
  if (other != 0) end(other);
  return true;
}

void in_a_child(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit none{};
    setrlimit(RLIMIT_CORE, &none);
    if (const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC); nowhere >= 0) {
      dup2(nowhere, STDERR_FILENO);
    }
    body();
    _exit(0);
  }
  while (child > 0 && waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::expected<outcome, error> play_all(const options& chosen, const progress_callback& tell,
                                       int scenes, const play_scene& play) {
  SHMARK_ASSIGN_OR_RETURN(const auto memory, anonymous_segment::create(sizeof(stage)));
  auto& on = *new (memory.bytes().data()) stage{};
  random_source random(chosen.seed);
  outcome seen;
  const std::int64_t begin_ns = monotonic_ns();
  const auto span_ns = static_cast<std::int64_t>(chosen.seconds * 1e9);
  // Each scene once, at least.
  int first = static_cast<int>(random.below(static_cast<std::uint64_t>(scenes)));
  for (int played = 0; played < scenes || monotonic_ns() - begin_ns < span_ns; ++played) {
    if (seen.interrupted || !seen.seen.faultless()) break;
    if (tell) {
      const auto left_ns = std::max<std::int64_t>(0, span_ns - (monotonic_ns() - begin_ns));
      tell({.seconds_left = static_cast<double>(left_ns) * 1e-9, .kills = seen.seen.kills});
    }
    SHMARK_RETURN_IF_ERROR(play((first + played) % scenes, on, seen));
  }
  seen.elapsed_s = static_cast<double>(monotonic_ns() - begin_ns) * 1e-9;
  return seen;
}

}  // namespace shmark::stress::detail

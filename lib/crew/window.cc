#include "lib/crew/window.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>
#include <string>

#include "lib/base/futex.h"

namespace shmark {
void window_worker::wait_for(std::uint32_t round) noexcept {
  for (;;) {
    const std::uint32_t now = control_->round.load(std::memory_order_acquire);
    if (now >= round) return;
    const futex_watch round_changes{.word = &control_->round, .value = now};
    futex_wait({&round_changes, 1}, deadline::never().remaining_ns());
  }
}

void window_worker::tell() noexcept {
  told_->store(round_, std::memory_order_release);
  eventfd_write(done_, 1);
}

bool window_worker::next() noexcept {
  if (round_ != 0) tell();  // that the window before this one is finished, with all its counters
  wait_for(++round_);
  if (control_->quit.load(std::memory_order_relaxed) != 0) return false;
  *result_ = {};
  return true;
}

bool window_worker::sleep_until(std::int64_t begin_ns) const noexcept {
  // The window's end must not be slept through, nor a sleep be late by the kernel's usual slack.
  constexpr std::int64_t nap_ns = 10'000'000;
  for (;;) {
    const std::int64_t left_ns = begin_ns - monotonic_ns();
    if (left_ns <= 0) return true;
    if (stopped()) return false;
    const timespec until =
        deadline::after(std::chrono::nanoseconds(std::min(left_ns, nap_ns))).at();
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }
}

detail::usage detail::usage_of_thread() noexcept {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  return {.cpu_ns = thread_cpu_ns(),
          .voluntary_switches = static_cast<std::uint64_t>(used.ru_nvcsw),
          .involuntary_switches = static_cast<std::uint64_t>(used.ru_nivcsw)};
}

void window_worker::fail(const error& why) noexcept {
  result_->why = why;
  result_->failed = true;
}

std::uint64_t window_result::sum(std::size_t counter) const noexcept {
  std::uint64_t total = 0;
  for (const auto& of_worker : counters) total += of_worker[counter];
  return total;
}

window_crew::window_crew(const window_options& options, anonymous_segment memory, descriptor done)
    : options_(options),
      memory_(std::move(memory)),
      done_(std::move(done)),
      crew_(options.workers) {
  new (memory_.bytes().data()) detail::window_control{};
  for (auto& slot : slots()) new (&slot) detail::window_slot{};
}

detail::window_control& window_crew::control() const noexcept {
  return *reinterpret_cast<detail::window_control*>(memory_.bytes().data());
}

std::span<detail::window_slot> window_crew::slots() const noexcept {
  auto* first = reinterpret_cast<detail::window_slot*>(memory_.bytes().data() +
                                                       sizeof(detail::window_control));
  return {first, static_cast<std::size_t>(options_.workers.size)};
}

namespace {

// All workers together have the rate; they take turns.
pace pace_of(const window_options& options, int index) noexcept {
  if (options.rate_per_s == 0) return {};
  constexpr double ns_per_s = 1e9;
  const double turn_ns = ns_per_s / options.rate_per_s;
  return {.first_ns = turn_ns * index, .interval_ns = turn_ns * options.workers.size};
}

}  // namespace

std::expected<std::unique_ptr<window_crew>, error> window_crew::start(const window_options& options,
                                                                      const body& work) {
  static_cast<void>(ns_per_tick());  // measured once, here, for all workers
  const auto size = sizeof(detail::window_control) +
                    static_cast<std::size_t>(options.workers.size) * sizeof(detail::window_slot);
  SHMARK_ASSIGN_OR_RETURN(auto memory, anonymous_segment::create(size));
  descriptor done(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!done) return system_failure(errno, "start a crew", "eventfd");
  std::unique_ptr<window_crew> made(new window_crew(options, std::move(memory), std::move(done)));
  for (int i = 0; i < options.workers.size; ++i) {
    auto& slot = made->slots()[static_cast<std::size_t>(i)];
    window_worker self(i, options.time_every, pace_of(options, i), made->control(), slot,
                       made->done_.number());
    SHMARK_RETURN_IF_ERROR(made->crew_.start(i, [self, work, &slot]() mutable {
      prctl(PR_SET_TIMERSLACK, 1UL);  // ns: 50,000 otherwise
      work(self);
      return slot.result.failed ? 1 : 0;
    }));
  }
  return made;
}

window_crew::~window_crew() {
  // Threads can only be asked to end: those inside a window, and those that wait for one.
  control().quit.store(1, std::memory_order_relaxed);
  control().stop.store(1, std::memory_order_relaxed);
  announce(UINT32_MAX);
}

void window_crew::announce(std::uint32_t round) noexcept {
  control().round.store(round, std::memory_order_release);
  futex_wake(control().round, INT_MAX);
}

std::expected<void, error> window_crew::judge(const crew::event& event) const {
  if (event.interrupted) return failure(errc::interrupted, "finish the window", "");
  if (!event.ended) return {};
  const auto& result = slots()[static_cast<std::size_t>(event.ended->index)].result;
  if (result.failed) return std::unexpected(result.why);
  return failure(errc::worker_died, "finish the window", short_text(event.ended->text()));
}

// "worker 1 (process 4711), worker 2 (process 4712) and 6 more".
std::string window_crew::stuck() const {
  constexpr int named_max = 2;  // an error has no room for more
  std::string names;
  int count = 0;
  for (int i = 0; i < options_.workers.size; ++i) {
    const auto& told = slots()[static_cast<std::size_t>(i)].told;
    if (told.load(std::memory_order_acquire) == round_ || ++count > named_max) continue;
    names += (names.empty() ? "" : ", ") + crew_.text(i);
  }
  return count <= named_max ? names : fmt::format("{} and {} more", names, count - named_max);
}

std::expected<void, error> window_crew::wait_for_all(const char* attempted) {
  const auto until = deadline::after(options_.patience);
  for (eventfd_t told = 0; told < static_cast<eventfd_t>(options_.workers.size);) {
    const auto event = crew_.wait(until, {done_.number()});
    SHMARK_RETURN_IF_ERROR(judge(event));
    if (event.descriptor < 0 && until.passed()) {
      return failure(errc::timed_out, attempted, "with " + stuck(),
                     "see what holds them up (gdb -p, /proc/PID/stack)");
    }
    eventfd_t more = 0;
    if (event.descriptor >= 0 && eventfd_read(done_.number(), &more) == 0) told += more;
  }
  return {};
}

std::expected<void, error> window_crew::let_run(deadline until) {
  while (!until.passed()) SHMARK_RETURN_IF_ERROR(judge(crew_.wait(until, {})));
  return {};
}

std::expected<void, error> window_crew::let_run_and_stop_one(std::chrono::nanoseconds length) {
  const auto end = deadline::after(length);
  SHMARK_RETURN_IF_ERROR(let_run(deadline::after((length - options_.stop) / 2)));
  crew_.signal(0, SIGSTOP);
  auto done = let_run(deadline::after(options_.stop));
  if (crew_.running(0)) crew_.signal(0, SIGCONT);
  SHMARK_RETURN_IF_ERROR(done);
  return let_run(end);
}

// A window that `let` lets go on.
template <class Let>
std::expected<window_result, error> window_crew::run_by(std::chrono::nanoseconds length,
                                                        Let&& let) {
  control().stop.store(0, std::memory_order_relaxed);
  announce(++round_);
  SHMARK_RETURN_IF_ERROR(wait_for_all("prepare a window"));
  control().start_ns.store(monotonic_ns(), std::memory_order_relaxed);
  control().length_ns.store(length.count(), std::memory_order_relaxed);
  announce(++round_);
  SHMARK_RETURN_IF_ERROR(let());
  control().stop.store(1, std::memory_order_relaxed);
  SHMARK_RETURN_IF_ERROR(wait_for_all("end a window"));
  auto result = gather();
  space_samples(result);
  return result;
}

// For the next window, by what an operation took in this one.
void window_crew::space_samples(const window_result& last) noexcept {
  if (options_.time_every <= 1 || last.operations == 0) return;
  const double batch_ns = options_.time_every * std::max(0.1, last.cpu_ns_per_operation());
  control().batches_per_sample.store(
      static_cast<std::uint32_t>(std::ceil(detail::sample_every_ns / batch_ns)),
      std::memory_order_relaxed);
}

std::expected<window_result, error> window_crew::run(std::chrono::nanoseconds length) {
  if (options_.stop.count() == 0) return run_undisturbed(length);
  return run_by(length, [&] { return let_run_and_stop_one(length); });
}

std::expected<window_result, error> window_crew::run_undisturbed(std::chrono::nanoseconds length) {
  return run_by(length, [&] { return let_run(deadline::after(length)); });
}

window_result window_crew::gather() const {
  window_result all;
  for (const auto& slot : slots()) {
    const worker_result& result = slot.result;
    const double rate =
        1e9 * static_cast<double>(result.operations) / static_cast<double>(result.elapsed_ns);
    all.worker_ops_per_s.push_back(rate);
    all.counters.push_back(result.counters);
    all.times.merge(result);
    all.operations += result.operations;
    all.planned += result.planned;
    all.timed_every = result.timed_every;
    all.is_elsewhere = result.is_elsewhere;
    all.cpu_ns += result.cpu_ns;
    all.voluntary_switches += result.voluntary_switches;
    all.involuntary_switches += result.involuntary_switches;
    all.ops_per_s += rate;
  }
  return all;
}

}  // namespace shmark

#include "lib/crew/window.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <climits>
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
    window_worker self(i, options.time_every, made->control(), slot, made->done_.number());
    SHMARK_RETURN_IF_ERROR(made->crew_.start(i, [self, work, &slot]() mutable {
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

std::expected<window_result, error> window_crew::run(std::chrono::nanoseconds length) {
  control().stop.store(0, std::memory_order_relaxed);
  announce(++round_);
  SHMARK_RETURN_IF_ERROR(wait_for_all("prepare a window"));
  control().start_ns.store(monotonic_ns(), std::memory_order_relaxed);
  announce(++round_);
  SHMARK_RETURN_IF_ERROR(let_run(deadline::after(length)));
  control().stop.store(1, std::memory_order_relaxed);
  SHMARK_RETURN_IF_ERROR(wait_for_all("end a window"));
  return gather();
}

window_result window_crew::gather() const {
  window_result all;
  for (const auto& slot : slots()) {
    const worker_result& result = slot.result;
    const double rate =
        1e9 * static_cast<double>(result.operations) / static_cast<double>(result.elapsed_ns);
    all.worker_ops_per_s.push_back(rate);
    all.counters.push_back(result.counters);
    all.latency.merge(result.latency);
    all.operations += result.operations;
    all.cpu_ns += result.cpu_ns;
    all.ops_per_s += rate;
  }
  return all;
}

}  // namespace shmark

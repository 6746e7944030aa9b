#include "lib/crew/window.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <climits>
#include <string>

#include "lib/base/futex.h"

namespace shmark {
namespace {

// Everything that workers do between two waits takes far less; longer means that something hangs.
constexpr auto patience = std::chrono::seconds(60);

}  // namespace

void window_worker::wait_for(std::uint32_t round) noexcept {
  for (;;) {
    const std::uint32_t now = control_->round.load(std::memory_order_acquire);
    if (now >= round) return;
    const futex_watch round_changes{.word = &control_->round, .value = now};
    futex_wait({&round_changes, 1}, deadline::never().remaining_ns());
  }
}

void window_worker::tell() noexcept { eventfd_write(done_, 1); }

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
  for (auto& result : results()) new (&result) worker_result{};
}

detail::window_control& window_crew::control() const noexcept {
  return *reinterpret_cast<detail::window_control*>(memory_.bytes().data());
}

std::span<worker_result> window_crew::results() const noexcept {
  auto* first =
      reinterpret_cast<worker_result*>(memory_.bytes().data() + sizeof(detail::window_control));
  return {first, static_cast<std::size_t>(options_.workers.size)};
}

std::expected<std::unique_ptr<window_crew>, error> window_crew::start(const window_options& options,
                                                                      const body& work) {
  static_cast<void>(ns_per_tick());  // measured once, here, for all workers
  const auto size = sizeof(detail::window_control) +
                    static_cast<std::size_t>(options.workers.size) * sizeof(worker_result);
  SHMARK_ASSIGN_OR_RETURN(auto memory, anonymous_segment::create(size));
  descriptor done(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!done) return system_failure(errno, "start a crew", "eventfd");
  std::unique_ptr<window_crew> made(new window_crew(options, std::move(memory), std::move(done)));
  for (int i = 0; i < options.workers.size; ++i) {
    auto& result = made->results()[static_cast<std::size_t>(i)];
    window_worker self(i, options.time_every, made->control(), result, made->done_.number());
    SHMARK_RETURN_IF_ERROR(made->crew_.start(i, [self, work, &result]() mutable {
      work(self);
      return result.failed ? 1 : 0;
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
  const auto& result = results()[static_cast<std::size_t>(event.ended->index)];
  if (result.failed) return std::unexpected(result.why);
  return failure(errc::worker_died, "finish the window", short_text(event.ended->text()));
}

std::expected<void, error> window_crew::wait_for_all(deadline until, const char* attempted) {
  for (eventfd_t told = 0; told < static_cast<eventfd_t>(options_.workers.size);) {
    const auto event = crew_.wait(until, {done_.number()});
    SHMARK_RETURN_IF_ERROR(judge(event));
    if (event.descriptor < 0 && until.passed()) {
      return failure(errc::timed_out, attempted,
                     short_text(std::to_string(options_.workers.size - static_cast<int>(told)) +
                                " workers did not answer"));
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
  SHMARK_RETURN_IF_ERROR(wait_for_all(deadline::after(patience), "prepare a window"));
  control().start_ns.store(monotonic_ns(), std::memory_order_relaxed);
  announce(++round_);
  SHMARK_RETURN_IF_ERROR(let_run(deadline::after(length)));
  control().stop.store(1, std::memory_order_relaxed);
  SHMARK_RETURN_IF_ERROR(wait_for_all(deadline::after(patience), "end a window"));
  return gather();
}

window_result window_crew::gather() const {
  window_result all;
  for (const auto& result : results()) {
    const double rate =
        1e9 * static_cast<double>(result.operations) / static_cast<double>(result.elapsed_ns);
    all.worker_ops_per_s.push_back(rate);
    all.counters.push_back(result.counters);
    all.latency.merge(result.latency);
    all.operations += result.operations;
    all.ops_per_s += rate;
  }
  return all;
}

}  // namespace shmark

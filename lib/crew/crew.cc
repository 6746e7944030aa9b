#include "lib/crew/crew.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "lib/base/check.h"
#include "lib/base/interrupt.h"

namespace shmark {
namespace {

int open_process(pid_t process) noexcept {
  return static_cast<int>(syscall(SYS_pidfd_open, process, 0));
}

int run_guarded(const crew::body& work) noexcept {
  try {
    return work();
  } catch (const std::exception& thrown) {
    std::fprintf(stderr, "shmark: a worker threw: %s\n", thrown.what());
  } catch (...) {
    std::fprintf(stderr, "shmark: a worker threw something\n");
  }
  return 1;
}

// `process` is 0 if it is a thread.
std::string text_of(int index, pid_t process) {
  return process != 0 ? fmt::format("worker {} (process {})", index, process)
                      : fmt::format("worker {} (a thread)", index);
}

}  // namespace

crew::crew(const crew_options& options)
    : options_(options), processors_(processors_for(options.pin)) {
  SHMARK_CHECK(options.size >= 1 && options.size <= crew_size_max, "a crew has 1 to 1024 workers");
  workers_ = std::vector<worker>(static_cast<std::size_t>(options.size));
}

crew::~crew() {
  for (auto& each : workers_) {
    if (each.process != 0) kill(each.process, SIGKILL);
  }
  for (auto& each : workers_) {
    if (each.process != 0) {
      while (waitpid(each.process, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    if (each.thread.joinable()) each.thread.join();
  }
}

std::expected<void, error> crew::start(int index, const body& work) {
  SHMARK_CHECK(!running(index), "started a worker that is running");
  return options_.kind == workers_are::processes ? start_process(index, work)
                                                 : start_thread(index, work);
}

std::expected<void, error> crew::start_process(int index, const body& work) {
  const auto failed = [index](int sys_errno) {
    error why = system_error(sys_errno, "start worker", short_text(std::to_string(index)));
    if (sys_errno == EAGAIN) why.code = errc::no_space;
    why.remedy =
        "use fewer workers, or raise the limits of processes and descriptors (ulimit -u, -n)";
    return std::unexpected(why);
  };
  std::fflush(nullptr);  // or the child would print again what is still buffered
  const pid_t supervisor = getpid();
  const pid_t child = fork();
  if (child < 0) return failed(errno);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) _exit(1);  // it died before we could ask to be told
    ignore_interrupts();
    pin(index);
    const int status = run_guarded(work);
    std::fflush(nullptr);
    _exit(status);
  }
  worker& started = workers_[static_cast<std::size_t>(index)];
  started.process = child;
  started.handle = descriptor(open_process(child));
  if (!started.handle) {
    const int why = errno;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    started.process = 0;
    return failed(why);
  }
  return {};
}

std::expected<void, error> crew::start_thread(int index, const body& work) {
  worker& started = workers_[static_cast<std::size_t>(index)];
  started.handle = descriptor(eventfd(0, EFD_CLOEXEC));
  if (!started.handle) return system_failure(errno, "start worker", "thread");
  const auto live = [this, index, work, &started] {
    pin(index);
    started.thread_status = run_guarded(work);
    eventfd_write(started.handle.number(), 1);
  };
  try {
    started.thread = std::thread(live);
  } catch (const std::system_error&) {
    started.handle = {};
    return failure(errc::no_space, "start worker", "thread",
                   "use fewer workers, or raise the limit of processes (ulimit -u)");
  }
  return {};
}

void crew::pin(int index) const noexcept {
  if (processors_.empty()) return;
  pin_to(processors_[static_cast<std::size_t>(index) % processors_.size()]);
}

void crew::signal(int index, int number) noexcept {
  const worker& target = workers_[static_cast<std::size_t>(index)];
  SHMARK_CHECK(target.process != 0, "signalled a worker that is not a running process");
  kill(target.process, number);  // not reaped yet, so the number is still its own
}

bool crew::running(int index) const noexcept {
  return static_cast<bool>(workers_[static_cast<std::size_t>(index)].handle);
}

pid_t crew::process(int index) const noexcept {
  return workers_[static_cast<std::size_t>(index)].process;
}

std::string crew::text(int index) const { return text_of(index, process(index)); }

crew::death crew::reap(int index) {
  worker& ended = workers_[static_cast<std::size_t>(index)];
  death report{index, ended.process, 0};
  if (ended.process != 0) {
    while (waitpid(ended.process, &report.status, 0) < 0 && errno == EINTR) {
    }
  } else {
    ended.thread.join();
    report.status = W_EXITCODE(ended.thread_status, 0);
  }
  ended = worker{};
  return report;
}

crew::event crew::wait(deadline until, std::initializer_list<int> descriptors) {
  std::vector<pollfd> watched;
  watched.push_back({interrupt_descriptor(), POLLIN, 0});  // poll(2) passes over -1
  for (const int number : descriptors) watched.push_back({number, POLLIN, 0});
  const std::size_t first_worker = watched.size();
  for (const auto& each : workers_) watched.push_back({each.handle.number(), POLLIN, 0});

  const timespec left = until.remaining();
  const int ready =
      ppoll(watched.data(), watched.size(), until.is_never() ? nullptr : &left, nullptr);
  if (ready <= 0) return {.ended = {}, .interrupted = interrupted() != 0};
  if (watched[0].revents != 0) return {.ended = {}, .interrupted = true};
  for (std::size_t i = first_worker; i < watched.size(); ++i) {
    if (watched[i].revents != 0) return {.ended = reap(static_cast<int>(i - first_worker))};
  }
  for (std::size_t i = 1; i < first_worker; ++i) {
    if (watched[i].revents != 0) return {.ended = {}, .descriptor = watched[i].fd};
  }
  return {};
}

std::string crew::death::text() const {
  const std::string who = text_of(index, process);
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return fmt::format("{} was killed by signal {} ({})", who, number, strsignal(number));
  }
  return fmt::format("{} ended with status {}", who, WEXITSTATUS(status));
}

}  // namespace shmark

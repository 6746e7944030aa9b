#include "stress/explorer/nursery.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "lib/base/interrupt.h"

namespace shmark::explorer {
namespace {

// What the keeper answers when it cannot fork.
constexpr int not_forked = -1;

bool tell(int line, int number) noexcept {
  return send(line, &number, sizeof number, MSG_NOSIGNAL) == sizeof number;
}

[[noreturn]] void keep(int line, const std::function<void()>& body) {
  for (char order = 0;;) {
    const auto length = recv(line, &order, sizeof order, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) _exit(0);
    auto child = process::start_interruptible(body);
    if (!child) {
      if (!tell(line, not_forked)) _exit(0);
      continue;
    }
    if (!tell(line, child->pid())) _exit(0);
    int status = 0;
    while (waitpid(child->pid(), &status, 0) < 0 && errno == EINTR) {
    }
    child->forget();
    if (!tell(line, status)) _exit(0);
  }
}

}  // namespace

std::expected<nursery, error> nursery::start(const std::function<void()>& body) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return system_failure(errno, "start", "a process of an exploration");
  }
  descriptor ours(ends[0]);
  const descriptor theirs(ends[1]);
  SHMARK_ASSIGN_OR_RETURN(auto keeper, process::start_interruptible([&] {
                            close(ours.number());
                            keep(theirs.number(), body);
                          }));
  return nursery(std::move(keeper), std::move(ours));
}

// The next answer; nothing at the deadline, or if the keeper has ended.
std::optional<int> nursery::answer(deadline until, pid_t child) {
  for (bool is_told = false;;) {
    const bool interrupts = interrupted() != 0;
    if (interrupts && !is_told && child > 0) kill(child, SIGTERM);
    is_told = interrupts;
    pollfd watched[] = {
        {.fd = line_.number(), .events = POLLIN, .revents = 0},
        {.fd = interrupts ? -1 : interrupt_descriptor(), .events = POLLIN, .revents = 0}};
    const timespec left = until.remaining();
    if (ppoll(watched, 2, &left, nullptr) < 0 && errno != EINTR) return {};
    int number = 0;
    if (watched[0].revents != 0) {
      if (recv(line_.number(), &number, sizeof number, 0) == sizeof number) return number;
      return {};
    }
    if (until.passed()) return {};
  }
}

std::expected<std::optional<int>, error> nursery::run(deadline until) {
  const auto lost = [] { return failure(errc::worker_died, "run", "a trial of an exploration"); };
  const char order = 0;
  if (send(line_.number(), &order, sizeof order, MSG_NOSIGNAL) != sizeof order) return lost();
  const auto child = answer(until, 0);
  if (!child) return lost();
  if (*child == not_forked) return failure(errc::no_space, "start", "a trial of an exploration");
  if (const auto status = answer(until, *child)) return status;
  if (!until.passed()) return lost();
  kill(*child, SIGKILL);
  if (!answer(deadline::after(std::chrono::seconds(60)), 0)) return lost();
  return std::optional<int>();
}

}  // namespace shmark::explorer

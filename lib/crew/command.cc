#include "lib/crew/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <utility>

#include "lib/base/interrupt.h"
#include "lib/base/process.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;

// For one that only has to remove what it made. Whoever needs longer hangs.
constexpr auto time_to_end = 2s;
constexpr auto time_to_clean_up = 5s;

struct pipe_ends {
  descriptor out;
  descriptor in;
};

std::expected<pipe_ends, error> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return system_failure(errno, "make", "a pipe");
  return pipe_ends{descriptor(ends[0]), descriptor(ends[1])};
}

// In the child: async-signal-safe calls only.
[[noreturn]] void become(char** words, const char* folder, pid_t parent, int input,
                         int output) noexcept {
  constexpr int cannot_be_run = 126;
  constexpr int is_not_there = 127;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(cannot_be_run);  // it died before we could ask to be told
  setpgid(0, 0);
  if (*folder != '\0' && chdir(folder) != 0) _exit(cannot_be_run);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  execvp(*words, words);
  _exit(errno == ENOENT ? is_not_there : cannot_be_run);
}

// Writes all of it. A partner that has gone is told by the result, and not by SIGPIPE, which would
// end this program, or count as the user's wish.
bool write_quietly(int to, std::string_view text) noexcept {
  sigset_t broken;
  sigset_t before;
  sigemptyset(&broken);
  sigaddset(&broken, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken, &before);
  bool fine = true;
  while (fine && !text.empty()) {
    const auto written = write(to, text.data(), text.size());
    if (written >= 0) text.remove_prefix(static_cast<std::size_t>(written));
    fine = written >= 0 || errno == EINTR;
  }
  constexpr timespec at_once{};
  if (!fine && sigismember(&before, SIGPIPE) == 0) sigtimedwait(&broken, nullptr, &at_once);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return fine;
}

bool is_readable(int number, deadline until) noexcept {
  for (;;) {
    pollfd watched{number, POLLIN, 0};
    const timespec left = until.remaining();
    const int ready = ppoll(&watched, 1, until.is_never() ? nullptr : &left, nullptr);
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

}  // namespace

command::command(pid_t process, descriptor handle, descriptor input, descriptor output) noexcept
    : process_(process),
      parent_(getpid()),
      handle_(std::move(handle)),
      input_(std::move(input)),
      output_(std::move(output)) {}

command::command(command&& other) noexcept
    : process_(std::exchange(other.process_, 0)),
      parent_(other.parent_),
      handle_(std::move(other.handle_)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      heard_(std::move(other.heard_)) {}

command::~command() {
  std::array<command*, 1> own{this};
  end(own);
}

std::expected<command, error> command::start(const std::vector<std::string>& words,
                                             const std::filesystem::path& folder) {
  auto copies = words;
  std::vector<char*> arguments;
  for (auto& each : copies) arguments.push_back(each.data());
  arguments.push_back(nullptr);
  SHMARK_ASSIGN_OR_RETURN(auto input, make_pipe());
  SHMARK_ASSIGN_OR_RETURN(auto output, make_pipe());
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    auto refused = system_error(errno, "start", short_text(words.front()));
    if (errno == EAGAIN) refused.code = errc::no_space;
    refused.remedy = "use fewer workers, or raise the limit of processes (ulimit -u)";
    return std::unexpected(refused);
  }
  if (child == 0) {
    become(arguments.data(), folder.c_str(), parent, input.out.number(), output.in.number());
  }
  setpgid(child, child);  // as the child does: whoever is first
  descriptor handle(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const int refused = errno;
  command made(child, std::move(handle), std::move(input.in), std::move(output.out));
  if (!made.handle_) return system_failure(refused, "start", short_text(words.front()));
  return made;
}

bool command::send(std::string line) noexcept {
  line += '\n';
  return input_ && write_quietly(input_.number(), line);
}

std::expected<std::string, error> command::line(deadline until) {
  constexpr auto* attempted = "hear from a command";
  std::size_t searched = 0;
  for (;;) {
    if (const auto end = heard_.find('\n', searched); end != std::string::npos) {
      std::string found = heard_.substr(0, end);
      heard_.erase(0, end + 1);
      return found;
    }
    searched = heard_.size();
    if (searched > line_max) return failure(errc::invalid, attempted, "");
    std::array<pollfd, 2> watched{pollfd{output_.number(), POLLIN, 0},
                                  pollfd{interrupt_descriptor(), POLLIN, 0}};
    const timespec left = until.remaining();
    const int ready =
        ppoll(watched.data(), watched.size(), until.is_never() ? nullptr : &left, nullptr);
    if (watched[1].revents != 0) return failure(errc::interrupted, attempted, "");
    if (ready == 0) return failure(errc::timed_out, attempted, "");
    if (ready < 0) continue;  // a signal
    std::array<char, 4096> part{};
    const auto got = read(output_.number(), part.data(), part.size());
    if (got == 0) return failure(errc::worker_died, attempted, "");
    if (got > 0) heard_.append(part.data(), static_cast<std::size_t>(got));
  }
}

std::optional<int> command::status(deadline until) const noexcept {
  if (!is_readable(handle_.number(), until)) return {};
  return ended_with(process_);
}

void command::signal(int number) const noexcept { kill(-process_, number); }

void command::reap() noexcept {
  signal(SIGKILL);  // also for what is left of its group: until it is reaped, that has its number
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = 0;
}

void command::end(std::span<command* const> all) noexcept {
  const auto is_ours = [](const command& each) {
    return each.process_ != 0 && each.parent_ == getpid();
  };
  const auto await = [&](deadline until) {
    for (const command* each : all) {
      if (is_ours(*each)) is_readable(each->handle_.number(), until);
    }
  };
  for (command* each : all) each->input_ = {};
  // Who interrupts has no time, and it may be in the middle of something.
  await(interrupted() == 0 ? deadline::after(time_to_end) : deadline::none());
  for (const command* each : all) {
    if (is_ours(*each)) each->signal(SIGTERM);
  }
  await(deadline::after(time_to_clean_up));
  for (command* each : all) {
    if (is_ours(*each)) each->reap();
  }
}

}  // namespace shmark

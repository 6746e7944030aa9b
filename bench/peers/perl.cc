#include "bench/peers/perl.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>

namespace shmark::bench {
namespace {

constexpr auto script = "bench/peers/ipc_shareable.pl";

// Exit statuses: the script's own, and that of a child that found no perl.
constexpr int module_is_missing = 3;
constexpr int perl_is_missing = 127;

// In the child. Dies with its parent, by a signal at which the script still cleans up.
[[noreturn]] void become_perl(int output, const std::string& operation, const std::string& count) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  dup2(output, STDOUT_FILENO);
  execlp("perl", "perl", script, operation.c_str(), count.c_str(), static_cast<char*>(nullptr));
  _exit(perl_is_missing);
}

std::string all_from(int descriptor) {
  std::string text;
  std::array<char, 256> part{};
  for (;;) {
    const auto got = read(descriptor, part.data(), part.size());
    if (got > 0) text.append(part.data(), static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) return text;
  }
}

int status_of(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::unexpected<error> failed_with(int status) {
  constexpr auto* remedy =
      "tools/setup --peers installs it, or apt-get install perl "
      "libipc-shareable-perl";
  if (status == perl_is_missing) {
    return failure(errc::not_found, "run", "perl", remedy);
  }
  if (status == module_is_missing) {
    return failure(errc::not_found, "load Perl module", "IPC::Shareable", remedy);
  }
  return failure(errc::invalid, "measure with", script, because{"it failed"},
                 "see what it says above");
}

// What the script prints.
std::expected<std::string, error> output_of(const std::string& operation,
                                            const std::string& count) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::unexpected(system_error(errno, "make", "a pipe"));
  }
  const pid_t child = fork();
  if (child == 0) become_perl(ends[1], operation, count);
  const int refused = errno;
  close(ends[1]);
  auto text = child < 0 ? std::string() : all_from(ends[0]);
  close(ends[0]);
  if (child < 0) return std::unexpected(system_error(refused, "start", "perl"));
  if (const int status = status_of(child); status != 0) return failed_with(status);
  return text;
}

// Removes them if they are there. Whether they were.
bool remove_left(int segment, int semaphores) {
  const bool had_segment = segment >= 0 && shmctl(segment, IPC_RMID, nullptr) == 0;
  const bool had_semaphores = semaphores >= 0 && semctl(semaphores, 0, IPC_RMID) == 0;
  return had_segment || had_semaphores;
}

}  // namespace

std::expected<perl_script, error> perl_script::find() {
  if (access(script, R_OK) != 0) {
    return failure(errc::not_found, "read", script,
                   "use bazel run, or start it in the workspace's folder");
  }
  SHMARK_ASSIGN_OR_RETURN(auto version, output_of("version", ""));
  while (!version.empty() && version.back() == '\n') version.pop_back();
  return perl_script(std::move(version));
}

std::expected<double, error> perl_script::time_ns(const std::string& operation, int count) {
  SHMARK_ASSIGN_OR_RETURN(const auto text, output_of(operation, std::to_string(count)));
  double seconds = 0;
  int segment = -1;
  int semaphores = -1;
  if (std::sscanf(text.c_str(), "%lf %d %d", &seconds, &segment, &semaphores) != 3) {
    return failure(errc::invalid, "read the output of", script, "use the script beside it");
  }
  if (remove_left(segment, semaphores)) {
    std::fprintf(stderr, "perl_shareable: %s left its segment or semaphores; now removed\n",
                 script);
  }
  return seconds * 1e9 / count;
}

}  // namespace shmark::bench

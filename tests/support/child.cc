#include "tests/support/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "lib/base/check.h"
#include "lib/base/descriptor.h"

namespace shmark::support {
namespace {

[[noreturn]] void run_child(pid_t parent, const std::function<void()>& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it died before that could tell us
  body();
  std::cout.flush();
  std::fflush(nullptr);
  _exit(::testing::Test::HasFailure() ? 1 : 0);
}

int wait_for(pid_t pid, int options) {
  int status = 0;
  pid_t got;
  do got = waitpid(pid, &status, options);
  while (got < 0 && errno == EINTR);
  SHMARK_CHECK(got == pid, "waited for a child that is not there any more");
  return status;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ending& how) {
  if (how.by_signal) return out << "killed by signal " << how.number;
  return out << "exited with status " << how.number;
}

child child::start(const std::function<void()>& body) {
  // What is still in the buffers would be written twice.
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  SHMARK_CHECK(pid >= 0, "cannot fork");
  if (pid == 0) run_child(parent, body);
  return child(pid);
}

child::~child() {
  if (pid_ != 0) kill();
}

ending child::wait() {
  const int status = wait_for(std::exchange(pid_, 0), 0);
  return WIFSIGNALED(status) ? killed_by(WTERMSIG(status)) : exited(WEXITSTATUS(status));
}

ending child::kill() {
  send(SIGKILL);
  return wait();
}

void child::kill_without_reaping() {
  send(SIGKILL);
  siginfo_t info;
  int failed;
  do failed = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  while (failed != 0 && errno == EINTR);
  SHMARK_CHECK(failed == 0, "waited for a child that is not there any more");
}

void child::send(int signal) const {
  SHMARK_CHECK(pid_ > 0, "the child has been reaped");
  ::kill(pid_, signal);
}

void child::stop() {
  send(SIGSTOP);
  const int status = wait_for(pid_, WUNTRACED);
  SHMARK_CHECK(WIFSTOPPED(status), "the child ended instead of stopping");
}

void child::await_asleep() const {
  SHMARK_CHECK(pid_ > 0, "the child has been reaped");
  char state;
  while ((state = process_state(pid_)) != 'S') {
    SHMARK_CHECK(state != 0 && state != 'Z', "the child ended instead of waiting");
    sched_yield();
  }
}

char process_state(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/stat";
  const descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return 0;
  char text[512];
  const auto length = read(file.number(), text, sizeof text - 1);
  if (length <= 0) return 0;
  text[length] = '\0';
  // After the program's name, which may contain anything but ends in the last ')'.
  const char* end_of_name = std::strrchr(text, ')');
  return end_of_name == nullptr ? '\0' : end_of_name[2];
}

}  // namespace shmark::support

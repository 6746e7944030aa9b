#include "tests/support/child.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>

#include "lib/base/check.h"
#include "lib/base/process.h"

namespace shmark::support {
namespace {

// -1 if there is no such process.
pid_t parent_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  // Behind the program's name, which may contain anything but ends in the last ')'.
  const auto end_of_name = text.rfind(") ");
  int parent = -1;
  if (end_of_name != std::string::npos) {
    std::sscanf(text.c_str() + end_of_name, ") %*c %d", &parent);
  }
  return parent;
}

[[noreturn]] void run_child(pid_t parent, const std::function<void()>& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it died before that could tell us
  // Thrown further it would reach GoogleTest, and the child go on with the other tests.
  try {
    body();
  } catch (const std::exception& thrown) {
    ADD_FAILURE() << "a child threw: " << thrown.what();
  }
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

std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    pid_t number = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
    if (parsed.ec == std::errc() && parent_of(number) == process) found.push_back(number);
  }
  return found;
}

}  // namespace shmark::support

#include "tests/support/program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "lib/base/descriptor.h"
#include "lib/base/process.h"
#include "lib/crew/run.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/posix.h"

namespace shmark::support {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view alive = ".alive";

// Where a file goes when a program runs: in the child.
void redirect(int from, const fs::path& to, int flags) {
  const int file = open(to.c_str(), flags, 0600);
  if (file < 0 || dup2(file, from) < 0) _exit(127);
}

child start(const std::string& path, const std::vector<std::string>& arguments, const fs::path& at,
            const fs::path& out, const fs::path& err) {
  return child::start([&] {
    setenv("BUILD_WORKING_DIRECTORY", at.c_str(), 1);
    redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
    redirect(STDOUT_FILENO, out, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, err, O_WRONLY | O_CREAT | O_TRUNC);
    std::vector<std::string> texts{path};
    texts.insert(texts.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (auto& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    execvp(pointers.front(), pointers.data());
    std::perror(pointers.front());
    _exit(127);
  });
}

// The name of the object by which a run is alive: its supervisor has it open.
std::string alive_object_of(pid_t process) {
  std::error_code gone;
  for (fs::directory_iterator at("/proc/" + std::to_string(process) + "/fd", gone), end;
       !gone && at != end; at.increment(gone)) {
    std::error_code closed;
    const auto target = fs::read_symlink(at->path(), closed).string();
    if (!closed && target.starts_with("/dev/shm/shmark.") && target.ends_with(alive)) {
      return fs::path(target).filename().string();
    }
  }
  return {};
}

// 0 if there is no such lock in the object, or not yet.
int semaphore_key_in(const std::string& object) {
  const descriptor file(open(("/dev/shm/" + object).c_str(), O_RDONLY | O_CLOEXEC));
  detail::cell_header header{};
  std::int32_t key = 0;
  if (!file || pread(file.number(), &header, sizeof header, 0) != sizeof header ||
      pread(file.number(), &key, sizeof key, sizeof header) != sizeof key) {
    return 0;
  }
  header.lock_name[sizeof header.lock_name - 1] = '\0';
  return sysv_semaphore::name == header.lock_name ? key : 0;
}

// Also the one that it is alive by.
std::vector<std::string> all_objects_of(const std::string& domain) {
  return posix_segment::names("shmark." + std::to_string(geteuid()) + "." + domain);
}

std::vector<std::string> objects_of(const std::string& domain) {
  auto names = all_objects_of(domain);
  std::erase_if(names, [](const auto& name) { return name.ends_with(alive); });
  return names;
}

}  // namespace

folder::folder() {
  auto pattern = ::testing::TempDir() + "/program-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  path_ = pattern;
}

folder::~folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

bool traces::gone() const {
  return all_objects_of(domain).empty() && (semaphore_key == 0 || semget(semaphore_key, 0, 0) < 0);
}

void traces::sweep() const {
  while (!gone()) static_cast<void>(shmark::run::begin());
}

bool has_begun(const traces& seen) { return !seen.domain.empty(); }
bool has_objects(const traces& seen) { return !seen.objects.empty(); }
bool has_workers(const traces& seen) { return !seen.workers.empty(); }

program::program(const folder& at, const std::string& path,
                 const std::vector<std::string>& arguments, const fs::path& out)
    : out_(out.empty() ? at.file("stdout") : out),
      err_(at.file("stderr")),
      process_(start(path, arguments, at.file(""), out_, err_)) {}

traces program::look() const {
  traces seen;
  auto object = alive_object_of(process_.pid());
  if (object.empty()) return seen;
  object.resize(object.size() - alive.size());
  seen.domain = object.substr(object.find("run-"));
  seen.objects = objects_of(seen.domain);
  if (!seen.objects.empty()) seen.workers = children_of(process_.pid());
  for (const auto& each : seen.objects) {
    seen.semaphore_key = std::max(seen.semaphore_key, semaphore_key_in(each));
  }
  return seen;
}

traces program::await(const std::function<bool(const traces&)>& far_enough) const {
  for (;;) {
    auto seen = look();
    if (far_enough(seen)) return seen;
    if (process_state(process_.pid()) == 'Z') {
      ADD_FAILURE() << "it ended too early: " << contents(err_);
      return seen;
    }
    sched_yield();
  }
}

outcome program::finish() {
  const auto how = process_.wait();
  return {how, fs::is_regular_file(out_) ? contents(out_) : "", contents(err_)};
}

outcome run_program(const folder& at, const std::string& path,
                    const std::vector<std::string>& arguments, const fs::path& out) {
  return program(at, path, arguments, out).finish();
}

traces run_and_kill(const std::string& path, const std::vector<std::string>& arguments,
                    const std::function<bool(const traces&)>& far_enough) {
  const folder at;
  program running(at, path, arguments);
  auto seen = running.await(far_enough);
  running.process().send(SIGKILL);
  EXPECT_EQ(running.finish().how, killed_by(SIGKILL));
  // Its children are ours now (see main.cc).
  while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
  return seen;
}

void expect_complaint(const outcome& done, const std::vector<std::string>& parts) {
  EXPECT_EQ(done.how, exited(2));
  EXPECT_EQ(done.out, "");
  for (const auto& part : parts) EXPECT_THAT(done.err, ::testing::HasSubstr(part));
}

void expect_one_line(const std::string& text, const std::string& beginning) {
  EXPECT_THAT(text, ::testing::StartsWith(beginning));
  EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
}

std::string contents(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

result::run result_in(const fs::path& file) {
  auto read = result::read(file);
  if (!read) throw std::runtime_error(read.error().message());
  return *std::move(read);
}

}  // namespace shmark::support

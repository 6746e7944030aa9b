// A program as a user starts it, in a folder of its own, and what one can see of it from outside
// while it runs.
//
//     const folder at;
//     const auto done = run_program(at, "bench/bench", {"--out=x.json"});
//     EXPECT_EQ(done.how, exited(0)) << done.err;
//     EXPECT_NE(contents(at.file("x.json")), "");
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "lib/result/result.h"
#include "tests/support/child.h"

namespace shmark::support {

// A folder for one test; gone with the object.
class folder {
 public:
  folder();
  ~folder();
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// What a run of a program has in the system, as far as it has any yet.
struct traces {
  std::string domain{};                // "run-0123456789abcdef"; empty: it has not begun
  std::vector<std::string> objects{};  // in /dev/shm, but the one that it is alive by
  std::vector<pid_t> workers{};        // its children, once it has objects
  int semaphore_key = 0;               // of a sysv_semaphore in one of the objects

  // Whether nothing of it is left: no objects, no semaphores. (Its processes are the child's.)
  [[nodiscard]] bool gone() const;
  // Begins runs until it is: other tests may be sweeping at the same time.
  void sweep() const;
};

[[nodiscard]] bool has_begun(const traces& seen);
[[nodiscard]] bool has_objects(const traces& seen);
[[nodiscard]] bool has_workers(const traces& seen);

struct outcome {
  ending how{};
  std::string out{};
  std::string err{};
};

class program {
 public:
  // Starts it: `path` is where Bazel puts it, or a name to be looked for as a shell does. Its
  // standard input is empty; its output goes to files in the folder, or else to `out`.
  program(const folder& at, const std::string& path, const std::vector<std::string>& arguments,
          const std::filesystem::path& out = {});

  [[nodiscard]] const child& process() const noexcept { return process_; }
  // As of now.
  [[nodiscard]] traces look() const;
  // Looks until it is so far. A failure of the test if it ends before that.
  [[nodiscard]] traces await(const std::function<bool(const traces&)>& far_enough) const;
  // Waits for its end. Call it once.
  [[nodiscard]] outcome finish();

 private:
  std::filesystem::path out_;
  std::filesystem::path err_;
  child process_;
};

// From its start to its end.
[[nodiscard]] outcome run_program(const folder& at, const std::string& path,
                                  const std::vector<std::string>& arguments,
                                  const std::filesystem::path& out = {});

// Until it is so far; then kills it by SIGKILL. Its workers end by themselves, and have, too, when
// this returns.
[[nodiscard]] traces run_and_kill(const std::string& path,
                                  const std::vector<std::string>& arguments,
                                  const std::function<bool(const traces&)>& far_enough);

// Bad input: exit status 2, nothing on standard output, and a message with all of these parts.
void expect_complaint(const outcome& done, const std::vector<std::string>& parts);
void expect_one_line(const std::string& text, const std::string& beginning);

[[nodiscard]] std::string contents(const std::filesystem::path& file);
[[nodiscard]] std::vector<std::string> lines(const std::string& text);
[[nodiscard]] bool contains(const std::string& text, const std::string& part);
// Throws if it cannot be read.
[[nodiscard]] result::run result_in(const std::filesystem::path& file);

}  // namespace shmark::support

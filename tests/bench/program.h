// The benchmark program, or another that begins a run, as a user starts it, in a folder of its own,
// and what one can see of it from outside while it runs.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "lib/result/result.h"
#include "tests/support/child.h"

namespace shmark::bench {

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

// What a run of the program has in the system, as far as it has any yet.
struct traces {
  std::string domain;                // "run-0123456789abcdef"; empty: it has not begun
  std::vector<std::string> objects;  // in /dev/shm, but the one that it is alive by
  std::vector<pid_t> workers;        // its children, once it has objects
  int semaphore_key = 0;             // of a sysv_semaphore in one of the objects

  // Whether nothing of it is left: no objects, no semaphores. (Its processes are the child's.)
  [[nodiscard]] bool gone() const;
  // Begins runs until it is: other tests may be sweeping at the same time.
  void sweep() const;
};

struct outcome {
  support::ending how{};
  std::string out{};
  std::string err{};
};

class program {
 public:
  // Starts it. `path` is where Bazel puts it.
  program(const folder& at, const std::vector<std::string>& arguments,
          const std::string& path = "bench/bench");

  [[nodiscard]] const support::child& process() const noexcept { return process_; }
  // As of now.
  [[nodiscard]] traces look() const;
  // Waits for its end. Call it once.
  [[nodiscard]] outcome finish();

 private:
  std::filesystem::path out_;
  std::filesystem::path err_;
  support::child process_;
};

// From its start to its end.
[[nodiscard]] outcome run_bench(const folder& at, const std::vector<std::string>& arguments);

[[nodiscard]] std::string contents(const std::filesystem::path& file);
[[nodiscard]] std::vector<std::string> lines(const std::string& text);
// Throws if it cannot be read.
[[nodiscard]] result::run result_in(const std::filesystem::path& file);

}  // namespace shmark::bench

// What all our programs have in common: how they complain, and the status they then end with.
//
//     constexpr shmark::program self("compare");
//
//     int parse_and_run(int argc, char** argv) {
//       …
//       if (!done) return self.complain(done.error());
//       return 0;
//     }
//
//     int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }
//
// Thread safety: may be called by all threads.
#pragma once

#include <string_view>

#include "lib/base/error.h"

namespace shmark {

class program {
 public:
  // The exit status for input that cannot be used, and for what the machine does not allow.
  static constexpr int unusable = 2;

  explicit constexpr program(std::string_view name) noexcept : name_(name) {}

  // A line on standard error, after the program's name.
  void say(std::string_view message) const noexcept;

  // Says it, and returns `unusable`.
  [[nodiscard]] int complain(std::string_view message) const noexcept;
  [[nodiscard]] int complain(const error& what) const;

  // What main() does: calls `body`, and complains of what it throws (out of memory, most likely),
  // and of standard output that did not get to where it goes: who asked for it has not got it, so
  // that `body`'s success is none.
  [[nodiscard]] int main(int (*body)(int, char**), int argc, char** argv) const noexcept;

 private:
  std::string_view name_;
};

}  // namespace shmark

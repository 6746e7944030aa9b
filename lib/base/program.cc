#include "lib/base/program.h"

#include <cerrno>
#include <cstdio>
#include <exception>

namespace shmark {

void program::say(std::string_view message) const noexcept {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(name_.size()), name_.data(),
               static_cast<int>(message.size()), message.data());
}

int program::complain(std::string_view message) const noexcept {
  say(message);
  return unusable;
}

int program::complain(const error& what) const { return complain(what.message()); }

int program::main(int (*body)(int, char**), int argc, char** argv) const noexcept {
  int status = 0;
  try {
    status = body(argc, argv);
  } catch (const std::exception& unforeseen) {
    // What cannot be printed is thrown, too, and has words of its own below.
    if (std::ferror(stdout) == 0) return complain(unforeseen.what());
  }
  const int refused = std::fflush(stdout) == 0 ? 0 : errno;
  if (refused == 0 && std::ferror(stdout) == 0) return status;
  error lost = system_error(refused, "write to", "standard output");  // 0: it failed before
  lost.remedy = "what was printed is incomplete; see to where it goes, and run it again";
  say(lost.message());
  return status == 0 ? unusable : status;
}

}  // namespace shmark

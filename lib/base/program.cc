#include "lib/base/program.h"

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
  try {
    return body(argc, argv);
  } catch (const std::exception& unforeseen) {
    return complain(unforeseen.what());
  }
}

}  // namespace shmark

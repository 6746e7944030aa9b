#include "lib/base/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace shmark {
namespace {

std::size_t terminal_width() noexcept {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return 79;
  return size.ws_col - 1U;  // the last column would wrap
}

}  // namespace

progress_line::progress_line() noexcept : on_terminal_(isatty(STDERR_FILENO) == 1) {}

void progress_line::show(std::string_view text) noexcept {
  if (!on_terminal_) return;
  text = text.substr(0, terminal_width());
  // Carriage return, the text, and ECMA-48's "erase to the end of the line".
  std::fprintf(stderr, "\r%.*s\x1b[K", static_cast<int>(text.size()), text.data());
  std::fflush(stderr);
  shown_ = true;
}

void progress_line::clear() noexcept {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace shmark

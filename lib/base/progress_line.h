// One line on a terminal that says what is going on, rewritten in place; nothing at all where
// standard error is no terminal. Gone, leaving no trace, with its object.
//
// Not synchronised; for the supervisor's main thread.
#pragma once

#include <string_view>

namespace shmark {

class progress_line {
 public:
  progress_line() noexcept;
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;
  ~progress_line() { clear(); }

  // Shows the text, cut to the terminal's width.
  void show(std::string_view text) noexcept;
  // Takes it away: before anything else is printed.
  void clear() noexcept;

 private:
  bool on_terminal_;
  bool shown_ = false;
};

}  // namespace shmark

// Ends a test that hangs, and says what hung.
//
//     watchdog guard("the transfer between four workers");
//     … what might never return …
//
// A scope that lasts longer than its time ends the process by SIGABRT, after a line on stderr with
// the name. A forked child inherits the guards of its parent, with the time that is left. The main
// program of tests (:main) puts one around every test, so a guard of one's own is for naming a
// step, or for a shorter or longer time.
//
// Times are generous: they tell a hang from a slow machine, and never measure anything.
//
// Thread safety: guards may live in any thread. Uses the signal SIGRTMAX.
#pragma once

#include <chrono>
#include <string_view>

namespace shmark::support {

class watchdog {
 public:
  static constexpr std::chrono::seconds usual_time{300};

  explicit watchdog(std::string_view what, std::chrono::milliseconds longest = usual_time);
  ~watchdog();
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;

 private:
  struct slot* slot_;
};

}  // namespace shmark::support

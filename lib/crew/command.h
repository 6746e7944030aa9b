// A command as a partner: lines to its standard input, and from its standard output.
//
//     auto partner = command::start({"bc"}, "");
//     auto sent = partner->send("6*7");
//     auto answer = partner->line(deadline::after(1s));  // "42"
//
// Who starts it is its parent, and ends it: with the object, by closing its input, then, if it goes
// on, by SIGTERM, and at last by SIGKILL; and all of its process group with it. If the parent dies,
// however it dies, the kernel sends the command SIGTERM, at which a script still cleans up
// (PR_SET_PDEATHSIG); programs that it has started itself only see their input end. Being in a
// process group of its own, it does not hear of a terminal's Ctrl-C, which is its parent's
// business.
//
// Process and thread safety: for one thread at a time; started by one that lives as long as the
// object, whose end the kernel takes for the parent's. A child forked after start() may send and
// receive in its parent's place, but not end it.
//
// Source: prctl(2), setpgid(2), pidfd_open(2).
#pragma once

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/descriptor.h"
#include "lib/base/error.h"

namespace shmark {

class command {
 public:
  static constexpr std::size_t line_max = std::size_t{16} << 20;

  // Starts a program, which is looked for as a shell does (at least one word, with its arguments),
  // in a folder, or in this program's if that is empty. That it cannot be run shows only in how it
  // ends: with status 127 if there is none, or 126, as in a shell. Errors: no_space.
  [[nodiscard]] static std::expected<command, error> start(const std::vector<std::string>& words,
                                                           const std::filesystem::path& folder);
  command(command&& other) noexcept;
  command& operator=(command&&) = delete;
  ~command();

  // Adds the end of the line. Whether it can have got there: not if it has closed its input.
  bool send(std::string line) noexcept;

  // The next line, without its end. Errors: worker_died if there is none any more, or it has no
  // end; timed_out, interrupted (see interrupt.h), invalid (longer than line_max).
  [[nodiscard]] std::expected<std::string, error> line(deadline until);

  // How it ended, as of waitpid(2), if it has by then. Requires: its parent lives.
  [[nodiscard]] std::optional<int> status(deadline until) const noexcept;

  [[nodiscard]] pid_t process() const noexcept { return process_; }

  // Ends them, all at once, and waits until they have; theirs is then the time to clean up. To be
  // called by their parent. Each object's end does so for itself.
  static void end(std::span<command* const> all) noexcept;

 private:
  command(pid_t process, descriptor handle, descriptor input, descriptor output) noexcept;
  void signal(int number) const noexcept;
  void reap() noexcept;

  pid_t process_;  // 0: moved from, or reaped
  pid_t parent_;
  descriptor handle_;  // pidfd
  descriptor input_;
  descriptor output_;
  std::string heard_{};  // what has come and was not asked for yet
};

}  // namespace shmark

#include "stress/checker/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/process.h"
#include "lib/crew/command.h"

namespace shmark::stress {
namespace {

// "futex_wait_queue" of "[<0>] futex_wait_queue+0x6a/0xa0"; nothing where it runs in user mode.
std::string top_of_stack(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stack", process));
  std::string address;
  std::string function;
  file >> address >> function;
  return function.substr(0, function.find('+'));
}

std::string waiting_channel(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/wchan", process));
  std::string function;
  file >> function;
  return function == "0" ? "" : function;
}

// "work<int>" of "#3  0x000055d5 in work<int> (a=1) at work.cc:5", and of "#3 0x000055d5
// work<int>".
std::string function_of(std::string_view frame) {
  const auto skip = [&frame](std::string_view what) {
    const bool is_there = frame.starts_with(what);
    if (is_there) frame.remove_prefix(what.size());
    return is_there;
  };
  const auto skip_word = [&frame] { frame.remove_prefix(std::min(frame.find(' '), frame.size())); };
  skip_word();  // "#3"
  while (skip(" ")) {
  }
  if (frame.starts_with("0x")) {
    skip_word();
    while (skip(" ")) {
    }
    skip("in ");
  }
  constexpr std::size_t length_max = 100;
  return std::string(frame.substr(0, std::min(frame.find(" ("), length_max)));
}

constexpr int frames_max = 12;

std::string ask_gdb(std::span<const pid_t> processes) {
  std::string command =
      "gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'set print frame-arguments none'";
  for (const pid_t each : processes) {
    command += fmt::format(" -ex 'echo process {}\\n' -ex 'attach {}' -ex 'bt {}' -ex detach", each,
                           each, frames_max);
  }
  return command;
}

std::string ask_eu_stack(std::span<const pid_t> processes) {
  std::string command;
  for (const pid_t each : processes) {
    command += fmt::format("echo process {}; eu-stack -n {} -p {};", each, frames_max, each);
  }
  return command;
}

}  // namespace

bool progress_watch::stands_still(std::uint64_t completed, std::int64_t now_ns) noexcept {
  if (std::exchange(completed_, completed) != completed) since_ns_ = now_ns;
  return now_ns - since_ns_ > patience_ns_;
}

std::string whereabouts(pid_t process) {
  if (process_state(process) == 'R') return "running";
  if (process_state(process) == 'T') return "stopped";
  for (const auto& found : {top_of_stack(process), waiting_channel(process)}) {
    if (!found.empty()) return "in " + found;
  }
  return "unknown";
}

std::map<pid_t, std::string> detail::stacks_told_by(const std::string& command) {
  std::map<pid_t, std::string> stacks;
  auto teller = shmark::command::start({"sh", "-c", "exec 2>/dev/null; " + command}, "");
  if (!teller) return stacks;
  const auto until = deadline::after(std::chrono::seconds(30));
  pid_t whose = 0;
  for (auto line = teller->line(until); line; line = teller->line(until)) {
    constexpr std::string_view process = "process ";
    if (line->starts_with(process)) {
      whose = std::atoi(line->c_str() + process.size());
    } else if (line->starts_with('#')) {
      auto& stack = stacks[whose];
      stack += (stack.empty() ? "" : " < ") + function_of(*line);
    }
  }
  return stacks;
}

std::string detail::return_from_kernel(pid_t process) {
  std::ifstream calls(fmt::format("/proc/{}/syscall", process));
  std::string number;
  std::string last;
  calls >> number;
  if (!calls || number == "running") return {};
  for (std::string word; calls >> word;) last = word;
  const std::uint64_t at = std::strtoull(last.c_str(), nullptr, 16);
  std::ifstream maps(fmt::format("/proc/{}/maps", process));
  for (std::string line; std::getline(maps, line);) {
    std::istringstream columns(line);
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t offset = 0;
    char dash = 0;
    std::string rights;
    std::string device;
    std::string inode;
    std::string path;
    columns >> std::hex >> begin >> dash >> end >> rights >> offset >> device >> inode >> path;
    if (at < begin || at >= end) continue;
    return fmt::format("{}+{:#x}, system call {}", path.substr(path.rfind('/') + 1),
                       at - begin + offset, number);
  }
  return {};
}

std::map<pid_t, std::string> call_stacks(std::span<const pid_t> processes) {
  auto stacks = detail::stacks_told_by(ask_gdb(processes));
  if (stacks.empty()) stacks = detail::stacks_told_by(ask_eu_stack(processes));
  for (const pid_t each : processes) {
    if (!stacks.contains(each)) stacks[each] = detail::return_from_kernel(each);
  }
  return stacks;
}

}  // namespace shmark::stress

#include "stress/checker/progress.h"

#include <fmt/format.h>

#include <fstream>
#include <utility>

#include "lib/base/process.h"

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

}  // namespace

bool progress_watch::stands_still(std::uint64_t completed, std::int64_t now_ns) noexcept {
  if (std::exchange(completed_, completed) != completed) since_ns_ = now_ns;
  return now_ns - since_ns_ > patience_ns_;
}

std::string whereabouts(pid_t process) {
  if (process_state(process) == 'R') return "running";
  for (const auto& found : {top_of_stack(process), waiting_channel(process)}) {
    if (!found.empty()) return "in " + found;
  }
  return "unknown";
}

}  // namespace shmark::stress

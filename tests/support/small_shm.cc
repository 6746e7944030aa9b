#include "tests/support/small_shm.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace shmark::support {
namespace {

bool write_to(const char* file, const std::string& text) {
  std::ofstream out(file);
  out << text << std::flush;
  return out.good();
}

// Root within a namespace of its own; outside, who we were.
bool become_root() {
  const auto user = std::to_string(geteuid());
  const auto group = std::to_string(getegid());
  return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_to("/proc/self/setgroups", "deny") &&
         write_to("/proc/self/uid_map", "0 " + user + " 1") &&
         write_to("/proc/self/gid_map", "0 " + group + " 1");
}

}  // namespace

bool enter_small_shm(std::size_t bytes) {
  if (unshare(CLONE_NEWNS) != 0 && !become_root()) return false;
  const auto size = "size=" + std::to_string(bytes);
  return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, size.c_str()) == 0;
}

}  // namespace shmark::support

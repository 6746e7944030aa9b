#include "stress/checker/leaks.h"

#include <fmt/format.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include <fstream>
#include <limits>
#include <sstream>

namespace shmark::stress {
namespace {

// A line of /proc/sysvipc/shm or sem, as far as we need it.
struct row {
  int id = 0;
  // Column 5: of a segment its maker, of a semaphore set its owner's user number.
  pid_t maker = 0;
  int semaphores = 0;  // column 4: of a semaphore set
};

std::vector<row> table(const char* path) {
  std::ifstream file(path);
  file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');  // the heading
  std::vector<row> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream columns(line);
    long key = 0;
    std::string permissions;
    std::string fourth;
    row each;
    if (columns >> key >> each.id >> permissions >> fourth >> each.maker) {
      each.semaphores = std::atoi(fourth.c_str());
      rows.push_back(each);
    }
  }
  return rows;
}

constexpr const char* segments_path = "/proc/sysvipc/shm";
constexpr const char* semaphores_path = "/proc/sysvipc/sem";

bool used_last_by(const row& set, const std::set<pid_t>& users) {
  for (int i = 0; i < set.semaphores; ++i) {
    if (users.contains(semctl(set.id, i, GETPID))) return true;
  }
  return false;
}

}  // namespace

system_objects system_objects::now() {
  system_objects all;
  for (const auto& each : table(segments_path)) all.segments.insert(each.id);
  for (const auto& each : table(semaphores_path)) all.semaphores.insert(each.id);
  return all;
}

std::vector<std::string> leaks_since(const system_objects& before, const std::set<pid_t>& makers) {
  std::vector<std::string> found;
  for (const auto& each : table(segments_path)) {
    if (before.segments.contains(each.id) || !makers.contains(each.maker)) continue;
    found.push_back(
        fmt::format("left behind: System V segment {} (ipcrm -m {})", each.id, each.id));
  }
  for (const auto& each : table(semaphores_path)) {
    if (before.semaphores.contains(each.id) || !used_last_by(each, makers)) continue;
    found.push_back(
        fmt::format("left behind: System V semaphores {} (ipcrm -s {})", each.id, each.id));
  }
  return found;
}

}  // namespace shmark::stress

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/descriptor.h"
#include "lib/base/hash.h"
#include "lib/result/result.h"

namespace shmark::result {
namespace {

// The first line of a small file in /proc or /sys; empty if there is none.
std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

// Leading digits, or 0.
std::uint64_t leading_number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// A value in /proc/cpuinfo, of the first processor that has it; keys differ between architectures.
std::string cpuinfo(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || trimmed(std::string_view(line).substr(0, colon)) != key) {
      continue;
    }
    return std::string(trimmed(std::string_view(line).substr(colon + 1)));
  }
  return {};
}

const std::string cpu_folder = "/sys/devices/system/cpu/cpu";

// "32K" to bytes.
std::uint64_t bytes_of(std::string_view size) {
  const std::uint64_t value = leading_number(size);
  if (size.ends_with('K')) return value << 10;
  if (size.ends_with('M')) return value << 20;
  return value;
}

// How many processors a mask such as "00000000,00000003" names.
int bits_in(std::string_view mask) {
  int bits = 0;
  for (const char digit : mask) {
    unsigned value = 0;
    std::from_chars(&digit, &digit + 1, value, 16);
    bits += __builtin_popcount(value);
  }
  return bits;
}

std::vector<cache_level> caches() {
  std::vector<cache_level> found;
  for (int index = 0;; ++index) {
    const std::string folder = cpu_folder + "0/cache/index" + std::to_string(index) + '/';
    const std::string type = first_line(folder + "type");
    if (type.empty()) return found;
    found.push_back({.type = type,
                     .level = static_cast<int>(leading_number(first_line(folder + "level"))),
                     .size = bytes_of(first_line(folder + "size")),
                     .num_sharing = bits_in(first_line(folder + "shared_cpu_map"))});
  }
}

double mhz_per_cpu() {
  const auto max_khz = leading_number(first_line(cpu_folder + "0/cpufreq/cpuinfo_max_freq"));
  if (max_khz != 0) return static_cast<double>(max_khz) / 1e3;
  return static_cast<double>(leading_number(cpuinfo("cpu MHz")));
}

// Whether the frequency of any processor follows its load: then times depend on what ran before.
bool cpu_scaling_enabled(int num_cpus) {
  for (int cpu = 0; cpu < num_cpus; ++cpu) {
    const std::string governor =
        first_line(cpu_folder + std::to_string(cpu) + "/cpufreq/scaling_governor");
    if (!governor.empty() && governor != "performance") return true;
  }
  return false;
}

std::vector<double> load_avg() {
  std::array<double, 3> values{};
  const int known = ::getloadavg(values.data(), static_cast<int>(values.size()));
  return {values.begin(), values.begin() + (known > 0 ? known : 0)};
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S%z", &local);
  std::string date = text.data();
  // ISO 8601 has a colon in the offset where it has colons in the time.
  if (date.size() > 2) date.insert(date.size() - 2, ":");
  return date;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string executable() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size)) : "";
}

int usable_cores(int num_cpus) {
  cpu_set_t allowed;
  return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : num_cpus;
}

build_info this_build() {
  build_info build;
#if defined(NDEBUG) && defined(__OPTIMIZE__)
  build.mode = build_mode::opt;
#else
  build.mode = build_mode::debug;
#endif
#if defined(__clang__)
  build.compiler = "clang " + std::to_string(__clang_major__) + '.' +
                   std::to_string(__clang_minor__) + '.' + std::to_string(__clang_patchlevel__);
#else
  build.compiler = "gcc " + std::to_string(__GNUC__) + '.' + std::to_string(__GNUC_MINOR__) + '.' +
                   std::to_string(__GNUC_PATCHLEVEL__);
#endif
#if defined(__SANITIZE_ADDRESS__)
  build.sanitizer = sanitizer_kind::address;
#elif defined(__SANITIZE_THREAD__)
  build.sanitizer = sanitizer_kind::thread;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  build.sanitizer = sanitizer_kind::address;
#elif __has_feature(thread_sanitizer)
  build.sanitizer = sanitizer_kind::thread;
#endif
#endif
  return build;
}

// A hash of what decides how fast the same program runs here.
std::string fingerprint(const context& about) {
  std::string text = about.machine.cpu + '\n' + std::to_string(about.machine.cores) + '\n' +
                     std::to_string(about.num_cpus) + '\n' + about.machine.kernel;
  for (const cache_level& cache : about.caches) {
    text += '\n' + cache.type + ' ' + std::to_string(cache.level) + ' ' +
            std::to_string(cache.size) + ' ' + std::to_string(cache.num_sharing);
  }
  std::array<char, 17> hex{};
  std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(fnv1a(text)));
  return hex.data();
}

// Starts git with this output, in a folder that may be hostile: no shell sees the folder's name, no
// lock is taken, and no hook of its configuration runs. Returns its process, or nothing.
std::optional<pid_t> start_git(const std::string& folder, std::vector<std::string> arguments,
                               int output) {
  std::vector<std::string> words{"git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C",
                                 folder};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int refused = ::posix_spawnp(&child, "git", &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (refused != 0) return std::nullopt;
  return child;
}

std::string all_of(int fd) {
  std::string output;
  std::array<char, 4096> part{};
  ssize_t size = 0;
  while ((size = ::read(fd, part.data(), part.size())) > 0 || (size < 0 && errno == EINTR)) {
    if (size > 0) output.append(part.data(), static_cast<std::size_t>(size));
  }
  return output;
}

bool ended_well(pid_t child) {
  int status = 0;
  pid_t ended = -1;
  do {
    ended = ::waitpid(child, &status, 0);
  } while (ended < 0 && errno == EINTR);
  return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// What git printed, if it ended well.
std::optional<std::string> git(const std::string& folder, std::vector<std::string> arguments) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  const descriptor reading(ends[0]);
  descriptor writing(ends[1]);
  const auto child = start_git(folder, std::move(arguments), writing.number());
  {
    const descriptor closed = std::move(writing);
  }  // or the output never ends
  if (!child) return std::nullopt;
  std::string output = all_of(reading.number());
  if (!ended_well(*child)) return std::nullopt;
  return output;
}

std::string commit() {
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  const std::string folder = workspace != nullptr ? workspace : ".";
  const auto head = git(folder, {"rev-parse", "--verify", "--quiet", "HEAD"});
  if (!head || trimmed(*head).empty()) return "unknown";
  // As `git describe --dirty` has it: files that git does not track do not count, since results and
  // notes lie about in every checkout.
  const auto changes = git(folder, {"status", "--porcelain", "--untracked-files=no"});
  const bool dirty = !changes || !changes->empty();
  return std::string(trimmed(*head)) + (dirty ? "+dirty" : "");
}

}  // namespace

context this_context(run_kind kind, std::string_view command) {
  context about;
  about.date = date_now();
  about.host_name = host_name();
  about.executable = executable();
  about.num_cpus = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  about.mhz_per_cpu = mhz_per_cpu();
  about.cpu_scaling_enabled = cpu_scaling_enabled(about.num_cpus);
  about.caches = caches();
  about.load_avg = load_avg();
  about.kind = kind;
  about.command = command;
  about.build = this_build();
  about.library_build_type = about.build.mode == build_mode::opt ? "release" : "debug";
  about.machine.cpu = cpuinfo("model name");
  if (about.machine.cpu.empty()) about.machine.cpu = "unknown";
  about.machine.cores = usable_cores(about.num_cpus);
  utsname system{};
  if (::uname(&system) == 0) about.machine.kernel = system.release;
  about.machine.fingerprint = fingerprint(about);
  about.commit = commit();
  return about;
}

}  // namespace shmark::result

#include "tools/shmctl/users.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

#include "lib/base/process.h"
#include "lib/lock/robust_rw.h"
#include "lib/lock/sysv_semaphore.h"
#include "tools/shmctl/text.h"

namespace shmark::inspector {
namespace {

constexpr std::string_view waits = "waits";

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The process that a thread is of.
std::optional<pid_t> process_of(pid_t thread) {
  std::ifstream file(fmt::format("/proc/{}/status", thread));
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view field = "Tgid:";
    if (line.starts_with(field)) return std::atoi(line.c_str() + field.size());
  }
  return {};
}

double seconds_since_boot(std::uint64_t ticks) {
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}
double now_since_boot() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Adds what /proc says. `started`: if the thread of that number did so at another time, it is
// another; 0: not known.
void look_up(lock_user& user, pid_t thread, std::uint64_t started) {
  user.thread = thread;
  const auto ticks = start_ticks(thread);
  if (!ticks || (started != 0 && *ticks != started)) return;
  user.thread_age_s = std::max(0.0, now_since_boot() - seconds_since_boot(*ticks));
  user.process = process_of(thread);
  if (user.process) user.command = first_line(fmt::format("/proc/{}/comm", *user.process));
}

// Says what it means when a part of a lock is not there.
template <class T>
std::expected<T, error> gone(std::expected<T, error> part, const char* what) {
  if (part || part.error().code != errc::not_found) return part;
  return failure(errc::not_found, "look at lock", part.error().object,
                 because{std::string("its ") + what + " have been removed by other means"},
                 "'shmctl doctor' says what mends it");
}

// --- robust_rw.

std::string_view words_for(robust_rw::part does) {
  switch (does) {
    case robust_rw::part::holds_exclusive:
      return "holds exclusive";
    case robust_rw::part::holds_shared:
      return "holds shared";
    case robust_rw::part::drains:
      return "waits for readers";
    case robust_rw::part::enters:
      return "is about to hold shared";
    case robust_rw::part::offered:
      return "is next";
    case robust_rw::part::waits:
      return waits;
  }
  return "?";
}

std::expected<lock_users, error> users_of_robust_rw(const robust_rw::state& state) {
  const auto key = robust_rw::roster_key(state);
  if (key.number == 0 || state.roster_number.load() == 0) return {};  // nobody has used it yet
  SHMARK_ASSIGN_OR_RETURN(const auto seen, gone(glimpse::of(medium::posix, key), "roster"));
  const auto roster = seen.bytes(0, seen.size());
  SHMARK_ASSIGN_OR_RETURN(const auto view, robust_rw::look(state, roster));
  lock_users found{.is_damaged = view.is_damaged};
  for (const auto& each : view.users) {
    lock_user user{.does = std::string(words_for(each.does)), .is_alive = each.is_alive};
    const auto thread = static_cast<pid_t>(each.thread);
    if (each.is_alive) {
      look_up(user, thread, each.started);
    } else if (thread != 0) {
      user.thread = thread;  // by now, the number may be another's
    }
    found.all.push_back(std::move(user));
  }
  return found;
}

// --- sysv_semaphore.

// Whether a thread is in a system call on these semaphores; so far as we may know.
bool waits_for(const std::filesystem::path& thread, int semaphores) {
  std::istringstream call(first_line(thread / "syscall"));
  long number = 0;
  std::string argument;
  if (!(call >> number >> argument)) return false;
  if (number != SYS_semtimedop && number != SYS_semop) return false;
  return std::strtol(argument.c_str(), nullptr, 16) == semaphores;
}

std::vector<lock_user> waiting_for(int semaphores) {
  std::vector<lock_user> found;
  std::error_code gone;
  for (std::filesystem::directory_iterator process("/proc", gone), end; !gone && process != end;
       process.increment(gone)) {
    const auto number = process->path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    std::error_code ended;
    for (std::filesystem::directory_iterator thread(process->path() / "task", ended);
         !ended && thread != end; thread.increment(ended)) {
      if (!waits_for(thread->path(), semaphores)) continue;
      lock_user user{.does = std::string(waits)};
      look_up(user, std::atoi(thread->path().filename().c_str()), 0);
      found.push_back(std::move(user));
    }
  }
  return found;
}

std::expected<lock_users, error> users_of_semaphores(std::int32_t key) {
  SHMARK_ASSIGN_OR_RETURN(const auto view, gone(sysv_semaphore::look(key), "semaphores"));
  const auto held_s = std::max(0.0, std::difftime(time(nullptr), view.since));
  lock_users found;
  if (view.writers != 0) {
    lock_user user{.does = "holds exclusive", .held_s = held_s};
    look_up(user, view.last_writer, 0);
    found.all.push_back(std::move(user));
  }
  if (view.readers != 0) {
    // The kernel undoes what a process did, and says of none but the last who it was.
    lock_user user{.does = "holds shared", .count = view.readers};
    if (view.readers == 1 && view.writers == 0) look_up(user, view.last_reader, 0);
    found.all.push_back(std::move(user));
  }
  if (view.waiting == 0) return found;
  auto waiters = waiting_for(view.id);
  const auto known = static_cast<std::uint32_t>(waiters.size());
  std::ranges::move(waiters, std::back_inserter(found.all));
  if (known < view.waiting) {
    found.all.push_back({.does = std::string(waits), .count = view.waiting - known});
  }
  return found;
}

}  // namespace

bool lock_users::is_held() const {
  return std::ranges::any_of(
      all, [](const lock_user& each) { return each.is_alive && each.does != waits; });
}

std::expected<lock_users, error> users_of(const store_look& store, const store_look::lock& lock) {
  if (lock.robust != nullptr) return users_of_robust_rw(*lock.robust);
  if (lock.semaphores) return users_of_semaphores(*lock.semaphores);
  return failure(errc::mismatch, "look at lock", store.lock_name(),
                 because{"it does not say who uses it"}, "ask the program that made it");
}

nlohmann::ordered_json user_json(const lock_user& of) {
  using json = nlohmann::ordered_json;
  const auto known = [](const auto& what) { return what ? json(*what) : json(); };
  return {{"does", of.does},
          {"count", of.count},
          {"alive", of.is_alive},
          {"process", known(of.process)},
          {"thread", known(of.thread)},
          {"command", of.command.empty() ? json() : json(text_json(of.command))},
          {"thread_age_s", known(of.thread_age_s)},
          {"held_s", known(of.held_s)}};
}

}  // namespace shmark::inspector

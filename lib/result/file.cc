#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "lib/base/descriptor.h"
#include "lib/result/result.h"

namespace shmark::result {
namespace {

constexpr mode_t file_mode = 0666;  // less the user's umask

// 0 or errno.
int write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// 0 or errno. What is no file of its own kind of storage (a terminal, a pipe) has no fsync.
int write_in_place(const std::filesystem::path& path, std::string_view text) noexcept {
  const descriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd.number() < 0 ? errno : write_all(fd.number(), text);
}

int write_new(const std::filesystem::path& path, std::string_view text) noexcept {
  const descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file_mode));
  if (fd.number() < 0) return errno;
  if (const int refused = write_all(fd.number(), text)) return refused;
  // Without it, a machine that stops now could keep the new name but not the new contents.
  return ::fsync(fd.number()) == 0 ? 0 : errno;
}

std::filesystem::path temporary_for(const std::filesystem::path& path) {
  static std::atomic<unsigned> serial = 0;
  return path.native() + ".tmp-" + std::to_string(::getpid()) + '-' + std::to_string(serial++);
}

int replace(const std::filesystem::path& path, std::string_view text) {
  const auto temporary = temporary_for(path);
  int refused = write_new(temporary, text);
  if (refused == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) refused = errno;
  if (refused != 0 && refused != EEXIST) ::unlink(temporary.c_str());
  return refused;
}

// A terminal, a pipe, a folder: renaming over /dev/null would replace it for the whole machine.
bool is_no_file(const std::filesystem::path& path) noexcept {
  struct stat there{};
  return ::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode);
}

// Behind symbolic links, even if it is not there yet: a file is meant, never the link. Or errno.
std::expected<std::filesystem::path, int> target_of(std::filesystem::path path) {
  constexpr int links_max = 40;  // as path_resolution(7) has it
  for (int links = 0; links < links_max; ++links) {
    std::error_code no_link;
    const auto next = std::filesystem::read_symlink(path, no_link);
    if (no_link) return path;
    path = path.parent_path() / next;
  }
  return std::unexpected(ELOOP);
}

// `refused` is 0 or errno.
std::expected<void, error> result_of(int refused, const char* attempted,
                                     const std::filesystem::path& path) {
  if (refused == 0) return {};
  error why = system_error(refused, attempted, path.native());
  std::error_code none;
  if (refused == ENOENT) {
    why.remedy = exists(path.parent_path(), none) ? "choose another folder: nobody can write there"
                                                  : "create its folder first";
  }
  if (refused == EISDIR) why.remedy = "that is a folder: name a file in it";
  if (refused == ENOSPC || refused == EDQUOT) why.remedy = "make room on that disk";
  if (refused == EACCES || refused == EPERM) why.remedy = "choose a folder that you may write to";
  return std::unexpected(why);
}

}  // namespace

std::expected<void, error> write_text(const std::filesystem::path& path, std::string_view text,
                                      const char* attempted) {
  if (is_no_file(path)) return result_of(write_in_place(path, text), attempted, path);
  const auto target = target_of(path);
  if (!target) return result_of(target.error(), attempted, path);
  return result_of(replace(*target, text), attempted, *target);
}

std::expected<void, error> write(const std::filesystem::path& path, const run& run) {
  return write_text(path, to_json(run), "write result file");
}

std::expected<void, error> check_writable(const std::filesystem::path& path) {
  constexpr auto attempted = "write result file";
  if (is_no_file(path)) {
    const descriptor there(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (there || errno == ENXIO) return {};  // ENXIO: a pipe that nobody reads yet
    return result_of(errno, attempted, path);
  }
  const auto target = target_of(path);
  if (!target) return result_of(target.error(), attempted, path);
  const auto probe = temporary_for(*target);
  const int refused = write_new(probe, "");
  ::unlink(probe.c_str());
  return result_of(refused, attempted, *target);
}

}  // namespace shmark::result

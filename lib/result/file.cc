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

int replace(const std::filesystem::path& path, std::string_view text) {
  static std::atomic<unsigned> serial = 0;
  std::filesystem::path temporary = path;
  temporary += ".tmp-" + std::to_string(::getpid()) + '-' + std::to_string(serial++);
  int refused = write_new(temporary, text);
  if (refused == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) refused = errno;
  if (refused != 0 && refused != EEXIST) ::unlink(temporary.c_str());
  return refused;
}

}  // namespace

std::expected<void, error> write_text(const std::filesystem::path& path, std::string_view text,
                                      const char* attempted) {
  struct stat there{};
  const bool exists = ::stat(path.c_str(), &there) == 0;
  int refused = 0;
  if (exists && !S_ISREG(there.st_mode)) {
    // Renaming over /dev/null would replace it for the whole machine.
    refused = write_in_place(path, text);
  } else {
    // Through a symbolic link: the file is meant, not the link.
    std::error_code ignored;
    const auto target = exists ? std::filesystem::canonical(path, ignored) : path;
    refused = replace(target.empty() ? path : target, text);
  }
  if (refused == 0) return {};
  error failed = system_error(refused, attempted, std::string_view(path.native()));
  if (refused == ENOENT) failed.remedy = "create its folder first";
  if (refused == EISDIR) failed.remedy = "that is a folder: name a file in it";
  if (failed.code == errc::no_space) failed.remedy = "make room on that disk";
  if (failed.code == errc::denied) failed.remedy = "choose a folder that you may write to";
  return std::unexpected(failed);
}

std::expected<void, error> write(const std::filesystem::path& path, const run& run) {
  return write_text(path, to_json(run), "write result file");
}

std::expected<void, error> check_writable(const std::filesystem::path& path) {
  constexpr auto attempted = "write result file";
  std::error_code ignored;
  if (exists(path, ignored) && !is_regular_file(path, ignored)) {
    const descriptor there(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (there || errno == ENXIO) return {};  // ENXIO: a pipe that nobody reads yet
    auto refused = system_error(errno, attempted, path.native());
    if (errno == EISDIR) refused.remedy = "that is a folder: name a file in it";
    return std::unexpected(refused);
  }
  const std::filesystem::path probe = path.native() + ".tmp-check";
  auto written = write_text(probe, "", attempted);
  remove(probe, ignored);
  if (!written) written.error().object = path.native();
  return written;
}

}  // namespace shmark::result

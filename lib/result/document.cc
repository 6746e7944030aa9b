#include "lib/result/document.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "lib/base/descriptor.h"

namespace shmark::result::detail {
namespace {

// Or errno.
std::expected<std::string, int> read_all(const std::filesystem::path& path) {
  const descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(errno);
  std::string text;
  std::array<char, 1 << 16> part{};
  ssize_t size = 0;
  while ((size = ::read(fd.number(), part.data(), part.size())) > 0 ||
         (size < 0 && errno == EINTR)) {
    if (size > 0) text.append(part.data(), static_cast<std::size_t>(size));
  }
  if (size < 0) return std::unexpected(errno);
  return text;
}

}  // namespace

std::expected<std::string, error> contents(const std::filesystem::path& path,
                                           const char* attempted) {
  auto text = read_all(path);
  if (text) return *std::move(text);
  error failed = system_error(text.error(), attempted, std::string_view(path.native()));
  if (text.error() == ENOENT) failed.remedy = "check the path";
  if (text.error() == EISDIR) failed.remedy = "that is a folder: name a file in it";
  return std::unexpected(failed);
}

std::string line_and_column(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte == 0 ? 0 : std::min(byte - 1, text.size()));
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t line_start = before.rfind('\n');
  const std::size_t column =
      before.size() - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
  return std::to_string(line) + ':' + std::to_string(column);
}

}  // namespace shmark::result::detail

#include "lib/base/error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace shmark {
namespace {

struct kind {
  std::string_view name;
  std::string_view words;
  std::string_view advice;
};

// In the order of errc.
constexpr std::array<kind, 14> kinds{{
    {"would_block", "it is held by somebody else", "wait for it, or try again later"},
    {"timed_out", "the deadline passed", "give it more time, or see who holds it"},
    {"would_deadlock", "the caller already holds it", "release it first"},
    {"not_recoverable", "an owner died and nobody repaired what it guarded", "remove and recreate"},
    {"not_found", "there is nothing of that name", "check the name, or create it first"},
    {"exists", "something of that name is there already", "open it, or remove it first"},
    {"denied", "permission denied", "run as its owner, or have the owner change its mode"},
    {"no_space", "no space left",
     "free memory in /dev/shm, or look for leftovers (ls /dev/shm, ipcs) and raise the limit"},
    {"corrupt", "its contents are damaged", "remove and recreate it"},
    {"mismatch", "it is of another version, layout or type", "use the program that made it"},
    {"invalid", "it is not a valid value", "see the documentation of the call"},
    {"interrupted", "interrupted", "run it again"},
    {"worker_died", "a worker ended before its work did", "see what it wrote itself, if anything"},
    {"system", "the system refused", "look up what it answered (errno(3))"},
}};

const kind& kind_of(errc code) noexcept { return kinds[static_cast<std::size_t>(code)]; }

errc code_of(int sys_errno) noexcept {
  switch (sys_errno) {
    case EAGAIN:
      return errc::would_block;
    case ETIMEDOUT:
      return errc::timed_out;
    case EDEADLK:
      return errc::would_deadlock;
    case ENOTRECOVERABLE:
      return errc::not_recoverable;
    case ENOENT:
    case EIDRM:
      return errc::not_found;
    case EEXIST:
      return errc::exists;
    case EACCES:
    case EPERM:
    case EROFS:
      return errc::denied;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case EDQUOT:
    case EFBIG:
      return errc::no_space;
    case EINVAL:
    case ENAMETOOLONG:
    case ERANGE:
      return errc::invalid;
    default:
      return errc::system;
  }
}

// What to do about an error number for which its kind's advice would not help; or nothing.
std::string_view advice_for(int sys_errno) noexcept {
  switch (sys_errno) {
    case EMFILE:
    case ENFILE:
      return "close some files, or raise the limit of descriptors (ulimit -n)";
    case EFBIG:
      return "raise the limit of files' sizes (ulimit -f)";
    case EROFS:
      return "have it mounted read-write, or choose another place";
    case ENAMETOOLONG:
      return "choose a shorter name";
    default:
      return {};
  }
}

// What a message is about is input: a control character in it would begin another line, or move a
// terminal's cursor.
void append(std::string& line, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char each : text) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte >= 0x20 && byte != 0x7f) {
      line += each;
    } else {
      ((line += "\\x") += digits[byte / 16]) += digits[byte % 16];
    }
  }
}

}  // namespace

std::string_view name_of(errc code) noexcept { return kind_of(code).name; }

short_text::short_text(std::string_view text) noexcept {
  constexpr std::string_view dots = "...";
  char* to = text_;
  if (text.size() > capacity) {
    text.remove_prefix(text.size() - capacity + dots.size());
    to = std::copy(dots.begin(), dots.end(), to);
  }
  size_ = static_cast<std::uint8_t>(std::copy(text.begin(), text.end(), to) - text_);
}

error system_error(int sys_errno, const char* attempted, short_text object) noexcept {
  return {code_of(sys_errno), sys_errno, attempted, object, ""};
}

std::string error::message() const {
  std::string line = "cannot ";
  line += attempted;
  if (!object.view().empty()) append(line += ' ', object.view());
  (line += ": ") += kind_of(code).words;
  if (sys_errno != 0) ((line += " (") += std::strerror(sys_errno)) += ')';
  if (!why.view().empty()) append(line += ": ", why.view());
  std::string_view advice = remedy;
  if (advice.empty()) advice = advice_for(sys_errno);
  if (advice.empty()) advice = kind_of(code).advice;
  return (line += "; ") += advice;
}

}  // namespace shmark

// The one error type of shmark.
//
// Every operation that can fail returns std::expected<T, error>. An error says what kind of failure
// it was, what was being attempted, on which object, and what the system answered; message() adds
// what to do about it. Making, copying and returning one allocates nothing, so that a failure to
// allocate, or a failure inside a lock, can be reported too.
//
// Thread and process safety: a value; trivially copyable, so it may lie in shared memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace shmark {

enum class errc : std::uint8_t {
  would_block,      // not waiting was asked for, and waiting would have been needed
  timed_out,        // the deadline passed first
  would_deadlock,   // the caller holds what it is asking for in a way that cannot be granted
  not_recoverable,  // an earlier owner's death left a state that nobody repaired
  not_found,        // no object of this name
  exists,           // an object of this name is there already
  denied,           // permission, or the object belongs to somebody else
  no_space,         // memory, /dev/shm, segments, semaphores, descriptors or processes exhausted
  corrupt,          // contents fail their checks
  mismatch,         // another format version, layout, type or lock than this program's
  invalid,          // an argument outside its range
  interrupted,      // the user asked the program to end
  worker_died,      // a worker ended before its work did
  system,           // anything else that the system refused; see sys_errno
};

// The kind's name as one word, for logs and tests.
[[nodiscard]] std::string_view name_of(errc code) noexcept;

// A short text held in place; what does not fit is cut, with its beginning replaced by "...", since
// the end of a path or name tells more.
class short_text {
 public:
  static constexpr std::size_t capacity = 95;

  short_text() noexcept = default;
  short_text(std::string_view text) noexcept;  // NOLINT: converts on purpose
  short_text(const char* text) noexcept : short_text(std::string_view(text)) {}
  short_text(const std::string& text) noexcept : short_text(std::string_view(text)) {}

  [[nodiscard]] std::string_view view() const noexcept { return {text_, size_}; }

 private:
  char text_[capacity] = {};
  std::uint8_t size_ = 0;
};

struct error {
  errc code = errc::system;
  int sys_errno = 0;           // 0: the system was not the one who refused
  const char* attempted = "";  // a string literal: "create segment"
  short_text object;           // a name, a path, a worker
  const char* remedy = "";     // a string literal; empty: that of errno, or of the kind
  short_text why{};            // what was found, if the kind does not say it all

  // Whether this machine, as it is, does not allow it: the caller's to mend, and not a finding.
  [[nodiscard]] bool is_environment() const noexcept {
    return code == errc::no_space || code == errc::denied;
  }

  // One line: "cannot create segment /shmark.1000.user: no space (No space left on device);
  // free some memory in /dev/shm".
  [[nodiscard]] std::string message() const;
};
static_assert(std::is_trivially_copyable_v<error>);

// The error for a failed system call: maps errno to a kind.
[[nodiscard]] error system_error(int sys_errno, const char* attempted, short_text object) noexcept;

// Short for returning one: `return failure(errc::invalid, "attach", name)`.
[[nodiscard]] inline std::unexpected<error> failure(errc code, const char* attempted,
                                                    short_text object,
                                                    const char* remedy = "") noexcept {
  return std::unexpected(error{code, 0, attempted, object, remedy});
}
// The same with a reason, which stands beside the advice and not in its place:
//     return failure(errc::denied, "attach segment", name, because{"it belongs to another user"});
struct because {
  short_text why;
};
[[nodiscard]] inline std::unexpected<error> failure(errc code, const char* attempted,
                                                    short_text object, because found,
                                                    const char* remedy = "") noexcept {
  return std::unexpected(error{code, 0, attempted, object, remedy, found.why});
}
[[nodiscard]] inline std::unexpected<error> system_failure(int sys_errno, const char* attempted,
                                                           short_text object) noexcept {
  return std::unexpected(system_error(sys_errno, attempted, object));
}

}  // namespace shmark

// Evaluates an expression of type std::expected<void, error> and returns its error, if any, from
// the function around it.
#define SHMARK_RETURN_IF_ERROR(...)                       \
  do {                                                    \
    if (auto shmark_done = (__VA_ARGS__); !shmark_done) { \
      return std::unexpected(shmark_done.error());        \
    }                                                     \
  } while (false)

// The same for std::expected<T, error>; the value initialises `declaration`:
//     SHMARK_ASSIGN_OR_RETURN(auto segment, posix_segment::attach(key));
#define SHMARK_ASSIGN_OR_RETURN(declaration, ...) \
  SHMARK_ASSIGN_OR_RETURN_1(SHMARK_CONCATENATE(shmark_value_, __LINE__), declaration, __VA_ARGS__)
#define SHMARK_ASSIGN_OR_RETURN_1(name, declaration, ...)     \
  auto name = (__VA_ARGS__);                                  \
  if (!name) return std::unexpected(std::move(name).error()); \
  declaration = *std::move(name)
#define SHMARK_CONCATENATE(a, b) SHMARK_CONCATENATE_1(a, b)
#define SHMARK_CONCATENATE_1(a, b) a##b

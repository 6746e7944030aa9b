// Raw shared memory under names of your own: bytes that several processes see, and nothing else.
//
// For talking to programs that are not of this library, or for a layout of one's own. Who wants
// values that survive crashes takes lib/shm; what stands between is lib/segment.
//
// Three kinds, with the same interface, in a file pair each:
//   posix.h      an object in /dev/shm, by name       shared_open("/board", …), shared_unlink
//   sysv.h       a System V segment, by key           shared_open(sysv_key{7}, …), shared_remove
//   anonymous.h  shared with forked children only     shared_anonymous(size)
// A function that wants memory of any kind takes a `const shared_memory&`; a template takes
// `mapped_memory` or `named_memory`.
//
// Terms. An *object* is what has a name or key, and lives until that is removed and nobody has it
// mapped any more. A *handle* maps a part of it, from an offset, for as long as the handle lives;
// a forked child has its parent's. A handle's length never changes: objects can be lengthened, and
// then it takes another handle to see the rest.
//
//     auto board = shmark::shared_open("/board", shmark::open_mode::create_read_write,
//                                      {.size = 4096});
//     if (!board) return fail(board.error().message());
//     auto done = board->write(0, std::as_bytes(std::span(std::string_view("hello"))));
//     // In another program:
//     auto seen = shmark::shared_open("/board");
//     std::byte first = seen->bytes()[0];
//
// Process and thread safety: opening and removing may be done at any time by anybody. A handle is
// an ordinary object (one thread at a time, or const use). Reading and writing the bytes is plain
// memory access: those who share them see to it that they do not collide, by atomics or a lock
// (lib/lock).
//
// What survives a crash: objects, with whatever was written last, be it half a write(). One whose
// maker was killed before it had a length is empty: opened without a size it is an error, and a
// writer who gives one goes on from there. Nothing need be repaired.
//
// Trust: contents and length are what those make of them whom the permissions let write. A program
// that cuts an object short (ftruncate(2), or the modes that empty it with a smaller size) takes
// memory away from all who have it mapped: they get SIGBUS there. Whoever wants to begin anew while
// others are at it unlinks the object first: their memory stays whole.
#pragma once

#include <sys/types.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "lib/base/error.h"
#include "lib/segment/mapping.h"

namespace shmark {

// How an object is opened, as open(2) and fopen(3) would; in quotes, as Perl spells it.
//
// No memory can be written but not read: mmap(2) refuses a descriptor that is open for writing
// only, and processors have no such pages. So `create_write` does what `create_read_write` does,
// and asks for permission to read, too; it says what the caller means, not what he can do.
enum class open_mode : std::uint8_t {
  read,               // "<"   it must be there
  read_write,         // "+<"  it must be there
  create_write,       // ">"   made, or emptied if it is there
  create_read_write,  // "+>"  the same
};

// The mode of that spelling. Errors: invalid.
[[nodiscard]] std::expected<open_mode, error> parse_open_mode(std::string_view spelling) noexcept;

struct open_options {
  // Bytes to map. 0: all from `offset` to the end, of which there must be at least one; modes that
  // create do not take it. An object that is too short is lengthened, if it is opened for writing
  // and of a kind that can be.
  std::size_t size = 0;
  // Permissions of an object that is made, at most 0777. The umask applies to POSIX objects.
  mode_t perms = 0600;
  // Where in the object the mapping begins, in bytes: any number, not only whole pages.
  std::size_t offset = 0;
  // O_CREAT (make it if it is not there), O_EXCL (there must have been none), O_TRUNC (empty it),
  // or 0, in addition to what the mode does. For both kinds that have names.
  int flags = 0;
};

// What a kind of memory can do.
struct mapping_traits {
  bool named = false;        // unrelated programs meet; has an owner and permissions
  bool lengthening = false;  // an object can become longer than it was made
};

// What an object is like now.
struct memory_status {
  std::size_t size;  // of the whole object
  mode_t perms;      // at most 0777
  uid_t owner;
  gid_t group;
};

// A mapped part of an object of any kind.
class shared_memory {
 public:
  shared_memory(shared_memory&& other) noexcept
      : mapped_(std::move(other.mapped_)),
        bytes_(std::exchange(other.bytes_, {})),
        writable_(other.writable_),
        name_(other.name_) {}
  shared_memory& operator=(shared_memory&& other) noexcept;

  // In bytes, as asked for at opening.
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

  // For reading, in every mode. Aligned as the offset is: at offset 0, to a page.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

  // For writing in place. Errors: denied, if it was opened for reading. Keep the result in a
  // variable: a range-for over a part of a temporary outlives it.
  [[nodiscard]] std::expected<std::span<std::byte>, error> writable_bytes() const noexcept;

  // Copies `from` to `offset` in this mapping: all of it or, on an error, nothing. Not atomic to
  // those who read meanwhile. Errors: denied, if it was opened for reading; invalid, if it would
  // end past the end of the mapping.
  [[nodiscard]] std::expected<void, error> write(std::size_t offset,
                                                 std::span<const std::byte> from) const noexcept;

 protected:
  // `bytes` lie in `mapped`; `name` is for messages.
  shared_memory(mapping mapped, std::span<std::byte> bytes, bool writable, short_text name) noexcept
      : mapped_(std::move(mapped)), bytes_(bytes), writable_(writable), name_(name) {}
  ~shared_memory() = default;

  [[nodiscard]] const short_text& name() const noexcept { return name_; }

 private:
  mapping mapped_;  // begins on a page, and so before bytes_ if the offset does not
  std::span<std::byte> bytes_;
  bool writable_;
  short_text name_;
};

// What the three kinds have in common.
template <class M>
concept mapped_memory = std::derived_from<M, shared_memory> && std::movable<M> && requires {
  { M::kind } -> std::convertible_to<std::string_view>;
  { M::can } -> std::convertible_to<mapping_traits>;
};

// What those add that have a name and so an owner. All ask the object, not its name: they work
// after it has been removed, too.
template <class M>
concept named_memory =
    mapped_memory<M> && M::can.named &&
    requires(const M& m, mode_t perms, std::optional<uid_t> owner, std::optional<gid_t> group) {
      { m.stat() } -> std::same_as<std::expected<memory_status, error>>;
      // Errors: denied, to all but the owner; invalid, for more than 0777.
      { m.chmod(perms) } -> std::same_as<std::expected<void, error>>;
      // What is not given stays. Errors: denied.
      { m.chown(owner, group) } -> std::same_as<std::expected<void, error>>;
    };

}  // namespace shmark

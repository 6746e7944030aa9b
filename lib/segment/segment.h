// A segment: a piece of memory that several processes see.
//
// Three kinds, one file pair each: posix_segment (an object in /dev/shm), sysv_segment (a System V
// segment), anonymous_segment (shared with forked children only). The first two have keys, so that
// unrelated processes meet, and outlive their processes until somebody removes them.
//
// A handle maps its segment for as long as it lives; moving a handle moves the mapping, and the
// bytes stay where they are. Removing a segment takes its name away at once; existing mappings go
// on, and the memory is freed with the last of them. A forked child has its parent's mappings.
//
// Process and thread safety: the static functions may be called at any time by anybody; a handle is
// an ordinary object (one thread at a time, or const use). What lies in the bytes is the business
// of those who share them.
//
// What survives a crash: a named segment as it is, with whatever was written last, until removed.
// Its size never changes, so no mapping outgrows it. First creation is crash-safe: see
// open_or_create.
//
//     auto made = posix_segment::create({"1000.demo", 7}, 4096, 0600);
//     if (!made) return std::unexpected(made.error());
//     std::span<std::byte> bytes = made->bytes();
#pragma once

#include <sys/types.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "lib/base/error.h"

namespace shmark {

// The name of a segment: a space, which says whose it is (a domain), and a number within it.
// Number 0 is the space's only well-known segment; all others are drawn at random and recorded
// before their segment is made.
struct segment_key {
  short_text space;  // 1 to 63 of [A-Za-z0-9._-]
  std::uint64_t number = 0;

  // A fresh number in the same space, in no relation to others.
  [[nodiscard]] static segment_key random_in(short_text space) noexcept;
  // The key as people see it, and as /dev/shm shows it: "shmark.1000.demo" or
  // "shmark.1000.demo:7f00aa…". No space has a colon, so no two keys have the same text.
  [[nodiscard]] short_text text() const noexcept;
  // Whether the space is one that can be used in a name.
  [[nodiscard]] bool valid() const noexcept;
};

// Whose segments a process uses. Left out in what follows, it is `own`.
class owners {
 public:
  // Its own user's, and of these only what no other user can write.
  static const owners own;
  // Anybody's that the system lets it read and write. For those who trust everybody who can: he may
  // put anything into the bytes at any time, cut a POSIX object short under those who have it
  // mapped (SIGBUS), and have others wait for first contents that he never makes.
  static const owners any;
  // One user's, be it the caller's own, whoever else can write them by his leave: for those who
  // trust him and all whom the mode lets write. What a third puts in its place is refused. Only he
  // makes them; for others, open_or_create is attach.
  [[nodiscard]] static constexpr owners of(uid_t user) noexcept { return {kind::one, user}; }

  bool operator==(const owners&) const noexcept = default;
  // Whether they may be such as other users than the caller can write.
  [[nodiscard]] constexpr bool are_sharing() const noexcept { return kind_ != kind::own; }
  // Whether this user's are meant, of whom the caller is `self`.
  [[nodiscard]] constexpr bool include(uid_t user, uid_t self) const noexcept {
    return kind_ == kind::any || user == (kind_ == kind::one ? user_ : self);
  }

 private:
  enum class kind : std::uint8_t { own, one, any };
  constexpr owners(kind which, uid_t user) noexcept : kind_(which), user_(user) {}

  kind kind_;
  uid_t user_;  // of kind::one
};
inline constexpr owners owners::own{kind::own, 0};
inline constexpr owners owners::any{kind::any, 0};

// Whose a segment was when it was mapped, and who may use it.
struct segment_access {
  uid_t owner;
  mode_t mode;
};

// What a kind of segment can do.
struct segment_traits {
  bool named = false;  // has a key: unrelated processes attach, and it outlives them
};

// Makes the first contents of a new segment, and frees what an unfinished one has taken from the
// system besides its bytes.
class segment_initializer {
 public:
  // Called with zero-filled bytes.
  using filler = std::function<std::expected<void, error>(std::span<std::byte> fresh)>;
  // Called with what a maker left who died in his filler, at any instruction of it, and at times
  // with what another clearer left that died; then these bytes go.
  using clearer = std::function<void(std::span<std::byte> unfinished)>;

  template <class F>
    requires std::constructible_from<filler, F> &&
             (!std::same_as<std::remove_cvref_t<F>, segment_initializer>)
  segment_initializer(F&& fill) : fill_(std::forward<F>(fill)) {}  // takes nothing: none to free
  segment_initializer(filler fill, clearer clear)
      : fill_(std::move(fill)), clear_(std::move(clear)) {}

  std::expected<void, error> operator()(std::span<std::byte> fresh) const { return fill_(fresh); }
  void clear(std::span<std::byte> unfinished) const {
    if (clear_) clear_(unfinished);
  }

 private:
  filler fill_;
  clearer clear_;
};

template <class S>
concept segment = std::movable<S> && requires(const S& s) {
  { S::kind } -> std::convertible_to<std::string_view>;
  { S::can } -> std::convertible_to<segment_traits>;
  // The whole segment; at least the size that was asked for, page-aligned.
  { s.bytes() } -> std::same_as<std::span<std::byte>>;
};

template <class S>
concept named_segment = segment<S> && S::can.named &&
                        requires(const S& s, const segment_key& key, std::size_t size, mode_t mode,
                                 segment_initializer init) {
                          // Makes a segment of `size` bytes (at least 1), zero-filled, with the
                          // permissions `mode`. Of owners::own, a mode that lets others write is
                          // refused (invalid), and the umask takes more away from a POSIX object;
                          // of others, the mode is what was asked for. Errors: exists, no_space,
                          // denied, invalid. A POSIX object's memory is reserved now: running out
                          // is an error here and never a SIGBUS later. For a System V segment the
                          // kernel sets no pages aside: when memory is short, whoever touches one
                          // first may be killed.
                          {
                            S::create(key, size, mode, owners::any)
                          } -> std::same_as<std::expected<S, error>>;
                          // Attaches one that is there. Refuses (denied) what belongs to users who
                          // are not meant and, of owners::own, what others can write. Errors:
                          // not_found, denied.
                          { S::attach(key, owners::any) } -> std::same_as<std::expected<S, error>>;
                          // Attaches it, or makes it and fills it by `init`. However many start at
                          // once, exactly one makes it, nobody sees it before `init` has returned,
                          // and a maker that dies midway or fails is cleared away by the next; one
                          // of another user by him or root only (the rest: denied). Errors: those
                          // of both, and of `init`.
                          {
                            S::open_or_create(key, size, mode, init, owners::any)
                          } -> std::same_as<std::expected<S, error>>;
                          // Takes the name away from whatever has it by now. Whoever may write to
                          // it, only its owner and root may do that. Errors: not_found, denied.
                          { S::remove(key) } -> std::same_as<std::expected<void, error>>;
                          // Whether any process has what is there by that name mapped now, this
                          // process and children forked with the mapping included: as the kernel
                          // counts, which nobody needs to be told about the dead. Maps nothing,
                          // waits for nobody, and needs the permission to read only. A System V
                          // segment is there for an instant before its maker has it mapped, and so
                          // is any segment that somebody is about to attach: whoever removes what
                          // nobody has mapped excludes both by other means (a lock). Errors:
                          // not_found, denied.
                          { S::is_attached(key) } -> std::same_as<std::expected<bool, error>>;
                          { s.access() } -> std::same_as<segment_access>;
                        };

}  // namespace shmark

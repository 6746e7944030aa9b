// The bytes of a store's segments, version 6. LAYOUT.md draws them, this file is what compiles; a
// change to either is a change to the other, and to layout_version.
//
// A control segment holds a control block, a second lock if its maker asked for one, and two
// buffers of equal capacity, one per side. A value that does not fit its side's buffer lies in a
// data segment, which begins with a data header. Right behind a value's bytes stand the numbers of
// the stores that it refers to, 8 bytes each. Everything here is input to whoever attaches: other
// programs write it, so nothing is used as a size or an offset before it has been checked against
// the mapping it came from.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "lib/base/error.h"

namespace shmark::detail {

constexpr std::uint32_t layout_version = 6;
constexpr std::size_t cache_line = 64;
constexpr std::size_t lock_area_size = 256;

// What describes one of the two values, the current and the spare one.
struct side {
  // The number of the data segment that holds the bytes; 0: the buffer in the control segment.
  // Stored before the segment is made, so that a crash leaves none unfindable.
  std::atomic<std::uint64_t> segment;
  // Of that data segment: unique within the store. Anything but what the segment's header says, 0
  // above all, means that the segment is on its way out and must not be used.
  std::atomic<std::uint64_t> generation;
  std::uint64_t length;      // bytes
  std::uint64_t checksum;    // of those bytes and the references; 0 if the store has none
  std::uint64_t references;  // how many numbers of other stores follow those bytes
};

struct control {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t has_checksum;  // 0 or 1
  std::array<char, 24> lock_name;
  std::uint64_t lock_size;     // bytes
  std::uint64_t segment_size;  // bytes asked for; the mapping may be longer by less than a page
  std::uint64_t capacity;      // bytes of each of the two buffers

  // serial << 1 | writing. The parity of the serial says which side is current.
  alignas(cache_line) std::atomic<std::uint64_t> word;
  std::atomic<std::uint32_t> removed;  // 1: being removed, never to be used again
  std::uint32_t has_advisory;          // 0 or 1: an advisory lock's area follows this block
  std::uint64_t limit;                 // bytes that a value, references included, may have; 0: any
  // Of the joint commit that the spare side is part of: its id, drawn at random, 0 for none; the
  // number of the store that decides.
  std::atomic<std::uint64_t> joint;
  std::atomic<std::uint64_t> leader;
  // And if it is this one: the last that it decided, and how many numbers of others that follow it
  // stand behind the references in the spare side.
  std::atomic<std::uint64_t> decided;
  std::uint64_t followers;

  alignas(cache_line) std::array<side, 2> sides;
  std::atomic<std::uint64_t> generations;  // how many data segments have been made
  std::atomic<std::uint64_t> recoveries;   // how many dead writers have been cleaned up after
  std::atomic<std::uint64_t> referrers;    // how many stores refer to this one: never too low
  std::uint64_t tag;                       // what its maker says that it holds
  std::atomic<std::uint32_t> unnamed;      // 1: nothing but its referrers and handles keep it
  std::atomic<std::uint32_t> opened;       // 1: by somebody, since it was last set to 0

  alignas(cache_line) std::array<std::byte, lock_area_size> lock_area;
};
static_assert(sizeof(side) == 40 && alignof(side) == 8);
static_assert(offsetof(side, segment) == 0 && offsetof(side, generation) == 8);
static_assert(offsetof(side, length) == 16 && offsetof(side, checksum) == 24);
static_assert(offsetof(side, references) == 32);
static_assert(sizeof(control) == 512 && alignof(control) == cache_line);
static_assert(offsetof(control, magic) == 0 && offsetof(control, version) == 8);
static_assert(offsetof(control, has_checksum) == 12 && offsetof(control, lock_name) == 16);
static_assert(offsetof(control, lock_size) == 40 && offsetof(control, segment_size) == 48);
static_assert(offsetof(control, capacity) == 56 && offsetof(control, word) == 64);
static_assert(offsetof(control, removed) == 72 && offsetof(control, has_advisory) == 76);
static_assert(offsetof(control, limit) == 80 && offsetof(control, joint) == 88);
static_assert(offsetof(control, leader) == 96 && offsetof(control, decided) == 104);
static_assert(offsetof(control, followers) == 112 && offsetof(control, sides) == 128);
static_assert(offsetof(control, generations) == 208 && offsetof(control, recoveries) == 216);
static_assert(offsetof(control, lock_area) == 256);
static_assert(offsetof(control, referrers) == 224 && offsetof(control, tag) == 232);
static_assert(offsetof(control, unnamed) == 240 && offsetof(control, opened) == 244);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

struct alignas(cache_line) data_header {
  std::array<char, 8> magic;
  std::uint64_t store;  // the number of the store's control segment
  std::uint64_t generation;
};
static_assert(sizeof(data_header) == cache_line && offsetof(data_header, magic) == 0);
static_assert(offsetof(data_header, store) == 8 && offsetof(data_header, generation) == 16);

// The word, taken apart and put together.
constexpr std::uint64_t writing_bit = 1;
[[nodiscard]] constexpr std::uint64_t word_of(std::uint64_t serial) noexcept { return serial << 1; }
[[nodiscard]] constexpr std::uint64_t serial_of(std::uint64_t word) noexcept { return word >> 1; }

// What the bytes of each buffer may be.
[[nodiscard]] constexpr bool is_capacity(std::uint64_t bytes) noexcept {
  return bytes >= 256 && bytes <= std::uint64_t{1} << 60;
}

// What a control segment is made with.
struct making {
  std::string_view lock_name;
  std::size_t lock_size;
  std::size_t segment_size;
  std::size_t capacity;
  bool has_checksum;
  std::uint64_t limit;
  bool has_advisory;
  std::uint64_t tag;
  bool is_unnamed;
};
// Where the buffers begin, and how long all of it is.
[[nodiscard]] constexpr std::size_t buffers_at(bool has_advisory) noexcept {
  return sizeof(control) + (has_advisory ? lock_area_size : 0);
}
[[nodiscard]] constexpr std::size_t control_size(bool has_advisory, std::size_t capacity) noexcept {
  return buffers_at(has_advisory) + 2 * capacity;
}
// Writes everything but the lock into a zero-filled control segment.
void stamp(control& block, const making& of) noexcept;

// A control block that was found to be in order, with copies of what must not change after.
struct examined {
  control* block;
  std::size_t capacity;
  std::size_t limit;  // no more than there can be
  bool has_checksum;
  bool has_advisory;
};

// Checks all of that in a segment that is about to be used. Errors: corrupt, mismatch.
[[nodiscard]] std::expected<examined, error> examine(std::span<std::byte> segment,
                                                     std::string_view lock_name,
                                                     std::size_t lock_size,
                                                     short_text object) noexcept;

// Whether it may be a control segment that is not stamped yet, or only just.
[[nodiscard]] bool may_be_unfinished(std::span<const std::byte> segment) noexcept;

void stamp(data_header& header, std::uint64_t store, std::uint64_t generation) noexcept;

// Whether it is this data segment of this store's, whole.
[[nodiscard]] bool is_data(std::span<const std::byte> segment, std::uint64_t store,
                           std::uint64_t generation) noexcept;
// Whether it is one of this store's data segments, or one that was made a moment ago and is not
// stamped yet; not another program's.
[[nodiscard]] bool may_remove(std::span<const std::byte> segment, std::uint64_t store) noexcept;

// 64 bits over all bytes: tells chance damage and torn writes, not forgery. Words of 8 bytes in the
// manner of FNV-1a (Fowler, Noll, Vo), four sums side by side, finished with the mixer of
// SplitMix64.
[[nodiscard]] std::uint64_t checksum(std::span<const std::byte> bytes) noexcept;

}  // namespace shmark::detail

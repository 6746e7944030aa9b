// A codec turns values into bytes and back.
//
//     buffer bytes;
//     auto done = direct::encode(value, bytes);
//     done = direct::decode(bytes.bytes(), copy);
//
// A value's type says what it consists of by Boost.Serialization's serialize(), or is one of the
// standard types for which Boost's headers do (boost/serialization/map.hpp and so on).
//
// Process and thread safety: codecs have no state; a sink belongs to one thread. Bytes may be read
// by another process, of the same architecture and build.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "lib/base/error.h"

namespace shmark {

// Where encoded bytes go: memory that grows as needed, at the same or another address. One memcpy
// per write while there is room.
class sink {
 public:
  // Appends `size` bytes. After a failure to grow, does nothing (see failure()).
  void write(const void* data, std::size_t size) {
    if (size > memory_.size() - used_ && !make_room(size)) return;
    if (size == 0) return;  // there may be no memory yet, and memcpy takes no null
    std::memcpy(memory_.data() + used_, data, size);
    used_ += size;
  }

  // For writing in place: all memory behind bytes(), which is at least `size` bytes; or nothing,
  // after a failure to grow. Good until the next write() or room(). What was written there is
  // kept by advance().
  [[nodiscard]] std::span<std::byte> room(std::size_t size) {
    if (size > memory_.size() - used_ && !make_room(size)) return {};
    return memory_.subspan(used_);
  }
  // Keeps `size` bytes of room(). Requires: they were there.
  void advance(std::size_t size) noexcept { used_ += size; }

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return memory_.first(used_); }
  // Why it could not grow, if so; what was written before stays, until clear().
  [[nodiscard]] const std::optional<error>& failure() const noexcept { return failure_; }
  void clear() noexcept { restart(memory_); }

 protected:
  explicit sink(std::span<std::byte> memory) noexcept : memory_(memory) {}
  sink(sink&&) noexcept = default;
  sink& operator=(sink&&) noexcept = default;
  ~sink() = default;

  // Begins anew, empty, in this memory.
  void restart(std::span<std::byte> memory) noexcept {
    memory_ = memory;
    used_ = 0;
    failure_.reset();
  }

  // Gives memory of at least `size` bytes that begins with bytes(), which may go away with the
  // call.
  virtual std::expected<std::span<std::byte>, error> grow(std::size_t size) = 0;

 private:
  [[gnu::cold]] bool make_room(std::size_t size) {
    if (failure_) return false;
    auto grown = grow(used_ + size);
    if (grown) {
      memory_ = *grown;
    } else {
      failure_ = grown.error();
      memory_ = memory_.first(used_);  // no later, smaller write fits either
    }
    return grown.has_value();
  }

  std::span<std::byte> memory_;
  std::size_t used_ = 0;
  std::optional<error> failure_;
};

// A sink in this process's own memory.
class buffer final : public sink {
 public:
  buffer() noexcept : sink({}) {}

 private:
  std::expected<std::span<std::byte>, error> grow(std::size_t size) override {
    const std::size_t larger = std::max({size, 2 * bytes().size(), std::size_t{256}});
    auto memory = std::make_unique_for_overwrite<std::byte[]>(larger);
    std::ranges::copy(bytes(), memory.get());
    memory_ = std::move(memory);
    return std::span(memory_.get(), larger);
  }

  std::unique_ptr<std::byte[]> memory_;
};

struct codec_traits {
  // Decoding any bytes at all gives a value or an error. Without it, bytes that the codec did not
  // write itself can crash the program: for trusted peers and checked contents only.
  bool bounds_checked = false;
};

template <class C, class T>
concept codec = requires(const T& value, T& into, sink& to, std::span<const std::byte> from) {
  // The name that tables, flags and files use.
  { C::name } -> std::convertible_to<std::string_view>;
  { C::can } -> std::convertible_to<codec_traits>;
  // Appends the value's bytes. Errors: those of the sink; invalid if serialize() threw or the codec
  // does not take such a value; no_space.
  { C::encode(value, to) } -> std::same_as<std::expected<void, error>>;
  // Reads a value from `from`, which is all of it and nothing else, into an existing object so that
  // its memory can be used again. Errors: corrupt; mismatch, if it was written by another codec or
  // version, or for another type, which not every codec can tell from corrupt; no_space. The object
  // then holds something valid but unspecified.
  { C::decode(from, into) } -> std::same_as<std::expected<void, error>>;
};

}  // namespace shmark

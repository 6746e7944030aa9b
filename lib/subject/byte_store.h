// What a store has to do to be compared: keep one value of bytes that several processes read and
// replace.
//
//     auto made = variable_store<>::create(run, 256);        // in the supervisor, before it forks
//     auto own = made->attach();                             // in each worker
//     own->write(bytes);
//     own->read([](std::span<const std::byte> value) { … });
//
// Invariants
//   B1  A reader sees a value whole, as one write left it.
//   B2  Once a write has returned, readers see it, or a later one.
//   B3  When the store ends, all that it took from the system is gone: files, objects, processes.
//       What it leaves if its maker is killed, the next run removes (lib/crew/run.h).
//
// Process and thread safety: a store belongs to the process that made it; forked children, and
// threads, attach(), each for itself, and use their handles until before the store ends. Its end in
// a forked child does nothing.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/segment/segment.h"

namespace shmark {

// What a store promises beyond that.
struct byte_store_traits {
  // A read of what has not changed is of a copy in the reader's process.
  bool cached = false;
  // A worker killed at any instruction leaves the old value or the new one, and keeps nobody
  // waiting.
  bool crash_safe = false;
};

template <class H>
concept byte_store_handle =
    std::move_constructible<H> && requires(H& handle, std::span<const std::byte> value,
                                           void (*visit)(std::span<const std::byte>)) {
      // Calls `visit` with the value, which is there for as long as that lasts.
      { handle.read(visit) } -> std::same_as<std::expected<void, error>>;
      // Replaces the value. Errors: no_space, and others of the store's; the old one then stays.
      { handle.write(value) } -> std::same_as<std::expected<void, error>>;
    };

// One that tells, besides, the number of the value that it has read or written last: it is one
// higher for each write that took effect. 0: it has done neither.
template <class H>
concept numbered_store_handle = byte_store_handle<H> && requires(const H& handle) {
  { handle.serial() } -> std::same_as<std::uint64_t>;
};

template <class S>
concept byte_store = std::move_constructible<S> && byte_store_handle<typename S::handle> &&
                     requires(S& store, const run& owner, std::size_t payload_bytes) {
                       { S::name } -> std::convertible_to<std::string_view>;
                       { S::can } -> std::convertible_to<byte_store_traits>;
                       // With room for values of so many bytes; there is none in it yet. Errors:
                       // no_space, and others of the store's.
                       { S::create(owner, payload_bytes) } -> std::same_as<std::expected<S, error>>;
                       { store.attach() } -> std::same_as<std::expected<typename S::handle, error>>;
                     };

// One that unrelated processes can make and open as well, by a key, and that then stays until it is
// removed: what of it is in /dev/shm has a name that begins as the key's text does.
template <class S>
concept keyed_byte_store =
    byte_store<S> && requires(S& store, const segment_key& key, std::size_t payload_bytes) {
      { S::create(key, payload_bytes) } -> std::same_as<std::expected<S, error>>;
      { S::open(key) } -> std::same_as<std::expected<S, error>>;
      { store.remove() } -> std::same_as<std::expected<void, error>>;
    };

// What is not here that the store needs, with a remedy; nothing, if all is there.
template <byte_store S>
[[nodiscard]] std::optional<std::string> missing_reason() {
  if constexpr (requires { S::missing_reason(); }) {
    return S::missing_reason();
  } else {
    return {};
  }
}

}  // namespace shmark

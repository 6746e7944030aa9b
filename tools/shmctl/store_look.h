// A store as one sees it who only looks on: takes no lock, repairs nothing, joins nothing. The
// layout is in lib/store/LAYOUT.md, and whatever lies there is input.
//
//     auto seen = store_look::at(medium::posix, key);
//     seen->length();                            // of the value that was current when we looked
//     const auto now = seen->contents();         // its bytes
//
// Thread safety: one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/lock/robust_rw.h"
#include "lib/segment/segment.h"
#include "lib/store/layout.h"
#include "tools/shmctl/glimpse.h"

namespace shmark::inspector {

// What is known of a segment without looking into it.
struct segment_facts {
  std::string name{};
  std::uint64_t size = 0;
  uid_t owner = 0;
  mode_t mode = 0;
  std::optional<bool> is_open{};
  std::uint64_t identity = 0;
};
[[nodiscard]] segment_facts facts_of(const glimpse& seen);

struct store_contents {
  std::uint64_t serial = 0;
  std::vector<std::byte> value{};
  std::vector<std::uint64_t> references{};
};

class store_look {
 public:
  // Errors: not_found, denied; mismatch, if it is no store or of another version; corrupt, if its
  // sizes do not fit together.
  [[nodiscard]] static std::expected<store_look, error> at(medium where, const segment_key& key);
  // The same by the system's number for a System V segment whose key is not known.
  [[nodiscard]] static std::expected<store_look, error> at_id(int id);

  [[nodiscard]] const segment_facts& segment() const noexcept { return segment_; }
  [[nodiscard]] const segment_key& key() const noexcept { return key_; }
  [[nodiscard]] std::string lock_name() const;
  // A copy of one of its locks.
  struct lock {
    bool is_advisory = false;
    const robust_rw::state* robust = nullptr;  // of a robust_rw; good as long as the store_look
    std::optional<std::int32_t> semaphores{};  // the key, of a sysv_semaphore
  };
  // Its own, and the advisory one, if there is one.
  [[nodiscard]] std::vector<lock> locks() const;

  [[nodiscard]] bool has_checksum() const noexcept { return block().has_checksum != 0; }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return block().capacity; }
  // Bytes that a value may have; 0: any number.
  [[nodiscard]] std::uint64_t limit() const noexcept { return block().limit; }
  [[nodiscard]] std::uint64_t serial() const noexcept { return detail::serial_of(word()); }
  // A writer is at work, or has died at it.
  [[nodiscard]] bool is_writing() const noexcept { return (word() & detail::writing_bit) != 0; }
  [[nodiscard]] bool is_removed() const noexcept { return block().removed.load() != 0; }
  [[nodiscard]] std::uint64_t generations() const noexcept { return block().generations.load(); }
  [[nodiscard]] std::uint64_t recoveries() const noexcept { return block().recoveries.load(); }
  [[nodiscard]] std::uint64_t referrers() const noexcept { return block().referrers.load(); }
  [[nodiscard]] std::uint64_t tag() const noexcept { return block().tag; }
  [[nodiscard]] bool is_unnamed() const noexcept { return block().unnamed.load() != 0; }
  // Of the current value.
  [[nodiscard]] std::uint64_t length() const noexcept { return current().length; }
  [[nodiscard]] std::uint64_t references() const noexcept { return current().references; }
  [[nodiscard]] std::uint64_t checksum() const noexcept { return current().checksum; }

  // A data segment that a side names, and what is there by that name, if anything.
  struct data {
    std::uint64_t number;
    bool is_current;
    std::optional<segment_facts> there;
  };
  [[nodiscard]] const std::vector<data>& data_segments() const noexcept { return data_; }
  // Bytes of all its segments.
  [[nodiscard]] std::uint64_t allocated() const noexcept;

  // The current value, as of now. Errors: corrupt; not_found, if it has gone; would_block, if it
  // changes faster than it can be copied.
  [[nodiscard]] std::expected<store_contents, error> contents() const;

 private:
  // With room for an advisory lock. Every store is longer than that.
  struct alignas(detail::cache_line) block_copy {
    std::array<std::byte, detail::buffers_at(true)> bytes;
  };

  store_look(medium where, segment_key key, std::optional<int> id)
      : where_(where), key_(key), id_(id) {}
  [[nodiscard]] std::expected<glimpse, error> look() const;
  static std::expected<store_look, error> from(store_look made);
  static std::expected<std::shared_ptr<block_copy>, error> copy_block(const glimpse& seen);
  static const detail::control& control_in(const block_copy& copy) noexcept;
  [[nodiscard]] const detail::control& block() const noexcept { return control_in(*copy_); }
  [[nodiscard]] std::uint64_t word() const noexcept { return block().word.load(); }
  [[nodiscard]] bool has_advisory() const noexcept { return block().has_advisory == 1; }
  [[nodiscard]] const detail::side& current() const noexcept { return block().sides[serial() % 2]; }
  // The bytes of what is current in a copy of the block; nothing, if they are gone or do not fit.
  [[nodiscard]] std::optional<std::vector<std::byte>> bytes_of(const glimpse& seen,
                                                               const detail::control& now) const;

  medium where_;
  segment_key key_;
  std::optional<int> id_;  // of one without a known key
  segment_facts segment_;
  std::shared_ptr<block_copy> copy_;
  std::vector<data> data_;
};

// Whether there is a store in the segment, of whatever version.
[[nodiscard]] bool is_store(const glimpse& seen);
// Whether it is a data segment.
[[nodiscard]] bool is_data_segment(const glimpse& seen);
// Whether it is a robust_rw's roster.
[[nodiscard]] bool is_roster(const glimpse& seen);

}  // namespace shmark::inspector

// A small store of one value, to plant bugs in (planted.h). Without one it keeps B1 to B3 of
// lib/subject/byte_store.h, caches, and a death leaves the old value or the new one.
//
// Two sides, and a word that says which is current and how often it was written:
//
//   write  under the lock: the bytes and their size to the other side, then the word (M release)
//   read   the word (M acquire) is that of our copy: the copy. Else, under the lock, shared: the
//          bytes of the current side become our copy, and the word its word
//   death  of a writer, before its word is stored: the old value is there, whole. After: the new
//          one. There is nothing to repair
//
// The lock is robust_rw, without a bug, so that what is found is the store's.
//
// Process and thread safety, and what survives a crash: as byte_store says; the value does not
// outlive the store.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/lock/lock.h"
#include "lib/lock/robust_rw.h"
#include "lib/segment/posix.h"
#include "lib/segment/segment.h"
#include "lib/subject/byte_store.h"
#include "stress/mutants/planted.h"

namespace shmark::mutants {

template <store_bug bug>
class mutant_store {
  // Lies at the beginning of the segment; the sides follow.
  struct header {
    robust_rw::state lock;
    std::atomic<std::uint64_t> word;  // serial number, and in bit 0 the current side
    std::array<std::atomic<std::size_t>, 2> sizes;
    std::size_t capacity;  // of a side
  };
  static constexpr std::size_t sides_at = (sizeof(header) + 63) / 64 * 64;

  static constexpr std::uint64_t next_word(std::uint64_t word) noexcept {
    return ((word >> 1) + 1) << 1 | ((word & 1) ^ 1);
  }

 public:
  static constexpr std::string_view name = name_of(bug);
  static constexpr byte_store_traits can{.cached = true, .crash_safe = true};

  class handle {
   public:
    template <std::invocable<std::span<const std::byte>> F>
    [[nodiscard]] std::expected<void, error> read(F&& visit) {
      if (!is_copy_current()) SHMARK_RETURN_IF_ERROR(refresh());
      visit(std::span<const std::byte>(copy_));
      return {};
    }

    [[nodiscard]] std::expected<void, error> write(std::span<const std::byte> value) {
      if (value.size() > head_->capacity) return failure(errc::no_space, "write to store", name);
      const auto patience =
          bug == store_bug::keeps_what_it_acknowledged ? deadline::none() : deadline::never();
      const auto got = lock_.acquire(mode::exclusive, patience);
      if constexpr (bug == store_bug::keeps_what_it_acknowledged) {
        if (!got) {
          copy_.assign(value.begin(), value.end());
          return {};
        }
      }
      if (!got) return std::unexpected(got.error());
      if constexpr (bug == store_bug::zeroes_serial_in_recovery) {
        if (*got == acquired::owner_died) head_->word.store(head_->word.load() & 1);
      }
      replace(value);
      lock_.release(mode::exclusive);
      if constexpr (bug == store_bug::publishes_unlocked) head_->word.store(copy_word_);
      return {};
    }

    // How often the value has been written, as of the last read or write of this handle.
    [[nodiscard]] std::uint64_t serial() const noexcept { return copy_word_ >> 1; }

   private:
    friend mutant_store;
    handle(header& head, robust_rw lock) noexcept : head_(&head), lock_(std::move(lock)) {}

    [[nodiscard]] std::byte* side(std::uint64_t which) const noexcept {
      return reinterpret_cast<std::byte*>(head_) + sides_at + which * head_->capacity;
    }
    [[nodiscard]] std::atomic<std::size_t>& size_of(std::uint64_t which) const noexcept {
      return head_->sizes[bug == store_bug::one_size_for_both_sides ? 0 : which];
    }

    [[nodiscard]] bool is_copy_current() noexcept {
      if constexpr (bug == store_bug::trusts_its_copy_for_a_while) {
        if (has_copy_ && monotonic_ns() - looked_at_ns_ < 1'000'000) return true;
        looked_at_ns_ = monotonic_ns();
      }
      const std::uint64_t word = head_->word.load(std::memory_order_acquire);
      if constexpr (bug == store_bug::compares_few_bits) {
        return has_copy_ && ((word ^ copy_word_) >> 1 & 0xF) == 0;
      }
      if constexpr (bug == store_bug::serial_after_side) {
        return has_copy_ && word >> 1 == copy_word_ >> 1;
      }
      return has_copy_ && word == copy_word_;
    }

    // Makes our copy that of now.
    std::expected<void, error> refresh() {
      if constexpr (bug == store_bug::reads_unlocked) {
        copy_side(head_->word.load(std::memory_order_acquire));
        return {};
      }
      const auto patience =
          bug == store_bug::reads_the_older_side ? deadline::none() : deadline::never();
      const auto got = lock_.acquire(mode::shared, patience);
      if constexpr (bug == store_bug::reads_the_older_side) {
        if (!got) {
          const std::uint64_t word = head_->word.load();
          copy_side(word ^ 1);
          has_copy_ = false;
          return {};
        }
      }
      if (!got) return std::unexpected(got.error());
      copy_side(head_->word.load(std::memory_order_acquire));
      lock_.release(mode::shared);
      if constexpr (bug == store_bug::remembers_a_later_serial) copy_word_ = head_->word.load();
      return {};
    }
    void copy_side(std::uint64_t word) {
      const std::byte* const from = side(word & 1);
      copy_.assign(from, from + size_of(word & 1).load());
      copy_word_ = word;
      has_copy_ = true;
    }

    // Requires: the lock is ours.
    void replace(std::span<const std::byte> value) {
      const std::uint64_t word = head_->word.load(std::memory_order_acquire);
      const std::uint64_t next = next_word(word);
      if constexpr (bug == store_bug::overwrites_in_place) {
        if (size_of(word & 1).load() == value.size()) {
          std::ranges::copy(value, side(word & 1));
          head_->word.store(next ^ 1);
          return remember(value, next ^ 1);
        }
      }
      if constexpr (bug == store_bug::publishes_first) head_->word.store(next);
      fill(next, value);
      publish(word, next);
      if constexpr (bug == store_bug::publishes_before_the_last_byte) {
        std::ranges::copy(value.subspan(whole_lines(value)), side(next & 1) + whole_lines(value));
      }
      remember(value, next);
    }

    void fill(std::uint64_t next, std::span<const std::byte> value) noexcept {
      size_of(next & 1).store(value.size());
      if constexpr (bug == store_bug::publishes_before_the_last_byte) {
        value = value.first(whole_lines(value));
      }
      std::ranges::copy(value, side(next & 1));
    }
    static std::size_t whole_lines(std::span<const std::byte> value) noexcept {
      return value.empty() ? 0 : (value.size() - 1) / 64 * 64;
    }

    void publish(std::uint64_t word, std::uint64_t next) noexcept {
      if constexpr (bug == store_bug::publishes_unlocked) return;
      if constexpr (bug == store_bug::serial_after_side) head_->word.store(word ^ 1);
      head_->word.store(next, std::memory_order_release);
    }

    // Readers of the same process need not decode what it has written itself.
    void remember(std::span<const std::byte> value, std::uint64_t word) {
      copy_.assign(value.begin(), value.end());
      copy_word_ = word;
      has_copy_ = true;
    }

    header* head_;
    robust_rw lock_;
    std::vector<std::byte> copy_;
    std::uint64_t copy_word_ = 0;
    bool has_copy_ = false;
    std::int64_t looked_at_ns_ = 0;  // of the bug that does not look
  };

  [[nodiscard]] static std::expected<mutant_store, error> create(const run& owner,
                                                                 std::size_t payload_bytes) {
    SHMARK_ASSIGN_OR_RETURN(auto store,
                            create(segment_key::random_in(owner.space()), payload_bytes));
    store.owner_ = getpid();
    return store;
  }
  [[nodiscard]] static std::expected<mutant_store, error> create(const segment_key& key,
                                                                 std::size_t payload_bytes) {
    const std::size_t capacity = std::max<std::size_t>(payload_bytes, 256);
    SHMARK_ASSIGN_OR_RETURN(auto made, posix_segment::create(key, sides_at + 2 * capacity, 0600));
    auto* const head = new (made.bytes().data()) header{};
    head->capacity = capacity;
    if (auto locked = robust_rw::create(head->lock, {.space = key.space}); !locked) {
      static_cast<void>(posix_segment::remove(key));
      return std::unexpected(locked.error());
    }
    return mutant_store(key, std::move(made));
  }
  [[nodiscard]] static std::expected<mutant_store, error> open(const segment_key& key) {
    SHMARK_ASSIGN_OR_RETURN(auto there, posix_segment::attach(key));
    return mutant_store(key, std::move(there));
  }
  std::expected<void, error> remove() noexcept {
    robust_rw::destroy(head().lock);
    return posix_segment::remove(key_);
  }
  mutant_store(mutant_store&& other) noexcept
      : key_(other.key_),
        segment_(std::move(other.segment_)),
        owner_(std::exchange(other.owner_, 0)) {}
  mutant_store& operator=(mutant_store&&) = delete;
  ~mutant_store() {
    if (owner_ == getpid()) static_cast<void>(remove());
  }

  [[nodiscard]] std::expected<handle, error> attach() const {
    SHMARK_ASSIGN_OR_RETURN(auto lock, robust_rw::attach(head().lock));
    return handle(head(), std::move(lock));
  }

 private:
  mutant_store(const segment_key& key, posix_segment segment) noexcept
      : key_(key), segment_(std::move(segment)) {}

  [[nodiscard]] header& head() const noexcept {
    return *std::launder(reinterpret_cast<header*>(segment_.bytes().data()));
  }

  segment_key key_;
  posix_segment segment_;
  pid_t owner_ = 0;  // who ends it; 0: nobody, or it has moved
};
static_assert(keyed_byte_store<mutant_store<store_bug::none>>);

}  // namespace shmark::mutants

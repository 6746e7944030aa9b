// Ours without a cache: the bytes below a variable, read where they lie, under the shared lock. As
// a variable's, they have a checksum, which each read verifies; or none, which peers have not
// either, and which shows what that costs.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/shm/backend.h"
#include "lib/subject/byte_store.h"

namespace shmark {

template <class Backend = default_backend, bool HasChecksum = true>
class plain_store {
  using store_type = store_on<Backend>;

 public:
  static constexpr std::string_view name = HasChecksum ? "store" : "store_unchecked";
  static constexpr byte_store_traits can{.crash_safe = Backend::lock::can.crash_safe};

  class handle {
   public:
    template <std::invocable<std::span<const std::byte>> F>
    [[nodiscard]] std::expected<void, error> read(F&& visit) {
      const auto seen = store_.read();
      if (!seen) [[unlikely]]
        return std::unexpected(seen.error());
      word_ = seen->word();
      visit(seen->bytes());
      return {};
    }
    [[nodiscard]] std::expected<void, error> write(std::span<const std::byte> value) {
      auto change = store_.write();
      if (!change) [[unlikely]]
        return std::unexpected(change.error());
      change->output().write(value.data(), value.size());
      SHMARK_RETURN_IF_ERROR(change->commit());
      word_ = change->word();
      return {};
    }
    [[nodiscard]] std::uint64_t serial() const noexcept { return detail::serial_of(word_); }

   private:
    friend plain_store;
    explicit handle(store_type store) noexcept : store_(std::move(store)) {}

    store_type store_;
    std::uint64_t word_ = 0;  // of what was read or written last
  };

  [[nodiscard]] static std::expected<plain_store, error> create(const run& owner,
                                                                std::size_t payload_bytes) {
    SHMARK_ASSIGN_OR_RETURN(auto made,
                            create(segment_key::random_in(owner.space()), payload_bytes));
    made.owner_ = getpid();
    return made;
  }
  [[nodiscard]] static std::expected<plain_store, error> create(const segment_key& key,
                                                                std::size_t payload_bytes) {
    SHMARK_ASSIGN_OR_RETURN(
        auto made, store_type::create(key, {.capacity = std::max<std::size_t>(256, payload_bytes),
                                            .has_checksum = HasChecksum}));
    return plain_store(std::move(made));
  }
  [[nodiscard]] static std::expected<plain_store, error> open(const segment_key& key) {
    SHMARK_ASSIGN_OR_RETURN(auto there, store_type::attach(key));
    return plain_store(std::move(there));
  }
  [[nodiscard]] std::expected<void, error> remove() {
    return store_type::remove(store_.key(), deadline::after(removal_patience));
  }
  plain_store(plain_store&& other) noexcept
      : store_(std::move(other.store_)), owner_(std::exchange(other.owner_, 0)) {}
  plain_store& operator=(plain_store&&) = delete;
  ~plain_store() {
    if (owner_ == getpid()) static_cast<void>(remove());
  }

  [[nodiscard]] std::expected<handle, error> attach() const {
    SHMARK_ASSIGN_OR_RETURN(auto own, store_.copy());
    return handle(std::move(own));
  }

 private:
  explicit plain_store(store_type made) noexcept : store_(std::move(made)) {}

  store_type store_;
  pid_t owner_ = 0;  // who ends it; 0: nobody, or it has moved
};
using unchecked_store = plain_store<default_backend, false>;
static_assert(keyed_byte_store<plain_store<>> && keyed_byte_store<unchecked_store> &&
              numbered_store_handle<plain_store<>::handle>);

}  // namespace shmark

// Ours: a named variable that holds text, as a user has it. A read that finds the serial number
// unchanged is of this process's copy; another one decodes the value, under the shared lock.
//
// Values have a checksum, which peers do not compute.
#pragma once

#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "lib/base/random.h"
#include "lib/shm/domain.h"
#include "lib/subject/byte_store.h"

namespace shmark {

template <class Backend = default_backend>
class variable_store {
 public:
  static constexpr std::string_view name = "variable";
  static constexpr byte_store_traits can{.cached = true,
                                         .crash_safe = Backend::lock::can.crash_safe};

  class handle {
   public:
    template <std::invocable<std::span<const std::byte>> F>
    [[nodiscard]] std::expected<void, error> read(F&& visit) {
      const auto seen = value_.read();
      if (!seen) [[unlikely]]
        return std::unexpected(seen.error());
      visit(std::as_bytes(std::span(**seen)));
      return {};
    }
    [[nodiscard]] std::expected<void, error> write(std::span<const std::byte> value) {
      next_.assign(reinterpret_cast<const char*>(value.data()), value.size());
      return value_.write(next_);
    }
    [[nodiscard]] std::uint64_t serial() const noexcept { return value_.serial(); }

   private:
    friend variable_store;
    explicit handle(variable<std::string, Backend> value) : value_(std::move(value)) {}

    variable<std::string, Backend> value_;
    std::string next_;
  };

  // In a domain of its own, with which everything goes that belongs to it.
  [[nodiscard]] static std::expected<variable_store, error> create(const run& owner,
                                                                   std::size_t payload_bytes) {
    constexpr std::size_t head_max = 64;  // that the codec puts before the text
    SHMARK_ASSIGN_OR_RETURN(auto names, domain<Backend>::open(fmt::format(
                                            "{}-{:016x}", owner.domain(), unpredictable_number())));
    auto value = names.template variable<std::string>(
        "value", {.capacity = std::max<std::size_t>(256, payload_bytes + head_max)});
    if (!value) {
      static_cast<void>(names.cleanup());
      return std::unexpected(value.error());
    }
    return variable_store(std::move(names), *std::move(value));
  }
  variable_store(variable_store&& other) noexcept
      : names_(std::move(other.names_)),
        value_(std::move(other.value_)),
        owner_(std::exchange(other.owner_, 0)) {}
  variable_store& operator=(variable_store&&) = delete;
  ~variable_store() {
    if (owner_ == getpid()) static_cast<void>(names_.cleanup());
  }

  [[nodiscard]] std::expected<handle, error> attach() const {
    SHMARK_ASSIGN_OR_RETURN(auto own, value_.copy());
    return handle(std::move(own));
  }

 private:
  variable_store(domain<Backend> names, variable<std::string, Backend> value) noexcept
      : names_(std::move(names)), value_(std::move(value)) {}

  domain<Backend> names_;
  variable<std::string, Backend> value_;
  pid_t owner_ = getpid();  // 0: moved from
};
static_assert(byte_store<variable_store<>> && numbered_store_handle<variable_store<>::handle>);

}  // namespace shmark

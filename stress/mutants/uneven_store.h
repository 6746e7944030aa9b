// A store whose values are of different sizes, made of any: for scenarios whose values are all of
// one size, of lines of 64 bytes that are alike (lib/workload/stamp.h). What is written is cut to
// some of its lines, and what is read has its last line repeated, up to the whole size.
//
// Process and thread safety, and what survives a crash: as of the store that it is made of.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/subject/byte_store.h"

namespace shmark::mutants {

template <byte_store S>
class uneven_store {
  static constexpr std::size_t line = 64;

 public:
  static constexpr std::string_view name = S::name;
  static constexpr byte_store_traits can = S::can;

  class handle {
   public:
    template <std::invocable<std::span<const std::byte>> F>
    [[nodiscard]] std::expected<void, error> read(F&& visit) {
      return whole_.read([&](std::span<const std::byte> seen) {
        std::ranges::copy(seen.first(std::min(seen.size(), value_.size())), value_.begin());
        for (std::size_t at = seen.size(); at >= line && at < value_.size(); at += line) {
          std::memcpy(value_.data() + at, value_.data() + at - line, line);
        }
        visit(std::span<const std::byte>(value_));
      });
    }
    // How many lines, the value itself decides.
    [[nodiscard]] std::expected<void, error> write(std::span<const std::byte> value) {
      std::uint64_t seed = 0;
      std::memcpy(&seed, value.data(), sizeof seed);
      const std::size_t lines = 1 + random_source(seed).below(value.size() / line);
      return whole_.write(value.first(lines * line));
    }
    [[nodiscard]] std::uint64_t serial() const noexcept { return whole_.serial(); }

   private:
    friend uneven_store;
    handle(typename S::handle whole, std::size_t bytes) : whole_(std::move(whole)), value_(bytes) {}

    typename S::handle whole_;
    std::vector<std::byte> value_;
  };

  // Requires: a multiple of 64 bytes, as of every value that is written.
  [[nodiscard]] static std::expected<uneven_store, error> create(const run& owner,
                                                                 std::size_t payload_bytes) {
    SHMARK_ASSIGN_OR_RETURN(auto whole, S::create(owner, payload_bytes));
    return uneven_store(std::move(whole), payload_bytes);
  }
  [[nodiscard]] std::expected<handle, error> attach() const {
    SHMARK_ASSIGN_OR_RETURN(auto own, whole_.attach());
    return handle(std::move(own), bytes_);
  }

 private:
  uneven_store(S whole, std::size_t bytes) noexcept : whole_(std::move(whole)), bytes_(bytes) {}

  S whole_;
  std::size_t bytes_;
};

}  // namespace shmark::mutants

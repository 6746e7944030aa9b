// Backends with a planted bug each: what the checkers must find.
#pragma once

#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <expected>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/codec/boost_binary.h"
#include "lib/codec/codec.h"
#include "lib/lock/lock.h"
#include "lib/lock/robust_rw.h"
#include "lib/segment/posix.h"
#include "stress/scenario/bank.h"

namespace shmark::mutants {

// A lock that excludes nobody.
class null_lock {
 public:
  static constexpr std::string_view name = "null_lock";
  static constexpr lock_traits can{};
  struct state {
    std::atomic<std::uint32_t> unused;
  };
  static std::expected<void, error> create(state&, const lock_home&) noexcept { return {}; }
  static std::expected<null_lock, error> attach(state&) noexcept { return null_lock(); }
  static void destroy(state&) noexcept {}
  std::expected<acquired, error> acquire(mode, deadline) noexcept { return acquired::ok; }
  void release(mode) noexcept {}
};
static_assert(lock<null_lock>);

// A lock whose readers do not wait.
class deaf_lock {
 public:
  static constexpr std::string_view name = "deaf_lock";
  static constexpr lock_traits can = robust_rw::can;
  using state = robust_rw::state;
  static std::expected<void, error> create(state& at, const lock_home& home) noexcept {
    return robust_rw::create(at, home);
  }
  static std::expected<deaf_lock, error> attach(state& at) noexcept {
    SHMARK_ASSIGN_OR_RETURN(auto whole, robust_rw::attach(at));
    return deaf_lock(std::move(whole));
  }
  static void destroy(state& at) noexcept { robust_rw::destroy(at); }
  std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    return how == mode::shared ? acquired::ok : whole_.acquire(how, until);
  }
  void release(mode how) noexcept {
    if (how == mode::exclusive) whole_.release(how);
  }

 private:
  explicit deaf_lock(robust_rw whole) noexcept : whole_(std::move(whole)) {}
  robust_rw whole_;
};
static_assert(lock<deaf_lock>);

// A lock that an exclusive holder that dies keeps for ever.
class eternal_lock {
 public:
  static constexpr std::string_view name = "eternal_lock";
  static constexpr lock_traits can{.timed = true};
  struct state {
    robust_rw::state whole;
    std::atomic<std::uint32_t> has_writer;
  };
  static std::expected<void, error> create(state& at, const lock_home& home) noexcept {
    at.has_writer = 0;
    return robust_rw::create(at.whole, home);
  }
  static std::expected<eternal_lock, error> attach(state& at) noexcept {
    SHMARK_ASSIGN_OR_RETURN(auto whole, robust_rw::attach(at.whole));
    return eternal_lock(std::move(whole), at);
  }
  static void destroy(state& at) noexcept { robust_rw::destroy(at.whole); }
  std::expected<acquired, error> acquire(mode how, deadline until) noexcept {
    while (how == mode::exclusive && state_->has_writer.exchange(1) != 0) {
      if (until.passed()) return failure(errc::timed_out, "acquire lock", name);
      sched_yield();
    }
    return whole_.acquire(how, until);
  }
  void release(mode how) noexcept {
    whole_.release(how);
    if (how == mode::exclusive) state_->has_writer = 0;
  }

 private:
  eternal_lock(robust_rw whole, state& at) noexcept : whole_(std::move(whole)), state_(&at) {}
  robust_rw whole_;
  state* state_;
};
static_assert(lock<eternal_lock>);

// A segment that sometimes stays when it is removed, unless it is the well-known one.
class leaking_segment : public posix_segment {
 public:
  static std::expected<leaking_segment, error> create(const segment_key& key, std::size_t size,
                                                      mode_t mode, owners whose = owners::own) {
    return as_leaking(key, posix_segment::create(key, size, mode, whose));
  }
  static std::expected<leaking_segment, error> attach(const segment_key& key,
                                                      owners whose = owners::own) {
    return as_leaking(key, posix_segment::attach(key, whose));
  }
  static std::expected<leaking_segment, error> open_or_create(const segment_key& key,
                                                              std::size_t size, mode_t mode,
                                                              const segment_initializer& init,
                                                              owners whose = owners::own) {
    return as_leaking(key, posix_segment::open_or_create(key, size, mode, init, whose));
  }
  [[nodiscard]] std::expected<void, error> unlink() const {
    if (number_ != 0 && number_ % 3 == 0) return {};
    return posix_segment::unlink();
  }

 private:
  leaking_segment(posix_segment whole, std::uint64_t number) noexcept
      : posix_segment(std::move(whole)), number_(number) {}
  static std::expected<leaking_segment, error> as_leaking(
      const segment_key& key, std::expected<posix_segment, error> whole) {
    if (!whole) return std::unexpected(whole.error());
    return leaking_segment(*std::move(whole), key.number);
  }
  std::uint64_t number_;
};
static_assert(named_segment<leaking_segment>);

// What a codec does besides its work, to make what is rare happen at once.
enum class habit {
  yields_before_writing,    // between what it was given and what it writes
  yields_amid_reading,      // between the two halves of what it reads
  dies_at_transfer_number,  // 100, by SIGKILL
};

// A codec for banks with names and sums of fixed size, that decodes any bytes at all, so that what
// is torn becomes a wrong value and no crash. All other types as boost_binary.
template <habit Has>
class flat_codec {
 public:
  static constexpr std::string_view name = "flat";
  static constexpr codec_traits can = boost_binary::can;

  template <class T>
  [[nodiscard]] static std::expected<void, error> encode(const T& value, sink& to) noexcept {
    if constexpr (std::same_as<T, stress::bank>) {
      return encode_bank(value, to);
    } else {
      return boost_binary::encode(value, to);
    }
  }
  template <class T>
  [[nodiscard]] static std::expected<void, error> decode(std::span<const std::byte> from,
                                                         T& into) noexcept {
    if constexpr (std::same_as<T, stress::bank>) {
      return decode_bank(from, into);
    } else {
      return boost_binary::decode(from, into);
    }
  }

 private:
  struct account {
    std::array<char, 16> name;
    std::int64_t balance;
  };
  static constexpr std::size_t accounts_size = stress::bank::accounts_count * sizeof(account);

  static std::expected<void, error> encode_bank(const stress::bank& value, sink& to) {
    const auto transfers = std::accumulate(value.done.begin(), value.done.end(), 0U);
    if (Has == habit::dies_at_transfer_number && transfers == 100) raise(SIGKILL);
    std::vector<std::byte> bytes(accounts_size);
    auto* at = bytes.data();
    for (const auto& [owner, balance] : value.accounts) {
      account each{};
      owner.copy(each.name.data(), each.name.size());
      each.balance = balance;
      std::memcpy(at, &each, sizeof each);
      at += sizeof each;
    }
    const auto done = std::as_bytes(std::span(value.done));
    bytes.insert(bytes.end(), done.begin(), done.end());
    if (Has == habit::yields_before_writing) sched_yield();
    to.write(bytes.data(), bytes.size());
    return {};
  }

  static std::expected<void, error> decode_bank(std::span<const std::byte> from,
                                                stress::bank& into) {
    if (from.size() < accounts_size || from.size() % sizeof(std::uint64_t) != 0) {
      return failure(errc::corrupt, "decode", name);
    }
    into = {};
    for (int i = 0; i < stress::bank::accounts_count; ++i) {
      account each;
      std::memcpy(&each, from.data() + static_cast<std::size_t>(i) * sizeof each, sizeof each);
      const auto end = std::ranges::find(each.name, '\0');
      into.accounts[std::string(each.name.begin(), end)] = each.balance;
      if (Has == habit::yields_amid_reading && i == stress::bank::accounts_count / 2) sched_yield();
    }
    from = from.subspan(accounts_size);
    into.done.resize(from.size() / sizeof(std::uint64_t));
    std::memcpy(into.done.data(), from.data(), from.size());
    return {};
  }
};

template <class Segment, class Lock, class Codec>
struct backend {
  using segment = Segment;
  using lock = Lock;
  using codec = Codec;
};
using loses_updates = backend<posix_segment, null_lock, flat_codec<habit::yields_before_writing>>;
using tears_values = backend<posix_segment, deaf_lock, flat_codec<habit::yields_amid_reading>>;
using hangs = backend<posix_segment, eternal_lock, boost_binary>;
using leaks = backend<leaking_segment, robust_rw, boost_binary>;
using dies = backend<posix_segment, robust_rw, flat_codec<habit::dies_at_transfer_number>>;

}  // namespace shmark::mutants

// A histogram of durations, small enough for shared memory and quick enough for a hot loop.
//
// Log-linear buckets, as in HdrHistogram (Tene): exact below 64 ns, then 32 buckets an octave, so
// that a quantile is at most 3.2% too high. Durations from 2^40 ns (18 minutes) on count as the
// largest bucket; max() is always exact.
//
// Process and thread safety: one writer; a trivially copyable value, to be read when the writer has
// finished, or has died (a count in the making may then be missing).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace shmark {

class histogram {
 public:
  static constexpr std::size_t bucket_count = 64 + 34 * 32;

  void add(std::uint64_t ns, std::uint64_t count = 1) noexcept {
    counts_[index_of(ns)] += count;
    total_ += count;
    max_ = std::max(max_, ns);
  }

  void merge(const histogram& other) noexcept {
    for (std::size_t i = 0; i < bucket_count; ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    max_ = std::max(max_, other.max_);
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  // In ns; 0 if empty.
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }

  // The duration, in ns, that a share q of all do not exceed; q in [0, 1]. 0 if empty.
  [[nodiscard]] std::uint64_t quantile(double q) const noexcept {
    const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < bucket_count; ++i) {
      seen += counts_[i];
      if (seen >= rank && seen != 0) return std::min(upper(i), max_);
    }
    return max_;
  }

  // Calls visit(lowest ns of the bucket, count) for each bucket that is not empty, in order.
  template <class F>
  void for_each(F&& visit) const {
    for (std::size_t i = 0; i < bucket_count; ++i) {
      if (counts_[i] != 0) visit(lower(i), counts_[i]);
    }
  }

 private:
  static constexpr std::uint64_t too_long = (std::uint64_t{1} << 40) - 1;

  static constexpr std::size_t index_of(std::uint64_t ns) noexcept {
    if (ns < 64) return ns;
    ns = std::min(ns, too_long);
    const auto octave = static_cast<std::size_t>(std::bit_width(ns)) - 7;  // 0 for 64 to 127
    return 64 + octave * 32 + ((ns >> (octave + 1)) & 31);
  }
  static constexpr std::uint64_t lower(std::size_t index) noexcept {
    if (index < 64) return index;
    const std::size_t octave = (index - 64) / 32;
    return (32 + (index - 64) % 32) << (octave + 1);
  }
  static constexpr std::uint64_t upper(std::size_t index) noexcept { return lower(index + 1) - 1; }

  std::array<std::uint64_t, bucket_count> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};
static_assert(std::is_trivially_copyable_v<histogram>);

}  // namespace shmark

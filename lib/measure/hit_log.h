// What one worker did to one cached variable, as it happened: the serial number that it saw after
// each operation. Serial numbers put the operations of all workers in one order, which
// lib/measure/hit_simulation.h replays.
//
// Operations of one kind in a row that belong together take one entry: reads of the same serial
// number, writes of one number after the other. An entry has 16 bytes.
//
// Process and thread safety: one writer. Trivially copyable, and empty if all its bytes are 0, so
// that it may lie in shared memory; to be read when the writer has finished or has died.
//
// What survives a crash: all operations but the last one, perhaps.
//
// Example:
//   hit_log<65536>& log = ...;                   // in shared memory
//   log.begin_with(variable.serial());           // a copy from before
//   log.add(variable.serial(), access::read);    // after each operation
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

namespace shmark {

enum class access : std::uint32_t { read, write };

struct hit_log_entry {
  std::uint64_t serial = 0;  // that all of the reads saw, or the first of the writes made
  std::uint32_t count = 0;   // of operations; write k, counted from 0, made serial + k
  access kind = access::read;

  // The greatest serial number that belongs to it. Requires: 0 < count.
  [[nodiscard]] constexpr std::uint64_t last() const noexcept {
    return serial + (kind == access::write ? count - 1 : 0);
  }
  bool operator==(const hit_log_entry&) const = default;
};
static_assert(sizeof(hit_log_entry) == 16 && std::is_trivially_copyable_v<hit_log_entry>);

// Capacity: in entries. CountMax: what an entry counts at most; the next one goes on from there.
template <std::size_t Capacity, std::uint32_t CountMax = std::numeric_limits<std::uint32_t>::max()>
class hit_log {
 public:
  // Makes it empty, and touches no entry.
  void clear() noexcept {
    next_serial_ = 0;
    kind_ = access::read;
    room_ = 0;
    size_ = 0;
    first_copy_ = 0;
    has_first_copy_ = false;
    is_cut_ = false;
  }

  // Says that the worker has a copy of this serial number before its first operation. To be called
  // before that.
  void begin_with(std::uint64_t serial) noexcept {
    first_copy_ = serial;
    has_first_copy_ = true;
  }

  // Notes an operation that saw, or made, this serial number. When the log is full it stays as it
  // is: what it then has is the beginning.
  void add(std::uint64_t serial, access kind) noexcept {
    if (serial == next_serial_ && kind == kind_ && room_ != 0) [[likely]] {
      --room_;
      next_serial_ += kind == access::write ? 1 : 0;
      ++entries_[size_ - 1].count;
      return;
    }
    begin_entry(serial, kind);
  }

  [[nodiscard]] std::span<const hit_log_entry> entries() const noexcept {
    return {entries_.data(), size_};
  }
  [[nodiscard]] bool has_first_copy() const noexcept { return has_first_copy_; }
  [[nodiscard]] std::uint64_t first_copy() const noexcept { return first_copy_; }

  // Whether it has all operations: it never was full when another entry was needed.
  [[nodiscard]] bool is_complete() const noexcept { return !is_cut_; }

  // How many operations it has.
  [[nodiscard]] std::uint64_t operations() const noexcept {
    std::uint64_t sum = 0;
    for (const hit_log_entry& each : entries()) sum += each.count;
    return sum;
  }

 private:
  void begin_entry(std::uint64_t serial, access kind) noexcept {
    if (size_ == Capacity) {
      is_cut_ = true;
      room_ = 0;  // and stays so: no later operation may follow one that is missing
      return;
    }
    entries_[size_] = {.serial = serial, .count = 1, .kind = kind};
    std::atomic_signal_fence(std::memory_order_release);  // who is killed here leaves no half entry
    ++size_;
    next_serial_ = serial + (kind == access::write ? 1 : 0);
    kind_ = kind;
    room_ = CountMax - 1;
  }

  // What the next operation must be to belong to the last entry, and how many more that can count.
  std::uint64_t next_serial_ = 0;
  access kind_ = access::read;
  std::uint32_t room_ = 0;

  std::size_t size_ = 0;
  std::uint64_t first_copy_ = 0;
  bool has_first_copy_ = false;
  bool is_cut_ = false;
  std::array<hit_log_entry, Capacity> entries_{};
};
static_assert(std::is_trivially_copyable_v<hit_log<1>>);

}  // namespace shmark

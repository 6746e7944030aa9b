// How direct's archives tell classes apart, and what they note about each.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/codec/direct/traits.h"

namespace shmark::detail {

// --- Numbers. A class gets one when an archive first meets it, and has it for the life of the
// process. They are in no archive.

inline constinit std::atomic<std::uint32_t> classes_numbered = 0;
template <class T>
inline constinit std::atomic<std::uint32_t> class_number = 0;  // 0: none yet

[[gnu::cold, gnu::noinline]] inline std::uint32_t give_number(std::atomic<std::uint32_t>& to) {
  std::uint32_t given = 0;
  const std::uint32_t next = 1 + classes_numbered.fetch_add(1, std::memory_order_relaxed);
  return to.compare_exchange_strong(given, next, std::memory_order_relaxed) ? next : given;
}

template <class T>
[[nodiscard]] std::uint32_t number_of() {
  const std::uint32_t given = class_number<T>.load(std::memory_order_relaxed);
  return given != 0 ? given : give_number(class_number<T>);
}

// --- Notes, which an archive makes when it first meets a class.

class class_note {
 public:
  static constexpr std::uint32_t max_version = (1U << 30) - 1;

  class_note() = default;
  // Requires: version <= max_version.
  class_note(std::uint32_t version, bool tracked) noexcept
      : bits_(version << 2 | (tracked ? 3U : 1U)) {}

  [[nodiscard]] bool met() const noexcept { return bits_ != 0; }
  [[nodiscard]] bool tracked() const noexcept { return (bits_ & 2) != 0; }
  [[nodiscard]] std::uint32_t version() const noexcept { return bits_ >> 2; }

 private:
  std::uint32_t bits_ = 0;
};

// By class number. Looked into once per object, so the first of them are an array.
class class_notes {
 public:
  [[nodiscard]] class_note& operator[](std::uint32_t number) {
    return number < few_.size() ? few_[number] : beyond(number - few_.size());
  }

 private:
  [[gnu::noinline]] class_note& beyond(std::size_t index) {
    if (index >= many_.size()) many_.resize(index + 1);
    return many_[index];
  }
  std::array<class_note, 32> few_{};
  std::vector<class_note> many_;
};

// --- Tracking. A class with track_selectively, the default, is tracked if any code of the program
// saves it through a pointer. Such code refers to through_pointers<T>::noted, whose initialisation,
// before main(), says so.

template <class T>
inline constinit bool is_used_through_pointers = false;
template <class T>
struct through_pointers {
  static inline const bool noted = (is_used_through_pointers<T> = true);
};
template <auto*>
struct refer_to {};

template <class T>
[[nodiscard]] bool is_tracked() noexcept {
  return always_tracked<T> || (!never_tracked<T> && is_used_through_pointers<T>);
}

// --- Depth: how many objects may contain or point to each other. Each takes stack, so neither a
// damaged value nor a long linked list may decide how many there are.

constexpr int max_depth = 2000;

class depth_guard {
 public:
  explicit depth_guard(int& depth) noexcept : depth_(&depth) { ++depth; }
  depth_guard(const depth_guard&) = delete;
  depth_guard& operator=(const depth_guard&) = delete;
  ~depth_guard() { --*depth_; }

 private:
  int* depth_;
};

}  // namespace shmark::detail

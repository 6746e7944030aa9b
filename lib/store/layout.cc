#include "lib/store/layout.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>

namespace shmark::detail {
namespace {

constexpr std::array<char, 8> control_magic{'s', 'h', 'm', 'a', 'r', 'k', 'S', '\n'};
constexpr std::array<char, 8> data_magic{'s', 'h', 'm', 'a', 'r', 'k', 'D', '\n'};

std::array<char, 24> padded(std::string_view name) noexcept {
  std::array<char, 24> text{};
  std::copy_n(name.begin(), std::min(name.size(), text.size()), text.begin());
  return text;
}

because of_version(std::uint32_t found) noexcept {
  char text[short_text::capacity];
  std::snprintf(text, sizeof text, "its layout has version %u, and this program's %u", found,
                layout_version);
  return {text};
}

because of_lock(std::array<char, 24> found, std::string_view expected) noexcept {
  for (char& letter : found) {
    if (letter != '\0' && (letter < ' ' || letter > '~')) letter = '?';
  }
  char text[short_text::capacity];
  std::snprintf(text, sizeof text, "its lock is %.24s, and this program's %.24s", found.data(),
                padded(expected).data());
  return {text};
}

}  // namespace

void stamp(control& block, const making& of) noexcept {
  block.magic = control_magic;
  block.version = layout_version;
  block.has_checksum = of.has_checksum ? 1 : 0;
  block.has_advisory = of.has_advisory ? 1 : 0;
  block.lock_name = padded(of.lock_name);
  block.lock_size = of.lock_size;
  block.segment_size = of.segment_size;
  block.capacity = of.capacity;
  block.limit = of.limit;
  block.tag = of.tag;
  block.unnamed.store(of.is_unnamed ? 1 : 0, std::memory_order_relaxed);
  block.word.store(word_of(1), std::memory_order_relaxed);
}

std::expected<examined, error> examine(std::span<std::byte> segment, std::string_view lock_name,
                                       std::size_t lock_size, short_text object) noexcept {
  constexpr const char* attempted = "use store";
  if (segment.size() < sizeof(control)) {
    return failure(errc::mismatch, attempted, object, because{"it is too small to be one"});
  }
  auto* block = std::launder(reinterpret_cast<control*>(segment.data()));
  if (block->magic != control_magic) {
    return failure(errc::mismatch, attempted, object, because{"it is not a store of shmark's"});
  }
  if (block->version != layout_version) {
    return failure(errc::mismatch, attempted, object, of_version(block->version));
  }
  if (block->lock_name != padded(lock_name)) {
    return failure(errc::mismatch, attempted, object, of_lock(block->lock_name, lock_name));
  }
  if (block->lock_size != lock_size) {
    return failure(errc::mismatch, attempted, object, because{"its lock has another size"});
  }
  // Once: what is checked must be what is used.
  const std::uint64_t capacity = std::atomic_ref(block->capacity).load(std::memory_order_relaxed);
  const std::uint64_t limit = std::atomic_ref(block->limit).load(std::memory_order_relaxed);
  const std::uint32_t checked =
      std::atomic_ref(block->has_checksum).load(std::memory_order_relaxed);
  const std::uint32_t advised =
      std::atomic_ref(block->has_advisory).load(std::memory_order_relaxed);
  const std::size_t whole = control_size(advised != 0, capacity);
  if (!is_capacity(capacity) || capacity > segment.size() || whole > segment.size() ||
      whole != block->segment_size || checked > 1 || advised > 1) {
    return failure(errc::corrupt, attempted, object, because{"its sizes do not fit together"});
  }
  return examined{block, static_cast<std::size_t>(capacity),
                  limit == 0 ? std::numeric_limits<std::size_t>::max() : limit, checked != 0,
                  advised != 0};
}

bool may_be_unfinished(std::span<const std::byte> segment) noexcept {
  std::array<char, 8> magic;
  if (segment.size() < sizeof(control)) return false;
  std::memcpy(magic.data(), segment.data(), magic.size());
  return magic == std::array<char, 8>{} || magic == control_magic;
}

void stamp(data_header& header, std::uint64_t store, std::uint64_t generation) noexcept {
  header.store = store;
  header.generation = generation;
  // Last, also if we die in between: see may_remove.
  std::atomic_signal_fence(std::memory_order_release);
  header.magic = data_magic;
}

bool is_data(std::span<const std::byte> segment, std::uint64_t store,
             std::uint64_t generation) noexcept {
  data_header header;
  if (segment.size() < sizeof header) return false;
  std::memcpy(&header, segment.data(), sizeof header);
  return header.magic == data_magic && header.store == store && header.generation == generation;
}

bool may_remove(std::span<const std::byte> segment, std::uint64_t store) noexcept {
  data_header header;
  if (segment.size() < sizeof header) return false;
  std::memcpy(&header, segment.data(), sizeof header);
  const bool unstamped = header.magic == std::array<char, 8>{};
  return (header.magic == data_magic || unstamped) &&
         (header.store == store || (unstamped && header.store == 0));
}

std::uint64_t checksum(std::span<const std::byte> bytes) noexcept {
  constexpr auto mixed = [](std::uint64_t hash, std::uint64_t word) {
    constexpr std::uint64_t prime = 0x100000001b3u;
    hash = (hash ^ word) * prime;
    return hash ^ hash >> 32;
  };
  std::uint64_t hash = 0xcbf29ce484222325u ^ bytes.size();
  std::uint64_t word = 0;
  // Each step waits for the one before it: four chains side by side take as long as one. (As four
  // variables, for the compiler keeps an array in memory.)
  std::array<std::uint64_t, 4> words{};
  if (bytes.size() >= sizeof words) {
    std::uint64_t sum0 = hash;
    std::uint64_t sum1 = hash + 1;
    std::uint64_t sum2 = hash + 2;
    std::uint64_t sum3 = hash + 3;
    for (; bytes.size() >= sizeof words; bytes = bytes.subspan(sizeof words)) {
      std::memcpy(&words, bytes.data(), sizeof words);
      sum0 = mixed(sum0, words[0]);
      sum1 = mixed(sum1, words[1]);
      sum2 = mixed(sum2, words[2]);
      sum3 = mixed(sum3, words[3]);
    }
    for (const std::uint64_t sum : {sum0, sum1, sum2, sum3}) hash = mixed(hash, sum);
  }
  for (; bytes.size() >= sizeof word; bytes = bytes.subspan(sizeof word)) {
    std::memcpy(&word, bytes.data(), sizeof word);
    hash = mixed(hash, word);
  }
  word = 0;
  if (!bytes.empty()) std::memcpy(&word, bytes.data(), bytes.size());
  hash = mixed(hash, word);
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
  return hash ^ (hash >> 31);
}

}  // namespace shmark::detail

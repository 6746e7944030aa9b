// A stretch of mapped memory that is unmapped with its owner: what all kinds of segment hold.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace shmark {

class mapping {
 public:
  using unmapper = void (*)(void* address, std::size_t size) noexcept;

  mapping(void* address, std::size_t size, unmapper unmap) noexcept
      : bytes_(static_cast<std::byte*>(address), size), unmap_(unmap) {}
  mapping(mapping&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), unmap_(other.unmap_) {}
  mapping& operator=(mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(unmap_, other.unmap_);
    return *this;
  }
  ~mapping() {
    if (!bytes_.empty()) unmap_(bytes_.data(), bytes_.size());
  }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
  unmapper unmap_;
};

// munmap(2), as an unmapper.
void unmap_pages(void* address, std::size_t size) noexcept;

}  // namespace shmark

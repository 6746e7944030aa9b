// Shared memory without a name: for the process that made it and the children it forks after. Gone,
// by itself, with the last of them. See shared_memory.h.
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string_view>
#include <utility>

#include "lib/base/error.h"
#include "lib/mapping/shared_memory.h"

namespace shmark {

class anonymous_memory : public shared_memory {
 public:
  static constexpr std::string_view kind = "anonymous";
  static constexpr mapping_traits can{};

 private:
  friend std::expected<anonymous_memory, error> shared_anonymous(std::size_t size) noexcept;
  explicit anonymous_memory(mapping mapped, std::span<std::byte> bytes) noexcept
      : shared_memory(std::move(mapped), bytes, true, "without a name") {}
};
static_assert(mapped_memory<anonymous_memory>);

// `size` bytes (at least 1), zero-filled and writable. The kernel sets no pages aside: when memory
// is short, whoever touches one first may be killed. Errors: no_space, invalid.
[[nodiscard]] std::expected<anonymous_memory, error> shared_anonymous(std::size_t size) noexcept;

}  // namespace shmark

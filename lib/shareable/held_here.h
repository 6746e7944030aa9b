// What this thread holds by advisory locks: with whom it would wait for itself, and in which order
// it may wait at all (see tree.h). A forked child holds nothing.
#pragma once

#include <cstdint>
#include <string_view>

namespace shmark::detail::held_here {

[[nodiscard]] bool holds(std::string_view space, std::uint64_t number) noexcept;
// The largest number that is held in a space; 0 if none is.
[[nodiscard]] std::uint64_t last(std::string_view space) noexcept;
// Makes room for one more. Throws std::bad_alloc.
void prepare();
// Requires: there is room.
void add(std::string_view space, std::uint64_t number) noexcept;
void remove(std::string_view space, std::uint64_t number) noexcept;

}  // namespace shmark::detail::held_here

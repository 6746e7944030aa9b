// The numbers of DIRECT.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shmark::detail {

constexpr std::string_view direct_name = "direct";

// The first byte: version 1 of the format. Not one with which a Boost archive can begin.
constexpr std::uint8_t direct_format = 0xD1;

// Marks a number that does not fit into one byte and follows in eight.
constexpr std::uint8_t long_number = 255;

// How a pointer begins.
constexpr std::uint64_t null_pointer = 0;
constexpr std::uint64_t declared_class = 1;     // the object is of the class that it points to
constexpr std::uint64_t first_named_class = 2;  // it is of the first of the named ones, and so on

// What x87's long double has apart from padding.
constexpr std::size_t long_double_bytes = 10;

}  // namespace shmark::detail

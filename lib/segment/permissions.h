// What permission bits of a segment mean, to both kinds that have them.
#pragma once

#include <sys/stat.h>

namespace shmark::detail {

// While first contents are being made, a segment carries its owner's execute bit, which shared
// memory has no use for.
inline constexpr mode_t being_made = S_IXUSR;

// Whoever can write to a segment can make its users do what he likes: such a segment is refused.
inline constexpr mode_t others_write = S_IWGRP | S_IWOTH;

}  // namespace shmark::detail

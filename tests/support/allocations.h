// What a program asks operator new for. Linking this replaces it, and operator delete, for the
// whole program, all but the forms for over-aligned types.
//
// For programs in which one thread allocates: nothing here is atomic.
#pragma once

#include <cstddef>

namespace shmark::support {

// The largest size that was asked for since this was set to 0.
extern constinit std::size_t largest_allocation;

// How many succeed before one throws std::bad_alloc. That one leaves -1 here, as it is at first:
// none does any more.
extern constinit int allocations_left;

}  // namespace shmark::support

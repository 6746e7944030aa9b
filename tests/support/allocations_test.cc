// Without this, a test of what is asked for would pass if nobody counted.
#include "tests/support/allocations.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <new>

namespace shmark::support {
namespace {

// Not with a new-expression, which a compiler may leave out.
void ask_for(std::size_t size) { ::operator delete(::operator new(size)); }

TEST(Allocations, TellTheLargest) {
  largest_allocation = 0;
  for (const std::size_t size : {100U, 5000U, 700U}) ask_for(size);
  EXPECT_EQ(largest_allocation, 5000U);
}

TEST(Allocations, FailOnceWhenNoneIsLeft) {
  allocations_left = 2;
  ask_for(1);
  ask_for(1);
  EXPECT_THROW(ask_for(1), std::bad_alloc);
  EXPECT_EQ(allocations_left, -1);
  EXPECT_NO_THROW(ask_for(1));
}

}  // namespace
}  // namespace shmark::support

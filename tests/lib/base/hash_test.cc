#include "lib/base/hash.h"

#include <gtest/gtest.h>

namespace shmark {
namespace {

// The authors' test vectors.
TEST(Fnv1a, GivesTheHashesThatArePublished) {
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8u);
}

TEST(Fnv1a, TakesEveryByteAsUnsigned) {
  EXPECT_EQ(fnv1a("\xff"), (0xcbf29ce484222325u ^ 0xff) * 0x100000001b3u);
}

}  // namespace
}  // namespace shmark

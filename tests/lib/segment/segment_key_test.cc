#include <gtest/gtest.h>
#include <sys/shm.h>

#include <string>

#include "lib/segment/segment.h"
#include "lib/segment/sysv.h"
#include "tests/support/unique_space.h"

namespace shmark {
namespace {

std::string text_of(const segment_key& key) { return std::string(key.text().view()); }

TEST(SegmentKey, IsShownAsInDevShm) {
  EXPECT_EQ(text_of({"1000.demo", 0}), "shmark.1000.demo");
  EXPECT_EQ(text_of({"1000.demo", 0x7f00aa}), "shmark.1000.demo:00000000007f00aa");
}

// A regression: a domain's name could be another's with a number.
TEST(SegmentKey, HasATextThatNoOtherKeyHas) {
  const segment_key numbered{"1000.demo", 0x7f00aa};
  for (const char separator : {'.', '_', '-'}) {
    const auto space = std::string("1000.demo") + separator + "00000000007f00aa";
    ASSERT_TRUE((segment_key{space, 0}.valid()));
    EXPECT_NE(text_of({space, 0}), text_of(numbered));
  }
}

TEST(SegmentKey, FitsItsTextHoweverLongTheName) {
  const std::string longest(63, 'x');
  EXPECT_EQ(text_of({longest, ~std::uint64_t{0}}), "shmark." + longest + ":ffffffffffffffff");
}

TEST(SegmentKey, AllowsLettersDigitsDotsUnderscoresAndDashes) {
  EXPECT_TRUE((segment_key{"aZ09._-", 0}.valid()));
  EXPECT_TRUE((segment_key{std::string(63, 'a'), 0}.valid()));
  EXPECT_FALSE((segment_key{std::string(64, 'a'), 0}.valid()));
  EXPECT_FALSE((segment_key{std::string(1000, 'a'), 0}.valid()));
  EXPECT_FALSE((segment_key{"", 0}.valid()));
  for (const char* bad : {"a/b", "/", "a b", "a\n", "ä", "a:b"}) {
    EXPECT_FALSE((segment_key{bad, 0}.valid())) << bad;
  }
}

TEST(SegmentKey, DrawsAnotherNumberEveryTime) {
  const auto first = segment_key::random_in("demo");
  const auto second = segment_key::random_in("demo");
  EXPECT_EQ(first.space.view(), "demo");
  EXPECT_NE(first.number, second.number);
  EXPECT_NE(first.number, 0u);
}

// What ipcs(1) shows, and tools that look for segments ask for.
TEST(SegmentKey, IsKnownToTheSystemAsItSays) {
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{0xabcdef0123456789}}) {
    const segment_key key{support::unique_space(), number};
    EXPECT_LT(shmget(sysv_segment::system_key(key), 0, 0), 0);
    const auto made = sysv_segment::create(key, 1, 0600);
    ASSERT_TRUE(made);
    EXPECT_GE(shmget(sysv_segment::system_key(key), 0, 0), 0);
    EXPECT_TRUE(made->unlink());
  }
  EXPECT_EQ(sysv_segment::system_key({"demo", 0xabcdef0123456789}), 0x23456789);
}

}  // namespace
}  // namespace shmark

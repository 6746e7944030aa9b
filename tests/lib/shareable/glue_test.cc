// What a glue says (see lib/shareable/glue.h).

#include "lib/shareable/glue.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <type_traits>

namespace shmark {
namespace {

TEST(Glue, IsAnInteger) {
  EXPECT_EQ(glue(0x64617461).space(false), "glue-64617461");
  EXPECT_EQ(glue(1).space(false), "glue-00000001");
  EXPECT_EQ(glue(-1).space(false), "glue-ffffffff");
}

template <class Number>
constexpr bool can_be_glue = std::is_constructible_v<glue, Number>;

TEST(Glue, IsNoIntegerOfMoreThan32Bits) {
  EXPECT_TRUE(can_be_glue<int>);
  EXPECT_TRUE(can_be_glue<std::uint32_t>);
  EXPECT_FALSE(can_be_glue<std::int64_t>);
  EXPECT_FALSE(can_be_glue<std::uint64_t>);
}

TEST(Glue, OfATextFourCharactersCountFilledUpWithSpaces) {
  EXPECT_EQ(glue("data").space(false), "glue-64617461");
  EXPECT_EQ(glue("database").space(false), "glue-64617461");
  EXPECT_EQ(glue("ab").space(false), "glue-61622020");
  EXPECT_EQ(glue("ab").space(false), glue("ab  ").space(false));
  EXPECT_NE(glue("ab").space(false), glue("  ab").space(false));
  EXPECT_EQ(glue("data").key(false), glue(0x64617461).key(false));
}

TEST(Glue, WithoutAnythingIsSomewhereElseEachTime) {
  EXPECT_TRUE(glue().is_private());
  EXPECT_TRUE(glue("").is_private());
  EXPECT_FALSE(glue(0).is_private());
  EXPECT_NE(glue().space(false), glue().space(false));
  EXPECT_EQ(glue().key(false), std::nullopt);
}

TEST(Glue, ByCrc32AllOfATextCounts) {
  EXPECT_EQ(detail::crc32("123456789"), 0xCBF43926U) << "the check value of the CRC catalogue";
  EXPECT_EQ(detail::crc32(""), 0U);
  EXPECT_EQ(glue("123456789").space(true), "glue-cbf43926");
  EXPECT_NE(glue("database").space(true), glue("data").space(true));
  EXPECT_EQ(glue(7).space(true), glue(7).space(false)) << "an integer is one";
}

TEST(Glue, TextsOfTheSameCrc32HaveDifferentNames) {
  const glue one("plumless");
  const glue other("buckeroo");
  EXPECT_EQ(one.space(true), other.space(true));
  EXPECT_NE(one.name(true), other.name(true));
  EXPECT_NE(one.name(true), one.name(false));
}

TEST(Glue, IsASpaceIfOneIsNamed) {
  const auto named = glue::in_space("1000.mine");
  EXPECT_FALSE(named.is_private());
  EXPECT_EQ(named.space(false), "1000.mine");
  EXPECT_EQ(named.space(true), "1000.mine");
  EXPECT_EQ(named.name(true), glue("data").name(false));
  EXPECT_EQ(named.key(true), std::nullopt);
}

TEST(Glue, IsShownAsItWasGiven) {
  EXPECT_EQ(glue::in_space("1000.mine").text(), "1000.mine");
  EXPECT_EQ(glue("data").text(), "data");
  EXPECT_EQ(glue(255).text(), "0x000000ff");
  EXPECT_EQ(glue().text(), "private");
}

}  // namespace
}  // namespace shmark

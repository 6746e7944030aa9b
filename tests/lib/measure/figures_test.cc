#include "lib/measure/figures.h"

#include <gtest/gtest.h>

namespace shmark {
namespace {

TEST(Figures, AreDurationsWithThreeDigitsInTheUnitThatSuits) {
  EXPECT_EQ(duration_text(0), "0 ns");
  EXPECT_EQ(duration_text(0.3141), "0.314 ns");
  EXPECT_EQ(duration_text(2), "2.00 ns");
  EXPECT_EQ(duration_text(9.996), "10.0 ns");
  EXPECT_EQ(duration_text(15.25), "15.2 ns");
  EXPECT_EQ(duration_text(999.4), "999 ns");
  EXPECT_EQ(duration_text(999.6), "1.00 us");
  EXPECT_EQ(duration_text(4700), "4.70 us");
  EXPECT_EQ(duration_text(1.5e6), "1.50 ms");
  EXPECT_EQ(duration_text(1.5e12), "1500 s");
}

TEST(Figures, HaveAMuWhereItCanBeShown) {
  EXPECT_EQ(duration_utf8(999.6), "1.00 µs");
  EXPECT_EQ(duration_utf8(4700), "4.70 µs");
  EXPECT_EQ(duration_utf8(1.5e6), "1.50 ms");
}

TEST(Figures, AreRatesAndSizesLikewise) {
  EXPECT_EQ(rate_text(28.4e6), "28.4 M/s");
  EXPECT_EQ(rate_text(91240), "91.2 k/s");
  EXPECT_EQ(bytes_text(56), "56 B");
  EXPECT_EQ(bytes_text(65536), "64.0 KiB");
}

TEST(Figures, AreCountsInFull) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1840), "1,840");
  EXPECT_EQ(count_text(-1234567), "-1,234,567");
}

}  // namespace
}  // namespace shmark

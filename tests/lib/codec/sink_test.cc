// The sink of lib/codec/codec.h, and the buffer that is one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/codec/codec.h"

namespace shmark {
namespace {

std::string text_of(const sink& written) {
  const auto bytes = written.bytes();
  return bytes.empty() ? ""
                       : std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void write(sink& to, std::string_view text) { to.write(text.data(), text.size()); }

TEST(Buffer, HoldsWhatIsWrittenInOrder) {
  buffer bytes;
  std::string all;
  EXPECT_EQ(text_of(bytes), "");
  for (int i = 0; i < 1000; ++i) {
    const std::string next = std::to_string(i) + ' ';
    write(bytes, next);
    all += next;
  }
  write(bytes, std::string(100'000, 'x'));
  EXPECT_EQ(text_of(bytes), all + std::string(100'000, 'x'));
  EXPECT_FALSE(bytes.failure());
}

TEST(Buffer, TakesAnEmptyTextAtAnyTime) {
  buffer bytes;
  write(bytes, {});
  write(bytes, "");
  EXPECT_EQ(text_of(bytes), "");
  write(bytes, "text");
  write(bytes, {});
  EXPECT_EQ(text_of(bytes), "text");
}

TEST(Buffer, KeepsWhatIsWrittenInPlace) {
  buffer bytes;
  write(bytes, "one ");
  const auto room = bytes.room(1000);
  ASSERT_GE(room.size(), 1000U);
  std::ranges::fill(room.first(3), std::byte{'x'});
  EXPECT_EQ(text_of(bytes), "one ");
  bytes.advance(3);
  EXPECT_EQ(text_of(bytes), "one xxx");
  write(bytes, " two");
  EXPECT_EQ(text_of(bytes), "one xxx two");
}

TEST(Buffer, HoldsNothingAfterClear) {
  buffer bytes;
  write(bytes, "before");
  bytes.clear();
  EXPECT_EQ(text_of(bytes), "");
  write(bytes, "after");
  EXPECT_EQ(text_of(bytes), "after");
}

// Hands out memory at a new address with every growth, of just the size that is asked for, and
// refuses beyond a limit.
class moving_sink final : public sink {
 public:
  explicit moving_sink(std::size_t limit) : sink({}), limit_(limit) {}
  int growths = 0;

 private:
  std::expected<std::span<std::byte>, error> grow(std::size_t size) override {
    ++growths;
    if (size > limit_) return shmark::failure(errc::no_space, "grow", "here");
    std::vector<std::byte> larger(size);
    std::ranges::copy(bytes(), larger.begin());
    memory_ = std::move(larger);
    return std::span(memory_);
  }
  std::size_t limit_;
  std::vector<std::byte> memory_;
};

TEST(Sink, KeepsItsBytesWhenItsMemoryMoves) {
  moving_sink to(1000);
  write(to, "one ");
  write(to, "two ");
  write(to, "three");
  EXPECT_EQ(text_of(to), "one two three");
  EXPECT_EQ(to.growths, 3);
}

TEST(Sink, KeepsWhatItHasAndTheFirstErrorWhenItCannotGrow) {
  moving_sink to(4);
  write(to, "four");
  write(to, "more");
  ASSERT_TRUE(to.failure());
  EXPECT_EQ(to.failure()->code, errc::no_space);
  const int growths = to.growths;
  write(to, "and more");
  EXPECT_EQ(to.growths, growths) << "asked again after a refusal";
  EXPECT_EQ(text_of(to), "four");
  to.clear();
  EXPECT_FALSE(to.failure());
  write(to, "next");
  EXPECT_EQ(text_of(to), "next");
}

TEST(Sink, HasNoRoomWhenItCannotGrow) {
  moving_sink to(4);
  EXPECT_EQ(to.room(4).size(), 4U);
  EXPECT_TRUE(to.room(5).empty());
  EXPECT_TRUE(to.failure());
}

TEST(Sink, WritesNothingOfWhatDoesNotFit) {
  moving_sink to(4);
  write(to, "too long");
  EXPECT_EQ(text_of(to), "");
  write(to, "x");
  EXPECT_EQ(text_of(to), "") << "bytes after a gap would be garbage";
}

}  // namespace
}  // namespace shmark

// What every codec promises (see lib/codec/codec.h), for each shape of value.

#include <gtest/gtest.h>

#include <array>
#include <boost/serialization/split_member.hpp>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/codec/codec.h"
#include "tests/lib/codec/codecs.h"
#include "tests/lib/codec/shapes.h"

namespace shmark {
namespace {

std::string outcome(const std::expected<void, error>& done) {
  return done ? "ok" : std::string(name_of(done.error().code));
}

// In memory of exactly their number, so that a sanitizer sees every byte read beyond them.
std::vector<std::byte> exactly(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

template <class C, class T>
std::vector<std::byte> encoded(const T& value) {
  buffer bytes;
  EXPECT_EQ(outcome(C::encode(value, bytes)), "ok");
  return exactly(bytes.bytes());
}

// A sink that refuses to grow beyond a number of bytes.
class small_sink final : public sink {
 public:
  explicit small_sink(std::size_t capacity) : sink({}), memory_(capacity) {}

 private:
  std::expected<std::span<std::byte>, error> grow(std::size_t size) override {
    if (size > memory_.size()) {
      return shmark::failure(errc::no_space, "grow", "a small sink");
    }
    return std::span(memory_);
  }
  std::vector<std::byte> memory_;
};

template <class Pairing>
class CodecConformance : public ::testing::Test {};
TYPED_TEST_SUITE(CodecConformance, each_codec_with_each_shape, name_of_pairing);

TYPED_TEST(CodecConformance, GivesBackWhatItWasGiven) {
  for (const auto& given : {TypeParam::shape::one(), TypeParam::shape::other()}) {
    const auto bytes = encoded<typename TypeParam::codec>(given);
    typename TypeParam::value copy{};
    ASSERT_EQ(outcome(TypeParam::codec::decode(bytes, copy)), "ok");
    EXPECT_EQ(copy, given);
  }
}

TYPED_TEST(CodecConformance, ReplacesWhatTheObjectHeld) {
  const auto bytes = encoded<typename TypeParam::codec>(TypeParam::shape::one());
  auto copy = TypeParam::shape::other();
  ASSERT_EQ(outcome(TypeParam::codec::decode(bytes, copy)), "ok");
  EXPECT_EQ(copy, TypeParam::shape::one());
  ASSERT_EQ(outcome(TypeParam::codec::decode(bytes, copy)), "ok");
  EXPECT_EQ(copy, TypeParam::shape::one()) << "decoded a second time";
}

TYPED_TEST(CodecConformance, GivesTheSameBytesForTheSameValue) {
  EXPECT_EQ(encoded<typename TypeParam::codec>(TypeParam::shape::one()),
            encoded<typename TypeParam::codec>(TypeParam::shape::one()));
}

TYPED_TEST(CodecConformance, AppendsToWhatTheSinkHasAndReadsNoFurtherThanItsOwn) {
  using value = typename TypeParam::value;
  buffer bytes;
  const value one = TypeParam::shape::one();
  const value other = TypeParam::shape::other();
  ASSERT_EQ(outcome(TypeParam::codec::encode(one, bytes)), "ok");
  const std::size_t first = bytes.bytes().size();
  ASSERT_EQ(outcome(TypeParam::codec::encode(other, bytes)), "ok");
  value copy{};
  ASSERT_EQ(outcome(TypeParam::codec::decode(bytes.bytes(), copy)), "ok");
  EXPECT_EQ(copy, one);
  ASSERT_EQ(outcome(TypeParam::codec::decode(bytes.bytes().subspan(first), copy)), "ok");
  EXPECT_EQ(copy, other);
}

TYPED_TEST(CodecConformance, FindsOutThatBytesAreMissingAtTheEnd) {
  const auto whole = encoded<typename TypeParam::codec>(TypeParam::shape::one());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto part = exactly(std::span(whole).first(size));
    auto into = TypeParam::shape::other();
    ASSERT_EQ(outcome(TypeParam::codec::decode(part, into)), "corrupt")
        << "the first " << size << " of " << whole.size() << " bytes";
  }
}

TYPED_TEST(CodecConformance, ReportsASinkThatCannotGrow) {
  const auto given = TypeParam::shape::one();
  const auto whole = encoded<typename TypeParam::codec>(given);
  for (std::size_t capacity = 0; capacity < whole.size(); ++capacity) {
    small_sink into(capacity);
    const auto done = TypeParam::codec::encode(given, into);
    ASSERT_EQ(outcome(done), "no_space") << capacity << " of " << whole.size() << " bytes";
    EXPECT_EQ(done.error().object.view(), "a small sink");
  }
  small_sink enough(whole.size());
  EXPECT_EQ(outcome(TypeParam::codec::encode(given, enough)), "ok");
  EXPECT_EQ(exactly(enough.bytes()), whole);
}

// --- What users' own serialize() may do.

enum class thrown { nothing, standard, out_of_memory, unknown };

struct throwing {
  thrown when_saved = thrown::nothing;
  thrown when_loaded = thrown::nothing;
  int value = 0;

  static void act(thrown what) {
    if (what == thrown::standard) throw std::runtime_error("on purpose");
    if (what == thrown::out_of_memory) throw std::bad_alloc();
    if (what == thrown::unknown) throw 7;
  }
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    archive & value;
    act(when_saved);
    archive & value;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    archive & value;
    act(when_loaded);
    archive & value;
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};

template <class C>
class CodecBorder : public ::testing::Test {};
TYPED_TEST_SUITE(CodecBorder, each_codec, name_of_codec);

constexpr std::array all_thrown{thrown::standard, thrown::out_of_memory, thrown::unknown};

TYPED_TEST(CodecBorder, TurnsWhatIsThrownWhileSavingIntoAnError) {
  for (const thrown what : all_thrown) {
    buffer bytes;
    const throwing value{.when_saved = what};
    EXPECT_EQ(outcome(TypeParam::encode(value, bytes)), "corrupt");
  }
}

TYPED_TEST(CodecBorder, TurnsWhatIsThrownWhileLoadingIntoAnError) {
  const auto bytes = encoded<TypeParam>(throwing{});
  for (const thrown what : all_thrown) {
    throwing value{.when_loaded = what};
    EXPECT_EQ(outcome(TypeParam::decode(bytes, value)), "corrupt");
  }
}

TYPED_TEST(CodecBorder, WorksAsBeforeAfterAnError) {
  buffer bytes;
  const throwing bad{.when_saved = thrown::standard};
  EXPECT_FALSE(TypeParam::encode(bad, bytes));
  bytes.clear();
  ASSERT_EQ(outcome(TypeParam::encode(structs::one(), bytes)), "ok");
  order copy;
  ASSERT_EQ(outcome(TypeParam::decode(bytes.bytes(), copy)), "ok");
  EXPECT_EQ(copy, structs::one());
}

TYPED_TEST(CodecBorder, RefusesBytesThatAreNoArchive) {
  const std::string text = "This is not an archive, and longer than the beginning of one.";
  const auto bytes = std::as_bytes(std::span(text));
  int number = 7;
  EXPECT_EQ(outcome(TypeParam::decode(bytes, number)), "corrupt");
}

TYPED_TEST(CodecBorder, NamesTheCodecInItsErrors) {
  int number = 0;
  const auto done = TypeParam::decode({}, number);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().object.view(), TypeParam::name);
}

// --- Values between versions of a program.

// `measurement` before it had a unit.
struct old_measurement {
  std::int64_t amount = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & amount;
  }
};

TYPED_TEST(CodecBorder, ReadsAnOlderVersionOfAStruct) {
  const auto bytes = encoded<TypeParam>(old_measurement{.amount = 42});
  measurement read{.amount = 0, .unit = "as before"};
  ASSERT_EQ(outcome(TypeParam::decode(bytes, read)), "ok");
  EXPECT_EQ(read, (measurement{.amount = 42, .unit = "as before"}));
}

}  // namespace
}  // namespace shmark

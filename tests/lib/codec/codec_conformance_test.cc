// What every codec promises (see lib/codec/codec.h), for each shape of value.

#include <gtest/gtest.h>

#include <array>
#include <concepts>
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
#include "lib/subject/missing_peers.h"
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

class CodecConformance : public ::testing::TestWithParam<pairings::value_type> {
 protected:
  static const pairing& tested() { return *GetParam(); }
  static std::vector<std::byte> encoded(which value) {
    buffer bytes;
    EXPECT_EQ(outcome(tested().encode(value, bytes)), "ok");
    return exactly(bytes.bytes());
  }
};
INSTANTIATE_TEST_SUITE_P(All, CodecConformance, ::testing::ValuesIn(all_pairings()),
                         name_of_pairing);

TEST_P(CodecConformance, GivesBackWhatItWasGiven) {
  for (const which given : {which::one, which::other, which::fresh}) {
    EXPECT_EQ(tested().decode(encoded(given), which::fresh, given), "ok");
  }
}

TEST_P(CodecConformance, ReplacesWhatTheObjectHeld) {
  for (const which before : {which::one, which::other}) {
    for (const which given : {which::one, which::other, which::fresh}) {
      EXPECT_EQ(tested().decode(encoded(given), before, given), "ok");
    }
  }
}

TEST_P(CodecConformance, GivesTheSameBytesForTheSameValue) {
  EXPECT_EQ(encoded(which::one), encoded(which::one));
}

TEST_P(CodecConformance, AppendsToWhatTheSinkHas) {
  buffer bytes;
  ASSERT_EQ(outcome(tested().encode(which::one, bytes)), "ok");
  const std::size_t first = bytes.bytes().size();
  ASSERT_EQ(outcome(tested().encode(which::other, bytes)), "ok");
  EXPECT_EQ(tested().decode(bytes.bytes().first(first), which::fresh, which::one), "ok");
  EXPECT_EQ(tested().decode(bytes.bytes().subspan(first), which::fresh, which::other), "ok");
}

TEST_P(CodecConformance, FindsOutThatBytesAreMissingAtTheEnd) {
  const auto whole = encoded(which::one);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto part = exactly(std::span(whole).first(size));
    ASSERT_EQ(tested().decode(part, which::other, which::one), "corrupt")
        << "the first " << size << " of " << whole.size() << " bytes";
  }
}

TEST_P(CodecConformance, ReportsASinkThatCannotGrow) {
  const auto whole = encoded(which::one);
  for (std::size_t capacity = 0; capacity < whole.size(); ++capacity) {
    small_sink into(capacity);
    const auto done = tested().encode(which::one, into);
    ASSERT_EQ(outcome(done), "no_space") << capacity << " of " << whole.size() << " bytes";
    EXPECT_EQ(done.error().object.view(), "a small sink");
  }
  small_sink enough(whole.size());
  EXPECT_EQ(outcome(tested().encode(which::one, enough)), "ok");
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
  void serialize(Archive& archive, unsigned) {
    archive& make_nvp("value", value);
    act(Archive::is_saving::value ? when_saved : when_loaded);
    archive& make_nvp("again", value);
  }
};

template <class C>
class CodecBorder : public ::testing::Test {};
TYPED_TEST_SUITE(CodecBorder, each_codec, name_of_codec);

constexpr std::array all_thrown{thrown::standard, thrown::out_of_memory, thrown::unknown};
std::string blamed(thrown what, const char* otherwise) {
  return what == thrown::out_of_memory ? "no_space" : otherwise;
}

TYPED_TEST(CodecBorder, TurnsWhatIsThrownWhileSavingIntoAnError) {
  for (const thrown what : all_thrown) {
    buffer bytes;
    const throwing value{.when_saved = what};
    EXPECT_EQ(outcome(TypeParam::encode(value, bytes)), blamed(what, "invalid"));
  }
}

TYPED_TEST(CodecBorder, TurnsWhatIsThrownWhileLoadingIntoAnError) {
  const auto bytes = encoded<TypeParam>(throwing{});
  for (const thrown what : all_thrown) {
    throwing value{.when_loaded = what};
    EXPECT_EQ(outcome(TypeParam::decode(bytes, value)), blamed(what, "corrupt"));
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

TYPED_TEST(CodecBorder, NamesTheCodecInItsErrors) {
  int number = 0;
  const auto done = TypeParam::decode({}, number);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().object.view(), TypeParam::name);
}

// --- Those that may be missing.

TEST(Codecs, HaveCerealOrSayThatItIsMissing) {
  bool listed = false;
  for_each_type(all_codecs{}, [&]<class C> { listed = listed || C::name == "cereal"; });
  bool missing = false;
  for (const auto& peer : missing_peers()) {
    missing = missing || peer.name == "cereal";
    EXPECT_NE(peer.remedy, "");
  }
  EXPECT_NE(listed, missing);
}

// --- Members with names.

struct named_members {
  std::int32_t first = 1;
  std::vector<double> second{2, 3};
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& make_nvp("first", first) & make_nvp("second", second);
  }
};
struct nameless_members : named_members {
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & first & second;
  }
};

TYPED_TEST(CodecBorder, WritesWithANameWhatItWritesWithout) {
  if constexpr (!std::same_as<TypeParam, boost_xml>) {
    EXPECT_EQ(encoded<TypeParam>(named_members{}), encoded<TypeParam>(nameless_members{}));
  }
}

// --- Values between versions of a program.

// `measurement` before it had a unit.
struct old_measurement {
  std::int64_t amount = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& make_nvp("amount", amount);
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

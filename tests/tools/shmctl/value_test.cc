// Values as JSON, against what the codec makes of the real types.

#include "tools/shmctl/value.h"

#include <gtest/gtest.h>

// First: Boost 1.74's headers of unordered containers use it and do not include it.
#include <boost/serialization/library_version_type.hpp>
//
#include <array>
#include <boost/optional.hpp>
#include <boost/serialization/array.hpp>
#include <boost/serialization/boost_unordered_map.hpp>
#include <boost/serialization/deque.hpp>
#include <boost/serialization/forward_list.hpp>
#include <boost/serialization/list.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/optional.hpp>
#include <boost/serialization/set.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/unique_ptr.hpp>
#include <boost/serialization/unordered_map.hpp>
#include <boost/serialization/unordered_set.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/valarray.hpp>
#include <boost/serialization/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <typeinfo>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <valarray>
#include <vector>

#include "lib/codec/direct.h"
#include "lib/shm/variable.h"

namespace shmark::inspector {

// direct tracks objects of classes that are saved through a pointer anywhere in the program.
struct points_to_numbers {
  std::unique_ptr<std::vector<short>> numbers;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & numbers;
  }
};

namespace {

using nlohmann::json;

template <class T>
description described() {
  auto what = describe(demangled(typeid(T).name()));
  if (!what) throw std::runtime_error("not known: " + what.error());
  return *std::move(what);
}

template <class T>
std::vector<std::byte> encoded(const T& value) {
  buffer bytes;
  if (auto done = direct::encode(value, bytes); !done) {
    throw std::runtime_error(done.error().message());
  }
  return {bytes.bytes().begin(), bytes.bytes().end()};
}

// Damages it in every place: something comes of each, and nothing is read beyond its end.
void damage(const description& what, std::vector<std::byte> bytes) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
    EXPECT_FALSE(decode(what, cut)) << "cut to " << size;
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto flip = std::byte{1} << bit % 8;
    bytes[bit / 8] ^= flip;
    if (const auto value = decode(what, bytes)) {
      EXPECT_TRUE(json::accept(value->dump())) << "bit " << bit;
    } else {
      EXPECT_NE(value.error(), "") << "bit " << bit;
    }
    bytes[bit / 8] ^= flip;
  }
}

template <class T>
void expect(const T& value, const std::string& shown) {
  SCOPED_TRACE(brief(demangled(typeid(T).name())));
  const auto what = described<T>();
  const auto bytes = encoded(value);
  const auto got = decode(what, bytes);
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->dump(), shown);
  damage(what, bytes);
}

using text = std::string;

TEST(Value, OfNumbersIsANumber) {
  expect(-3, "-3");
  expect(true, "true");
  expect(std::numeric_limits<std::int64_t>::min(), "-9223372036854775808");
  expect(std::numeric_limits<std::uint64_t>::max(), "18446744073709551615");
  expect(std::int8_t{-1}, "-1");
  expect(std::uint8_t{200}, "200");
  expect('a', "97");
  expect(L'a', "97");
  expect(char16_t{300}, "300");
  expect(std::int16_t{-2}, "-2");
  expect(std::uint16_t{65535}, "65535");
  expect(7L, "7");
  expect(7ULL, "7");
  expect(std::byte{255}, "255");
  expect(0.1F, "0.1");
  expect(0.1, "0.1");
  expect(1e300, "1e+300");
  expect(0.5L, "0.5");
}

TEST(Value, ThatIsNoJsonNumberIsAText) {
  expect(std::numeric_limits<double>::quiet_NaN(), "\"NaN\"");
  expect(std::numeric_limits<float>::infinity(), "\"Infinity\"");
  expect(-std::numeric_limits<long double>::infinity(), "\"-Infinity\"");
}

TEST(Value, OfTextsIsAStringOrItsBytes) {
  expect(text("a \"b\"\n\xc3\xa4"), "\"a \\\"b\\\"\\n\xc3\xa4\"");
  expect(text(300, 'x'), "\"" + text(300, 'x') + "\"");
  expect(text(), "\"\"");
  expect(text("\xff"
              "a"),
         R"({"bytes":"ff61"})");
  expect(std::wstring(L"\x3a9"), "\"\xce\xa9\"");
  expect(std::u16string(u"\U0001F600"), "\"\xf0\x9f\x98\x80\"");
  expect(std::u32string(U"\U0001F600"), "\"\xf0\x9f\x98\x80\"");
  expect(std::wstring(1, static_cast<wchar_t>(0x7fffffff)), R"({"bytes":"ffffff7f"})");
  expect(std::u16string(1, char16_t{0xd800}), R"({"bytes":"00d8"})");
}

TEST(Value, OfSequencesIsAnArray) {
  expect(std::vector<int>{1, -2, 3}, "[1,-2,3]");
  expect(std::vector<int>{}, "[]");
  expect(std::vector<int>(300, 7).size() == 300 ? std::vector<double>{0.5} : std::vector<double>{},
         "[0.5]");
  expect(std::vector<bool>{true, false}, "[true,false]");
  expect(std::vector<long double>{0.5L}, "[0.5]");
  expect(std::vector<std::byte>{std::byte{1}}, "[1]");
  expect(std::vector<text>{"a", "", "b"}, R"(["a","","b"])");
  expect(std::vector<std::vector<text>>{{"a"}, {}}, R"([["a"],[]])");
  expect(std::deque<int>{1, 2}, "[1,2]");
  expect(std::list<text>{"a", "b"}, R"(["a","b"])");
  expect(std::forward_list<short>{1, 2}, "[1,2]");
  expect(std::set<text>{"a", "b"}, R"(["a","b"])");
  expect(std::set<int, std::greater<>>{1, 2}, "[2,1]");
  expect(std::multiset<int>{1, 1}, "[1,1]");
  expect(std::unordered_set<int>{5}, "[5]");
  expect(std::unordered_multiset<int>{5, 5}, "[5,5]");
  expect(std::array<int, 3>{1, 2, 3}, "[1,2,3]");
  expect(std::array<std::array<text, 1>, 2>{{{"a"}, {"b"}}}, R"([["a"],["b"]])");
  expect(std::valarray<float>{0.5F, 1.5F}, "[0.5,1.5]");
}

TEST(Value, OfMapsIsAnObjectIfItsKeysAreTexts) {
  expect(std::map<text, int>{{"a", 1}, {"b", 2}}, R"({"a":1,"b":2})");
  expect(std::map<text, int>{}, "{}");
  expect(std::map<text, int, std::greater<>>{{"a", 1}, {"b", 2}}, R"({"a":1,"b":2})");
  expect(std::unordered_map<text, int>{{"a", 1}}, R"({"a":1})");
  expect(boost::unordered_map<text, int>{{"a", 1}}, R"({"a":1})");
  expect(std::map<text, std::map<text, std::vector<int>>>{{"a", {{"b", {1}}}}, {"c", {}}},
         R"({"a":{"b":[1]},"c":{}})");
  expect(std::map<text, int>{{"\xff", 1}, {"a", 2}}, R"([["a",2],[{"bytes":"ff"},1]])");
}

TEST(Value, OfOtherMapsIsAnArrayOfPairs) {
  expect(std::map<int, text>{{1, "a"}, {2, "b"}}, R"([[1,"a"],[2,"b"]])");
  expect(std::map<int, int>{}, "[]");
  expect(std::multimap<text, int>{{"a", 1}, {"a", 2}}, R"([["a",1],["a",2]])");
  expect(std::unordered_map<int, bool>{{1, true}}, "[[1,true]]");
  expect(std::unordered_multimap<int, int>{{1, 2}, {1, 2}}, "[[1,2],[1,2]]");
  expect(std::map<std::pair<int, int>, text>{{{1, 2}, "a"}}, R"([[[1,2],"a"]])");
}

TEST(Value, OfPairsAndOptionals) {
  expect(std::pair<int, text>{1, "a"}, R"([1,"a"])");
  // Three classes of pairs, of which two have the same parts.
  using pairs = std::vector<std::pair<int, std::map<int, std::pair<int, int>>>>;
  expect(pairs{{1, {{2, {3, 4}}, {5, {6, 7}}}}, {8, {}}}, "[[1,[[2,[3,4]],[5,[6,7]]]],[8,[]]]");
  expect(boost::optional<text>("a"), "\"a\"");
  expect(boost::optional<text>(), "null");
  expect(std::vector<boost::optional<int>>{1, boost::none}, "[1,null]");
}

TEST(Value, OfObjectsThatAreTrackedIsTheSame) {
  static_cast<void>(encoded(points_to_numbers{}));
  ASSERT_EQ(encoded(std::vector<short>{})[2], std::byte{1}) << "they are not tracked";
  expect(std::vector<short>{1, 2}, "[1,2]");
  expect(std::map<text, std::vector<short>>{{"a", {1}}, {"b", {2}}}, R"({"a":[1],"b":[2]})");
}

TEST(Value, OfReferencesIsANumber) {
  const auto what = described<std::vector<ref<int>>>();
  const auto got = decode(what, encoded(std::vector<ref<int>>(2)));
  EXPECT_EQ(got.value().dump(), R"([{"ref":null},{"ref":null}])");
}

TEST(Value, ThatNobodyHasWrittenIsWhatReadsAs) {
  const auto shown = [](const description& of) { return unwritten(of).value().dump(); };
  EXPECT_EQ(shown(described<int>()), "0");
  EXPECT_EQ(shown(described<double>()), "0.0");
  EXPECT_EQ(shown(described<bool>()), "false");
  EXPECT_EQ(shown(described<text>()), "\"\"");
  EXPECT_EQ(shown(described<std::vector<int>>()), "[]");
  EXPECT_EQ(shown(described<std::map<text, int>>()), "{}");
  EXPECT_EQ(shown(described<std::map<int, int>>()), "[]");
  EXPECT_EQ(shown(described<std::multimap<text, int>>()), "[]");
  EXPECT_EQ(shown(described<std::array<std::pair<int, text>, 2>>()), R"([[0,""],[0,""]])");
  EXPECT_EQ(shown(described<boost::optional<int>>()), "null");
  EXPECT_EQ(shown(described<ref<int>>()), R"({"ref":null})");
  const auto large = describe(parse_type("std::array<std::array<char, 99999999ul>, 9999999ul>"));
  EXPECT_FALSE(unwritten(large.value()));
}

TEST(Value, OfAnotherCodecOrANewerBoostIsRefused) {
  const auto what = described<int>();
  auto bytes = encoded(1);
  bytes[1] = std::byte{200};
  EXPECT_EQ(decode(what, bytes).error(), "a newer Boost.Serialization wrote it");
  bytes[0] = std::byte{0};
  EXPECT_EQ(decode(what, bytes).error(), "another codec wrote it, or another version of this one");
  EXPECT_EQ(decode(what, {}).error(), "it ends too early");
}

TEST(Value, OfAnyBytesIsAValueOrAnError) {
  const auto what = described<std::map<text, std::vector<boost::optional<std::wstring>>>>();
  std::uint64_t state = 1;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes{std::byte{0xD1}, std::byte{1}};
    for (std::size_t size = 2 + static_cast<std::size_t>(round) % 60; bytes.size() < size;) {
      state = state * 6364136223846793005 + 1442695040888963407;
      // Mostly small numbers, which are counts that can be.
      bytes.push_back(static_cast<std::byte>(state >> 60 < 12 ? state >> 33 & 3 : state >> 33));
    }
    static_cast<void>(decode(what, bytes));
  }
}

}  // namespace
}  // namespace shmark::inspector

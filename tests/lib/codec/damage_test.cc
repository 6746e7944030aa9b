// Bytes that are not what a codec wrote: cut off, with bits flipped, mixed up. A codec that calls
// itself bounds-checked makes a value of them, or an error: it does not crash, and asks for no more
// memory than the bytes can account for.

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/random.h"
#include "lib/codec/direct.h"
#include "lib/subject/by_hand.h"
#include "lib/subject/shapes.h"
#include "tests/lib/codec/direct_values.h"
#include "tests/lib/codec/shapes.h"
#include "tests/support/allocations.h"

#ifdef SHMARK_ASAN
#include <sanitizer/lsan_interface.h>
#endif

BOOST_CLASS_EXPORT(shmark::direct_values::square)
BOOST_CLASS_EXPORT(shmark::direct_values::disc)

namespace shmark {
namespace {

using support::largest_allocation;
using bytes = std::vector<std::byte>;

// Has raw pointers that own nothing. Should damage make one refer to an object of its own, nobody
// deletes it; and after an error they may still refer to what the value held before.
template <class T>
constexpr bool has_raw_pointers =
    std::same_as<T, direct_values::linked> || std::same_as<T, direct_values::watched>;

class leaks_allowed {
 public:
  explicit leaks_allowed(bool allowed) : allowed_(allowed) {
#ifdef SHMARK_ASAN
    if (allowed_) __lsan_disable();
#endif
  }
  leaks_allowed(const leaks_allowed&) = delete;
  leaks_allowed& operator=(const leaks_allowed&) = delete;
  ~leaks_allowed() {
#ifdef SHMARK_ASAN
    if (allowed_) __lsan_enable();
#endif
  }

 private:
  [[maybe_unused]] bool allowed_;
};

template <class Codec, class Value>
struct damaged {
  using codec = Codec;
  using type = Value;
};

template <class Case>
class Damage : public ::testing::Test {
 protected:
  using codec = typename Case::codec;
  using type = typename Case::type;
  static_assert(codec::can.bounds_checked);

  static bytes whole() {
    buffer to;
    const auto done = codec::encode(Case::make(), to);
    EXPECT_TRUE(done) << done.error().message();
    return {to.bytes().begin(), to.bytes().end()};
  }

  // Decodes into a fresh value and into one that holds something; uses what comes of it.
  static std::string outcome(const bytes& from) {
    std::string outcomes;
    for (const bool fresh : {true, false}) {
      const leaks_allowed here(has_raw_pointers<type>);
      type into{};
      if (!fresh) into = Case::make();
      largest_allocation = 0;
      const auto done = codec::decode(from, into);
      EXPECT_LE(largest_allocation, from.size() * 1000 + 10'000) << "for " << from.size();
      buffer again;
      if (done || !has_raw_pointers<type>) static_cast<void>(codec::encode(into, again));
      outcomes += done ? "value" : std::string(name_of(done.error().code));
      outcomes += fresh ? ", " : "";
    }
    return outcomes;
  }
};

template <class Codec, class Value>
struct case_of : damaged<Codec, Value> {
  static Value make() { return Value::make(); }
};
template <class Codec, class Shape>
struct shape_of : damaged<Codec, typename Shape::type> {
  static typename Shape::type make() {
    if constexpr (requires { Shape::make(); }) {
      return Shape::make();
    } else {
      return Shape::one();
    }
  }
};
using namespace direct_values;
using cases = ::testing::Types<
    shape_of<direct, integers>, shape_of<direct, strings>, shape_of<direct, vectors>,
    shape_of<direct, maps>, shape_of<direct, structs>, shape_of<direct, versioned_structs>,
    shape_of<direct, shapes::flat>, case_of<direct, everything>, case_of<direct, containers>,
    case_of<direct, tree>, case_of<direct, sharing>, case_of<direct, watched>,
    case_of<direct, linked>, case_of<direct, drawing>, shape_of<by_hand, shapes::flat>,
    shape_of<by_hand, maps>, shape_of<by_hand, vectors>, shape_of<by_hand, strings>,
    shape_of<by_hand, few_strings>, shape_of<by_hand, small_trees>>;
TYPED_TEST_SUITE(Damage, cases);

TYPED_TEST(Damage, EveryBeginningIsAnError) {
  const auto whole = this->whole();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_EQ(this->outcome(part), "corrupt, corrupt") << size << " of " << whole.size();
  }
  EXPECT_EQ(this->outcome(whole), "value, value");
}

TYPED_TEST(Damage, EveryFlippedBitLeavesAValueOrAnError) {
  auto damaged = this->whole();
  for (std::size_t bit = 0; bit < 8 * damaged.size(); ++bit) {
    const auto flip = std::byte{1} << (bit % 8);
    damaged[bit / 8] ^= flip;
    SCOPED_TRACE(bit);
    EXPECT_NE(this->outcome(damaged), "");
    damaged[bit / 8] ^= flip;
  }
}

// One of: other bits, another byte, bytes missing, bytes twice.
void damage(bytes& some, random_source& random) {
  if (some.empty()) return;
  const std::size_t at = random.below(some.size());
  const auto from = some.begin() + static_cast<std::ptrdiff_t>(at);
  const auto length =
      static_cast<std::ptrdiff_t>(random.below(std::min<std::size_t>(some.size() - at, 10))) + 1;
  switch (random.below(5)) {
    case 0:
      *from ^= std::byte{1} << random.below(8);
      break;
    case 1:
      *from = static_cast<std::byte>(random.below(4));
      break;
    case 2:
      std::fill(from, from + length, std::byte{255});
      break;
    case 3:
      some.erase(from, from + length);
      break;
    default: {
      const bytes twice(from, from + length);
      some.insert(from, twice.begin(), twice.end());
    }
  }
}

TYPED_TEST(Damage, ThousandsOfOtherDamagesLeaveAValueOrAnError) {
  const auto whole = this->whole();
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    random_source random(seed);
    auto damaged = whole;
    for (auto times = 1 + random.below(4); times > 0; --times) damage(damaged, random);
    EXPECT_NE(this->outcome(damaged), "");
  }
}

// A count without the items that it promises.
template <class T>
void refuses_count(const T& one) {
  for (const int shift : {60, 40, 24}) {
    buffer to;
    ASSERT_TRUE(direct::encode(one, to));
    bytes damaged(to.bytes().begin(), to.bytes().end());
    const auto at = std::ranges::find(damaged, std::byte{77});
    ASSERT_NE(at, damaged.end());
    *at = std::byte{255};
    const std::uint64_t count = std::uint64_t{1} << shift;
    const auto* number = reinterpret_cast<const std::byte*>(&count);
    damaged.insert(at + 1, number, number + sizeof count);
    T into{};
    largest_allocation = 0;
    const auto done = direct::decode(damaged, into);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::corrupt);
    EXPECT_LT(largest_allocation, 100'000U);
  }
}

TEST(Damage, CountsThatAreTooLargeAskForNoMemory) {
  refuses_count(std::string(77, 'x'));
  refuses_count(std::wstring(77, L'x'));
  refuses_count(std::vector<std::string>(77));
  refuses_count(std::vector<double>(77));
  refuses_count(std::vector<bool>(77));
  refuses_count(std::vector<empty>(77));
  refuses_count(std::list<int>(77));
  refuses_count(std::deque<int>(77));
  refuses_count(std::valarray<int>(77));
  std::map<int, int> items;
  for (int i = 100; i < 177; ++i) items[i] = i;
  refuses_count(items);
  refuses_count(std::unordered_map<int, int>(items.begin(), items.end()));
}

// Each node says that it has one child: as deep as there are bytes.
TEST(Damage, ATreeThatIsTooDeepIsRefused) {
  buffer to;
  const std::uint64_t one = 1;
  for (std::uint32_t number = 0; number < 200'000; ++number) {
    to.write(&number, sizeof number);
    to.write(&one, sizeof one);
  }
  shapes::tree::type into;
  const auto done = by_hand::decode(to.bytes(), into);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::corrupt);
}

}  // namespace
}  // namespace shmark

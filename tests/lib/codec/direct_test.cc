// What direct takes beyond the values that all codecs are tested with (direct_values.h), and what
// it refuses.

#include "lib/codec/direct.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/make_shared.hpp>
#include <boost/shared_ptr.hpp>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/codec/boost_binary.h"
#include "lib/codec/codec.h"
#include "tests/lib/codec/direct_values.h"

BOOST_CLASS_EXPORT(shmark::direct_values::square)
BOOST_CLASS_EXPORT_GUID(shmark::direct_values::disc, "a disc")

namespace shmark {
namespace {

using namespace direct_values;

std::string outcome(const std::expected<void, error>& done) {
  return done ? "ok" : done.error().message();
}
std::string kind(const std::expected<void, error>& done) {
  return done ? "ok" : std::string(name_of(done.error().code));
}

template <class T>
std::vector<std::byte> encoded(const T& value) {
  buffer bytes;
  EXPECT_EQ(outcome(direct::encode(value, bytes)), "ok");
  return {bytes.bytes().begin(), bytes.bytes().end()};
}
template <class T>
T copy_of(const T& value) {
  T copy{};
  EXPECT_EQ(outcome(direct::decode(encoded(value), copy)), "ok");
  return copy;
}
std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

// --- Round trips.

template <class T>
class DirectValues : public ::testing::Test {};
using all_values =
    ::testing::Types<everything, containers, tree, sharing, drawing, std::vector<drawing>>;
TYPED_TEST_SUITE(DirectValues, all_values);

template <class T>
T made() {
  if constexpr (requires { T::make(); }) {
    return T::make();
  } else {
    T all;
    for (int i = 0; i < 3; ++i) all.push_back(T::value_type::make());
    return all;
  }
}

TYPED_TEST(DirectValues, ComeBackAsTheyWere) {
  EXPECT_TRUE(copy_of(made<TypeParam>()) == made<TypeParam>());
}

TYPED_TEST(DirectValues, ReplaceWhatAnObjectHeld) {
  auto into = made<TypeParam>();
  EXPECT_EQ(outcome(direct::decode(encoded(TypeParam{}), into)), "ok");
  EXPECT_TRUE(into == TypeParam{});
  for (int times = 0; times < 2; ++times) {
    EXPECT_EQ(outcome(direct::decode(encoded(made<TypeParam>()), into)), "ok");
    EXPECT_TRUE(into == made<TypeParam>());
  }
}

TYPED_TEST(DirectValues, GetIntoASinkThatMovesWithEveryGrowth) {
  class moving_sink final : public sink {
   public:
    moving_sink() : sink({}) {}

   private:
    std::expected<std::span<std::byte>, error> grow(std::size_t size) override {
      std::vector<std::byte> larger(size);
      std::ranges::copy(bytes(), larger.begin());
      memory_ = std::move(larger);
      return std::span(memory_);
    }
    std::vector<std::byte> memory_;
  } into;
  const auto value = made<TypeParam>();
  ASSERT_EQ(outcome(direct::encode(value, into)), "ok");
  EXPECT_TRUE(std::ranges::equal(into.bytes(), encoded(value)));
}

// --- The format.

TEST(DirectFormat, IsAsTheDocumentSays) {
  const std::map<std::string, std::pair<bool, std::int16_t>> value{{"a", {true, -2}}};
  const auto library = boost::archive::BOOST_ARCHIVE_VERSION();
  EXPECT_EQ(encoded(value), bytes_of({0xD1, int{std::as_const(library)}, 0x00, 0x01, 0x00, 0x01,
                                      0x61, 0x00, 0x01, 0xFE, 0xFF}));
}

TEST(DirectFormat, NumbersFrom255OnTakeNineBytes) {
  EXPECT_EQ(encoded(std::string(254, 'x')).size(), 2 + 1 + 254U);
  const auto bytes = encoded(std::string(255, 'x'));
  ASSERT_EQ(bytes.size(), 2 + 9 + 255U);
  EXPECT_TRUE(std::ranges::equal(std::span(bytes).subspan(2, 9),
                                 bytes_of({255, 255, 0, 0, 0, 0, 0, 0, 0})));
}

TEST(DirectFormat, RefusesAnotherVersionOfItself) {
  auto bytes = encoded(7);
  bytes[0] = std::byte{0xD2};
  int into = 0;
  EXPECT_EQ(kind(direct::decode(bytes, into)), "mismatch");
}

TEST(DirectFormat, RefusesWhatGoesOnWhereItsTypeEnds) {
  buffer bytes;
  ASSERT_TRUE(direct::encode(std::pair(1, 2), bytes));
  int into = 0;
  EXPECT_EQ(kind(direct::decode(bytes.bytes(), into)), "mismatch");
}

TEST(DirectFormat, RefusesWhatANewerBoostWrote) {
  auto bytes = encoded(7);
  bytes[1] = std::byte{254};
  int into = 0;
  EXPECT_EQ(kind(direct::decode(bytes, into)), "mismatch");
}

TEST(DirectFormat, RefusesWhatAnotherCodecWrote) {
  buffer bytes;
  ASSERT_TRUE(boost_binary::encode(7, bytes));
  int into = 0;
  EXPECT_EQ(kind(direct::decode(bytes.bytes(), into)), "mismatch");
}

// --- Versions and classes.

// In two versions of a program.
template <unsigned Version>
struct person {
  std::string name;
  std::string city = "unknown";
  template <class Archive>
  void serialize(Archive& archive, unsigned version) {
    seen = version;
    archive & name;
    if (version >= 2) archive & city;
  }
  unsigned seen = 0;
};

}  // namespace
}  // namespace shmark
BOOST_CLASS_VERSION(shmark::person<1>, 1)
BOOST_CLASS_VERSION(shmark::person<2>, 2)
BOOST_CLASS_VERSION(shmark::person<3>, 3)
BOOST_CLASS_VERSION(shmark::person<4>, 4)
namespace shmark {
namespace {

TEST(Direct, TellsSerializeTheVersionThatWasWritten) {
  const std::vector<person<1>> old{{.name = "Ada"}, {.name = "Bob"}};
  std::vector<person<2>> read;
  ASSERT_EQ(outcome(direct::decode(encoded(old), read)), "ok");
  ASSERT_EQ(read.size(), 2U);
  for (const auto& each : read) EXPECT_EQ(each.seen, 1U);
  EXPECT_EQ(read[1].name, "Bob");
  EXPECT_EQ(read[1].city, "unknown");

  const auto now = copy_of(person<2>{.name = "Ada", .city = "London"});
  EXPECT_EQ(now.seen, 2U);
  EXPECT_EQ(now.city, "London");
}

TEST(Direct, RefusesAVersionThatIsNewerThanTheClass) {
  const auto refuses = [](const auto& newer, auto into) {
    const auto done = direct::decode(encoded(newer), into);
    EXPECT_EQ(kind(done), "mismatch");
    EXPECT_NE(outcome(done).find("::person<"), std::string::npos) << outcome(done);
  };
  refuses(person<2>{.name = "Ada"}, person<1>{});
  refuses(std::vector<person<2>>(1), std::vector<person<1>>());
  // Not as above: a class that is used through pointers is saved in another way everywhere.
  refuses(std::make_unique<person<4>>(), std::unique_ptr<person<3>>());
}

TEST(Direct, StoresAVersionOncePerClass) {
  const auto size = [](std::size_t count) {
    return encoded(std::vector<person<2>>(count, {.name = "Ada", .city = "London"})).size();
  };
  constexpr std::size_t one_person = 4 + 7;
  EXPECT_EQ(size(2) - size(1), one_person);
  EXPECT_EQ(size(3) - size(2), one_person);
}

template <int I>
struct numbered_class {
  int value = I;
  template <class Archive>
  void serialize(Archive& archive, unsigned version) {
    seen = version;
    archive & value;
  }
  unsigned seen = 0;
};
template <class>
struct hundred;
template <int... I>
struct hundred<std::integer_sequence<int, I...>> {
  std::tuple<numbered_class<I>...> all;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    for (int twice = 0; twice < 2; ++twice) (void(archive & std::get<I>(all)), ...);
  }
  [[nodiscard]] bool is_right() const {
    return ((std::get<I>(all).value == I && std::get<I>(all).seen == unsigned{I}) && ...);
  }
};

}  // namespace
}  // namespace shmark
template <int I>
struct boost::serialization::version<shmark::numbered_class<I>> {
  static constexpr int value = I;
};
namespace shmark {
namespace {

// More than the notes about classes have room for without an allocation.
TEST(Direct, KeepsAHundredClassesApart) {
  EXPECT_TRUE(copy_of(hundred<std::make_integer_sequence<int, 100>>()).is_right());
}

TEST(Direct, TakesManyObjectsThatTakeNoBytes) {
  EXPECT_EQ(copy_of(std::vector<empty>(1000)).size(), 1000U);
  EXPECT_EQ(copy_of(std::list<std::pair<empty, empty>>(1000)).size(), 1000U);
}

// --- Pointers.

TEST(Direct, RestoresPointersIntoWhatWasSavedBeforeThem) {
  const auto copy = copy_of(linked::make());
  ASSERT_EQ(copy.nodes.size(), 5U);
  EXPECT_EQ(copy.first, &copy.nodes.front());
  const linked::node* before = nullptr;
  for (const auto& node : copy.nodes) EXPECT_EQ(node.next, std::exchange(before, &node));
}

TEST(Direct, RefusesAnObjectThatIsSavedAfterAPointerToIt) {
  linked value;
  value.nodes.resize(2);
  value.nodes.front().next = &value.nodes.back();
  buffer bytes;
  const auto done = direct::encode(value, bytes);
  EXPECT_EQ(kind(done), "invalid");
  EXPECT_NE(outcome(done).find("save the object first"), std::string::npos) << outcome(done);
}

TEST(Direct, TakesAnOwnerAfterAPointerThatOnlyLooks) {
  const auto copy = copy_of(watched::make());
  ASSERT_NE(copy.owner, nullptr);
  EXPECT_EQ(copy.watcher, copy.owner.get());
  EXPECT_EQ(copy.owner->value, 5);
}

struct made_and_own {
  std::unique_ptr<leaf> made;
  leaf own;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & made & own;
  }
};

TEST(Direct, RefusesAnObjectThatClaimsToBeOneBehindAPointer) {
  auto bytes = encoded(made_and_own{std::make_unique<leaf>(1), {2}});
  auto& id = bytes[bytes.size() - sizeof(int) - 1];
  ASSERT_EQ(id, std::byte{1});
  id = std::byte{0};
  made_and_own into;
  EXPECT_EQ(kind(direct::decode(bytes, into)), "corrupt");
}

TEST(Direct, TakesBoostsSharedPointers) {
  std::vector<boost::shared_ptr<leaf>> value{boost::make_shared<leaf>(leaf{3}), nullptr};
  value.push_back(value.front());
  const auto copy = copy_of(value);
  ASSERT_EQ(copy.size(), 3U);
  ASSERT_NE(copy[0], nullptr);
  EXPECT_EQ(copy[0]->value, 3);
  EXPECT_EQ(copy[2], copy[0]);
  EXPECT_EQ(copy[0].use_count(), 2);
}

TEST(Direct, RestoresWhatOnlyBoostCanMakeAndDelete) {
  EXPECT_EQ(copy_of(reclusive::make(6))->value, 6);
}

struct family : std::enable_shared_from_this<family> {
  std::string name;
  std::vector<std::shared_ptr<family>> children;
  std::weak_ptr<family> parent;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & name & children & parent;
  }
};

TEST(Direct, RestoresCyclesOfSharedAndWeakPointers) {
  const auto root = std::make_shared<family>();
  for (const char* name : {"a", "b"}) {
    root->children.push_back(std::make_shared<family>());
    root->children.back()->name = name;
    root->children.back()->parent = root;
  }
  const auto copy = copy_of(root);
  ASSERT_EQ(copy->children.size(), 2U);
  EXPECT_EQ(copy->children[1]->name, "b");
  EXPECT_EQ(copy->children[1]->parent.lock(), copy);
  EXPECT_EQ(copy->shared_from_this(), copy);
  EXPECT_EQ(copy.use_count(), 1);
}

// Pointers into containers.
struct graph {
  struct node {
    int value = 0;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
      archive & value;
    }
  };
  std::map<std::string, node> nodes;
  std::set<leaf> leaves;
  std::map<std::string, int> numbers;
  std::vector<const node*> to;
  std::vector<const leaf*> to_leaves;
  const std::pair<const std::string, int>* to_number = nullptr;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & nodes & leaves & numbers & to & to_leaves & to_number;
  }
};

TEST(Direct, RestoresPointersIntoMapsAndSets) {
  graph value;
  for (const char* name : {"a", "b", "c"}) value.nodes[name].value = name[0];
  value.leaves = {leaf{1}, leaf{2}};
  value.numbers = {{"one", 1}, {"two", 2}};
  value.to_number = &*value.numbers.find("two");
  for (const auto& [name, node] : value.nodes) value.to.push_back(&node);
  for (const auto& each : value.leaves) value.to_leaves.push_back(&each);
  graph copy;
  copy.nodes["b"].value = 1;
  copy.nodes["z"].value = 2;
  for (int times = 0; times < 2; ++times) {
    ASSERT_EQ(outcome(direct::decode(encoded(value), copy)), "ok");
    ASSERT_EQ(copy.nodes.size(), 3U);
    EXPECT_EQ(copy.to, (std::vector<const graph::node*>{&copy.nodes["a"], &copy.nodes["b"],
                                                        &copy.nodes["c"]}));
    EXPECT_EQ(copy.nodes["c"].value, 'c');
    EXPECT_EQ(copy.numbers, value.numbers);
    EXPECT_EQ(copy.to_number, &*copy.numbers.find("two"));
    EXPECT_EQ(copy.to_leaves,
              (std::vector<const leaf*>{&*copy.leaves.begin(), &*std::next(copy.leaves.begin())}));
  }
}

// Containers whose items own something, and a pointer that looks at it. In a damaged one two items
// have the same key: only one of them is there.
struct named_owner {
  int key = 0;
  std::unique_ptr<leaf> owned;
  bool operator<(const named_owner& other) const { return key < other.key; }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & key & owned;
  }
};
struct owner_hash {
  std::size_t operator()(const named_owner& of) const { return static_cast<std::size_t>(of.key); }
};
struct owner_equal {
  bool operator()(const named_owner& a, const named_owner& b) const { return a.key == b.key; }
};
template <class Container>
struct watched_container {
  Container items;
  const leaf* watcher = nullptr;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & items & watcher;
  }
};

template <class Container>
void refuses_keys_that_come_twice() {
  constexpr int repeated = 77, other = 78;
  watched_container<Container> value;
  for (const int key : {repeated, other}) {
    if constexpr (requires { typename Container::mapped_type; }) {
      value.items.emplace(key, std::make_unique<leaf>(key + 10));
    } else {
      value.items.insert(named_owner{key, std::make_unique<leaf>(key + 10)});
    }
  }
  auto bytes = encoded(value);
  const auto at = std::ranges::find(bytes, std::byte{other});
  ASSERT_NE(at, bytes.end());
  *at = std::byte{repeated};
  watched_container<Container> into;
  EXPECT_EQ(kind(direct::decode(bytes, into)), "corrupt");
}

// A regression: one of the two was freed, and a pointer to what it had owned given out.
TEST(Direct, RefusesKeysThatComeTwice) {
  refuses_keys_that_come_twice<std::map<int, std::unique_ptr<leaf>>>();
  refuses_keys_that_come_twice<std::map<int, std::unique_ptr<leaf>, std::greater<>>>();
  refuses_keys_that_come_twice<std::unordered_map<int, std::unique_ptr<leaf>>>();
  refuses_keys_that_come_twice<std::set<named_owner>>();
  refuses_keys_that_come_twice<std::unordered_set<named_owner, owner_hash, owner_equal>>();
}

TEST(Direct, TakesKeysThatComeTwiceWhereTheyMay) {
  std::multimap<int, std::unique_ptr<leaf>> items;
  for (const int value : {1, 2}) items.emplace(5, std::make_unique<leaf>(value));
  const auto bytes = encoded(items);
  ASSERT_EQ(outcome(direct::decode(bytes, items)), "ok");
  EXPECT_EQ(items.size(), 2U);
  EXPECT_EQ(copy_of(std::unordered_multimap<int, int>{{5, 1}, {5, 2}}).size(), 2U);
  EXPECT_EQ(copy_of(std::unordered_multiset<int>{5, 5}).size(), 2U);
}

// Two tracked members, or what it owns, are in a key; of the keys that are equal, each is itself.
struct wide_key {
  leaf first, second;
  std::vector<leaf> more;
  int unordered = 0;
  bool operator<(const wide_key& other) const { return first < other.first; }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & first & second & more & unordered;
  }
};

}  // namespace
}  // namespace shmark
BOOST_CLASS_IMPLEMENTATION(shmark::wide_key, boost::serialization::object_serializable)
BOOST_CLASS_TRACKING(shmark::wide_key, boost::serialization::track_never)
namespace shmark {
namespace {

struct map_with_wide_keys {
  std::map<wide_key, int> items;
  std::vector<const leaf*> watchers;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & items & watchers;
  }
};

// A regression: they pointed to where the keys had been before they came into the map.
TEST(Direct, RestoresPointersIntoAMapsKeys) {
  map_with_wide_keys value;
  for (const int n : {1, 2}) {
    value.items[{.first = {n}, .second = {n + 10}, .more = {leaf{n + 20}}, .unordered = n}] = n;
  }
  const auto look = [](map_with_wide_keys& at) {
    at.watchers.clear();
    for (const auto& [key, n] : at.items) {
      at.watchers.insert(at.watchers.end(), {&key.first, &key.second, &key.more.front()});
    }
    return at.watchers;
  };
  look(value);
  map_with_wide_keys copy;
  copy.items[{.first = {2}, .second = {}, .more = {}, .unordered = 7}] =
      2;  // equal to one that comes, and yet not the same
  for (int times = 0; times < 2; ++times) {
    ASSERT_EQ(outcome(direct::decode(encoded(value), copy)), "ok");
    ASSERT_EQ(copy.items.size(), 2U);
    EXPECT_EQ(copy.items.rbegin()->first.unordered, 2);
    const auto seen = copy.watchers;
    EXPECT_EQ(seen, look(copy));
  }
}

struct always_tracked {
  std::uint64_t value = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & value;
  }
};
struct never_tracked : always_tracked {};

struct saved_twice {
  always_tracked one;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & one & one;
  }
};

}  // namespace
}  // namespace shmark
BOOST_CLASS_TRACKING(shmark::always_tracked, boost::serialization::track_always)
BOOST_CLASS_TRACKING(shmark::never_tracked, boost::serialization::track_never)
namespace shmark {
namespace {

TEST(Direct, StoresAnObjectOnceIfItsClassIsAlwaysTracked) {
  const saved_twice value{{7}};
  EXPECT_EQ(copy_of(value).one.value, 7U);
  constexpr std::size_t header = 2, classes = 2, id = 1, contents = 8;
  EXPECT_EQ(encoded(value).size(), header + classes + id + contents + id);
}

TEST(Direct, StoresAnObjectEachTimeIfItsClassIsNeverTracked) {
  const auto one = std::make_shared<never_tracked>(never_tracked{{9}});
  const auto copy = copy_of(std::vector{one, one});
  ASSERT_EQ(copy.size(), 2U);
  EXPECT_EQ(copy[0]->value, 9U);
  EXPECT_EQ(copy[1]->value, 9U);
  EXPECT_NE(copy[0], copy[1]);
}

// --- Classes behind a base.

TEST(Direct, RestoresWhatIsBehindAPointerToABase) {
  const auto copy = copy_of(drawing::make());
  ASSERT_EQ(copy.shapes.size(), 3U);
  const auto* one = dynamic_cast<const square*>(copy.shapes[0].get());
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->saved_version, 7U);
  EXPECT_EQ(copy.shared, copy.same);
  EXPECT_EQ(copy.same.use_count(), 2);
}

// A pointer to a base of a member.
struct framed {
  square own;
  shape* base = nullptr;
  std::shared_ptr<shape> other;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & own & base & other;
  }
};

TEST(Direct, RestoresAPointerToABaseOfAMember) {
  framed value;
  value.own.side = 4;
  value.base = &value.own;
  const auto copy = copy_of(value);
  EXPECT_EQ(copy.own.side, 4);
  EXPECT_EQ(copy.base, &copy.own);
}

class unexported : public shape {
 public:
  [[nodiscard]] double area() const override { return 1; }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& boost::serialization::base_object<shape>(*this);
  }
};

TEST(Direct, SaysWhichClassIsNotExported) {
  drawing value;
  value.shapes.push_back(std::make_unique<unexported>());
  buffer bytes;
  const auto done = direct::encode(value, bytes);
  EXPECT_EQ(kind(done), "invalid");
  EXPECT_NE(outcome(done).find("unexported"), std::string::npos) << outcome(done);
  EXPECT_NE(outcome(done).find("BOOST_CLASS_EXPORT"), std::string::npos) << outcome(done);
}

TEST(Direct, SaysWhichClassTheWriterHadExported) {
  auto bytes = encoded(drawing::make());
  const std::string_view name = "a disc";
  const auto at = std::ranges::search(
      bytes, name, [](std::byte a, char b) { return a == static_cast<std::byte>(b); });
  ASSERT_FALSE(at.empty());
  at.front() = std::byte{'A'};
  drawing into;
  const auto done = direct::decode(bytes, into);
  EXPECT_EQ(kind(done), "mismatch");
  EXPECT_NE(outcome(done).find("A disc"), std::string::npos) << outcome(done);
}

// Registers the class instead of exporting it.
struct registering {
  std::unique_ptr<shape> one;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive.template register_type<unexported>();
    archive & one;
  }
};

TEST(Direct, TakesClassesThatSerializeRegisters) {
  registering value{.one = std::make_unique<unexported>()};
  value.one->label = "registered";
  const auto copy = copy_of(value);
  EXPECT_NE(dynamic_cast<const unexported*>(copy.one.get()), nullptr);
  EXPECT_EQ(copy.one->label, "registered");
}

// --- Depth.

struct chain {
  int value = 0;
  std::unique_ptr<chain> next;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & value & next;
  }
  static chain make(int length) {
    chain first;
    for (int i = 1; i < length; ++i) {
      auto second = std::make_unique<chain>();
      second->next = std::move(first.next);
      first.next = std::move(second);
    }
    return first;
  }
  chain() = default;
  chain(chain&&) = default;
  // Without recursion.
  ~chain() {
    while (next != nullptr) next = std::exchange(next->next, nullptr);
  }
};

struct nest {
  std::vector<nest> inside;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & inside;
  }
};

TEST(Direct, TakesObjectsThatAreNestedWithinTheLimit) {
  const auto value = chain::make(detail::max_depth);
  const auto copy = copy_of(value);
  int length = 1;
  for (const auto* at = copy.next.get(); at != nullptr; at = at->next.get()) ++length;
  EXPECT_EQ(length, detail::max_depth);
}

TEST(Direct, RefusesToEncodeALongLinkedList) {
  const auto value = chain::make(1'000'000);
  buffer bytes;
  const auto done = direct::encode(value, bytes);
  EXPECT_EQ(kind(done), "invalid");
  EXPECT_NE(outcome(done).find("nested too deeply"), std::string::npos) << outcome(done);
}

// A value that repeats what each level takes a million times.
template <class T>
std::vector<std::byte> very_deep(const T& ten, const T& eleven) {
  auto bytes = encoded(ten);
  const auto longer = encoded(eleven);
  const std::size_t level = longer.size() - bytes.size();
  const std::size_t middle = bytes.size() / 2;
  std::vector<std::byte> levels;
  for (int i = 0; i < 1'000'000; ++i) {
    levels.insert(levels.end(), longer.begin() + static_cast<std::ptrdiff_t>(middle),
                  longer.begin() + static_cast<std::ptrdiff_t>(middle + level));
  }
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(middle), levels.begin(), levels.end());
  return bytes;
}
nest nested(int levels) {
  nest made;
  for (int i = 0; i < levels; ++i) {
    nest around;
    around.inside.push_back(std::move(made));
    made = std::move(around);
  }
  return made;
}

TEST(Direct, RefusesToDecodeWhatIsNestedAMillionDeep) {
  nest into;
  auto done = direct::decode(very_deep(nested(10), nested(11)), into);
  EXPECT_EQ(kind(done), "corrupt");
  EXPECT_NE(outcome(done).find("nested too deeply"), std::string::npos) << outcome(done);
}

}  // namespace
}  // namespace shmark

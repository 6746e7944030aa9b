// Values that show what Boost.Serialization can describe: versions, pointers of all kinds, classes
// behind their bases, split and free serialize(), wrappers. For the tests of direct.
#pragma once

#include <array>
#include <boost/serialization/array.hpp>
#include <boost/serialization/base_object.hpp>
#include <boost/serialization/binary_object.hpp>
#include <boost/serialization/bitset.hpp>
#include <boost/serialization/boost_unordered_map.hpp>
#include <boost/serialization/complex.hpp>
#include <boost/serialization/deque.hpp>
#include <boost/serialization/export.hpp>
#include <boost/serialization/forward_list.hpp>
#include <boost/serialization/library_version_type.hpp>
#include <boost/serialization/list.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/optional.hpp>
#include <boost/serialization/set.hpp>
#include <boost/serialization/shared_ptr.hpp>
#include <boost/serialization/split_free.hpp>
#include <boost/serialization/split_member.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/tracking.hpp>
#include <boost/serialization/unique_ptr.hpp>
#include <boost/serialization/unordered_map.hpp>
#include <boost/serialization/unordered_set.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/valarray.hpp>
#include <boost/serialization/variant.hpp>
#include <boost/serialization/vector.hpp>
#include <boost/serialization/version.hpp>
#include <boost/serialization/weak_ptr.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace shmark::direct_values {

// --- Ways to say what a class consists of.

class private_members {
 public:
  private_members() = default;
  explicit private_members(int number) : number_(number) {}
  bool operator==(const private_members&) const = default;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & number_;
  }
  int number_ = 0;
};

// Saves twice its value, so that save() and load() are not mistaken for each other.
struct split_member {
  int value = 0;
  bool operator==(const split_member&) const = default;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    const int doubled = 2 * value;
    archive << doubled;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    int doubled = 0;
    archive >> doubled;
    value = doubled / 2;
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};

struct split_free_functions {
  std::string text;
  bool operator==(const split_free_functions&) const = default;
};
template <class Archive>
void save(Archive& archive, const split_free_functions& from, unsigned) {
  archive << boost::serialization::make_nvp("text", from.text);
}
template <class Archive>
void load(Archive& archive, split_free_functions& into, unsigned) {
  archive >> boost::serialization::make_nvp("text", into.text);
}

struct free_function {
  double x = 0;
  bool operator==(const free_function&) const = default;
};
template <class Archive>
void serialize(Archive& archive, free_function& value, unsigned) {
  archive& BOOST_SERIALIZATION_NVP(value.x);
}

enum class color : std::int64_t { red = -1, green = std::int64_t{1} << 40 };

struct everything {
  private_members a;
  split_member b;
  split_free_functions c;
  free_function d;
  color e = color::red;
  std::array<char, 5> raw{};
  std::array<bool, 3> flags{};
  std::vector<bool> bits;
  long double ratio = 0;
  std::wstring wide;
  std::pair<int, std::string> both;
  std::array<std::array<short, 2>, 2> grid{};
  bool operator==(const everything&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & a & b& BOOST_SERIALIZATION_NVP(c) & d & e;
    archive& boost::serialization::make_nvp(
        "raw", boost::serialization::make_binary_object(raw.data(), raw.size()));
    archive & flags & bits & ratio & wide & both;
    archive& boost::serialization::make_array(grid.data(), grid.size());
  }
  static everything make() {
    return {private_members(3),
            {4},
            {"five"},
            {0.6},
            color::green,
            {'s', 'e', 'v', 'e', 'n'},
            {true, false, true},
            {true, true, false},
            0.1L,
            L"wide \x3a9",
            {8, "nine"},
            {{{1, 2}, {3, 4}}}};
  }
};

// --- Containers.

// Without a default constructor: containers make one by load_construct_data().
class numbered {
 public:
  explicit numbered(int number) : number_(number) {}
  [[nodiscard]] int number() const { return number_; }
  auto operator<=>(const numbered&) const = default;

  template <class Archive>
  void serialize(Archive&, unsigned) {}

 private:
  int number_;
};
template <class Archive>
void save_construct_data(Archive& archive, const numbered* from, unsigned) {
  const int number = from->number();
  archive << number;
}
template <class Archive>
void load_construct_data(Archive& archive, numbered* into, unsigned) {
  int number = 0;
  archive >> number;
  ::new (into) numbered(number);
}

struct containers {
  std::vector<std::string> texts;
  std::vector<numbered> constructed;
  std::deque<int> queue;
  std::list<std::pair<int, int>> pairs;
  std::set<std::string> sorted;
  std::multiset<int> repeated;
  std::multimap<int, std::string> many;
  std::map<std::pair<int, int>, std::vector<std::string>> by_pair;
  std::map<std::string, private_members, std::greater<>> descending;
  std::unordered_map<std::string, int> hashed;
  std::unordered_multimap<int, int> hashed_many;
  std::unordered_set<std::string> hashed_set;
  std::unordered_multiset<int> hashed_repeated;
  boost::unordered_map<int, std::string> boosts_hashed;
  std::valarray<float> values;
  std::complex<double> number;
  boost::optional<std::string> present, absent;
  boost::variant<int, std::string> either;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & texts & constructed & queue & pairs & sorted & repeated & many & by_pair;
    archive & descending & hashed & hashed_many & hashed_set & hashed_repeated;
    archive & boosts_hashed & values & number;
    archive & present & absent & either;
  }
  bool operator==(const containers& other) const {
    const auto all = [](const containers& of) {
      return std::tie(of.texts, of.constructed, of.queue, of.pairs, of.sorted, of.repeated, of.many,
                      of.by_pair, of.descending, of.hashed, of.hashed_many, of.hashed_set,
                      of.hashed_repeated, of.boosts_hashed, of.number, of.present, of.absent,
                      of.either);
    };
    return all(*this) == all(other) && std::ranges::equal(values, other.values);
  }
  static containers make() {
    containers made;
    made.texts = {"", "a", std::string(300, 'b')};
    made.constructed = {numbered(1), numbered(2)};
    made.queue = {3, 1, 2};
    made.pairs = {{1, 2}, {3, 4}};
    made.sorted = {"x", "y"};
    made.repeated = {1, 1, 2};
    made.many = {{1, "a"}, {1, "b"}, {2, "c"}};
    made.by_pair = {{{1, 2}, {"a", "b"}}, {{1, 3}, {}}};
    made.descending = {{"a", private_members(1)}, {"b", private_members(2)}};
    made.hashed = {{"one", 1}, {"two", 2}};
    made.hashed.reserve(10'000);  // many more buckets than bytes in the archive
    made.boosts_hashed = {{1, "x"}, {2, "y"}};
    made.boosts_hashed.rehash(1000);
    made.hashed_many = {{1, 1}, {1, 2}};
    made.hashed_set = {"p", "q"};
    made.hashed_repeated = {5, 5, 6};
    made.values = {0.5F, 1.5F};
    made.number = {1, -1};
    made.present = "here";
    made.either = "text";
    return made;
  }
};

// Takes no bytes by itself.
struct empty {
  bool operator==(const empty&) const = default;
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

// Maps in which users' classes are keys or values.
struct partial {
  int first = 0;
  int second = 0;  // not in the archive
  bool operator==(const partial&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & first;
  }
};

// --- Pointers.

struct leaf {
  int value = 0;
  auto operator<=>(const leaf&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & value;
  }
};

// A tree that owns its nodes.
struct tree {
  std::string name;
  std::vector<std::unique_ptr<tree>> children;
  std::unique_ptr<tree> extra;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & name & children & extra;
  }
  bool operator==(const tree& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return a == nullptr ? b == nullptr : b != nullptr && *a == *b;
    };
    return name == other.name && same(extra, other.extra) &&
           std::ranges::equal(children, other.children, same);
  }
  static tree make() {
    tree made{"root", {}, {}};
    for (const char* name : {"a", "b"}) made.children.push_back(std::make_unique<tree>(name));
    made.children[1]->extra = std::make_unique<tree>("deep");
    made.children.push_back(nullptr);
    return made;
  }
};

// Shares some of what it points to.
struct sharing {
  std::shared_ptr<leaf> a, b, none;
  std::weak_ptr<leaf> weak;
  std::vector<std::shared_ptr<const leaf>> all;
  std::map<std::string, std::shared_ptr<leaf>> named;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & weak & a & b & none & all & named;
  }
  // The objects' values, and which of them are the same object.
  bool operator==(const sharing& other) const { return shape() == other.shape(); }
  [[nodiscard]] std::vector<std::pair<int, int>> shape() const {
    std::vector<const leaf*> met;
    std::vector<std::pair<int, int>> shape;
    const auto add = [&](const leaf* of) {
      if (of == nullptr) return shape.emplace_back(-1, -1), void();
      auto at = std::ranges::find(met, of);
      shape.emplace_back(of->value, at - met.begin());
      if (at == met.end()) met.push_back(of);
    };
    for (const auto* each : {&a, &b, &none}) add(each->get());
    add(weak.lock().get());
    for (const auto& each : all) add(each.get());
    for (const auto& [name, each] : named) add(each.get());
    return shape;
  }
  static sharing make() {
    sharing made;
    made.a = std::make_shared<leaf>(1);
    made.b = made.a;
    made.weak = made.a;
    made.all = {made.a, std::make_shared<leaf>(2), made.b};
    made.named = {{"x", std::make_shared<leaf>(3)}, {"y", made.a}};
    return made;
  }
};

// Which only Boost.Serialization can make and delete.
class reclusive {
  friend class boost::serialization::access;
  reclusive() = default;
  ~reclusive() = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & value;
  }

 public:
  [[nodiscard]] static std::shared_ptr<reclusive> make(int value) {
    const std::shared_ptr<reclusive> made(new reclusive, [](const auto* of) { delete of; });
    made->value = value;
    return made;
  }
  int value = 0;
};

// Raw pointers that own nothing, to nodes that a list has.
struct linked {
  struct node {
    int value = 0;
    node* next = nullptr;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
      archive & value & next;
    }
  };
  std::list<node> nodes;
  node* first = nullptr;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & nodes & first;
  }
  static linked make() {
    linked made;
    for (int i = 0; i < 5; ++i) {
      auto* before = made.nodes.empty() ? nullptr : &made.nodes.back();
      made.nodes.push_back({.value = i, .next = before});
    }
    made.first = &made.nodes.front();
    return made;
  }
};

// A pointer that only looks comes before the one that owns.
struct watched {
  const leaf* watcher = nullptr;
  std::unique_ptr<leaf> owner;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & watcher & owner;
  }
  static watched make() {
    watched made{nullptr, std::make_unique<leaf>(5)};
    made.watcher = made.owner.get();
    return made;
  }
};

// --- Classes behind a base.

class shape {
 public:
  shape() = default;
  shape(const shape&) = default;
  shape& operator=(const shape&) = default;
  virtual ~shape() = default;
  [[nodiscard]] virtual double area() const = 0;
  std::string label;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & label;
  }
};
// So that a pointer to a shape is not the address of a square.
struct sized {
  virtual ~sized() = default;
  std::int64_t size = 0;
};
class square : public sized, public shape {
 public:
  double side = 0;
  [[nodiscard]] double area() const override { return side * side; }
  template <class Archive>
  void serialize(Archive& archive, unsigned version) {
    archive& boost::serialization::base_object<shape>(*this);
    archive & size & side;
    saved_version = version;
  }
  unsigned saved_version = 0;
};
class disc : public virtual shape {
 public:
  explicit disc(double radius) : radius_(radius) {}
  [[nodiscard]] double area() const override { return 3 * radius_ * radius_; }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& boost::serialization::base_object<shape>(*this);
  }
  [[nodiscard]] double radius() const { return radius_; }

 private:
  double radius_;
};
template <class Archive>
void save_construct_data(Archive& archive, const disc* from, unsigned) {
  const double radius = from->radius();
  archive << radius;
}
template <class Archive>
void load_construct_data(Archive& archive, disc* into, unsigned) {
  double radius = 0;
  archive >> radius;
  ::new (into) disc(radius);
}

struct drawing {
  std::vector<std::unique_ptr<shape>> shapes;
  std::shared_ptr<shape> shared;
  std::shared_ptr<square> same;  // as `shared`
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & shapes & shared & same;
  }
  bool operator==(const drawing& other) const { return areas() == other.areas(); }
  [[nodiscard]] std::vector<std::pair<std::string, double>> areas() const {
    std::vector<std::pair<std::string, double>> all;
    const auto add = [&](const shape* of) {
      if (of == nullptr) return all.emplace_back("none", 0), void();
      all.emplace_back(of->label, of->area());
    };
    for (const auto& each : shapes) add(each.get());
    add(shared.get());
    add(same.get());
    return all;
  }
  static drawing make() {
    drawing made;
    const auto add = [&](std::unique_ptr<shape> one, const char* label) {
      one->label = label;
      made.shapes.push_back(std::move(one));
    };
    auto one = std::make_unique<square>();
    one->side = 2;
    add(std::move(one), "square");
    add(std::make_unique<disc>(1), "disc");
    add(std::make_unique<disc>(2), "another disc");
    made.same = std::make_shared<square>();
    made.same->side = 3;
    made.shared = made.same;
    return made;
  }
};

}  // namespace shmark::direct_values

BOOST_SERIALIZATION_SPLIT_FREE(shmark::direct_values::split_free_functions)
BOOST_SERIALIZATION_ASSUME_ABSTRACT(shmark::direct_values::shape)
BOOST_CLASS_VERSION(shmark::direct_values::square, 7)

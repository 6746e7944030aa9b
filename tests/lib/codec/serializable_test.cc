// Which types direct takes for serializable: all that Boost has a way to serialize, and in doubt
// the others, too.

#include "lib/codec/direct/serializable.h"

#include <gtest/gtest.h>

#include <boost/serialization/split_free.hpp>
#include <boost/serialization/split_member.hpp>
#include <boost/serialization/vector.hpp>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "lib/codec/direct.h"

namespace shmark::detail {
namespace {

struct without {
  int n = 0;
};
class misnamed {
 public:
  template <class Archive>
  void serialise(Archive&, unsigned) {}
};

struct open_member {
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};
class befriended {
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};
struct derived : befriended {};
struct twice : open_member, befriended {};
class split_member {
  friend class boost::serialization::access;
  template <class Archive>
  void save(Archive&, unsigned) const {}
  template <class Archive>
  void load(Archive&, unsigned) {}
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};
struct abstract {
  virtual ~abstract() = default;
  virtual void move() = 0;
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

struct free_beside_it {};
template <class Archive>
void serialize(Archive&, free_beside_it&, unsigned) {}
struct free_for_one_archive {};
void serialize(direct_output&, free_for_one_archive&, boost::serialization::version_type) {}
template <class T>
struct wrapped {};
template <class Archive, class T>
void serialize(Archive&, wrapped<T>&, const unsigned int) {}

class final_befriended final {
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};
struct final_without final {};
union either {
  int one;
  float other;
};

}  // namespace
struct split_free {};
struct free_in_boost {};
}  // namespace shmark::detail

BOOST_SERIALIZATION_SPLIT_FREE(shmark::detail::split_free)
namespace boost::serialization {
template <class Archive>
void serialize(Archive&, shmark::detail::free_in_boost&, unsigned) {}
}  // namespace boost::serialization

namespace shmark::detail {
namespace {

template <class... T>
constexpr bool all_serializable = (... && serializable<T, direct_output>);
template <class... T>
constexpr bool none_serializable = (... && !serializable<T, direct_output>);

TEST(Serializable, AreTypesWithAMemberOfThatNamePrivateAndInheritedOnesToo) {
  static_assert(all_serializable<open_member, befriended, derived, twice, split_member, abstract>);
}

TEST(Serializable, AreTypesWithAFreeFunctionBesideThemOrInBoostsNamespace) {
  static_assert(all_serializable<free_beside_it, free_for_one_archive, wrapped<without>, split_free,
                                 free_in_boost>);
  static_assert(!serializable<free_for_one_archive, direct_input>);
}

TEST(Serializable, AreContainersWhoseHeaderIsIncluded) {
  static_assert(all_serializable<std::vector<without>, std::vector<bool>, std::pair<int, without>>);
  static_assert(none_serializable<std::deque<int>, std::multiset<std::string>>);
}

TEST(Serializable, AreNotTypesWithoutAnyOfThese) {
  static_assert(none_serializable<without, misnamed>);
}

TEST(Serializable, AreTypesOfWhichItCannotBeToldFromOutside) {
  static_assert(all_serializable<final_befriended, final_without, either>);
}

}  // namespace
}  // namespace shmark::detail

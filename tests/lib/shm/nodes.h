// A graph for tests: variables that hold a number and refer to each other, and what must be true of
// them whatever happens.
#pragma once

#include <gtest/gtest.h>

#include <boost/serialization/vector.hpp>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/shm/domain.h"
#include "tests/lib/shm/backends.h"

namespace shmark {

template <class Backend>
struct node {
  int value = 0;
  std::vector<ref<node, Backend>> to;
  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & value & to;
  }
};

// Of one domain, whose processes can be mortal; all use the same types.
template <class Real>
class node_test : public domain_test<mortal_backend<Real>> {
 public:
  using backend = mortal_backend<Real>;
  using domain_type = domain<backend>;
  using item = node<backend>;
  using handle = variable<item, backend>;
  using ref_type = ref<item, backend>;

  // --- What there is.

  static handle at(domain_type& own, const std::string& name) {
    return own.template variable<item>(name).value();
  }
  static ref_type make(domain_type& own, int value, std::vector<ref_type> to = {}) {
    return own.make_ref(item{.value = value, .to = std::move(to)}).value();
  }

  // "1(2(3))": values, and what they refer to; of a circle, the way to where it closes.
  static std::string shape(handle& from, std::set<std::uint64_t> above = {}) {
    if (!above.insert(from.number()).second) return "*";
    const auto got = from.read();
    if (!got) {
      ADD_FAILURE() << "a value or a reference cannot be read: " << got.error().message();
      return "?";
    }
    auto text = std::to_string((*got)->value);
    for (const auto& to : (*got)->to) text += "(" + shape(*to, above) + ")";
    return text;
  }
  std::map<std::string, std::string> shapes(domain_type& own) {
    std::map<std::string, std::string> all;
    const auto names = own.list().value();
    for (const auto& [name, about] : names) {
      auto its = at(own, name);
      all[name] = shape(its);
    }
    return all;
  }

  // --- What must be true.

  // Counts of what refers to what, as far as it can be reached.
  using counts = std::map<std::uint64_t, std::uint64_t>;
  static void count(handle& from, counts& all) {
    if (!all.try_emplace(from.number(), 0).second) return;
    const auto got = from.read();
    if (!got) return;
    std::map<std::uint64_t, const ref_type*> distinct;
    for (const auto& to : (*got)->to) distinct.try_emplace(to->number(), &to);
    for (const auto& [number, to] : distinct) {
      count(**to, all);
      ++all[number];
    }
  }
  counts reached(domain_type& own, handle* kept) {
    counts all;
    const auto names = own.list().value();
    for (const auto& [name, about] : names) {
      auto its = at(own, name);
      count(its, all);
    }
    if (kept != nullptr) count(*kept, all);
    return all;
  }
  void expect_no_count_is_too_low(const counts& all) {
    for (const auto& [number, referrers] : all) {
      const auto its = store_on<backend>::links_of({detail::space_of(this->name()), number});
      ASSERT_TRUE(its) << its.error().message();
      EXPECT_GE(its->referrers, referrers);
    }
  }

  // `kept`: what this process has open besides. `nobody_died`: then there is nothing to collect.
  void audit(handle* kept, bool nobody_died) {
    auto own = this->open();
    const auto before = shapes(own);
    const auto all = reached(own, kept);
    expect_no_count_is_too_low(all);
    const auto first = own.collect().value();
    EXPECT_EQ(first.dangling, 0U);
    EXPECT_EQ(first.unreadable, 0U);
    if (nobody_died) {
      EXPECT_EQ(first.removed, 0U) << "leaked, though nobody died";
      EXPECT_EQ(first.corrected, 0U);
    }
    EXPECT_EQ(shapes(own), before);
    EXPECT_EQ(reached(own, kept), all);
    EXPECT_EQ(own.count().value(), all.size()) << "something that nobody can reach is left";
    const auto second = own.collect().value();
    EXPECT_EQ(second.removed, 0U);
    EXPECT_EQ(second.corrected, 0U);
  }
};

}  // namespace shmark

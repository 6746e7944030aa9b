// Processes that die while they change what refers to what: at each step of storing, replacing and
// dropping references, of letting go, of removing, collecting and cleaning up.
//
// Whatever they leave, no reference leads to nothing, no count is too low, no value is lost, and
// after one collect() nothing is there that nobody can reach.

#include <gtest/gtest.h>

#include <atomic>
#include <boost/serialization/vector.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/shm/domain.h"
#include "tests/lib/shm/backends.h"
#include "tests/support/shared.h"

namespace shmark {
namespace {

template <class Backend>
struct node {
  int value = 0;
  std::vector<ref<node, Backend>> to;
  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & value & to;
  }
};

// Parents use the same types as the children that die, and are left alone.
template <class Real>
class RefCrash : public domain_test<mortal_backend<Real>> {
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

  // `kept`: what this process has open besides.
  void audit(handle* kept = nullptr) {
    auto own = this->open();
    const auto before = shapes(own);
    const auto all = reached(own, kept);
    expect_no_count_is_too_low(all);
    const auto first = own.collect().value();
    EXPECT_EQ(first.dangling, 0U);
    EXPECT_EQ(first.unreadable, 0U);
    if (has_survived_) {
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

  // --- Dying.

  // `body` gets the domain, and dies in it; `check` sees each thing that it leaves, `prepare` makes
  // each that it begins with.
  template <class Prepare, class Body, class Check>
  void die_at_each_step(const Prepare& prepare, const Body& body, const Check& check) {
    const auto begin = [&] {
      ASSERT_TRUE(this->open().cleanup());
      auto own = this->open();
      prepare(own);
    };
    begin();
    support::shared<std::atomic<bool>> has_survived;
    const int deaths = mortal::dies_at_each_step(
        [&] {
          const auto steps_left = std::exchange(mortal::steps_left, 0);
          {
            auto theirs = this->open();
            mortal::steps_left = steps_left;
            body(theirs);
          }
          mortal::steps_left = 0;
          *has_survived = true;
        },
        [&] {
          has_survived_ = *has_survived;
          auto own = this->open();
          check(own);
          begin();
        });
    EXPECT_GT(deaths, 5);
  }
  // The shape of "top" is one of the two.
  void expect_top(domain_type& own, const std::string& before, const std::string& after) {
    auto top = at(own, "top");
    const auto now = shape(top);
    EXPECT_TRUE(now == before || now == after) << now;
  }

 private:
  bool has_survived_ = false;
};
TYPED_TEST_SUITE(RefCrash, all_backends, name_of_backend);

TYPED_TEST(RefCrash, InStoringAReference) {
  this->die_at_each_step(
      [&](auto& own) { ASSERT_TRUE(this->at(own, "top").write({1, {}})); },
      [&](auto& own) {
        const auto one = this->make(own, 2);
        EXPECT_TRUE(this->at(own, "top").write({1, {one, this->make(own, 3, {one})}}));
      },
      [&](auto& own) {
        this->expect_top(own, "1", "1(2)(3(2))");
        this->audit();
      });
}

TYPED_TEST(RefCrash, InReplacingAReference) {
  this->die_at_each_step(
      [&](auto& own) {
        const auto list = this->make(own, 2, {this->make(own, 3)});
        ASSERT_TRUE(this->at(own, "top").write({1, {list}}));
        ASSERT_TRUE(this->at(own, "other").write({5, {this->make(own, 6)}}));
      },
      [&](auto& own) {
        auto other = this->at(own, "other");
        const auto six = (*other.read().value()).to;
        EXPECT_TRUE(this->at(own, "top").write({1, six}));
      },
      [&](auto& own) {
        this->expect_top(own, "1(2(3))", "1(6)");
        this->audit();
      });
}

TYPED_TEST(RefCrash, InDroppingOneReferenceOfTwo) {
  this->die_at_each_step(
      [&](auto& own) {
        const auto list = this->make(own, 2, {this->make(own, 3)});
        ASSERT_TRUE(this->at(own, "top").write({1, {list}}));
        ASSERT_TRUE(this->at(own, "other").write({5, {list}}));
      },
      [&](auto& own) { EXPECT_TRUE(this->at(own, "top").write({1, {}})); },
      [&](auto& own) {
        this->expect_top(own, "1(2(3))", "1");
        auto other = this->at(own, "other");
        EXPECT_EQ(this->shape(other), "5(2(3))");
        this->audit();
      });
}

TYPED_TEST(RefCrash, InErasingTheLastReference) {
  this->die_at_each_step(
      [&](auto& own) {
        const auto list = this->make(own, 2, {this->make(own, 3)});
        ASSERT_TRUE(this->at(own, "top").write({1, {list}}));
      },
      [&](auto& own) { EXPECT_TRUE(this->at(own, "top").write({1, {}})); },
      [&](auto& own) {
        this->expect_top(own, "1(2(3))", "1");
        this->audit();
      });
}

TYPED_TEST(RefCrash, InLettingGoOfTheLastHandle) {
  this->die_at_each_step(
      [&](auto& own) {
        ASSERT_TRUE(this->at(own, "top").write({1, {this->make(own, 2, {this->make(own, 3)})}}));
      },
      [&](auto& own) {
        auto top = this->at(own, "top");
        const auto steps_left = std::exchange(mortal::steps_left, 0);
        std::optional last = this->make(own, 7, {this->make(own, 8, (*top.read().value()).to)});
        mortal::steps_left = steps_left;
        last.reset();
      },
      [&](auto& own) {
        this->expect_top(own, "1(2(3))", "1(2(3))");
        this->audit();
      });
}

TYPED_TEST(RefCrash, InRemovingANameThatIsReferredTo) {
  this->die_at_each_step(
      [&](auto& own) {
        auto named = this->at(own, "named");
        ASSERT_TRUE(named.write({2, {this->make(own, 3)}}));
        ASSERT_TRUE(this->at(own, "top").write({1, {named.reference().value()}}));
      },
      [&](auto& own) { EXPECT_TRUE(own.remove("named")); },
      [&](auto& own) {
        this->expect_top(own, "1(2(3))", "1(2(3))");
        this->audit();
        ASSERT_TRUE(this->at(own, "top").write({1, {}}));
        this->audit();
      });
}

TYPED_TEST(RefCrash, InRemovingANameThatRefers) {
  this->die_at_each_step(
      [&](auto& own) {
        const auto list = this->make(own, 2, {this->make(own, 3)});
        ASSERT_TRUE(this->at(own, "top").write({1, {list}}));
        ASSERT_TRUE(this->at(own, "other").write({5, {list, this->make(own, 6)}}));
      },
      [&](auto& own) { EXPECT_TRUE(own.remove("other")); },
      [&](auto& own) {
        this->expect_top(own, "1(2(3))", "1(2(3))");
        this->audit();
      });
}

TYPED_TEST(RefCrash, InCollecting) {
  // What this process has open, and nothing refers to.
  std::optional<typename TestFixture::handle> kept;
  this->die_at_each_step(
      [&](auto& own) {
        const auto three = this->make(own, 3);
        const auto list = this->make(own, 2, {three});
        ASSERT_TRUE(this->at(own, "top").write({1, {list}}));
        kept.emplace(own.template unnamed<typename TestFixture::item>().value());
        ASSERT_TRUE(kept->write({7, {this->make(own, 8)}}));
        // A circle that holds on to the list, and a count that somebody who died left too high.
        auto circle = this->make(own, 4, {list});
        ASSERT_TRUE(circle->write({4, {list, this->make(own, 5, {circle})}}));
        store_on<typename TestFixture::backend>::attach(
            {detail::space_of(this->name()), three->number()})
            ->add_referrer();
      },
      [&](auto& own) { EXPECT_TRUE(own.collect()); },
      [&](auto& own) {
        this->expect_top(own, "1(2(3))", "1(2(3))");
        EXPECT_EQ(this->shape(*kept), "7(8)");
        this->audit(&*kept);
        EXPECT_EQ(this->shape(*kept), "7(8)");
        kept.reset();
      });
}

TYPED_TEST(RefCrash, InCleaningUp) {
  this->die_at_each_step(
      [&](auto& own) {
        auto circle = this->make(own, 4);
        ASSERT_TRUE(circle->write({4, {this->make(own, 5, {circle, this->make(own, 6)})}}));
        auto self = this->at(own, "self");
        ASSERT_TRUE(self.write({9, {self.reference().value()}}));
        ASSERT_TRUE(this->at(own, "top").write({1, {circle, self.reference().value()}}));
        ASSERT_TRUE(this->at(own, "a").write({2, {this->at(own, "top").reference().value()}}));
      },
      [&](auto& own) { EXPECT_TRUE(own.cleanup()); }, [&](auto&) { this->audit(); });
}

}  // namespace
}  // namespace shmark

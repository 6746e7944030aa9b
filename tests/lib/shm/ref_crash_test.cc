// Processes that die while they change what refers to what: at each step of storing, replacing and
// dropping references, of letting go, of removing, collecting and cleaning up.
//
// Whatever they leave, no reference leads to nothing, no count is too low, no value is lost, and
// after one collect() nothing is there that nobody can reach.

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "lib/shm/domain.h"
#include "tests/lib/shm/nodes.h"
#include "tests/support/shared.h"

namespace shmark {
namespace {

template <class Real>
class RefCrash : public node_test<Real> {
 public:
  using node_test<Real>::at;
  using node_test<Real>::make;
  using node_test<Real>::shape;
  using typename node_test<Real>::domain_type;
  using typename node_test<Real>::handle;

  void audit(handle* kept = nullptr) { node_test<Real>::audit(kept, has_survived_); }

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
  // So that what is left of a circle can be reached.
  std::optional<typename TestFixture::handle> kept;
  this->die_at_each_step(
      [&](auto& own) {
        auto circle = this->make(own, 4);
        ASSERT_TRUE(circle->write({4, {this->make(own, 5, {circle, this->make(own, 6)})}}));
        auto self = this->at(own, "self");
        ASSERT_TRUE(self.write({9, {self.reference().value()}}));
        ASSERT_TRUE(this->at(own, "top").write({1, {circle, self.reference().value()}}));
        ASSERT_TRUE(this->at(own, "a").write({2, {this->at(own, "top").reference().value()}}));
        kept.emplace(circle->copy().value());
      },
      [&](auto& own) { EXPECT_TRUE(own.cleanup()); },
      [&](auto& own) {
        const auto got = kept->read();
        EXPECT_TRUE(got || got.error().code == errc::not_found) << got.error().message();
        EXPECT_EQ(got ? this->shape(*kept).find('?') : std::string::npos, std::string::npos);
        EXPECT_EQ(own.collect().value().dangling, 0U);
        kept.reset();
        this->audit();
      });
}

}  // namespace
}  // namespace shmark

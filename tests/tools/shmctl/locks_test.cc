// Who holds and who waits, as shmctl shows it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/steps.h"
#include "tests/tools/shmctl/fixture.h"

namespace shmark {
namespace {

using support::child;
using support::steps;

template <class Backend>
class ShmctlLocks : public shmctl_test<Backend> {
 public:
  // A process that holds the lock of `it` from now on, until its step is 2.
  [[nodiscard]] child hold(steps& step, mode how) const {
    auto holder = child::start([this, &step, how] {
      auto bytes = store_of_it();
      if (how == mode::exclusive) {
        const auto change = expect(bytes.write());
        step.add();
        step.await(10);
      } else {
        const auto seen = expect(bytes.read());
        step.add();
        step.await(10);
      }
    });
    return holder;
  }
  // A process that waits for it.
  [[nodiscard]] child wait() const {
    steps step;
    auto waiter = child::start([&] {
      auto bytes = store_of_it();
      step.reach(1);
      static_cast<void>(expect(bytes.write()));
    });
    step.await(1);
    waiter.await_asleep();
    return waiter;
  }
  // What is said of the lock of `it`.
  [[nodiscard]] json users() const {
    const auto domains = this->json_output({"locks"})["domains"];
    for (const auto& each : domains[0]["locks"]) {
      if (each["name"] == "it") return each["users"];
    }
    return {};
  }

 private:
  [[nodiscard]] store_on<Backend> store_of_it() const {
    const auto it = this->template make<int>("it");
    return expect(store_on<Backend>::attach(this->key(it.number())));
  }
};
TYPED_TEST_SUITE(ShmctlLocks, both_extremes, name_of_backend);

TYPED_TEST(ShmctlLocks, AreHeldByNobody) {
  this->write("it", 1);
  EXPECT_THAT(this->output({"locks"}), HasSubstr("nobody holds a lock or waits for one"));
  EXPECT_EQ(this->users(), json::array());
}

TYPED_TEST(ShmctlLocks, AreHeldByAProcessAndOthersWait) {
  this->write("it", 1);
  steps step;
  auto holder = this->hold(step, mode::exclusive);
  step.await(1);
  auto waiter = this->wait();
  const auto users = this->users();
  ASSERT_EQ(users.size(), 2U) << users;
  EXPECT_EQ(users[0]["does"], "holds exclusive");
  EXPECT_EQ(users[0]["process"], holder.pid());
  EXPECT_EQ(users[0]["thread"], holder.pid());
  EXPECT_EQ(users[0]["command"], "locks_test");
  EXPECT_EQ(users[0]["alive"], true);
  EXPECT_GE(users[0]["thread_age_s"], 0.0);
  EXPECT_EQ(users[1]["does"], "waits");
  // Of semaphores the kernel may not say who waits.
  if (users[1]["process"] != json()) {
    EXPECT_EQ(users[1]["process"], waiter.pid());
  }
  EXPECT_EQ(users[1]["count"], 1);
  const auto text = this->output({"locks"});
  EXPECT_THAT(text, AllOf(HasSubstr("VARIABLE  WHAT IT DOES"),
                          HasSubstr("it        holds exclusive"), HasSubstr("it        waits"),
                          HasSubstr("locks_test"), HasSubstr("without taking locks")));
  step.reach(10);
  EXPECT_EQ(holder.wait(), exited(0));
  EXPECT_EQ(waiter.wait(), exited(0));
}

TYPED_TEST(ShmctlLocks, AreHeldByReaders) {
  this->write("it", 1);
  steps step;
  auto one = this->hold(step, mode::shared);
  auto other = this->hold(step, mode::shared);
  step.await(2);
  int count = 0;
  for (const auto& user : this->users()) {
    EXPECT_EQ(user["does"], "holds shared");
    count += user["count"].template get<int>();
  }
  EXPECT_EQ(count, 2);
  step.reach(10);
  EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(other.wait(), exited(0));
}

TYPED_TEST(ShmctlLocks, MayBeAVariablesSecondOne) {
  auto it = expect(this->open().template variable<int>("it", {.has_advisory_lock = true}));
  expect(it.write(7));
  EXPECT_EQ(this->output({"get", "it"}), "7\n");
  const auto bytes = expect(store_on<TypeParam>::attach(this->key(it.number())));
  auto second = expect(bytes.advisory_lock());
  ASSERT_TRUE(second.acquire(mode::exclusive, deadline::none()));
  EXPECT_EQ(this->users(), json::array()) << "of the first";
  EXPECT_THAT(this->output({"locks"}), AllOf(HasSubstr("it (advisory)  holds exclusive"),
                                             HasSubstr(std::to_string(getpid()))));
  second.release(mode::exclusive);
}

using ShmctlRobustLocks = ShmctlLocks<default_backend>;

TEST_F(ShmctlRobustLocks, MayHaveADeadHolder) {
  write("it", 1);
  steps step;
  auto holder = hold(step, mode::exclusive);
  step.await(1);
  const auto pid = holder.pid();
  holder.kill();
  const auto seen = users();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0]["does"], "holds exclusive");
  EXPECT_EQ(seen[0]["alive"], false);
  EXPECT_EQ(seen[0]["thread"], pid);
  EXPECT_EQ(seen[0]["process"], json());
  EXPECT_THAT(output({"locks"}), HasSubstr("holds exclusive, and is dead"));
  write("it", 2);
  EXPECT_EQ(users(), json::array());
}

// The registry's own lock is one, too.
TEST_F(ShmctlRobustLocks, AreThatOfTheRegistryToo) {
  write("it", 1);
  auto registry = expect(store_on<default_backend>::attach(key()));
  const auto change = expect(registry.write());
  EXPECT_THAT(output({"locks"}), AllOf(HasSubstr("(the registry)  holds exclusive"),
                                       HasSubstr(std::to_string(getpid()))));
}

TEST_F(ShmctlRobustLocks, CannotBeKnownWithoutTheirRoster) {
  write("it", 1);
  const auto number = make<int>("it").number();
  segment_key roster;
  change(0, [&](detail::control& block) {
    roster = robust_rw::roster_key(
        *std::launder(reinterpret_cast<robust_rw::state*>(block.lock_area.data())));
  });
  expect(posix_segment::remove(roster));
  EXPECT_THAT(output({"locks"}), HasSubstr("roster have been removed by other means"));
  expect(posix_segment::remove(key(number)));
  expect(posix_segment::remove(key()));
}

}  // namespace
}  // namespace shmark

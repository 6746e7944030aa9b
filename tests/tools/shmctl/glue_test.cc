// What programs share by a glue, as shmctl shows and removes it.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/shm.h>

#include <string>
#include <vector>

#include "lib/base/random.h"
#include "lib/segment/sysv.h"
#include "lib/shareable/shareable.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"
#include "tests/tools/shmctl/fixture.h"

namespace shmark {
namespace {

using support::child;
using support::steps;

template <class Backend>
class ShmctlGlue : public ::testing::Test {
 public:
  using shareable_type = shareable<std::string, Backend>;

  ~ShmctlGlue() override { EXPECT_TRUE(shareable_type::clean_up_all()); }

  [[nodiscard]] shareable_type open() const {
    return expect(shareable_type::open(key_, {.create = true, .size = 1024}));
  }
  [[nodiscard]] std::string space() const { return key_.space(false); }
  [[nodiscard]] const support::folder& at() const noexcept { return at_; }
  [[nodiscard]] support::outcome run(std::vector<std::string> arguments) const {
    arguments.push_back("--domain=" + key_.space(false));
    return support::run_program(at_, "tools/shmctl/shmctl", arguments);
  }
  [[nodiscard]] json json_of(const std::string& command) const {
    const auto done = run({command, "--json"});
    EXPECT_EQ(done.how, exited(0)) << done.out << done.err;
    return json::parse(done.out);
  }

 private:
  const glue key_{static_cast<std::uint32_t>(unpredictable_number())};
  const support::folder at_;
};
TYPED_TEST_SUITE(ShmctlGlue, all_backends, name_of_backend);

TYPED_TEST(ShmctlGlue, IsListedWithItsValue) {
  auto own = this->open();
  ASSERT_TRUE(own.set("hello"));
  const auto all = this->json_of("list");
  ASSERT_EQ(all["domains"].size(), 1U) << all;
  const auto& root = all["domains"][0]["variables"][0];
  EXPECT_EQ(root["name"], "root");
  EXPECT_EQ(root["serial"], 2);
  const auto value = this->run({"get", "root"});
  EXPECT_EQ(value.out, "\"hello\"\n") << value.err;
}

TYPED_TEST(ShmctlGlue, ShowsWhoHoldsItsAdvisoryLock) {
  auto own = this->open();
  steps step;
  auto holder = child::start([&] {
    auto its = this->open();
    ASSERT_TRUE(its.lock());
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  const auto all = this->json_of("locks");
  for (const auto& each : all["domains"][0]["locks"]) {
    const bool is_it = each["advisory"] == true;
    EXPECT_EQ(each["users"].size(), is_it ? 1U : 0U) << each;
    if (is_it) {
      EXPECT_EQ(each["users"][0]["process"], holder.pid());
    }
  }
  step.reach(2);
  EXPECT_EQ(holder.wait(), exited(0));
}

TYPED_TEST(ShmctlGlue, TheDoctorLeavesItAlone) {
  std::vector<std::string> its{this->space()};
  {
    auto own = this->open();
    ASSERT_TRUE(own.set(std::string(5000, 'x')));
    ASSERT_TRUE(own.lock());
    ASSERT_TRUE(own.unlock());
    const segment_key root{this->space(), own.number()};
    const int id = shmget(sysv_segment::system_key(root), 0, 0);
    if (id >= 0) its.push_back(fmt::format("System V segment {}:", id));
  }
  const auto done = this->run({"doctor"});
  EXPECT_EQ(done.how, exited(0)) << done.out << done.err;
  // Of all that there is, other tests' things too: these are not strays, though nobody has them
  // open.
  const auto all = support::run_program(this->at(), "tools/shmctl/shmctl", {"doctor"});
  for (const auto& name : its) EXPECT_THAT(all.out, Not(HasSubstr(name)));
  auto own = this->open();
  EXPECT_EQ(expect(own.get())->size(), 5000U);
}

TYPED_TEST(ShmctlGlue, IsCleanedUpByItsName) {
  auto own = this->open();
  const auto done = this->run({"cleanup", "--yes"});
  EXPECT_EQ(done.how, exited(0)) << done.out << done.err;
  const auto seen = own.get();
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, errc::not_found);
}

}  // namespace
}  // namespace shmark

// The campaign finds planted bugs, each by the checker whose business it is, and none where there
// is none.

#include "stress/mutants/campaign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

#include "lib/crew/run.h"
#include "tests/lib/workload/fixture.h"

namespace shmark {
namespace {

using mutants::hunted;
using mutants::mutant;
using ::testing::HasSubstr;

// Long enough for whatever is to be found: a hunt ends when it is.
constexpr double long_s = 300;

hunted hunt(std::string_view name, double seconds) {
  const mutant* const one = mutants::find(name);
  if (one == nullptr) throw std::runtime_error("there is no mutant " + std::string(name));
  const run in = begun();
  auto done = mutants::hunt(*one, {.seconds = seconds, .seed = 1, .workers = 4}, in);
  if (!done) throw std::runtime_error(done.error().message());
  return *std::move(done);
}

// What finds a mutant is named only where nothing else can be the first: a scenario that is not
// made for it may come upon it, too.
constexpr const char* anything = "";

struct expectation {
  const char* mutant;
  const char* scenario;
  const char* checker;
};

class Campaign : public ::testing::TestWithParam<expectation> {};

TEST_P(Campaign, FindsWhatIsPlanted) {
  const auto done = hunt(GetParam().mutant, long_s);
  EXPECT_TRUE(done.is_found) << mutants::table({&done, 1});
  EXPECT_TRUE(done.is_right());
  EXPECT_THAT(done.scenario, HasSubstr(GetParam().scenario));
  EXPECT_THAT(done.checkers, HasSubstr(GetParam().checker));
  EXPECT_LT(done.seconds, long_s);
}
INSTANTIATE_TEST_SUITE_P(
    OfPlantedBugs, Campaign,
    ::testing::Values(expectation{"no_recovery", "counter", "stuck"},
                      expectation{"keeps_a_death_to_itself", "counter", "torn"},
                      expectation{"lets_go_to_upgrade", "counter", "intruded"},
                      expectation{"keeps_identity_over_fork", "neighbours", "intruded"},
                      expectation{"takes_stopped_for_dead", "neighbours", "intruded"},
                      expectation{"ignores_deadlines", "neighbours", "stuck"},
                      expectation{"starves_writers", "neighbours", "stuck"},
                      expectation{"counts_as_the_dead_left_them", anything, "stuck"},
                      expectation{"serial_after_side", anything, "lost"},
                      expectation{"overwrites_in_place", "register", "torn"},
                      expectation{"reads_the_older_side", "register", "torn"},
                      expectation{"keeps_what_it_acknowledged", "register", "not linearizable"}),
    [](const auto& which) { return std::string(which.param.mutant); });

class Control : public ::testing::TestWithParam<const char*> {};

TEST_P(Control, IsFoundByNobody) {
  const auto done = hunt(GetParam(), 4);
  EXPECT_TRUE(done.passed) << mutants::table({&done, 1}) << done.finding;
  EXPECT_TRUE(done.is_right());
  EXPECT_FALSE(done.is_found);
}
INSTANTIATE_TEST_SUITE_P(WithoutABug, Control, ::testing::Values("lock_control", "store_control"),
                         [](const auto& which) { return std::string(which.param); });

TEST(CampaignTable, IsCompleteOnlyIfAllWasFoundAndTheControlsPassed) {
  hunted found{.of = mutants::find("no_recovery"), .is_found = true};
  hunted missed{.of = mutants::find("starves_writers"), .is_found = false};
  hunted passed{.of = mutants::find("lock_control"), .is_found = false};
  found.seconds = 2;
  passed.passed = true;
  const std::array good{passed, found};
  EXPECT_TRUE(mutants::is_complete(good));
  EXPECT_THAT(mutants::table(good), HasSubstr("found: 1 of 1 planted bugs; after 2.00 s (median)"));
  const std::array one_missed{passed, found, missed};
  EXPECT_FALSE(mutants::is_complete(one_missed));
  EXPECT_THAT(mutants::table(one_missed), HasSubstr("found: 1 of 2 planted bugs"));
  passed.passed = false;
  const std::array control_failed{passed, found};
  EXPECT_FALSE(mutants::is_complete(control_failed));
}

}  // namespace
}  // namespace shmark

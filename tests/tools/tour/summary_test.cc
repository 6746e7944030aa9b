// What the tour says in words, of runs that were made up.

#include "tools/tour/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/result/result.h"

namespace shmark::tour {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

result::run stress_run(result::verdict_kind verdict, double died) {
  result::entry entry{.name = "Stress/scenario:transfer/workers:8"};
  entry.stress = result::stress_outcome{.verdict = verdict};
  entry.counters = {{"kills", 100},       {"kills_in_operation", 70},
                    {"kills_holding", 9}, {"changes", 5000},
                    {"lost", 0},          {"torn", 0},
                    {"stuck", 0},         {"died", died},
                    {"leaked", 0}};
  result::run made;
  made.entries.push_back(entry);
  return made;
}

result::run reads(std::initializer_list<double> cached_ns, double load_ns) {
  result::run made;
  for (const double ns : cached_ns) {
    made.entries.push_back(
        {.name = "Cache/write_percent:0/payload:map100/procs:1", .real_time = ns});
  }
  made.entries.push_back({.name = "Limit/acquire_load", .real_time = load_ns});
  return made;
}

TEST(TourSummary, SaysNothingOfWhatWasNotMeasured) { EXPECT_THAT(summary({}, {}), IsEmpty()); }

TEST(TourSummary, GivesTheMedianOfRepetitions) {
  EXPECT_THAT(summary(reads({9, 1.5, 2}, 0.5), {}),
              Contains("A cached read costs 2.00 ns; loading one shared word costs 0.500 ns."));
}

TEST(TourSummary, ComparesTheDefaultCodecWithBoostsAndOneByHand) {
  result::run made;
  const auto add = [&](const char* codec, double time_ns, double bytes) {
    made.entries.push_back({.name = std::string("Codec/codec:") + codec + "/shape:map100/op:encode",
                            .real_time = time_ns,
                            .counters = {{"bytes", bytes}}});
  };
  add("direct", 800, 2795);
  add("boost_binary", 7900, 4252);
  EXPECT_THAT(summary(made, {}), IsEmpty());
  add("by_hand", 1100, 3400);
  EXPECT_THAT(summary(made, {}), Contains(AllOf(HasSubstr("2795 bytes with the codec direct"),
                                                HasSubstr("4252 in Boost's binary archive"),
                                                HasSubstr("1.10 us when written by hand"))));
}

TEST(TourSummary, LeavesOutRepetitionsThatFailed) {
  auto run = reads({2}, 0.5);
  run.entries.front().error_message = "worker 0 was killed";
  EXPECT_THAT(summary(run, {}), IsEmpty());
}

TEST(TourSummary, SaysThatNothingWasLostOfAPassedRun) {
  const auto said = summary({}, stress_run(result::verdict_kind::passed, 0));
  EXPECT_THAT(said, Contains(HasSubstr("100 workers were killed, 70 of them inside an operation")));
  EXPECT_THAT(said, Contains(HasSubstr("nothing was lost")));
}

// The only damage may be workers that ended by themselves.
TEST(TourSummary, NeverSaysThatNothingWasLostOfARunThatDidNotPass) {
  for (const auto verdict : {result::verdict_kind::failed, result::verdict_kind::undecided,
                             result::verdict_kind::vacuous}) {
    const auto said = summary({}, stress_run(verdict, 3));
    EXPECT_THAT(said, Each(Not(HasSubstr("nothing was lost"))));
    EXPECT_THAT(said, Contains(HasSubstr("NOT PASSED but " + std::string(name_of(verdict)))));
    EXPECT_THAT(said, Contains(HasSubstr("3 ended by themselves")));
  }
}

}  // namespace
}  // namespace shmark::tour

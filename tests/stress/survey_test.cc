// The survey's program as a user starts it: ours and peers, of each kind one.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/result/result.h"
#include "tests/support/program.h"

namespace shmark {
namespace {

using support::contains;
using support::exited;
using support::folder;

struct seen {
  double deaths = 0;
  double stuck = 0;
  double told = 0;
  double wrong = 0;
};

// "Explore/operation:robust_rw/shared/fault:kill" is of "robust_rw/shared, kill".
std::string operation_of(const std::string& name) {
  const std::string before = "operation:";
  const std::string between = "/fault:";
  const auto begin = name.find(before) + before.size();
  const auto end = name.find(between);
  return name.substr(begin, end - begin) + ", " + name.substr(end + between.size());
}

// What became of a lock or store at one instruction of each crash state, of all operations
// together.
seen survey(const std::string& subject, std::size_t operations) {
  const folder at;
  const auto done = run_program(at, "stress/explorer/survey",
                                {"--of=" + subject, "--states_only", "--out=result.json"});
  EXPECT_EQ(done.how, exited(0)) << done.out << done.err;
  seen all;
  const auto results = support::result_in(at.file("result.json"));
  EXPECT_EQ(results.entries.size(), 2 * operations) << "killed and stopped, each";
  for (const auto& entry : results.entries) {
    EXPECT_TRUE(contains(entry.name, "Explore/operation:" + subject + "/")) << entry.name;
    EXPECT_GT(entry.counter("deaths").value_or(0), 0) << entry.name;
    all.deaths += entry.counter("deaths").value_or(0);
    all.stuck += entry.counter("stuck").value_or(0);
    all.told += entry.counter("outcomes_told").value_or(0);
    for (const auto* counter : {"lost", "torn", "leaked", "broken"}) {
      all.wrong += entry.counter(counter).value_or(0);
    }
    // Moments between two processes need not come again; they are few, and said.
    const double missed = entry.counter("missed").value_or(0);
    EXPECT_LE(missed, 0.1 * entry.counter("deaths").value_or(0) + 1) << entry.name;
    EXPECT_EQ(missed > 0, contains(done.out, "missed: " + operation_of(entry.name))) << done.out;
  }
  return all;
}

TEST(Survey, FindsThatOursIsFreedAndTellsOfDeaths) {
  const auto ours = survey("robust_rw", 4);
  EXPECT_EQ(ours.stuck + ours.wrong, 0);
  EXPECT_GT(ours.told, 0);
}

TEST(Survey, FindsThatAPlainMutexIsStuckAfterItsOwnersDeath) {
  EXPECT_GT(survey("pthread_mutex", 3).stuck, 0);
}

// It lies in the kernel, so that it must be made anew for each trial, and waits in semop(2).
TEST(Survey, FindsThatSemaphoresAreFreedByTheKernel) {
  const auto theirs = survey("sysv_semaphore", 4);
  EXPECT_EQ(theirs.stuck + theirs.wrong, 0);
}

TEST(Survey, FindsThatOurStoreGoesOn) {
  const auto ours = survey("store", 2);
  EXPECT_EQ(ours.stuck + ours.wrong, 0);
}

TEST(Survey, EndsWith2AndNamesWhatThereIs) {
  const folder at;
  const auto done = run_program(at, "stress/explorer/survey", {"--of=nope"});
  support::expect_complaint(done, {"nope", "pthread_robust"});
}

}  // namespace
}  // namespace shmark

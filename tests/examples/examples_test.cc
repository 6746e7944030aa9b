// The examples do what they show, and leave nothing behind (of names with this program's space in
// them, :main sees to that).

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "lib/base/random.h"
#include "lib/shareable/shareable.h"
#include "lib/shm/domain.h"
#include "tests/support/program.h"
#include "tests/support/unique_space.h"

namespace shmark {
namespace {

using support::exited;
using support::folder;

// Runs an example in a domain of the test's own.
void expect_output(const std::string& example, const std::vector<std::string>& arguments,
                   const std::string& expected) {
  const folder at;
  const auto done = run_program(at, "examples/" + example, arguments);
  EXPECT_EQ(done.how, exited(0));
  EXPECT_EQ(done.out, expected);
  EXPECT_EQ(done.err, "");
}

// Says how many variables an example has left in its domain, and removes them with it.
std::size_t clean_up(const std::string& domain_name) {
  auto left = domain<>::open_existing(domain_name);
  if (!left) return ADD_FAILURE() << left.error().message(), 0;
  const auto count = left->count();
  EXPECT_TRUE(count);
  EXPECT_TRUE(left->cleanup());
  return count.value_or(0);
}

TEST(Examples, PackageVariableCountsItsRuns) {
  const auto domain_name = support::unique_space();
  for (const auto* visits : {"1\n", "2\n", "3\n"}) {
    expect_output("package_variable", {domain_name}, visits);
  }
  EXPECT_EQ(clean_up(domain_name), 1u);
}

TEST(Examples, LexicalKeepsNoVariableButTheOneThatIsReferredTo) {
  const auto domain_name = support::unique_space();
  expect_output("lexical", {domain_name}, "this time: 6\n");
  expect_output("lexical", {domain_name}, "last time: 6\nthis time: 6\n");
  EXPECT_EQ(clean_up(domain_name), 2u);
}

TEST(Examples, LockedCounterLosesNoStepAndKeepsNoVariable) {
  const auto domain_name = support::unique_space();
  expect_output("locked_counter", {"4", "2000", domain_name}, "8000\n");
  EXPECT_EQ(clean_up(domain_name), 0u);
}

TEST(Examples, EndWith2AndAMessageOnABadDomain) {
  const folder at;
  support::expect_complaint(run_program(at, "examples/package_variable", {"no/name"}),
                            {"no/name", "use 1 to 40 of"});
  support::expect_complaint(run_program(at, "examples/lexical", {"no/name"}), {"no/name"});
  support::expect_complaint(run_program(at, "examples/locked_counter", {"1", "1", "no/name"}),
                            {"no/name"});
}

TEST(Examples, LockedCounterEndsWith2AndItsUsageWithoutNumbers) {
  const folder at;
  support::expect_complaint(run_program(at, "examples/locked_counter", {"4"}), {"usage"});
}

TEST(Examples, AreInReadmeWordForWord) {
  EXPECT_TRUE(
      support::contains(support::contents("README.md"),
                        "```cpp\n" + support::contents("examples/package_variable.cc") + "```\n"));
}

TEST(Examples, ShareableClientTakesAwayWhatTheServerShares) {
  const folder at;
  const std::string glue = std::to_string(unpredictable_number()).substr(0, 4);
  const auto is_there = [&] {
    return shareable<int>::open(glue).error().code == errc::mismatch;  // it is no number
  };
  support::expect_complaint(run_program(at, "examples/shareable_client", {glue}),
                            {glue, "nobody has made it"});
  support::program server(at, "examples/shareable_server", {glue}, at.file("server"));
  while (!is_there()) sched_yield();
  std::string seen;
  // It may come before the server has put anything in.
  while (seen.empty()) {
    const auto client = run_program(at, "examples/shareable_client", {glue});
    EXPECT_EQ(client.how, exited(0)) << client.err;
    seen = client.out;
  }
  EXPECT_EQ(seen, "client: blue, as of sky\nclient: red, as of fire truck\n");
  const auto done = server.finish();
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_EQ(done.out, "server: blue, as of sky\n");
  EXPECT_EQ(shareable<int>::open(glue).error().code, errc::not_found) << "left behind";
}

TEST(Examples, SharedOpenShowsWhatAnotherHandleWroteAndLeavesNothing) {
  const folder at;
  const std::string name = "/" + support::unique_space();
  const auto done = run_program(at, "examples/shared_open", {name});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_EQ(done.out,
            "4096 bytes: hello\n"
            "cannot write to shared memory " +
                name +
                ": it is not a valid value: 6 bytes at 4093 go past the end at 4096; "
                "write less, or open it anew with a larger size\n");
  EXPECT_EQ(done.err, "");
  EXPECT_NE(access(("/dev/shm" + name).c_str(), F_OK), 0) << "left behind";
}

TEST(Examples, SharedOpenEndsWith2AndAMessageOnABadName) {
  const folder at;
  support::expect_complaint(run_program(at, "examples/shared_open", {"no-slash"}),
                            {"no-slash", "the name is not portable; use a slash"});
}

}  // namespace
}  // namespace shmark

// The program as a user starts it.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "lib/result/result.h"
#include "tests/support/program.h"

namespace shmark::result {
namespace {

using support::exited;
using support::lines;

class ValidateProgram : public testing::Test {
 protected:
  [[nodiscard]] support::outcome run(const std::vector<std::string>& given) const {
    return support::run_program(at_, "lib/result/validate", given);
  }

  std::string save(const std::string& name, const std::string& text) const {
    std::ofstream(at_.file(name)) << text;
    return at_.file(name);
  }
  // A file with one entry of this name and so many operations.
  [[nodiscard]] std::string made(const std::string& name, std::uint64_t iterations) const {
    struct run made{.about = this_context(run_kind::bench, "bench"), .entries = {}};
    made.entries = {{.name = name, .iterations = iterations, .real_time = 1}};
    return to_json(made);
  }

  support::folder at_;
};

TEST_F(ValidateProgram, EndsWith0AndSaysThatFilesAreValid) {
  const auto one = save("one.json", made("Limit/clock", 1));
  const auto another = save("another.json", made("Queue/mine", 1));
  const auto done = run({one, another});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_EQ(
      lines(done.out),
      (std::vector{one + ": valid",
                   another + ": warning: benchmarks[0].name: is of a family that is not known",
                   another + ": valid"}));
  EXPECT_EQ(done.err, "");
}

TEST_F(ValidateProgram, EndsWith1AndNamesWhatIsWrong) {
  const auto good = save("good.json", made("Limit/clock", 1));
  const auto bad = save("bad.json", made("Limit/clock", 0));
  const auto worse = save("worse.json", R"({"context": {"date": 1, "date": 2}})");
  const auto done = run({bad, good, worse});
  EXPECT_EQ(done.how, exited(1)) << done.err;
  EXPECT_EQ(
      lines(done.out),
      (std::vector{bad + ": benchmarks[0].iterations: is 0, without an error", bad + ": 1 problem",
                   good + ": valid", worse + ": context.date: is there twice",
                   worse + ": benchmarks: is missing", worse + ": context.date: is 2, not a text",
                   worse + ": 3 problems"}));
}

TEST_F(ValidateProgram, SaysThatAFileIsGoogleBenchmarksOwn) {
  const auto own = save("own.json", R"({"context": {}, "benchmarks": []})");
  const auto done = run({own});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_EQ(lines(done.out),
            (std::vector{
                own + ": schema 0: Google Benchmark's own, without the keys and counters of ours",
                own + ": valid"}));
}

TEST_F(ValidateProgram, EndsWith2AndAMessageOnWhatCannotBeRead) {
  support::expect_complaint(run({"nothing.json"}), {"validate: ", "nothing.json"});
  EXPECT_EQ(run({}).how, exited(2));
  const auto good = save("good.json", made("Limit/clock", 1));
  const auto done = run({"nothing.json", good});
  EXPECT_EQ(done.how, exited(2));
  EXPECT_EQ(done.out, good + ": valid\n") << "the others are checked all the same";
}

TEST_F(ValidateProgram, HasHelp) {
  const auto done = run({"--help"});
  EXPECT_EQ(done.how, exited(0));
  EXPECT_TRUE(support::contains(done.out, "Exit status: 0")) << done.out;
}

}  // namespace
}  // namespace shmark::result

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "lib/result/result.h"
#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

using fixture::folder;
using fixture::outcome;
using result::verdict_kind;

constexpr const char* compare = "reports/compare/compare ";
constexpr const char* write_page = "reports/page/write_page ";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Program : public testing::Test {
 protected:
  [[nodiscard]] outcome run(const std::string& command) const { return run_command(command, at_); }

  // Bad input: status 2, nothing on stdout, and a message with all of these.
  void expect_complaint(const std::string& command, const std::vector<std::string>& parts) const {
    const auto done = run(command);
    EXPECT_EQ(done.status, 2) << command;
    EXPECT_EQ(done.out, "");
    for (const auto& part : parts)
      EXPECT_TRUE(contains(done.err, part)) << part << " in " << done.err;
  }

  folder at_;
  std::string base_ = at_.save("base.json", fixture::bench_run("a", {10, 10, 10}));
  std::string slow_ = at_.save("slow.json", fixture::bench_run("a", {20, 20, 20}));
};

class CompareProgram : public Program {};
class PageProgram : public Program {};

TEST_F(CompareProgram, EndsWith0WhenNothingRegressed) {
  const auto done = run(compare + base_ + ' ' + base_);
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_TRUE(contains(done.out, "0 regressed")) << done.out;
  EXPECT_EQ(done.err, "");
  EXPECT_EQ(run(compare + slow_ + ' ' + base_).status, 0);
}

TEST_F(CompareProgram, EndsWith1WhenSomethingRegressed) {
  const auto done = run(compare + base_ + ' ' + slow_);
  EXPECT_EQ(done.status, 1) << done.err;
  EXPECT_TRUE(contains(done.out, "1 regressed")) << done.out;
  EXPECT_FALSE(contains(done.out, "\x1b")) << "colours though no terminal reads it";
  EXPECT_EQ(run(compare + base_ + ' ' + slow_ + " --threshold=2.5").status, 0);
}

TEST_F(CompareProgram, EndsWith1WhenAStressRunNoLongerPasses) {
  const auto passed = at_.save("p.json", fixture::stress_run(verdict_kind::passed));
  const auto failed = at_.save("f.json", fixture::stress_run(verdict_kind::vacuous));
  EXPECT_EQ(run(compare + passed + ' ' + failed).status, 1);
  EXPECT_EQ(run(compare + failed + ' ' + passed).status, 0);
}

TEST_F(CompareProgram, WritesAPageAndMarkdownWhereTheCallerIs) {
  const auto here = at_.file("").string();
  const auto done = run("BUILD_WORKING_DIRECTORY=" + here + ' ' + compare +
                        "base.json slow.json --html=c.html --markdown=c.md");
  EXPECT_EQ(done.status, 1) << done.err;
  EXPECT_TRUE(contains(fixture::contents(at_.file("c.html")), "badge regressed"));
  EXPECT_TRUE(contains(fixture::contents(at_.file("c.md")), "**regressed**"));
}

TEST_F(CompareProgram, EndsWith2AndAMessageOnBadInput) {
  expect_complaint(compare, {"BASELINE is required"});
  expect_complaint(compare + base_, {"CANDIDATE is required"});
  expect_complaint(compare + base_ + ' ' + base_ + " --frobnicate", {"--frobnicate"});
  expect_complaint(compare + base_ + ' ' + base_ + " --threshold=0.5", {"--threshold", "0.5"});
  expect_complaint(compare + base_ + ' ' + base_ + " --threshold=much", {"--threshold", "much"});
  expect_complaint(compare + base_ + " /no/such.json",
                   {"compare: ", "/no/such.json", "check the path"});
  expect_complaint(compare + base_ + ' ' + at_.save("x.json", std::string("{\"context\": 1}")),
                   {"x.json", "context is 1, not an object"});
  expect_complaint(compare + base_ + ' ' + at_.save("e.json", std::string()), {"e.json", "empty"});
  expect_complaint(
      compare + base_ + ' ' + at_.save("s.json", fixture::stress_run(verdict_kind::passed)),
      {"s.json is of a stress run"});
  auto debug = fixture::bench_run("a", {10});
  debug.about.build.mode = result::build_mode::debug;
  expect_complaint(compare + base_ + ' ' + at_.save("d.json", debug), {"d.json", "debug build"});
}

TEST_F(CompareProgram, EndsWith2WhenAReportCannotBeWritten) {
  for (const char* option : {" --html=", " --markdown="}) {
    const auto done = run(compare + base_ + ' ' + base_ + option + "/no/such/folder/x");
    EXPECT_EQ(done.status, 2);
    EXPECT_TRUE(contains(done.err, "/no/such/folder/x")) << done.err;
    EXPECT_TRUE(contains(done.err, "create its folder first")) << done.err;
  }
}

TEST_F(CompareProgram, EndsWith2WhenItsTableCannotBePrinted) {
  const auto done = run(compare + base_ + ' ' + base_ + " >/dev/full");
  EXPECT_EQ(done.status, 2) << "a gate must not pass on output that nobody saw";
}

TEST_F(CompareProgram, ExplainsItselfOnDemand) {
  const auto done = run(compare + std::string("--help"));
  EXPECT_EQ(done.status, 0);
  EXPECT_TRUE(contains(done.out, "Exit status")) << done.out;
}

TEST_F(PageProgram, WritesAPageOfAllFilesAndPrintsItsPath) {
  const auto stress = at_.save("s.json", fixture::stress_run(verdict_kind::passed));
  const auto here = at_.file("").string();
  const auto done = run("BUILD_WORKING_DIRECTORY=" + here + ' ' + write_page +
                        "base.json s.json --out=p.html --title='All & more'");
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, at_.file("p.html").string() + '\n');
  const auto text = fixture::contents(at_.file("p.html"));
  EXPECT_TRUE(contains(text, "<h1>All &amp; more</h1>"));
  EXPECT_TRUE(contains(text, "badge passed"));
}

TEST_F(PageProgram, EndsWith2AndAMessageOnBadInput) {
  expect_complaint(write_page + base_, {"--out is required"});
  expect_complaint(write_page + std::string("--out=x.html"), {"RESULT is required"});
  expect_complaint(write_page + std::string("/no/such.json --out=x.html"),
                   {"page: ", "/no/such.json"});
  expect_complaint(write_page + base_ + " --out=/no/such/x.html", {"/no/such/x.html"});
}

}  // namespace
}  // namespace shmark::reports

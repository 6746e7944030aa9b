#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "lib/result/result.h"
#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

using result::verdict_kind;
using support::contains;
using support::contents;
using support::exited;
using arguments = std::vector<std::string>;

class Program : public testing::Test {
 protected:
  explicit Program(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] support::outcome run(const arguments& given) const {
    return run_program(at_, path_, given);
  }
  std::string save(const std::string& name, const auto& what) const {
    return fixture::save(at_, name, what);
  }
  void expect_complaint(const arguments& given, const arguments& parts) const {
    SCOPED_TRACE(testing::PrintToString(given));
    support::expect_complaint(run(given), parts);
  }

  support::folder at_;
  std::string path_;
  std::string base_ = save("base.json", fixture::bench_run("a", {10, 10, 10}));
  std::string slow_ = save("slow.json", fixture::bench_run("a", {20, 20, 20}));
};

class CompareProgram : public Program {
 protected:
  CompareProgram() : Program("reports/compare/compare") {}
};
class LanesProgram : public Program {
 protected:
  LanesProgram() : Program("reports/lanes/lanes") {}
};
class MergeProgram : public Program {
 protected:
  MergeProgram() : Program("reports/merge/merge") {}
};
class PageProgram : public Program {
 protected:
  PageProgram() : Program("reports/page/write_page") {}
};

TEST_F(CompareProgram, EndsWith0WhenNothingRegressed) {
  const auto done = run({base_, base_});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_TRUE(contains(done.out, "0 regressed")) << done.out;
  EXPECT_EQ(done.err, "");
  EXPECT_EQ(run({slow_, base_}).how, exited(0));
}

TEST_F(CompareProgram, EndsWith1WhenSomethingRegressed) {
  const auto done = run({base_, slow_});
  EXPECT_EQ(done.how, exited(1)) << done.err;
  EXPECT_TRUE(contains(done.out, "1 regressed")) << done.out;
  EXPECT_FALSE(contains(done.out, "\x1b")) << "colours though no terminal reads it";
  EXPECT_EQ(run({base_, slow_, "--threshold=2.5"}).how, exited(0));
}

TEST_F(CompareProgram, SaysAtTheEndWhichShareAgreesWithinNoise) {
  const auto steady = save("a.json", fixture::bench_run("a", {10, 10.1, 10}));
  const auto other = save("b.json", fixture::bench_run("a", {10.9, 11, 10.9}));
  const auto done = run({steady, other});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_TRUE(done.out.ends_with(
      "\nagree within the noise floor: 0 of 1 (0 %); about 95 of 100 are expected "
      "to, if nothing has changed\n"))
      << done.out;
  const auto listed = run({steady, other, "--disagreeing"});
  EXPECT_TRUE(contains(listed.out, "a              1.09     ")) << listed.out;
  EXPECT_TRUE(contains(run({steady, steady}).out, ": 1 of 1 (100 %); about 95 of 100"));
}

TEST_F(CompareProgram, EndsWith1WhenAStressRunNoLongerPasses) {
  const auto passed = save("p.json", fixture::stress_run(verdict_kind::passed));
  const auto failed = save("f.json", fixture::stress_run(verdict_kind::vacuous));
  EXPECT_EQ(run({passed, failed}).how, exited(1));
  EXPECT_EQ(run({failed, passed}).how, exited(0));
}

TEST_F(CompareProgram, WritesAPageAndMarkdownWhereTheCallerIs) {
  const auto done = run({"base.json", "slow.json", "--html=c.html", "--markdown=c.md"});
  EXPECT_EQ(done.how, exited(1)) << done.err;
  EXPECT_TRUE(contains(contents(at_.file("c.html")), "badge regressed"));
  EXPECT_TRUE(contains(contents(at_.file("c.md")), "**regressed**"));
}

TEST_F(CompareProgram, EndsWith2AndAMessageOnBadInput) {
  expect_complaint({}, {"BASELINE is required"});
  expect_complaint({base_}, {"CANDIDATE is required"});
  expect_complaint({base_, base_, "--frobnicate"}, {"--frobnicate"});
  expect_complaint({base_, base_, "--threshold=0.5"}, {"--threshold", "0.5"});
  expect_complaint({base_, base_, "--threshold=much"}, {"--threshold", "much"});
  expect_complaint({base_, base_, "--threshold=nan"}, {"--threshold", "nan", "from 1 to"});
  expect_complaint({base_, base_, "--threshold=inf"}, {"--threshold", "inf"});
  expect_complaint({base_, "/no/such.json"}, {"compare: ", "/no/such.json", "check the path"});
  expect_complaint({base_, save("x.json", std::string("{\"context\": 1}"))},
                   {"x.json", "context is 1, not an object"});
  expect_complaint({base_, save("e.json", std::string())}, {"e.json", "empty"});
  expect_complaint({base_, save("s.json", fixture::stress_run(verdict_kind::passed))},
                   {"s.json is of a stress run"});
  for (const std::string option : {"--html", "--markdown"}) {
    expect_complaint({base_, base_, option + '=', "--threshold=2"},
                     {option, "'--threshold=2' is a flag"});
  }
  auto debug = fixture::bench_run("a", {10});
  debug.about.build.mode = result::build_mode::debug;
  expect_complaint({base_, save("d.json", debug)}, {"d.json", "debug build"});
}

TEST_F(CompareProgram, EndsWith2WhenAReportCannotBeWritten) {
  for (const std::string option : {"--html=", "--markdown="}) {
    const auto done = run({base_, base_, option + "/no/such/folder/x"});
    EXPECT_EQ(done.how, exited(2));
    EXPECT_TRUE(contains(done.err, "/no/such/folder/x")) << done.err;
    EXPECT_TRUE(contains(done.err, "create its folder first")) << done.err;
  }
}

TEST_F(CompareProgram, DoesNotWriteOverWhatItReads) {
  for (const std::string option : {"--html=", "--markdown="}) {
    expect_complaint({"base.json", slow_, option + base_}, {"base.json", "give another name"});
    expect_complaint({base_, slow_, option + "slow.json"}, {"slow.json", "give another name"});
  }
  EXPECT_TRUE(result::read(base_));
  EXPECT_TRUE(result::read(slow_));
}

TEST_F(CompareProgram, EndsWith2WhenItsTableCannotBePrinted) {
  const auto done = run_program(at_, path_, {base_, base_}, "/dev/full");
  EXPECT_EQ(done.how, exited(2)) << "a gate must not pass on output that nobody saw";
  EXPECT_TRUE(contains(done.err, "standard output")) << done.err;
}

TEST_F(CompareProgram, ExplainsItselfOnDemand) {
  const auto done = run({"--help"});
  EXPECT_EQ(done.how, exited(0));
  EXPECT_TRUE(contains(done.out, "Exit status")) << done.out;
}

TEST_F(LanesProgram, WritesAPageAndPrintsItsPath) {
  save("x.history", std::string(R"({"history":1,"first_value":0,"first_serial":1})") + "\n" +
                        R"([0,"write",100,200,7,2])" + "\n");
  const auto done = run({"x.history", "--out=p.html"});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_EQ(done.out, at_.file("p.html").string() + '\n');
  EXPECT_TRUE(contains(contents(at_.file("p.html")), "<svg"));
}

TEST_F(LanesProgram, EndsWith2AndAMessageOnBadInput) {
  save("cut.history", std::string(R"({"history":1,"fir)"));
  expect_complaint({"cut.history", "--out=p.html"}, {"cut.history", "line 1"});
  expect_complaint({"/no/such", "--out=p.html"}, {"/no/such"});
  expect_complaint({"cut.history", "--out=cut.history"}, {"cut.history", "give another name"});
  expect_complaint({"cut.history"}, {"--out is required"});
}

TEST_F(MergeProgram, WritesTheSumOfAllAndSaysWhetherTheyPassed) {
  save("s.json", fixture::stress_run(verdict_kind::passed));
  const auto good = run({"s.json", "--out=all.json"});
  EXPECT_EQ(good.how, exited(0)) << good.err;
  EXPECT_TRUE(contains(good.out, "verdict")) << good.out;
  EXPECT_TRUE(result::read(at_.file("all.json")));
  save("f.json", fixture::stress_run(verdict_kind::failed));
  const auto bad = run({"s.json", "f.json"});
  EXPECT_EQ(bad.how, exited(1)) << bad.out << bad.err;
  EXPECT_TRUE(contains(bad.out, "repeat: ")) << bad.out;
}

TEST_F(MergeProgram, EndsWith2AndAMessageOnBadInput) {
  save("s.json", fixture::stress_run(verdict_kind::passed));
  save("cut.json", std::string(R"({"context": {)"));
  expect_complaint({}, {"RESULT is required"});
  expect_complaint({"s.json", "s.json"}, {"s.json", "give each file once"});
  expect_complaint({base_}, {"base.json", "it is of no stress run"});
  expect_complaint({"s.json", "cut.json"}, {"cut.json"});
  expect_complaint({"s.json", "/no/such.json"}, {"/no/such.json"});
  expect_complaint({"s.json", "--out=s.json"}, {"s.json", "give another name"});
}

TEST_F(PageProgram, WritesAPageOfAllFilesAndPrintsItsPath) {
  save("s.json", fixture::stress_run(verdict_kind::passed));
  const auto done = run({"base.json", "s.json", "--out=p.html", "--title=All & more"});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_EQ(done.out, at_.file("p.html").string() + '\n');
  const auto text = contents(at_.file("p.html"));
  EXPECT_TRUE(contains(text, "<h1>All &amp; more</h1>"));
  EXPECT_TRUE(contains(text, "badge passed"));
}

TEST_F(PageProgram, DoesNotWriteOverWhatItReads) {
  std::filesystem::create_symlink(slow_, at_.file("link.json"));
  expect_complaint({base_, slow_, "--out=link.json"}, {"link.json", "give another name"});
  EXPECT_TRUE(result::read(slow_));
}

TEST_F(PageProgram, EndsWith2WhenItsPathCannotBePrinted) {
  const auto done = run_program(at_, path_, {base_, "--out=p.html"}, "/dev/full");
  EXPECT_EQ(done.how, exited(2));
  EXPECT_TRUE(contains(done.err, "standard output")) << done.err;
}

TEST_F(PageProgram, EndsWith2AndAMessageOnBadInput) {
  expect_complaint({base_}, {"--out is required"});
  expect_complaint({"--out=x.html"}, {"RESULT is required"});
  expect_complaint({"/no/such.json", "--out=x.html"}, {"page: ", "/no/such.json"});
  expect_complaint({base_, "--out=/no/such/x.html"}, {"/no/such/x.html"});
  expect_complaint({base_, "--out=", "--title=T"}, {"--out", "'--title=T' is a flag"});
  expect_complaint({base_, "--out", ""}, {"--out", "empty"});
}

}  // namespace
}  // namespace shmark::reports

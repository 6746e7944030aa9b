// What .ci/run counts, of results that were made up.

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/program.h"

namespace shmark {
namespace {

using support::exited;
using support::folder;

// The report on one test with these cases, as GoogleTest writes them.
std::string report_on(const std::string& cases, const std::string& status) {
  const folder at;
  std::ofstream(at.file("test.xml")) << "<testsuites>" << cases << "</testsuites>";
  std::ofstream(at.file("events.json"))
      << R"({"id": {"testResult": {"label": "//a:test", "run": 1, "shard": 1}}, "testResult": )"
      << R"({"status": ")" << status << R"(", "testActionOutput": [{"name": "test.xml", "uri": )"
      << R"("file://)" << at.file("test.xml").string() << R"("}]}})" << '\n';
  const auto done =
      run_program(at, "tools/count_results", {"here", at.file("events.json").string(), "0"});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  return done.out;
}

const std::string passed = R"(<testcase classname="A" name="Passes" status="run"/>)";
const std::string disabled = R"(<testcase classname="A" name="IsOff" status="notrun"/>)";
const std::string failed =
    R"(<testcase classname="A" name="Fails" status="run"><failure message="a&#x0A;b"/></testcase>)";
const std::string skipped = R"(<testcase classname="A" name="Skips" status="run" result="skipped">)"
                            R"(<skipped message="a.cc:7&#x0A;there is no browser"/></testcase>)";

TEST(CountResults, CountsCasesAndNamesFailures) {
  EXPECT_EQ(report_on(passed + disabled + passed, "PASSED"), "2 0\n");
  EXPECT_EQ(report_on(passed + failed, "FAILED"), "FAILED [here] //a:test: A.Fails: a b\n1 1\n");
}

TEST(CountResults, NamesWhatWasSkippedAndWhy) {
  EXPECT_EQ(report_on(passed + skipped, "PASSED"),
            "SKIPPED [here] //a:test: A.Skips: a.cc:7 there is no browser\n1 0\n");
}

}  // namespace
}  // namespace shmark

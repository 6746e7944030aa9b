#include "reports/compare/comparison.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "reports/compare/output.h"
#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

using result::verdict_kind;

named_run baseline(const result::run& run) { return {"base.json", run}; }
named_run candidate(const result::run& run) { return {"new.json", run}; }

comparison compared(const result::run& before, const result::run& after,
                    double threshold = default_threshold) {
  const auto done = compare(baseline(before), candidate(after), threshold);
  EXPECT_TRUE(done) << done.error().message;
  return done.value_or(comparison{});
}

comparison_row row_for(const std::vector<double>& before, const std::vector<double>& after,
                       double threshold = default_threshold) {
  return compared(fixture::bench_run("a", before), fixture::bench_run("a", after), threshold)
      .rows.at(0);
}

std::string refusal_of(const result::run& before, const result::run& after) {
  const auto done = compare(baseline(before), candidate(after));
  return done ? "" : done.error().message;
}

TEST(Comparison, CallsTheSameTimesUnchanged) {
  const auto row = row_for({10, 10, 10}, {10, 10, 10});
  EXPECT_EQ(row.result, outcome::unchanged);
  EXPECT_EQ(row.ratio, 1);
  EXPECT_EQ(row.baseline, "10.0 ns");
  EXPECT_EQ(row.note, "");
}

TEST(Comparison, FindsARegressionWhoseRepetitionsDoNotOverlap) {
  const auto row = row_for({10, 11, 10}, {13, 12, 14});
  EXPECT_EQ(row.result, outcome::regressed);
  EXPECT_EQ(row.ratio, 1.3);
}

TEST(Comparison, FindsAnImprovementWhoseRepetitionsDoNotOverlap) {
  EXPECT_EQ(row_for({13, 12, 14}, {10, 11, 10}).result, outcome::improved);
}

TEST(Comparison, IsInconclusiveWhereRepetitionsOverlap) {
  const auto row = row_for({10, 10, 13}, {13, 12, 14});
  EXPECT_EQ(row.result, outcome::inconclusive);
  EXPECT_EQ(row.note, "repetitions overlap");
  EXPECT_EQ(row_for({13, 12, 14}, {10, 10, 13}).result, outcome::inconclusive);
}

TEST(Comparison, IgnoresDifferencesUpToTheThreshold) {
  EXPECT_EQ(row_for({10, 10, 10}, {10.9, 10.9, 10.9}).result, outcome::unchanged);
  EXPECT_EQ(row_for({10, 10, 10}, {10.9, 10.9, 10.9}, 1.05).result, outcome::regressed);
  EXPECT_EQ(row_for({10, 10, 10}, {9.2, 9.2, 9.2}).result, outcome::unchanged);
}

TEST(Comparison, DecidesByTheRatioAloneWithFewSamplesAndSaysSo) {
  const auto row = row_for({10, 30}, {12, 25, 25});
  EXPECT_EQ(row.result, outcome::regressed);
  EXPECT_EQ(row.note, "few samples");
  EXPECT_EQ(row_for({10}, {10}).result, outcome::unchanged);
  EXPECT_EQ(row_for({10}, {10}).note, "few samples");
}

TEST(Comparison, ComparesAcrossTimeUnits) {
  auto after = fixture::bench_run("a", {0.01});
  after.entries[0].time_unit = "us";
  EXPECT_EQ(compared(fixture::bench_run("a", {10}), after).rows[0].result, outcome::unchanged);
}

// Their real time is 1 / the rate that was asked for, whatever became slower.
TEST(Comparison, ComparesOpenLoopsByHowLongWhatWasDueTook) {
  const char* name = "Lock/lock:x/mode:exclusive/procs:4/rate_per_s:20000";
  const auto with = [&](double intended_ns) {
    auto run = fixture::bench_run(name, {50'000, 50'000, 50'000});
    for (auto& each : run.entries) each.counters["intended_p50_ns"] = intended_ns++;
    return run;
  };
  const auto row = compared(with(100), with(400)).rows.at(0);
  EXPECT_EQ(row.result, outcome::regressed);
  EXPECT_EQ(row.candidate, "401 ns");
  const auto untimed = compared(fixture::bench_run(name, {50'000}), with(400)).rows.at(0);
  EXPECT_EQ(untimed.result, outcome::inconclusive);
  EXPECT_EQ(untimed.note, "rate given");
  EXPECT_EQ(untimed.baseline, "-");
}

TEST(Comparison, DoesNotDivideByZero) {
  const auto row = row_for({0, 0, 0}, {10, 10, 10});
  EXPECT_EQ(row.result, outcome::inconclusive);
  EXPECT_EQ(row.ratio, std::nullopt);
}

TEST(Comparison, NamesWhatIsMissingAndWhatIsNew) {
  auto before = fixture::bench_run("gone", {10});
  auto after = fixture::bench_run("fresh", {20});
  for (auto* run : {&before, &after}) {
    run->entries.push_back(fixture::repetitions("both", {5}).front());
  }
  const auto done = compared(before, after);
  ASSERT_EQ(done.rows.size(), 3u);
  EXPECT_EQ(done.rows[0].name, "gone");
  EXPECT_EQ(done.rows[0].result, outcome::missing);
  EXPECT_EQ(done.rows[0].baseline, "10.0 ns");
  EXPECT_EQ(done.rows[2].name, "fresh");
  EXPECT_EQ(done.rows[2].result, outcome::is_new);
  EXPECT_FALSE(done.regressed());
}

TEST(Comparison, CountsABenchmarkThatNowFailsAsRegressed) {
  const auto good = fixture::bench_run("a", {10});
  auto bad = good;
  bad.entries[0].error_message = "worker 3 died";
  EXPECT_EQ(compared(good, bad).rows[0].result, outcome::regressed);
  EXPECT_NE(compared(good, bad).rows[0].note.find("worker 3 died"), std::string::npos);
  EXPECT_EQ(compared(bad, good).rows[0].result, outcome::inconclusive);
  EXPECT_EQ(compared(bad, bad).rows[0].result, outcome::inconclusive);
}

// Nobody would see it in a gate otherwise.
TEST(Comparison, CountsWhatIsNewAndFailsAsRegressed) {
  const auto before = fixture::bench_run("a", {10});
  auto after = before;
  after.entries.push_back({.name = "fresh", .error_message = "worker 3 died"});
  const auto failed = compared(before, after);
  EXPECT_EQ(failed.rows.at(1).result, outcome::regressed);
  EXPECT_EQ(failed.rows.at(1).note, "new; candidate: worker 3 died");

  const auto stressed = fixture::stress_run(verdict_kind::passed);
  auto more = stressed;
  more.entries.push_back(fixture::stress_run(verdict_kind::failed).entries.front());
  more.entries.back().name = "Stress/scenario:fresh";
  EXPECT_EQ(compared(stressed, more).rows.at(1).result, outcome::regressed);
  EXPECT_EQ(compared(stressed, more).rows.at(1).note, "new");
}

TEST(Comparison, JudgesStressRunsByTheirVerdicts) {
  const auto judged = [](verdict_kind before, verdict_kind after) {
    return compared(fixture::stress_run(before), fixture::stress_run(after)).rows.at(0).result;
  };
  EXPECT_EQ(judged(verdict_kind::passed, verdict_kind::passed), outcome::unchanged);
  EXPECT_EQ(judged(verdict_kind::passed, verdict_kind::failed), outcome::regressed);
  EXPECT_EQ(judged(verdict_kind::passed, verdict_kind::undecided), outcome::regressed);
  EXPECT_EQ(judged(verdict_kind::passed, verdict_kind::vacuous), outcome::regressed);
  EXPECT_EQ(judged(verdict_kind::failed, verdict_kind::passed), outcome::improved);
  EXPECT_EQ(judged(verdict_kind::failed, verdict_kind::failed), outcome::unchanged);
  EXPECT_EQ(judged(verdict_kind::failed, verdict_kind::vacuous), outcome::inconclusive);
  // What is known to be broken now regresses, whatever was not known before.
  EXPECT_EQ(judged(verdict_kind::vacuous, verdict_kind::failed), outcome::regressed);
  EXPECT_EQ(judged(verdict_kind::undecided, verdict_kind::failed), outcome::regressed);
}

TEST(Comparison, DoesNotCompareTheTimesOfStressRuns) {
  auto slower = fixture::stress_run(verdict_kind::passed);
  slower.entries[0].real_time *= 10;
  EXPECT_FALSE(compared(fixture::stress_run(verdict_kind::passed), slower).regressed());
}

TEST(Comparison, RefusesDebugBuilds) {
  const auto good = fixture::bench_run("a", {10});
  auto debug = good;
  debug.about.build.mode = result::build_mode::debug;
  EXPECT_EQ(refusal_of(good, debug),
            "new.json: measured in a debug build, whose times say nothing; measure again with: "
            "bazel run -c opt //bench -- --out=FILE");
  EXPECT_NE(refusal_of(debug, good).find("base.json: measured in a debug build"),
            std::string::npos);
}

TEST(Comparison, RefusesSanitizerBuilds) {
  const auto good = fixture::bench_run("a", {10});
  auto checked = good;
  checked.about.build.sanitizer = result::sanitizer_kind::address;
  EXPECT_NE(refusal_of(good, checked).find("measured with the address sanitizer"),
            std::string::npos);
}

TEST(Comparison, RefusesDifferentKindsAndSchemas) {
  const auto good = fixture::bench_run("a", {10});
  EXPECT_NE(refusal_of(good, fixture::stress_run(verdict_kind::passed))
                .find("new.json is of a stress run, but base.json is of a bench run"),
            std::string::npos);
  auto plain = good;
  plain.about.schema = 0;
  EXPECT_NE(refusal_of(good, plain).find("new.json has schema 0, but base.json has 1"),
            std::string::npos);
}

TEST(Comparison, RefusesRunsWithNothingToCompare) {
  const auto good = fixture::bench_run("a", {10});
  EXPECT_NE(refusal_of(good, {good.about, {}}).find("new.json: there are no benchmarks in it"),
            std::string::npos);
  EXPECT_NE(refusal_of(good, fixture::bench_run("b", {10})).find("no benchmark in common"),
            std::string::npos);
}

TEST(Comparison, MarksRunsOfDifferentCircumstances) {
  const auto good = fixture::bench_run("a", {10});
  EXPECT_TRUE(compared(good, good).notes.empty());
  auto other = good;
  other.about.machine.fingerprint = "another";
  other.about.build.compiler = "gcc 14.1.0";
  other.about.workers_are = result::worker_kind::threads;
  other.about.cpu_scaling_enabled = true;
  other.about.load_avg = {5};
  std::string notes;
  for (const auto& note : compared(good, other).notes) notes += note + '\n';
  for (const char* expected : {"different machines", "different compilers: gcc 12.2.0 → gcc 14.1.0",
                               "workers differ: processes → threads", "candidate: the processor's",
                               "candidate: the machine was busy already (load 5.0 on 2 cores)"}) {
    EXPECT_NE(notes.find(expected), std::string::npos) << expected << " in\n" << notes;
  }
}

// What is printed.

comparison with_a_regression() {
  auto before = fixture::bench_run("Lock/lock:a", {10, 10, 10});
  auto after = fixture::bench_run("Lock/lock:a", {20, 20, 20});
  before.entries.push_back(fixture::repetitions("gone|<b>\x1b", {1}).front());
  return compared(before, after);
}

TEST(ComparisonOutput, PrintsATableASummaryAndWhatItMeans) {
  const auto run = fixture::bench_run("Lock/lock:a", {10});
  const auto text =
      as_terminal_text(with_a_regression(), baseline(run), candidate(run), colours::off);
  for (const char* expected :
       {"base.json", "commit 0123456789ab, gcc 12.2.0 opt, A processor, 2 cores",
        "Lock/lock:a   10.0 ns    20.0 ns    2.00  regressed\n", "gone|<b>?", "missing",
        "1 regressed, 0 improved, 0 unchanged, 0 inconclusive, 1 missing, 0 new",
        "more than 1.10 times", "drift by about 4 %"}) {
    EXPECT_NE(text.find(expected), std::string::npos) << expected << " in\n" << text;
  }
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(ComparisonOutput, ColoursOnlyWhereAllowed) {
  const auto run = fixture::bench_run("Lock/lock:a", {10});
  const auto text =
      as_terminal_text(with_a_regression(), baseline(run), candidate(run), colours::on);
  EXPECT_NE(text.find("\033[1;31mregressed\033[0m"), std::string::npos) << text;
}

TEST(ComparisonOutput, WritesMarkdownAndHtmlWithoutForeignMarkup) {
  const auto run = fixture::bench_run("Lock/lock:a", {10});
  const named_run hostile{"<script>alert(1)</script>|", run};
  const auto markdown = as_markdown(with_a_regression(), hostile, candidate(run));
  EXPECT_NE(markdown.find("| Lock/lock:a | 10.0 ns | 20.0 ns | 2.00 | **regressed** |"),
            std::string::npos)
      << markdown;
  EXPECT_NE(markdown.find("| gone\\|&lt;b&gt;  | 1.00 ns | - | - | missing |"), std::string::npos)
      << markdown;
  EXPECT_EQ(markdown.find("<script"), std::string::npos);

  const auto html = as_html(with_a_regression(), hostile, candidate(run));
  EXPECT_NE(html.find("<td>20.0 ns</td><td>2.00</td>"), std::string::npos);
  EXPECT_NE(html.find("gone|&lt;b&gt;"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
}

}  // namespace
}  // namespace shmark::reports

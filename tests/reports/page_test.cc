#include "reports/page/page.h"

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

using nlohmann::json;
using result::run;
using result::verdict_kind;

std::string page_of(const run& one) { return page(std::span(&one, 1), "Title"); }

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

// The charts as page.js gets them.
json charts_in(const std::string& page) {
  const std::string_view begin = "<script type=\"application/json\" id=\"charts\">";
  const auto at = page.find(begin);
  EXPECT_NE(at, std::string::npos);
  const auto from = at + begin.size();
  return json::parse(page.substr(from, page.find("</script>", from) - from));
}

json chart_named(const std::string& page, const std::string& title) {
  for (const json& chart : charts_in(page)) {
    const json& first = chart["variants"][0];
    if (first["title"] == title) return first;
  }
  ADD_FAILURE() << "no chart named " << title;
  return json::object({{"series", json::array()}});
}

json series_named(const json& chart, const std::string& name) {
  for (const json& series : chart["series"]) {
    if (series["name"] == name) return series;
  }
  ADD_FAILURE() << "no series named " << name << " in " << chart["title"];
  return json::object({{"points", json::array()}});
}

TEST(Page, LoadsNothing) {
  const auto text = page_of(fixture::full_bench_run());
  EXPECT_TRUE(contains(text, "default-src 'none'"));
  for (const char* attribute : {" src=", " href=", "@import", "url("}) {
    const auto own = text.substr(0, text.find("<script>\n/*!"));  // up to Chart.js
    EXPECT_FALSE(contains(own, attribute)) << attribute;
  }
  EXPECT_TRUE(contains(text, "Chart.js v"));
  EXPECT_TRUE(contains(text, "Released under the MIT License"));
}

TEST(Page, HasACanvasForEachChartAndATableForEach) {
  const auto text = page_of(fixture::full_bench_run());
  const auto charts = charts_in(text);
  EXPECT_GE(charts.size(), 9u);
  EXPECT_EQ(count_of(text, "<canvas role=\"img\""), charts.size());
  for (std::size_t i = 0; i < charts.size(); ++i) {
    EXPECT_TRUE(contains(text, "data-chart=\"" + std::to_string(i) + '"'));
  }
  EXPECT_EQ(count_of(text, "<figure>"), charts.size());
  EXPECT_GE(count_of(text, "<caption>"), charts.size());
}

TEST(Page, ShowsThroughputAgainstWorkersForEachMode) {
  const auto text = page_of(fixture::full_bench_run());
  const auto chart = chart_named(text, "Throughput, exclusive");
  EXPECT_EQ(chart["x"]["ticks"], json({1, 2, 8}));
  const auto points = series_named(chart, "robust_rw")["points"];
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[2]["x"], 8);
  EXPECT_EQ(points[2]["y"], 70e6);
  EXPECT_EQ(chart["band"]["from"], 2);
  EXPECT_TRUE(contains(chart["band"]["label"].get<std::string>(), "more workers than the 2 cores"));
  series_named(chart_named(text, "Throughput, shared"), "sysv_semaphore");
  EXPECT_TRUE(contains(text, "<td>70.0 M/s</td>"));
}

// A regression: they were taken for further benchmarks of the same experiment.
TEST(Page, KeepsWorkersOnSeveralLocksApartFromThoseOnOne) {
  const auto text = page_of(fixture::full_bench_run());
  for (const json& chart : charts_in(text)) {
    for (const json& variant : chart["variants"]) {
      const auto title = variant["title"].get<std::string>();
      if (!title.starts_with("Throughput, ")) continue;
      for (const json& series : variant["series"]) EXPECT_EQ(series["points"].size(), 3u) << title;
    }
  }
  EXPECT_EQ(count_of(text, "<th scope=\"row\">robust_rw</th><td>shared</td>"), 0u);
  const auto spread = chart_named(text, "Workers on one lock and on several, shared, 2 workers");
  EXPECT_EQ(spread["y"]["categories"], json({"robust_rw"}));
  EXPECT_EQ(series_named(spread, "all on 1 lock")["points"][0]["x"], 20e6);
  EXPECT_EQ(series_named(spread, "spread over 2 locks")["points"][0]["x"], 20e6);
  EXPECT_TRUE(contains(text, "<th scope=\"row\">robust_rw</th><td>20.0 M/s</td><td>20.0 M/s</td>"));
}

TEST(Page, ComputesThroughputWhereNoCounterHasIt) {
  auto run = fixture::bench_run("Lock/lock:x/mode:exclusive/procs:1", {10, 10});
  const auto points = series_named(chart_named(page_of(run), "Throughput, exclusive"), "x");
  EXPECT_EQ(points["points"][0]["y"], 1e8);
}

TEST(Page, ShowsPercentilesAndDistributionsOfDurations) {
  const auto text = page_of(fixture::full_bench_run());
  const auto dots = chart_named(text, "Duration of single operations");
  EXPECT_EQ(series_named(dots, "p99")["points"][0]["x"], 200);
  EXPECT_EQ(dots["y"]["categories"], json({"robust_rw"}));
  // Three repetitions of 90 below 64 ns, 9 below 512, 1 above: a step at one nine, one at two.
  const auto curve = series_named(chart_named(text, "Distribution of durations"), "robust_rw");
  ASSERT_EQ(curve["points"].size(), 6u);
  EXPECT_EQ(curve["points"][0]["y"], 8);
  EXPECT_DOUBLE_EQ(curve["points"][1]["x"].get<double>(), 1);
  EXPECT_EQ(curve["points"][2]["y"], 64);
  EXPECT_DOUBLE_EQ(curve["points"][3]["x"].get<double>(), 2);
  EXPECT_TRUE(contains(text, "exclusive, 8 workers (on 2 cores)"));
}

TEST(Page, ShowsTimeAndBytesOfEachCodec) {
  const auto text = page_of(fixture::full_bench_run());
  const auto time = series_named(chart_named(text, "map100: time"), "encode");
  EXPECT_NEAR(time["points"][0]["x"].get<double>(), 4700 * 1.02, 1);
  EXPECT_EQ(time["points"][0]["low"], 4700);
  const auto size = series_named(chart_named(text, "map100: encoded size"), "encoded size");
  EXPECT_EQ(size["points"][1]["x"], 5670);
  EXPECT_TRUE(contains(text, "<td>5.54 KiB</td>"));
}

TEST(Page, ShowsHitsBesideTheModelsCurve) {
  const auto text = page_of(fixture::full_bench_run());
  const auto chart = chart_named(text, "Cache hits, map100");
  EXPECT_EQ(series_named(chart, "2 workers")["points"].size(), 3u);
  const auto model = series_named(chart, "model (dashed)");
  EXPECT_EQ(model["dashed"], true);
  EXPECT_EQ(model["points"].front()["y"], 1);
  // Half of two workers' operations write: 1 / (1 + 0.5).
  EXPECT_NEAR(model["points"].back()["y"].get<double>(), 1 / 1.5, 1e-9);
  EXPECT_TRUE(contains(text, "<td>90.0 (80.0)</td>"));
}

TEST(Page, ShowsBenchmarksThatItDoesNotKnow) {
  const auto text = page_of(fixture::full_bench_run());
  EXPECT_TRUE(contains(text, "Other benchmarks"));
  EXPECT_TRUE(contains(text, "Mine/of:my_own"));
  auto plain = fixture::bench_run("BM_Sort/64", {10, 20, 30});
  plain.about.schema = 0;
  EXPECT_TRUE(contains(page_of(plain), "<th scope=\"row\">BM_Sort/64</th><td>20.0 ns</td>"));
}

TEST(Page, ShowsAStressRunsVerdictNumbersAndHowToRepeatIt) {
  const auto text = page_of(fixture::stress_run(verdict_kind::failed));
  EXPECT_TRUE(contains(text, "<span class=\"badge failed\">"));
  EXPECT_TRUE(contains(text, "<dt>workers killed</dt><dd>1,840</dd>"));
  EXPECT_TRUE(contains(text, "<div class=\"number good\"><dt>lost</dt><dd>0</dd>"));
  EXPECT_TRUE(contains(text, "//stress -- --scenario=transfer --workers=8 --seed=7"));
  auto lossy = fixture::stress_run(verdict_kind::failed);
  lossy.entries[0].counters["lost"] = 3;
  EXPECT_TRUE(contains(page_of(lossy), "<div class=\"number bad\"><dt>lost</dt><dd>3</dd>"));
}

TEST(Page, ShowsWhatWasExploredAsOneTable) {
  auto run = fixture::explorer_run();
  auto text = page_of(run);
  EXPECT_EQ(count_of(text, "<article"), 0u) << "a card for each says less";
  EXPECT_TRUE(contains(text, "<h2>Explored</h2>"));
  EXPECT_TRUE(contains(text,
                       "<tr><th scope=\"row\">write</th><td>stop</td><td>1,290</td><td>251</td>"
                       "<td>250</td><td>97</td><td>153</td><td>140</td><td>1</td><td>nothing</td>"))
      << text.substr(0, text.find("<script"));
  EXPECT_EQ(count_of(text, "<td>nothing</td>"), 3u);
  EXPECT_TRUE(contains(text,
                       "<div><dt>deaths and stops of a process at an instruction of an "
                       "operation; nothing was"));
}

TEST(Page, SaysWhatWasFoundWhereItWasExploredAndHowToRepeatIt) {
  auto run = fixture::explorer_run();
  auto& bad = run.entries[1];
  bad.counters["torn"] = 2;
  bad.counters["leaked"] = 1;
  bad.stress->verdict = verdict_kind::failed;
  bad.stress->findings = {"write, killed at <7>: torn"};
  run.entries[2].stress->verdict = verdict_kind::undecided;
  const auto text = page_of(run);
  EXPECT_TRUE(contains(text, "<td>2 torn, 1 leaked</td><td>failed</td>"));
  EXPECT_TRUE(contains(text, "<td>nothing</td><td>undecided</td>"));
  EXPECT_TRUE(contains(text, "<td>nothing</td><td>passed</td>"));
  EXPECT_TRUE(contains(text, "<li>write, killed at &lt;7&gt;: torn</li>"));
  EXPECT_TRUE(contains(text, "//stress/explorer -- --operation=write --kill</code>"));
  EXPECT_EQ(count_of(text, "--operation="), 2u) << "of what passed there is nothing to repeat";
  EXPECT_TRUE(contains(text, "the verdict is not a pass"));
}

TEST(Page, SaysWhatAStressRunsCheckersFound) {
  auto run = fixture::stress_run(verdict_kind::failed);
  EXPECT_FALSE(contains(page_of(run), "What was found"));
  run.entries[0].stress->findings = {"worker 3 read a torn value", "left behind: /dev/shm/<x>"};
  const auto text = page_of(run);
  EXPECT_TRUE(contains(text, "<li>worker 3 read a torn value</li>"));
  EXPECT_TRUE(contains(text, "<li>left behind: /dev/shm/&lt;x&gt;</li>"));
  EXPECT_FALSE(contains(text, "more are in the result file"));
}

TEST(Page, ShowsOnlyTheFirstOfVeryManyFindings) {
  auto run = fixture::stress_run(verdict_kind::failed);
  for (int i = 0; i < 1000; ++i) {
    run.entries[0].stress->findings.push_back("finding " + std::to_string(i));
  }
  const auto text = page_of(run);
  EXPECT_EQ(count_of(text, "<li>finding "), 20u);
  EXPECT_TRUE(contains(text, "<p class=\"note\">980 more are in the result file.</p>"));
}

TEST(Page, SaysWhyAStressRunWasVacuous) {
  auto run = fixture::stress_run(verdict_kind::vacuous);
  auto& counters = run.entries[0].counters;
  counters["overlapped"] = 0;
  EXPECT_TRUE(contains(page_of(run), "<p>No two operations overlapped, so nothing was tested."));
  counters["kills_in_operation"] = 0;
  EXPECT_TRUE(contains(page_of(run),
                       "<p>No kill landed inside an operation, and no two operations overlapped,"));
  counters["overlapped"] = 7;
  EXPECT_TRUE(contains(page_of(run), "<p>No kill landed inside an operation, so"));
  counters.erase("overlapped");  // a file from before it was counted
  EXPECT_TRUE(contains(page_of(run), "<p>No kill landed inside an operation, so"));
}

TEST(Page, SaysThatNothingWasLostOnlyAfterAPass) {
  const char* claim = "nothing was lost, torn, stuck or leaked";
  EXPECT_TRUE(contains(page_of(fixture::stress_run(verdict_kind::passed)), claim));
  for (const auto verdict :
       {verdict_kind::failed, verdict_kind::undecided, verdict_kind::vacuous}) {
    const auto text = page_of(fixture::stress_run(verdict));
    EXPECT_FALSE(contains(text, claim));
    EXPECT_TRUE(contains(text, "the verdict is not a pass"));
  }
}

TEST(Page, WarnsOfWhatMakesNumbersDoubtful) {
  auto run = fixture::bench_run("Lock/lock:x/mode:exclusive/procs:8", {10});
  EXPECT_TRUE(contains(page_of(run), "Up to 8 workers shared 2 cores"));
  EXPECT_TRUE(contains(page_of(run), "Each benchmark ran once"));
  EXPECT_FALSE(contains(page_of(run), "debug build"));
  run.about.build.mode = result::build_mode::debug;
  run.about.build.sanitizer = result::sanitizer_kind::thread;
  run.about.cpu_scaling_enabled = true;
  run.about.load_avg = {9};
  run.entries.push_back({.name = "Lock/broken", .error_message = "worker 3 died"});
  const auto text = page_of(run);
  for (const char* expected :
       {"This is a debug build", "Built with the thread sanitizer", "frequency was allowed to vary",
        "load 9.0 on 2 cores", "Lock/broken failed: worker 3 died"}) {
    EXPECT_TRUE(contains(text, expected)) << expected;
  }
}

TEST(Page, TellsRunsOfDifferentMachines) {
  std::array runs{fixture::full_bench_run(), fixture::full_bench_run()};
  EXPECT_FALSE(contains(page(runs, "T"), "different machines"));
  runs[1].about.machine.fingerprint = "another";
  const auto text = page(runs, "T");
  EXPECT_TRUE(contains(text, "different machines"));
  EXPECT_TRUE(contains(text, "<h2>Run 1: Locks</h2>"));
  EXPECT_TRUE(contains(text, "<h2>Run 2: Locks</h2>"));
}

TEST(Page, SaysHowEverythingWasMeasured) {
  const auto text = page_of(fixture::full_bench_run());
  for (const char* fact : {"A processor", "gcc 12.2.0, opt", "6.1.0", "bazel run -c opt //bench",
                           "0123456789abcdef0123456789abcdef01234567"}) {
    EXPECT_TRUE(contains(text, fact)) << fact;
  }
}

TEST(Page, ShowsTheContextThatWasGiven) {
  auto run = fixture::full_bench_run();
  EXPECT_FALSE(contains(page_of(run), "Given with it"));
  run.about.given = {{"branch", "main"}, {"rack", "<7>"}};
  EXPECT_TRUE(contains(page_of(run), "branch=main, rack=&lt;7&gt;"));
}

TEST(Page, StandsWithoutAnyResults) {
  EXPECT_TRUE(contains(page({}, "Empty"), "There are no results to show"));
  EXPECT_TRUE(contains(page_of({fixture::context(result::run_kind::bench), {}}),
                       "There are no results in this file"));
}

// Every text of a run that reaches the page, made hostile.
run hostile_run(const std::string& text) {
  auto run = fixture::full_bench_run();
  auto stress = fixture::stress_run(verdict_kind::failed).entries.front();
  stress.name = "Stress/scenario:" + text;
  stress.error_message = text;
  stress.stress->command = text;
  stress.stress->findings = {text};
  run.entries.push_back(stress);
  stress.name = "Explore/operation:" + text + "/fault:" + text;
  run.entries.push_back(stress);
  for (const char* begin :
       {"Lock/mode:exclusive/procs:1/lock:", "Lock/lock:x/procs:1/mode:",
        "Codec/shape:flat/op:encode/codec:", "Codec/codec:x/op:encode/shape:",
        "Codec/codec:x/shape:flat/op:", "Cache/write_percent:5/procs:2/payload:",
        "Lock/lock:x/procs:2/locks:2/mode:", "Lock/mode:shared/procs:2/locks:2/lock:", "Limit/", "",
        "Family/of:"}) {
    auto entry = fixture::repetitions(begin + text, {10}).front();
    entry.counters = {{"hit_rate", 0.5}, {"bytes", 10}, {"p50_ns", 10}};
    run.entries.push_back(entry);
  }
  run.entries.push_back({.name = "failing" + text, .error_message = text});
  auto& about = run.about;
  for (std::string* each : {&about.date, &about.host_name, &about.executable, &about.command,
                            &about.commit, &about.build.compiler, &about.machine.cpu,
                            &about.machine.kernel, &about.machine.fingerprint}) {
    *each = text;
  }
  about.caches = {{text, 1, 1024, 1}};
  about.given = {{text, text}};
  return run;
}

TEST(Page, ObeysNothingThatComesFromAFile) {
  const std::string harmless = "plain text of the same kind";
  const run calm = hostile_run(harmless);
  const auto calm_page = page(std::span(&calm, 1), harmless);
  for (const std::string beginning :
       {"</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)", "<!--<script>", "]]><svg onload=alert(1)>", "\u2028\\u003c<b>",
        "</title></style></textarea><b>", "{{7*7}}${7*7}`", "bad \xff\xc0 bytes<"}) {
    // As long as the harmless text, so that nothing is cut off or left out differently.
    const std::string attack = beginning + " and more text";
    const run angry = hostile_run(attack);
    const auto text = page(std::span(&angry, 1), attack);
    // The same elements, whatever the texts in them are.
    EXPECT_EQ(count_of(text, "<"), count_of(calm_page, "<")) << attack;
    EXPECT_EQ(count_of(text, "\"><"), count_of(calm_page, "\"><")) << attack;
    EXPECT_FALSE(contains(text, "onerror=alert(1)>")) << attack;
    // Up to the scripts: in a script's strings an apostrophe is harmless.
    EXPECT_FALSE(contains(text.substr(0, text.find("<script")), "' onmouseover='")) << attack;
    // And the charts' data is still what was meant.
    EXPECT_EQ(charts_in(text).size(), charts_in(calm_page).size()) << attack;
  }
}

}  // namespace
}  // namespace shmark::reports

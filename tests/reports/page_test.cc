#include "reports/page/page.h"

#include <gtest/gtest.h>

#include <algorithm>
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
  const auto own = text.substr(0, text.find("<script>\n/*!"));     // up to Chart.js
  EXPECT_EQ(count_of(own, " href="), count_of(own, " href=\"#"));  // places on the page itself
  for (const char* attribute : {" src=", "@import", "url("}) {
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

// Of repetitions, the greatest: a median of maxima is not the longest that was seen.
TEST(Page, ShowsTheLongestOfAllRepetitions) {
  auto run = fixture::bench_run("Lock/lock:x/mode:exclusive/procs:2", {10, 10, 10});
  auto open = fixture::repetitions("Lock/lock:x/mode:exclusive/procs:2/rate_per_s:9", {10, 10, 10});
  double longest_ns = 1000;
  for (auto* each : {&run.entries, &open}) {
    for (auto& entry : *each) {
      entry.counters["p50_ns"] = 10;
      entry.counters["max_ns"] = entry.counters["intended_max_ns"] = (longest_ns += 1000);
    }
  }
  run.entries.insert(run.entries.end(), open.begin(), open.end());
  const auto text = page_of(run);
  const auto dots = chart_named(text, "Duration of single operations");
  EXPECT_EQ(series_named(dots, "longest seen")["points"][0]["x"], 4000);
  EXPECT_TRUE(contains(text, "<td>4.00 µs</td><td></td><td></td><td></td><td>7.00 µs</td>"));
}

TEST(Page, SaysOfWhatACachedReadIs) {
  auto run = fixture::bench_run("Cache/write_percent:0/payload:64k/procs:1", {1.5});
  EXPECT_TRUE(contains(page_of(run), "<dt>for a cached read (64 KiB)</dt><dd>1.50 ns</dd>"));
  EXPECT_TRUE(contains(page_of(run), "time per operation, of all workers together"));
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
  EXPECT_NEAR(model["points"].back()["y"].get<double>(), 1 / 1.5, 1e-4);
  EXPECT_TRUE(contains(text,
                       "<th scope=\"row\">map100</th><td>5 %</td><td>2 workers</td><td>90.0 %</td>"
                       "<td>80.0 %</td><td>+10.0</td><td></td><td></td>"));
}

// What a run of all that //bench has looks like.
class WidePage : public testing::Test {
 protected:
  static void SetUpTestSuite() { text() = page_of(fixture::wide_bench_run()); }
  static std::string& text() {
    static std::string made;
    return made;
  }
  static bool says(std::string_view part) { return contains(text(), part); }
};

TEST_F(WidePage, HasASectionForEachExperimentAndLinksToThem) {
  int number = 0;
  for (const char* heading :
       {"Locks", "Throughput against waiting", "One lock or several", "Scalability",
        "Open and closed loop", "Stores", "Cached reads", "Serialization", "Limits of this machine",
        "Other benchmarks", "Noise", "How this was measured"}) {
    const auto id = "section-" + std::to_string(++number);
    EXPECT_TRUE(says("<section id=\"" + id + "\">\n<details class=\"part\" open><summary><h2>" +
                     heading + "</h2>"))
        << heading;
    EXPECT_TRUE(says("<a href=\"#" + id + "\">" + heading + "</a>")) << heading;
  }
}

TEST_F(WidePage, StaysReadable) {
  const auto charts = charts_in(text());
  EXPECT_LE(charts.size(), 30u);
  for (const json& chart : charts) {
    for (const json& variant : chart["variants"]) {
      // A curve and points for each of a dozen subjects.
      EXPECT_LE(variant["series"].size(), 26u) << variant["title"];
      EXPECT_LE(variant["y"].value("categories", json::array()).size(), 20u) << variant["title"];
    }
  }
  // Long tables wait until they are asked for.
  const std::string_view rest = text();
  for (auto at = rest.find("<table"); at != std::string_view::npos;
       at = rest.find("<table", at + 1)) {
    const auto rows = count_of(rest.substr(at, rest.find("</table>", at) - at), "<tr>");
    const auto before = rest.substr(0, at);
    // The section is one, too.
    const auto open = count_of(before, "<details") - count_of(before, "</details>");
    EXPECT_TRUE(rows <= 20 || open == 2) << rest.substr(at, 100);
  }
  EXPECT_LT(text().size(), 2'500'000u);
}

TEST_F(WidePage, ShowsThroughputOfFurtherLoadsInOnePlace) {
  series_named(chart_named(text(), "Throughput, exclusive"), "boost_upgradable_mutex");
  std::vector<std::string> titles;
  for (const json& chart : charts_in(text())) {
    for (const json& variant : chart["variants"]) titles.push_back(variant["title"]);
  }
  for (const char* title :
       {"Throughput, exclusive, 200 ns inside", "Throughput, mixed, 90 % reads"}) {
    EXPECT_EQ(std::ranges::count(titles, title), 1) << title;
  }
  EXPECT_TRUE(says("<th scope=\"row\">mixed, 90 % reads</th><td>robust_rw</td>"));
}

TEST_F(WidePage, PutsEachLockOnThePlaneAndSaysWhichIsDominated) {
  for (const json& chart : charts_in(text())) {
    const json& first = chart["variants"][0];
    if (first["kind"] != "points") continue;
    EXPECT_EQ(chart["variants"][chart["first"].get<std::size_t>()]["title"],
              "Throughput and wait, exclusive, 2 workers");
    EXPECT_EQ(first["series"].size(), 11u) << "without the baseline, whose waits are not timed";
    const auto point = series_named(first, "robust_rw")["points"][0];
    EXPECT_NEAR(point["x"].get<double>(), 1e9 / 14, 1e6);
    EXPECT_EQ(point["y"], 140);
  }
  EXPECT_TRUE(says("<li>robust_rw is not dominated in any of 16 cases.</li>"));
  EXPECT_TRUE(says(
      "ofd_lock is dominated in 16 of 16 cases, by pthread_robust, robust_rw, sysv_semaphore."));
  EXPECT_TRUE(
      says("<li>exclusive, 8 workers (on 2 cores): Dominated: sysv_semaphore by robust_rw"));
  EXPECT_TRUE(says("<td>flock_lock</td><td>")) << "in the table, as text";
  EXPECT_TRUE(says("<td>≥ ")) << "whose p99.9 is not known";
}

TEST(Page, DoesNotCountDominationsThatAreNoise) {
  const auto with = [](double other_ns) {
    run run{fixture::context(result::run_kind::bench), {}};
    const auto add = [&](const std::string& lock, const std::vector<double>& ns, double wait_ns) {
      for (auto& each : fixture::repetitions("Lock/lock:" + lock + "/mode:exclusive/procs:2", ns)) {
        each.counters["wait_p999_ns"] = wait_ns;
        run.entries.push_back(std::move(each));
      }
    };
    add("robust_rw", {100, 120, 110}, 900);
    add("ofd_lock", {other_ns, other_ns * 1.01, other_ns}, 500);
    return page_of(run);
  };
  EXPECT_TRUE(contains(with(105), "robust_rw is not dominated in any of 1 cases."));
  EXPECT_TRUE(contains(with(20),
                       "robust_rw is dominated in 1 of 1 cases: exclusive, 2 workers (by "
                       "ofd_lock)."));
}

TEST_F(WidePage, FitsALawToLocksAndStores) {
  const auto locks = chart_named(text(), "Locks, fitted, exclusive");
  EXPECT_EQ(series_named(locks, "robust_rw")["points"].size(), 4u);
  const auto curve = series_named(locks, "robust_rw, fitted");
  EXPECT_EQ(curve["group"], "robust_rw");
  EXPECT_EQ(curve["quiet"], true);
  EXPECT_NEAR(curve["points"][0]["y"].get<double>(), 1e9 / 14, 2e6);
  EXPECT_EQ(curve["points"].back()["x"], 8);
  EXPECT_EQ(locks["band"]["from"], 2);
  chart_named(text(), "Stores, fitted, read, 256 B");
  EXPECT_TRUE(says("Points of more workers than the 2 cores take part in the fit"));
  EXPECT_TRUE(says("<td>2 of 4 within the cores</td>"));
  EXPECT_TRUE(
      says("No intervals: only 2 of the numbers of workers are within the 2 cores, and it "
           "takes 6."));
}

// Two workers get less done together than one alone, and more of them no less.
TEST(Page, DoesNotTakeForAShareWhatIsNone) {
  run run{fixture::context(result::run_kind::bench), {}};
  for (const auto& [procs, ns] : {std::pair("1", 10.0), {"2", 40.0}, {"4", 45.0}, {"8", 50.0}}) {
    for (auto& each : fixture::repetitions(std::string("Lock/lock:x/mode:exclusive/procs:") + procs,
                                           {ns, ns, ns})) {
      run.entries.push_back(std::move(each));
    }
  }
  const auto text = page_of(run);
  EXPECT_TRUE(contains(text, "<td>&gt; 1</td>"));
  EXPECT_TRUE(contains(text, "σ &gt; 1 is no share of the work"));
}

TEST_F(WidePage, PutsTheOpenLoopNextToTheClosedOne) {
  EXPECT_TRUE(says("coordinated omission"));
  EXPECT_TRUE(
      says("robust_rw, one worker stopped for 50 ms: p99.9 is 90.0 µs in the closed loop, "
           "48.0 ms in the open one."));
  EXPECT_TRUE(says("<td>34.5 %: saturated</td>"));
  EXPECT_TRUE(says("<td>0.0 %</td>"));
}

TEST_F(WidePage, SaysWhichStoreWinsWhereAndByWhatFactor) {
  EXPECT_TRUE(says("<li>read against ipc_shareable: variable wins by "));
  EXPECT_TRUE(says("<li>read against lmdb: variable wins by "));
  EXPECT_TRUE(says(" times: 64 KiB by 1, 2, 4 and 8 workers."));
  series_named(chart_named(text(), "read, 256 B"), "variable");
}

TEST_F(WidePage, SaysHowFarHitsAreFromTheModelAndWhenCachingPays) {
  EXPECT_TRUE(says("Measured and model differ by more than 2 percentage points in "));
  EXPECT_TRUE(says("(scheduling: a worker runs alone for many operations"));
  EXPECT_TRUE(
      says("Measured and replay of the real order differ by more than 2 percentage points "
           "in 0 of 84 cases in which others write."))
      << "not of one worker, who always hits";
  EXPECT_TRUE(says("<li>Caching, 2 workers: "));
  EXPECT_TRUE(says("pays at every share measured"));
  const auto costs = chart_named(text(), "Cost of a read, 1 worker");
  EXPECT_EQ(costs["x"]["ticks"], json({16, 256, 4096, 65536, 1 << 20}));
  EXPECT_EQ(series_named(costs, "hit")["points"].size(), 5u);
}

TEST_F(WidePage, SaysWhatTheRunCouldResolveAndWhatItLacks) {
  EXPECT_TRUE(says("<th scope=\"row\">Store/store:redis</th><td>there is no redis-server"));
  EXPECT_TRUE(says("Missing, for reasons that stand under &quot;Noise&quot;: Store/store:redis"));
  EXPECT_TRUE(says("When it began, the machine is busy: load 1.20 on 2 processors"));
  EXPECT_TRUE(says("<th scope=\"row\">reading the clock</th><td>26.0 ns</td>"));
  EXPECT_TRUE(says("A difference between two runs is more than noise from "));
  EXPECT_TRUE(says("<th scope=\"row\">Limit/clock</th><td>"));
}

TEST(Page, DoesNotClaimToKnowNoiseThatItDoesNot) {
  const auto text = page_of(fixture::bench_run("Limit/clock", {10}));
  EXPECT_TRUE(contains(text, "Nothing is known about noise"));
  EXPECT_TRUE(contains(text, "<td>unknown</td>"));
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

TEST(Page, WarnsOfALoadedMachineOnce) {
  auto run = fixture::bench_run("Lock/lock:x/mode:exclusive/procs:1", {10});
  run.about.load_avg = {9};
  EXPECT_TRUE(contains(page_of(run), "The machine was busy before the run began"));
  run.about.calibration = result::calibration_info{.warnings = {"the machine is busy: load 9.00"}};
  EXPECT_TRUE(contains(page_of(run), "When it began, the machine is busy: load 9.00"));
  EXPECT_FALSE(contains(page_of(run), "The machine was busy before the run began"));
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
        "Lock/lock:x/procs:2/locks:2/mode:", "Cache/read:uncached/procs:2/payload:",
        "Store/op:read/payload:16/procs:1/store:", "Store/store:x/payload:16/procs:1/op:",
        "Store/store:x/op:read/procs:1/payload:", "Lock/mode:exclusive/procs:2/rate_per_s:9/lock:",
        "Lock/lock:x/procs:2/stop_ms:9/rate_per_s:9/mode:",
        "Lock/mode:shared/procs:2/locks:2/lock:", "Limit/", "", "Family/of:"}) {
    auto entry = fixture::repetitions(begin + text, {10}).front();
    entry.counters = {{"hit_rate", 0.5},     {"bytes", 10},   {"p50_ns", 10},
                      {"wait_p999_ns", 500}, {"hit_ns", 3},   {"miss_ns", 9},
                      {"uncached_ns", 10},   {"p999_ns", 90}, {"intended_p999_ns", 95}};
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
  about.missing = {{text, text}};
  about.calibration = result::calibration_info{.warnings = {text}};
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

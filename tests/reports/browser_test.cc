// The page in a real browser: no console message, every canvas drawn, and labels that can be read.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <regex>
#include <string>
#include <string_view>

#include "reports/page/page.h"
#include "tests/reports/fixture.h"

namespace shmark::reports {
namespace {

std::size_t matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return static_cast<std::size_t>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), regex), {}));
}

// The page's DOM after its scripts have run, in `out`; the browser's log in `err`.
support::outcome browse(const support::folder& at, const std::string& page) {
  setenv("HOME", at.file("").c_str(), 1);
  return run_program(
      at, "chromium",
      {"--headless", "--no-sandbox", "--disable-gpu", "--disable-sync",
       "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
       "--user-data-dir=" + at.file("profile").string(), "--enable-logging=stderr", "--v=0",
       "--dump-dom", "file://" + fixture::save(at, "page.html", page)});
}

class Browser : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v chromium > /dev/null") != 0) {
      GTEST_SKIP() << "there is no chromium here: tools/setup --dev installs it";
    }
  }
  support::folder at_;
};

TEST_F(Browser, DrawsEveryChartWithoutAComplaint) {
  const std::array runs{fixture::full_bench_run(), fixture::wide_bench_run(),
                        fixture::stress_run(result::verdict_kind::passed)};
  const auto done = browse(at_, page(runs, "Title"));
  ASSERT_EQ(done.how, support::exited(0)) << done.err;
  EXPECT_EQ(matches(done.err, "CONSOLE"), 0u) << done.err;
  const auto canvases = matches(done.out, "<canvas role=\"img\"");
  EXPECT_GE(canvases, 30u);
  // Chart.js gives a canvas its size when it draws into it.
  EXPECT_EQ(matches(done.out, "<canvas role=\"img\"[^>]*display: block"), canvases);
}

// Or the test above could not fail.
TEST_F(Browser, HearsOfAScriptThatFails) {
  auto text = page(std::array{fixture::full_bench_run()}, "Title");
  const std::string id = "id=\"charts\">";
  text.insert(text.find(id) + id.size(), "broken");
  const auto done = browse(at_, text);
  EXPECT_GE(matches(done.err, "CONSOLE"), 1u) << done.err;
  EXPECT_EQ(matches(done.out, "<canvas role=\"img\"[^>]*display: block"), 0u);
}

// Appended to the page: writes down which labels of x axes touch, and how many there are in all.
constexpr std::string_view finds_touching_labels = R"(<script>
  let seen = 0;
  for (const canvas of document.querySelectorAll('canvas[data-chart]')) {
    const {ctx, scales: {x}} = Chart.getChart(canvas);
    ctx.font = Chart.helpers.toFont(x.options.ticks.font).string;
    const labels = x.ticks.filter((tick) => tick.label !== '');
    seen += labels.length;
    let last = {end: -Infinity};
    for (const {value, label} of labels) {
      const half = ctx.measureText(label).width / 2;
      const middle = x.getPixelForValue(value);
      if (middle - half < last.end + 2) document.body.append(` touching: ${last.label}, ${label};`);
      last = {end: middle + half, label};
    }
  }
  document.body.append(` labels seen: ${seen};`);
</script>)";

TEST_F(Browser, KeepsTheLabelsOfAnAxisApart) {
  auto run = fixture::full_bench_run();
  for (auto& each : run.entries) {
    // Up to 99.9999 %, on an axis on which 0 % and 50 % are close neighbours then.
    if (each.durations) each.durations->buckets = {{8, 999'000}, {64, 999}, {512, 1}};
  }
  auto text = page(std::array{run}, "Title");
  text.insert(text.rfind("</body>"), finds_touching_labels);
  const auto done = browse(at_, text);
  EXPECT_EQ(matches(done.err, "CONSOLE"), 0u) << done.err;
  EXPECT_EQ(matches(done.out, " labels seen: [0-9]{2,};"), 1u);
  std::smatch touching;
  const bool touch = std::regex_search(done.out, touching, std::regex(" touching: [^$]*?;"));
  EXPECT_FALSE(touch) << touching.str();
}

}  // namespace
}  // namespace shmark::reports

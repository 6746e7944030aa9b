// The page in a real browser: no console message, and every canvas drawn.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <regex>
#include <string>

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
  const std::array runs{fixture::full_bench_run(),
                        fixture::stress_run(result::verdict_kind::passed)};
  const auto done = browse(at_, page(runs, "Title"));
  ASSERT_EQ(done.how, support::exited(0)) << done.err;
  EXPECT_EQ(matches(done.err, "CONSOLE"), 0u) << done.err;
  const auto canvases = matches(done.out, "<canvas role=\"img\"");
  EXPECT_GE(canvases, 9u);
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

}  // namespace
}  // namespace shmark::reports

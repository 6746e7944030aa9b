#include "reports/text.h"

#include <gtest/gtest.h>

namespace shmark::reports {
namespace {

TEST(Text, ShortensCommits) {
  EXPECT_EQ(short_commit("0123456789abcdef"), "0123456789ab");
  EXPECT_EQ(short_commit("0123456789abcdef+dirty"), "0123456789ab with uncommitted changes");
  EXPECT_EQ(short_commit("unknown"), "unknown");
}

TEST(Text, WritesSharesAndRatios) {
  EXPECT_EQ(percent(0.9249), "92.5 %");
  EXPECT_EQ(ratio(1.041), "1.04");
  EXPECT_EQ(ratio(123.4), "123");
  EXPECT_EQ(ratio(1990), "1990");
  EXPECT_EQ(ratio(1e-9), "1e-09");
}

TEST(Text, LeavesNoMarkupInHtml) {
  EXPECT_EQ(escape_html("</script><b title='x' class=\"y\">&amp;"),
            "&lt;/script&gt;&lt;b title=&#39;x&#39; class=&quot;y&quot;&gt;&amp;amp;");
  EXPECT_EQ(escape_html(std::string_view("a\0b\x1b\n", 5)), "a\uFFFDb\uFFFD\n");
  EXPECT_EQ(escape_html("µ✓"), "µ✓");
}

TEST(Text, KeepsAMarkdownCellOneCell) {
  EXPECT_EQ(escape_markdown("a|b\n`c` *d* _e_ <img> [f](g) @h"),
            "a\\|b \\`c\\` \\*d\\* \\_e\\_ &lt;img&gt; \\[f\\](g) \\@h");
}

TEST(Text, LetsNothingForeignCommandATerminal) {
  EXPECT_EQ(printable("\x1b[31mred\a"), "?[31mred?");
  EXPECT_EQ(printable("a\u009b31mb"), "a?31mb");
  EXPECT_EQ(printable("µs \u00a0 ✓"), "µs \u00a0 ✓");
}

}  // namespace
}  // namespace shmark::reports

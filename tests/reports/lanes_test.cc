#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "reports/lanes/diagram.h"
#include "stress/history/history.h"
#include "tests/support/program.h"

namespace shmark::reports {
namespace {

using stress::access;
using stress::history;
using stress::operation;
using support::contains;

operation done(int worker, access kind, std::int64_t called_ns, std::int64_t returned_ns,
               std::uint64_t value, std::uint64_t serial) {
  operation one;
  one.worker = worker;
  one.called_ns = called_ns;
  one.returned_ns = returned_ns;
  one.kind = kind;
  one.value = value;
  one.serial = serial;
  return one;
}

std::size_t count(const std::string& text, const std::string& of) {
  std::size_t found = 0;
  for (auto at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++found;
  return found;
}

// Worker 1 reads, after worker 0 has written, what was there before.
const history stale{.first_value = 1,
                    .first_serial = 1,
                    .operations = {done(0, access::write, 1000, 2000, 7, 2),
                                   done(1, access::read, 3000, 4000, 1, 1),
                                   done(4, access::write, 3500, operation::never_ns, 8, 0)}};

TEST(Lanes, HaveABarForEachOperation) {
  const auto page = draw(stale, "x & y");
  EXPECT_EQ(count(page, "<rect "), 3U);
  EXPECT_EQ(count(page, ">worker 0</text>") + count(page, ">worker 1</text>") +
                count(page, ">worker 4</text>"),
            3U);
  EXPECT_FALSE(contains(page, ">worker 2<")) << "it did nothing";
  EXPECT_TRUE(contains(page, "<h1>x &amp; y</h1>"));
  EXPECT_EQ(count(page, " pending\""), 1U);
  EXPECT_TRUE(contains(page, "called at 2.000 us, returned at 3.000 us"));
}

TEST(Lanes, MarkWhatTheCheckerNames) {
  const auto page = draw(stale, "");
  EXPECT_GE(count(page, "class=\"read named\""), 1U) << page;
  EXPECT_GE(count(page, "<tr class=\"named\">"), 1U);
  history good = stale;
  good.operations[1].value = 7;
  good.operations[1].serial = 2;
  const auto harmless = draw(good, "");
  EXPECT_FALSE(contains(harmless, "named\"")) << harmless;
  EXPECT_TRUE(contains(harmless, "One order explains"));
}

TEST(Lanes, AreOfTheLastOfVeryMany) {
  history many{.first_value = 0, .first_serial = 1, .operations = {}};
  for (std::uint64_t i = 0; i < operations_drawn_max + 5; ++i) {
    const auto at = static_cast<std::int64_t>(100 * i);
    many.operations.push_back(done(0, access::write, at, at + 50, i, i + 2));
  }
  const auto page = draw(many, "");
  EXPECT_EQ(count(page, "<rect "), operations_drawn_max);
  EXPECT_TRUE(contains(page, "1005 operations, of which the last 1000 are shown"));
}

TEST(Lanes, OfNothingAreNoneButAPage) {
  EXPECT_TRUE(contains(draw(history{}, ""), "0 operations"));
}

}  // namespace
}  // namespace shmark::reports

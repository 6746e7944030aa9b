// Records that outlive their workers, and histories in files.

#include "stress/history/history.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/deadline.h"
#include "stress/history/file.h"
#include "stress/history/recorder.h"
#include "tests/support/child.h"
#include "tests/support/program.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

namespace shmark::stress {
namespace {

using support::child;
using support::contains;
using support::exited;
using support::folder;
using support::killed_by;

recorder make_recorder(int workers, std::size_t operations) {
  return *recorder::create(workers, operations);
}

TEST(Recorder, KeepsWhatWasDoneWithItsTimes) {
  const auto records = make_recorder(3, 10);
  const std::int64_t before_ns = monotonic_ns();
  records.begin(1, access::write, 7);
  records.complete(1, 7, 11);
  records.begin(1, access::read, 0);
  records.complete(1, 8, 12);
  const std::int64_t after_ns = monotonic_ns();
  const auto all = records.collect();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].worker, 1);
  EXPECT_EQ(all[0].kind, access::write);
  EXPECT_EQ(all[0].value, 7U);
  EXPECT_EQ(all[0].serial, 11U);
  EXPECT_EQ(all[1].kind, access::read);
  EXPECT_EQ(all[1].value, 8U);
  EXPECT_EQ(all[1].serial, 12U);
  EXPECT_LE(before_ns, all[0].called_ns);
  EXPECT_LE(all[0].called_ns, all[0].returned_ns);
  EXPECT_LE(all[0].returned_ns, all[1].called_ns);
  EXPECT_LE(all[1].called_ns, all[1].returned_ns);
  EXPECT_LE(all[1].returned_ns, after_ns);
}

TEST(Recorder, IsFullForEachWorkerByItself) {
  const auto records = make_recorder(2, 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(records.full(0));
    records.begin(0, access::read, 0);
    records.complete(0, 1, 0);
  }
  EXPECT_TRUE(records.full(0));
  EXPECT_FALSE(records.full(1));
  EXPECT_EQ(records.collect().size(), 2U);
}

TEST(Recorder, KeepsTheOperationThatItsWorkerWasKilledIn) {
  const auto records = make_recorder(1, 10);
  support::steps step;
  auto victim = child::start([&] {
    records.begin(0, access::write, 1);
    records.complete(0, 1, 5);
    records.begin(0, access::write, 2);
    step.reach(1);
    pause();
  });
  step.await(1);
  EXPECT_EQ(victim.kill(), killed_by(SIGKILL));
  auto successor = child::start([&] {
    records.begin(0, access::read, 0);
    records.complete(0, 2, 6);
  });
  EXPECT_EQ(successor.wait(), exited(0));
  const auto all = records.collect();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_FALSE(all[0].pending());
  EXPECT_TRUE(all[1].pending());
  EXPECT_EQ(all[1].value, 2U);
  EXPECT_EQ(all[1].serial, 0U);
  EXPECT_FALSE(all[2].pending());
}

// Wherever a worker is killed, its records are in order, and only the last may be pending.
TEST(Recorder, IsWholeWhereverItsWorkersAreKilled) {
  constexpr int lives = 200;
  const auto records = make_recorder(1, 10'000'000);
  for (int life = 0; life < lives; ++life) {
    const support::shared<std::atomic<std::uint64_t>> begun;
    auto victim = child::start([&] {
      for (std::uint64_t i = 1;; ++i) {
        records.begin(0, access::write, i);
        *begun = i;
        records.complete(0, i, i);
      }
    });
    while (*begun < 10U + static_cast<unsigned>(life)) {
    }
    EXPECT_EQ(victim.kill(), killed_by(SIGKILL));
  }
  const auto all = records.collect();
  std::uint64_t pending = 0;
  std::uint64_t expected = 1;
  std::int64_t before_ns = 0;
  for (const auto& one : all) {
    if (one.value == 1) expected = 1;
    ASSERT_EQ(one.value, expected++);
    ASSERT_GE(one.called_ns, before_ns);
    before_ns = one.called_ns;
    if (one.pending()) {
      ++pending;
      continue;
    }
    ASSERT_EQ(one.serial, one.value);
    ASSERT_GE(one.returned_ns, before_ns);
    before_ns = one.returned_ns;
  }
  EXPECT_EQ(std::ranges::count(all, 1U, &operation::value), lives);
  EXPECT_LE(pending, static_cast<unsigned>(lives));
}

history some_history() {
  history all{.first_value = UINT64_MAX, .first_serial = 3, .operations = {}};
  operation one;
  one.worker = 2;
  one.kind = access::write;
  one.called_ns = 1000;
  one.returned_ns = 2500;
  one.value = UINT64_MAX - 1;
  one.serial = 4;
  all.operations.push_back(one);
  one.kind = access::read;
  one.called_ns = 2600;
  one.returned_ns = interval::never_ns;
  one.value = 0;
  one.serial = 0;
  all.operations.push_back(one);
  return all;
}

TEST(HistoryFile, GivesBackWhatWasSaved) {
  const folder at;
  const auto all = some_history();
  ASSERT_TRUE(save(all, at.file("h")));
  std::ifstream file(at.file("h"));
  for (std::string line; std::getline(file, line);) {
    if (contains(line, "read")) {
      EXPECT_EQ(line, R"([2,"read",2600,null,0,0])");
    }
  }
  const auto again = load(at.file("h"));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->first_value, all.first_value);
  EXPECT_EQ(again->first_serial, all.first_serial);
  ASSERT_EQ(again->operations.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& one = again->operations[i];
    const auto& as_it_was = all.operations[i];
    EXPECT_EQ(one.worker, as_it_was.worker);
    EXPECT_EQ(one.kind, as_it_was.kind);
    EXPECT_EQ(one.called_ns, as_it_was.called_ns);
    EXPECT_EQ(one.returned_ns, as_it_was.returned_ns);
    EXPECT_EQ(one.value, as_it_was.value);
    EXPECT_EQ(one.serial, as_it_was.serial);
  }
}

void expect_refused(const std::string& text, errc code, std::string_view part) {
  const folder at;
  std::ofstream(at.file("h")) << text;
  const auto all = load(at.file("h"));
  ASSERT_FALSE(all) << text;
  EXPECT_EQ(all.error().code, code);
  EXPECT_TRUE(contains(all.error().message(), std::string(part))) << all.error().message();
}

TEST(HistoryFile, SaysInWhichLineItIsDamaged) {
  const std::string head = R"({"history":1,"first_value":0,"first_serial":1})"
                           "\n";
  expect_refused("", errc::corrupt, "line 1 ");
  expect_refused("[]\n", errc::corrupt, "line 1 ");
  expect_refused(R"({"history":1,"first_value":0})", errc::corrupt, "line 1 ");
  expect_refused(R"({"history":2,"first_value":0,"first_serial":1})", errc::mismatch, "version");
  expect_refused(head + R"([0,"read",1,2,3,4])"
                        "\n"
                        R"([0,"read",1,2,3)",
                 errc::corrupt, "line 3 ");
  expect_refused(head + R"([0,"look",1,2,3,4])", errc::corrupt, "line 2 ");
  expect_refused(head + R"([0,"read",1,2,3])", errc::corrupt, "line 2 ");
  expect_refused(head + R"([0,"read","1",2,3,4])", errc::corrupt, "line 2 ");
}

TEST(HistoryFile, MustBeThere) {
  const folder at;
  EXPECT_EQ(load(at.file("none")).error().code, errc::not_found);
  EXPECT_EQ(save(some_history(), at.file("no/folder")).error().code, errc::not_found);
  EXPECT_EQ(save(some_history(), "/dev/full").error().code, errc::no_space);
}

}  // namespace
}  // namespace shmark::stress

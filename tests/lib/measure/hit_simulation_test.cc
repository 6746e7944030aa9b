#include "lib/measure/hit_simulation.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/random.h"
#include "lib/measure/hit_model.h"

namespace shmark {
namespace {

using entries = std::vector<hit_log_entry>;
using serials = std::vector<std::uint64_t>;

constexpr auto read = access::read;
constexpr auto write = access::write;

std::vector<hit_counts> replayed(const std::vector<worker_accesses>& workers) {
  const auto done = simulate_hits(workers);
  EXPECT_TRUE(done) << done.error().message();
  return done ? done->workers : std::vector<hit_counts>{};
}

std::vector<hit_counts> replayed(const std::vector<entries>& workers) {
  std::vector<worker_accesses> given;
  for (const entries& each : workers) given.push_back({.entries = each});
  return replayed(given);
}

void expect_refused(const std::vector<worker_accesses>& workers, const std::string& part) {
  const auto done = simulate_hits(workers);
  ASSERT_FALSE(done) << part;
  EXPECT_EQ(done.error().code, errc::corrupt);
  EXPECT_NE(done.error().message().find(part), std::string::npos) << done.error().message();
}

void expect_refused(const std::vector<entries>& workers, const std::string& part) {
  std::vector<worker_accesses> given;
  for (const entries& each : workers) given.push_back({.entries = each});
  expect_refused(given, part);
}

TEST(HitLog, TakesOperationsThatBelongTogetherIntoOneEntry) {
  hit_log<8> log;
  for (int i = 0; i < 3; ++i) log.add(7, read);
  for (const auto serial : serials{8, 9, 10, 12}) log.add(serial, write);
  for (const auto serial : serials{12, 14, 14}) log.add(serial, read);
  EXPECT_EQ(entries(log.entries().begin(), log.entries().end()),
            (entries{{7, 3, read}, {8, 3, write}, {12, 1, write}, {12, 1, read}, {14, 2, read}}));
  EXPECT_EQ(log.operations(), 10u);
  EXPECT_TRUE(log.is_complete());
}

TEST(HitLog, IsEmptyIfAllItsBytesAre0) {
  alignas(hit_log<4>) unsigned char bytes[sizeof(hit_log<4>)] = {};
  hit_log<4> log;
  std::memcpy(&log, bytes, sizeof log);
  EXPECT_TRUE(log.entries().empty());
  EXPECT_TRUE(log.is_complete());
  EXPECT_FALSE(log.has_first_copy());
  log.add(0, read);  // what the fields of an empty log look like
  EXPECT_EQ(log.entries().front(), (hit_log_entry{0, 1, read}));
}

TEST(HitLog, StopsWhenFullAndSaysHowManyOperationsItHas) {
  hit_log<2> log;
  for (const auto serial : serials{1, 2, 3}) log.add(serial, write);
  log.add(3, read);
  log.add(3, read);
  EXPECT_TRUE(log.is_complete()) << "full, but nothing is missing";
  log.add(4, write);
  EXPECT_FALSE(log.is_complete());
  log.add(3, read);  // what would belong to the last entry, but not after what is missing
  EXPECT_EQ(log.operations(), 5u);
  EXPECT_EQ(log.entries().size(), 2u);
}

TEST(HitLog, BeginsAnotherEntryWhenACountIsFull) {
  hit_log<4, 3> log;
  for (int i = 0; i < 7; ++i) log.add(1, read);
  EXPECT_EQ(entries(log.entries().begin(), log.entries().end()),
            (entries{{1, 3, read}, {1, 3, read}, {1, 1, read}}));
  EXPECT_EQ(replayed(std::vector<worker_accesses>{accesses_of(log)})[0], (hit_counts{6, 1, 0}));

  hit_log<4, 2> writes;
  for (const auto serial : serials{1, 2, 3}) writes.add(serial, write);
  EXPECT_EQ(replayed(std::vector<worker_accesses>{accesses_of(writes)})[0].writes, 3u);
}

TEST(HitSimulation, CountsAnExampleByHand) {
  // write 1 by A; B reads it twice, A once; write 2 by B; A reads twice, B once.
  const auto seen = replayed(
      {{{1, 1, write}, {1, 1, read}, {2, 2, read}}, {{1, 2, read}, {2, 1, write}, {2, 1, read}}});
  EXPECT_EQ(seen[0], (hit_counts{.hits = 2, .misses = 1, .writes = 1}));
  EXPECT_EQ(seen[1], (hit_counts{.hits = 2, .misses = 1, .writes = 1}));
  EXPECT_DOUBLE_EQ(*seen[0].hit_rate(), 2.0 / 3);
}

TEST(HitSimulation, LetsAFirstReadMissUnlessThereWasACopy) {
  const entries reads{{5, 10, read}};
  EXPECT_EQ(replayed(std::vector<entries>{reads})[0], (hit_counts{9, 1, 0}));
  const auto with = [&](std::uint64_t copy) {
    return replayed(std::vector<worker_accesses>{{.entries = reads, .first_copy = copy},
                                                 {.first_copy = 4},
                                                 {.entries = entries{{5, 1, write}}}})[0];
  };
  EXPECT_EQ(with(5), (hit_counts{10, 0, 0}));
  EXPECT_EQ(with(4), (hit_counts{9, 1, 0})) << "somebody wrote after that copy";
}

TEST(HitSimulation, SeesWhatOthersReadInTheMiddleOfManyWrites) {
  // A writes 1 to 100 in a row; B looks at 0, 50 (twice), 51 and 100.
  const auto seen = replayed({{{1, 100, write}, {100, 1, read}},
                              {{0, 1, read}, {50, 2, read}, {51, 1, read}, {100, 1, read}}});
  EXPECT_EQ(seen[0], (hit_counts{1, 0, 100}));
  EXPECT_EQ(seen[1], (hit_counts{1, 4, 0}));
}

TEST(HitSimulation, OfNothingIsNothing) {
  EXPECT_TRUE(replayed(std::vector<entries>{}).empty());
  EXPECT_EQ(replayed(std::vector<entries>{{}, {}})[1], hit_counts{});
  EXPECT_EQ(hit_counts{}.hit_rate(), std::nullopt);
}

// Workers that take turns with a variable whose cache is told apart by serial numbers; what each
// operation was is kept, next to the logs.
template <std::size_t Capacity>
class world {
 public:
  world(std::size_t workers, double write_share, std::uint64_t seed)
      : random_(seed), write_share_(write_share), workers_(workers) {}

  // A worker's operations come in bursts, as a scheduler has it.
  void run(int operations, int burst) {
    for (auto& each : workers_) each.log->begin_with(each.copy = serial_);
    for (int i = 0; i < operations;) {
      auto& by = workers_[random_.below(workers_.size())];
      for (int k = 0; k < burst; ++k, ++i) operate(by);
    }
  }

  // The logs are right, and the replay agrees with what was, as far as it goes.
  [[nodiscard]] replayed_hits expect_true_replay() const {
    std::vector<worker_accesses> given;
    for (const auto& each : workers_) given.push_back(accesses_of(*each.log));
    const auto done = simulate_hits(given);
    EXPECT_TRUE(done) << done.error().message();
    if (!done) return {};
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      const hit_counts& seen = done->workers[i];
      const auto covered = seen.hits + seen.misses + seen.writes;
      EXPECT_LE(covered, workers_[i].was.size());
      EXPECT_EQ(seen, first(workers_[i].was, covered));
      if (done->is_complete) {
        EXPECT_EQ(covered, workers_[i].was.size());
      }
    }
    return *done;
  }

 private:
  enum class what : std::uint8_t { hit, miss, wrote };
  struct worker {
    std::unique_ptr<hit_log<Capacity>> log = std::make_unique<hit_log<Capacity>>();
    std::uint64_t copy = 0;
    std::vector<what> was{};
  };

  void operate(worker& by) {
    if (random_.fraction() < write_share_) {
      by.copy = ++serial_;
      by.was.push_back(what::wrote);
      by.log->add(serial_, write);
    } else {
      by.was.push_back(by.copy == serial_ ? what::hit : what::miss);
      by.copy = serial_;
      by.log->add(serial_, read);
    }
  }

  static hit_counts first(const std::vector<what>& was, std::uint64_t operations) {
    hit_counts sum;
    for (std::size_t i = 0; i < was.size() && i < operations; ++i) {
      ++(was[i] == what::hit ? sum.hits : was[i] == what::miss ? sum.misses : sum.writes);
    }
    return sum;
  }

  random_source random_;
  double write_share_;
  std::uint64_t serial_ = 1;
  std::vector<worker> workers_;
};

TEST(HitSimulation, AgreesWithACacheThatWasThere) {
  std::uint64_t seed = 1;
  for (const std::size_t workers : {1u, 2u, 3u, 8u}) {
    for (const double write_share : {0.0, 0.01, 0.2, 0.5, 1.0}) {
      for (const int burst : {1, 5, 100}) {
        SCOPED_TRACE(testing::Message() << workers << ' ' << write_share << ' ' << burst);
        world<8192> one(workers, write_share, seed++);
        one.run(5000, burst);
        EXPECT_TRUE(one.expect_true_replay().is_complete);
      }
    }
  }
}

TEST(HitSimulation, ReplaysTheBeginningIfALogFilledUp) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    world<64> one(3, 0.2, seed);
    one.run(5000, seed % 2 == 0 ? 1 : 7);
    const auto seen = one.expect_true_replay();
    EXPECT_FALSE(seen.is_complete);
    EXPECT_GT(seen.all().hits + seen.all().misses, 50u);
  }
}

// Only what was before, also of many writes in a row.
TEST(HitSimulation, EndsWhereTheFirstLogThatFilledUpDoes) {
  const entries cut{{2, 1, read}, {5, 1, read}};
  const entries whole{{3, 8, write}, {10, 1, read}};
  const auto done = simulate_hits(
      std::vector<worker_accesses>{{.entries = cut, .is_complete = false}, {.entries = whole}});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_FALSE(done->is_complete);
  EXPECT_EQ(done->workers[0], (hit_counts{0, 2, 0}));
  EXPECT_EQ(done->workers[1], (hit_counts{0, 0, 3}));
}

TEST(HitSimulation, ComesNearTheModelWhereTurnsAreRandom) {
  world<65536> one(4, 0.2, 5);
  one.run(60'000, 1);
  EXPECT_NEAR(*one.expect_true_replay().all().hit_rate(), model_hit_rate(0.8, 4), 0.01);
}

TEST(HitSimulation, RefusesASerialNumberThatWasWrittenTwice) {
  expect_refused({{{3, 2, write}}, {{4, 1, write}}}, "worker 1: its contents are damaged");
  expect_refused({{{3, 2, write}}, {{4, 1, write}}}, "serial number 4 was written twice");
  expect_refused({{{3, 1, write}}, {{3, 1, write}}}, "serial number 3 was written twice");
  // Seen before it was written: the same.
  expect_refused({{{3, 1, read}, {3, 1, write}}}, "it wrote serial number 3");
  expect_refused({{{3, 1, write}, {3, 1, write}}}, "it wrote serial number 3");
}

TEST(HitSimulation, RefusesSerialNumbersThatFall) {
  expect_refused({{{3, 1, read}, {2, 1, read}}}, "serial number 2 after 3");
  expect_refused({{{3, 4, write}, {5, 1, read}}}, "serial number 5 after 6");
  expect_refused({{.entries = entries{{2, 1, read}}, .first_copy = 3}}, "serial number 2 after 3");
}

TEST(HitSimulation, RefusesASerialNumberThatNobodyWrote) {
  expect_refused({{{3, 1, write}}, {{5, 1, write}}}, "serial number 4: its contents are damaged");
  expect_refused({{{3, 1, write}, {4, 1, read}}}, "serial number 4");
  expect_refused({{{1, 1, read}}, {{3, 1, write}}}, "serial number 2");
  expect_refused({{{1, 1, read}, {std::numeric_limits<std::uint64_t>::max(), 1, read}}},
                 "serial number 2");
}

TEST(HitSimulation, RefusesEntriesThatCannotBe) {
  expect_refused({{{3, 0, read}}}, "counts no operation");
  expect_refused({{{0, 1, write}}}, "no writes make numbers from serial number 0 on");
  expect_refused({{{std::numeric_limits<std::uint64_t>::max(), 2, write}}}, "no writes make");
}

TEST(HitSimulation, ForgivesTheLastWriteOfEachThatWasKilled) {
  const auto with_killed = [](const entries& killed, const entries& other) {
    return std::vector<worker_accesses>{{.entries = killed, .was_killed = true},
                                        {.entries = other}};
  };
  // 4 is the last of who was killed after it had written 3.
  const auto seen = replayed(with_killed({{3, 1, write}}, {{3, 2, read}, {4, 2, read}}));
  EXPECT_EQ(seen[0], (hit_counts{0, 0, 1}));
  EXPECT_EQ(seen[1], (hit_counts{2, 2, 0}));
  replayed(with_killed({{3, 1, write}}, {{5, 1, write}}));
  replayed(with_killed({}, {{3, 1, read}, {4, 1, read}}));
  // One write each, and none before what was logged.
  expect_refused(with_killed({{3, 1, write}}, {{6, 1, write}}), "serial number 4");
  expect_refused(with_killed({{3, 1, write}}, {{5, 1, write}, {7, 1, write}}), "serial number 6");
  expect_refused(with_killed({{6, 1, write}}, {{3, 1, write}, {5, 1, write}}), "serial number 4");
  // Two were killed: each explains one.
  const entries first{{3, 1, write}};
  const entries second{{5, 1, read}};
  const entries third{{6, 1, read}};
  const std::vector<worker_accesses> both{{.entries = second, .was_killed = true},
                                          {.entries = first, .was_killed = true},
                                          {.entries = third}};
  expect_refused(both, "serial number 4");
  const entries between{{5, 1, write}};
  auto fixed = both;
  fixed.push_back({.entries = between});
  replayed(fixed);
}

}  // namespace
}  // namespace shmark

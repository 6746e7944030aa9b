#include "lib/workload/external.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "lib/base/deadline.h"
#include "tests/lib/workload/fixture.h"
#include "tests/support/program.h"

namespace shmark {
namespace {

using support::folder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

external_command in_shell(const std::string& script) { return {.words = {"sh", "-c", script}}; }

// A worker that obeys, in shell; $prefix and $index are as it was told. The lines are run each time
// that it prepares. What it says to have done takes no time, so windows here do not either.
std::string obeying(const std::string& preparing, const std::string& operations = "1",
                    const std::string& ready = "{\"bytes\":8}") {
  return R"(echo hello shmark-worker 1 count other
while read word rest; do case $word in
prepare)
  prefix=${rest#*\"prefix\":\"} prefix=${prefix%%\"*}
  index=${rest#*\"index\":} index=${index%%,*}
)" + preparing +
         "\n  echo '" + ready + R"(' | sed 's/^/ready /' ;;
go) echo "done {\"operations\":)" +
         operations + R"(,\"elapsed_ns\":1,\"cpu_ns\":1,\"counters\":{\"found\":$index}}" ;;
esac; done)";
}

class ExternalWork : public ::testing::TestWithParam<workers_are> {
 protected:
  static constexpr int size = 3;

  [[nodiscard]] auto made(const std::string& script, const std::string& op = "count") const {
    return external_work::make(run_, in_shell(script), {.workers = size, .op = op});
  }
  [[nodiscard]] small_bench bench_of(const std::string& script) const {
    return {made(script), {.size = size, .kind = GetParam()}};
  }
  // What the first window fails with.
  [[nodiscard]] error error_of(const std::string& script) const {
    auto bench = bench_of(script);
    const auto counters = bench.window(std::chrono::nanoseconds(0));
    return counters ? error{} : counters.error();
  }

  run run_ = begun();
};
INSTANTIATE_TEST_SUITE_P(, ExternalWork,
                         ::testing::Values(workers_are::processes, workers_are::threads),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(ExternalWork, AddsUpWhatItsWorkersCount) {
  auto bench = bench_of(obeying("", "$((index + 1))"));
  for (int i = 0; i < 2; ++i) {
    const auto counters = bench.window(std::chrono::nanoseconds(0));
    ASSERT_TRUE(counters) << counters.error().message();
    EXPECT_EQ(counters->at("found"), 0 + 1 + 2);
    EXPECT_EQ(counters->at("bytes"), 8);
    EXPECT_EQ(bench.last().operations, 1u + 2 + 3);
  }
}

TEST_P(ExternalWork, PreparesTheFirstWorkerBeforeTheOthers) {
  const auto* script = R"(  if [ $index = 0 ]; then sleep 0.2; echo > /dev/shm/$prefix.made
  elif ! [ -e /dev/shm/$prefix.made ]; then echo failed nothing there; exit; fi)";
  EXPECT_EQ(error_of(obeying(script)).message(), error{}.message());
}

TEST_P(ExternalWork, RemovesWhatHasItsPrefix) {
  EXPECT_EQ(error_of(obeying("echo > /dev/shm/$prefix.$index")).message(), error{}.message());
  EXPECT_THAT(run_.objects(), ElementsAre());
}

TEST_P(ExternalWork, RemovesTheSegmentsThatWorkersLeaveAndSaysSo) {
  const int left = shmget(IPC_PRIVATE, 1, 0600);
  ASSERT_GE(left, 0);
  const auto ready = "{\"segments\":[" + std::to_string(left) + "]}";
  ::testing::internal::CaptureStderr();
  const auto found = error_of(obeying("", "1", ready));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("left System V segment " + std::to_string(left) + "; now removed"));
  EXPECT_EQ(found.message(), error{}.message());
  EXPECT_NE(shmctl(left, IPC_RMID, nullptr), 0) << "still there";
}

TEST_P(ExternalWork, IsNoResultIfAWorkerHasDoneNothing) {
  const auto found = error_of(obeying("", "$((index == 1 ? 0 : 5))"));
  EXPECT_EQ(found.code, errc::corrupt);
  EXPECT_THAT(found.message(), HasSubstr("its worker 1 has done nothing"));
}

TEST_P(ExternalWork, FailsWithTheFirstWorkerWhomTheOthersWaitFor) {
  const auto found = error_of(obeying("[ $index = 0 ] && echo failed no luck"));
  EXPECT_THAT(found.message(), HasSubstr("it says: no luck"));
}

TEST_P(ExternalWork, FailsWithAnyWorkerThatDies) {
  const auto before = error_of(obeying("[ $index = 2 ] && kill -9 $$"));
  EXPECT_EQ(before.code, errc::worker_died);
  EXPECT_THAT(before.message(), HasSubstr("killed by signal 9"));
  const auto meanwhile = error_of(obeying("", "$([ $index = 1 ] && kill -9 $$; echo 1)"));
  EXPECT_EQ(meanwhile.code, errc::worker_died);
}

TEST_P(ExternalWork, CannotBeMadeOfACommandThatIsNotThereOrOffersSomethingElse) {
  const auto nothing = external_work::make(run_, {.words = {"no-such-command-anywhere"}},
                                           {.workers = size, .op = "count"});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, errc::not_found);
  const auto other = made(obeying(""), "read");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, errc::invalid);
  EXPECT_THAT(other.error().message(), HasSubstr("no operation \"read\", but: count other"));
}

TEST(ExternalCommand, SaysWhatItOffers) {
  const auto offered = operations_of(in_shell(obeying("")));
  ASSERT_TRUE(offered) << offered.error().message();
  EXPECT_THAT(*offered, ElementsAre("count", "other"));
}

TEST(ExternalCommand, SaysWhatIsMissing) {
  const auto owner = begun();
  const auto reason = [&](const std::string& script) {
    return external_work::missing_reason(owner, in_shell(script), {.op = "count"});
  };
  EXPECT_EQ(reason(obeying("echo > /dev/shm/$prefix.made")), std::nullopt);
  EXPECT_EQ(reason(obeying("echo missing a snail")), "a snail");
  EXPECT_THAT(external_work::missing_reason(owner, {.words = {"no-such-command-anywhere"}}, {})
                  .value_or(""),
              HasSubstr("no-such-command-anywhere"));
  EXPECT_THAT(owner.objects(), ElementsAre());
  EXPECT_EQ(reason("echo good day"), std::nullopt) << "that is an error, and not missing";
}

// The one that README shows.
TEST(ExternalCommand, CountsInPython) {
  const auto owner = begun();
  const external_command how{.words = {"python3", "examples/worker.py"}};
  if (const auto why = external_work::missing_reason(owner, how, {.op = "count"}))
    GTEST_SKIP() << *why;
  {
    small_bench bench(external_work::make(owner, how, {.workers = 2, .op = "count"}), {.size = 2});
    for (int i = 0; i < 2; ++i) {
      const auto counters = bench.window();
      ASSERT_TRUE(counters) << counters.error().message();
      EXPECT_EQ(counters->at("counted"), static_cast<double>(bench.last().operations));
      EXPECT_GE(bench.last().times.latency.total(), 2u);
    }
  }
  EXPECT_THAT(owner.objects(), ElementsAre());
}

}  // namespace
}  // namespace shmark

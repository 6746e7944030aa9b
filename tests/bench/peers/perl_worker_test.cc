// Perl as a peer, where it is installed.
#include "bench/peers/perl_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/crew/external_worker.h"
#include "tests/lib/workload/fixture.h"

namespace shmark::bench {
namespace {

using ::testing::HasSubstr;

class PerlWorker : public ::testing::Test {
 protected:
  [[nodiscard]] bool has(const external_work::parameters& what) {
    missing_ = external_work::missing_reason(run_, perl_worker(), what).value_or("");
    return missing_.empty();
  }
  void expect_concludes(const external_work::parameters& what, double bytes_min) {
    small_bench bench(external_work::make(run_, perl_worker(), what), {.size = what.workers});
    for (int i = 0; i < 2; ++i) {
      const auto counters = bench.window(std::chrono::milliseconds(20));
      ASSERT_TRUE(counters) << counters.error().message();
      EXPECT_GE(counters->at("bytes"), bytes_min);
      EXPECT_GE(bench.last().operations, static_cast<std::uint64_t>(what.workers));
      EXPECT_GE(bench.last().times.latency.total(), static_cast<std::uint64_t>(what.workers));
      EXPECT_GT(bench.last().cpu_ns, 0);
    }
  }

  run run_ = begun();
  std::string missing_;
};

TEST_F(PerlWorker, MeasuresIpcShareableWithOneWorkerOrThree) {
  if (!has(ipc_shareable("read", 16, 1))) GTEST_SKIP() << missing_;
  for (const auto* op : {"read", "write", "mixed"}) {
    for (const int workers : {1, 3}) {
      SCOPED_TRACE(std::string(op) + ' ' + std::to_string(workers));
      expect_concludes(ipc_shareable(op, 1024, workers, 90, 1), 1024);
    }
  }
  expect_concludes(ipc_shareable("write", 1 << 20, 2), 1 << 20);
}

TEST_F(PerlWorker, MeasuresStorableWithEveryShape) {
  if (!has(storable("u64", "encode"))) GTEST_SKIP() << missing_;
  for (const auto* shape :
       {"u64", "flat", "map100", "doubles64k", "doubles1m", "strings", "tree"}) {
    for (const auto* op : {"encode", "decode"}) {
      SCOPED_TRACE(std::string(shape) + ' ' + op);
      expect_concludes(storable(shape, op), 8);
    }
  }
}

TEST_F(PerlWorker, SaysThatAShapeIsMissing) {
  if (!has(storable("u64", "encode"))) GTEST_SKIP() << missing_;
  EXPECT_THAT(
      external_work::missing_reason(run_, perl_worker(), storable("cube", "encode")).value_or(""),
      HasSubstr("shape cube"));
}

TEST_F(PerlWorker, SaysThatAModuleIsMissing) {
  if (!has(storable("u64", "encode"))) GTEST_SKIP() << missing_;
  const external_command without{.words = {"perl", "-e",
                                           "unshift @INC, sub { die if $_[1] =~ /Shareable/ }; "
                                           "do './bench/peers/worker.pl' or die $@"}};
  EXPECT_THAT(
      external_work::missing_reason(run_, without, ipc_shareable("read", 16, 1)).value_or(""),
      HasSubstr("IPC::Shareable (tools/setup --peers installs it)"));
  EXPECT_EQ(external_work::missing_reason(run_, without, storable("u64", "encode")), std::nullopt);
}

struct sysv_ids {
  int segment;
  int semaphores;
  [[nodiscard]] bool are_gone() const {
    shmid_ds status;
    semid_ds semaphore_status;
    return shmctl(segment, IPC_STAT, &status) != 0 &&
           semctl(semaphores, 0, IPC_STAT, &semaphore_status) != 0;
  }
};

// Worker 0, and what it has made.
std::pair<external_worker, sysv_ids> prepared() {
  auto worker = external_worker::start(perl_worker());
  if (!worker) throw std::runtime_error(worker.error().message());
  auto what = ipc_shareable("read", 16, 1);
  what.prefix = "shmark." + std::to_string(getpid()) + "." + std::to_string(monotonic_ns());
  const auto greeted = worker->greet();
  const auto ready = greeted ? worker->prepare(what) : std::unexpected(greeted.error());
  if (!ready) throw std::runtime_error(ready.error().message());
  return std::pair(*std::move(worker), sysv_ids{ready->segments.at(0), ready->semaphores.at(0)});
}

TEST_F(PerlWorker, LeavesNothingWhenItEnds) {
  if (!has(ipc_shareable("read", 16, 1))) GTEST_SKIP() << missing_;
  std::optional<sysv_ids> made;
  {
    const auto [worker, ids] = prepared();
    EXPECT_FALSE(ids.are_gone());
    made = ids;
  }
  EXPECT_TRUE(made->are_gone());
}

TEST_F(PerlWorker, LeavesNothingAfterSigterm) {
  if (!has(ipc_shareable("read", 16, 1))) GTEST_SKIP() << missing_;
  auto [worker, ids] = prepared();
  kill(worker.partner().process(), SIGTERM);
  EXPECT_TRUE(worker.partner().status(deadline::never()));
  EXPECT_TRUE(ids.are_gone());
}

}  // namespace
}  // namespace shmark::bench

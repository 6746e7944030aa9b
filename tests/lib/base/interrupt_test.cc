// Each in a child: what is tested is for good, and for the whole process.

#include "lib/base/interrupt.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::killed_by;
using support::steps;

bool is_readable(int descriptor) {
  pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
  return poll(&waiting, 1, 0) == 1;
}

TEST(Interrupt, EndsTheProcessUntilItIsCaught) {
  EXPECT_EQ(interrupted(), 0);
  EXPECT_EQ(interrupt_descriptor(), -1);
  EXPECT_EQ(child::start([] { raise(SIGTERM); }).wait(), killed_by(SIGTERM));
}

TEST(Interrupt, RaisesAFlagAndMakesADescriptorReadable) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    auto worker = child::start([&] {
      catch_interrupts();
      EXPECT_EQ(interrupted(), 0);
      EXPECT_FALSE(is_readable(interrupt_descriptor()));
      raise(number);
      EXPECT_EQ(interrupted(), number);
      EXPECT_TRUE(is_readable(interrupt_descriptor()));
    });
    EXPECT_EQ(worker.wait(), exited(0)) << number;
  }
}

TEST(Interrupt, LeavesAHangUpToWhomIgnoresIt) {
  auto worker = child::start([] {
    signal(SIGHUP, SIG_IGN);  // as nohup(1) does
    catch_interrupts();
    raise(SIGHUP);
    EXPECT_EQ(interrupted(), 0);
  });
  EXPECT_EQ(worker.wait(), exited(0));
}

TEST(Interrupt, TheFirstCounts) {
  auto worker = child::start([] {
    catch_interrupts();
    raise(SIGTERM);
    for (int i = 0; i < 100'000; ++i) raise(SIGINT);  // more than a pipe holds
    EXPECT_EQ(interrupted(), SIGTERM);
  });
  EXPECT_EQ(worker.wait(), exited(0));
}

TEST(Interrupt, WakesOneThatWaits) {
  steps step;
  auto worker = child::start([&] {
    catch_interrupts();
    step.reach(1);
    pollfd waiting{.fd = interrupt_descriptor(), .events = POLLIN, .revents = 0};
    while (poll(&waiting, 1, -1) != 1) {
    }
    EXPECT_EQ(interrupted(), SIGINT);
  });
  step.await(1);
  worker.await_asleep();
  worker.send(SIGINT);
  EXPECT_EQ(worker.wait(), exited(0));
}

TEST(Interrupt, MayBeCaughtTwice) {
  auto worker = child::start([] {
    catch_interrupts();
    const int first = interrupt_descriptor();
    catch_interrupts();
    EXPECT_EQ(interrupt_descriptor(), first);
    raise(SIGINT);
    EXPECT_TRUE(is_readable(first));
  });
  EXPECT_EQ(worker.wait(), exited(0));
}

TEST(Interrupt, IsNoConcernOfWorkersThatIgnoreIt) {
  auto supervisor = child::start([] {
    catch_interrupts();
    auto worker = child::start([] {
      ignore_interrupts();
      for (const int number : {SIGINT, SIGTERM, SIGHUP}) raise(number);
      EXPECT_EQ(interrupted(), 0);
    });
    EXPECT_EQ(worker.wait(), exited(0));
    EXPECT_FALSE(is_readable(interrupt_descriptor()));
  });
  EXPECT_EQ(supervisor.wait(), exited(0));
}

}  // namespace
}  // namespace shmark

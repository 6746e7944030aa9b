#include "lib/crew/processors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <set>
#include <thread>
#include <vector>

namespace shmark {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two packages of two cores of two threads, numbered as Linux does: second threads come last.
std::vector<placed_processor> eight() {
  return {{0, 0, 0}, {1, 0, 1}, {2, 1, 0}, {3, 1, 1}, {4, 0, 0}, {5, 0, 1}, {6, 1, 0}, {7, 1, 1}};
}

TEST(Processors, AreSpreadOverCoresFirst) {
  EXPECT_THAT(in_order(eight(), pinning::spread), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

TEST(Processors, ArePackedCoreByCore) {
  EXPECT_THAT(in_order(eight(), pinning::packed), ElementsAre(0, 4, 1, 5, 2, 6, 3, 7));
}

TEST(Processors, AreOneIfOversubscribed) {
  EXPECT_THAT(in_order(eight(), pinning::oversubscribed), ElementsAre(0));
}

TEST(Processors, AreNoneIfWorkersAreNotPinned) {
  EXPECT_THAT(in_order(eight(), pinning::none), IsEmpty());
  EXPECT_THAT(processors_for(pinning::none), IsEmpty());
}

TEST(Processors, OfThisMachineAreThoseThatAreAllowed) {
  const auto allowed = allowed_processors();
  for (const auto how : {pinning::spread, pinning::packed}) {
    const auto all = processors_for(how);
    EXPECT_EQ(std::set(all.begin(), all.end()), std::set(allowed.begin(), allowed.end()));
    EXPECT_EQ(all.size(), allowed.size());
  }
}

TEST(Processors, HoldWhomIsPinnedToThem) {
  const int last = allowed_processors().back();
  std::thread([last] {
    pin_to(last);
    EXPECT_EQ(sched_getcpu(), last);
    EXPECT_THAT(allowed_processors(), ElementsAre(last));
  }).join();
}

}  // namespace
}  // namespace shmark

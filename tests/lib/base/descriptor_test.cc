#include "lib/base/descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace shmark {
namespace {

descriptor open_one() { return descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }
bool is_open(int number) { return fcntl(number, F_GETFD) >= 0; }

TEST(Descriptor, IsClosedWithItsOwner) {
  int number = -1;
  {
    const auto owner = open_one();
    ASSERT_TRUE(owner);
    number = owner.number();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Descriptor, IsClosedOnceWhenItHasMoved) {
  auto first = open_one();
  const int number = first.number();
  {
    const auto second = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_EQ(second.number(), number);
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Descriptor, ThatIsReplacedIsClosedToo) {
  auto first = open_one();
  const int old = first.number();
  {
    auto second = open_one();
    const int next = second.number();
    first = std::move(second);
    EXPECT_EQ(first.number(), next);
  }
  EXPECT_FALSE(is_open(old));
  EXPECT_TRUE(is_open(first.number()));
}

TEST(Descriptor, IsEmptyWhenOpeningFailed) {
  const descriptor failed(open("/nowhere/at/all", O_RDONLY));
  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.number(), -1);
}

}  // namespace
}  // namespace shmark

// A full /dev/shm is an error when memory is opened, and never a SIGBUS later. Each test runs in a
// child that sees a /dev/shm of 16 pages.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <string>

#include "lib/base/descriptor.h"
#include "lib/mapping/posix.h"
#include "tests/lib/mapping/memories.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/small_shm.h"

namespace shmark {
namespace {

using enum open_mode;
using support::child;
using support::exited;
using support::shared;

constexpr std::size_t space = 65'536;
constexpr const char* name = "/it";  // nobody else sees this /dev/shm

// Runs the body where it is full soon; where that cannot be arranged, the test is skipped.
void with_little_space(const std::function<void()>& body) {
  const shared<std::atomic<bool>> arranged;
  auto inside = child::start([&] {
    *arranged = support::enter_small_shm(space);
    if (*arranged) body();
  });
  EXPECT_EQ(inside.wait(), exited(0));
  if (!*arranged) GTEST_SKIP() << "it takes root, or user namespaces, to have a small /dev/shm";
}

std::string open(open_mode mode, const open_options& options = {}) {
  return outcome(shared_open(name, mode, options));
}

// An object as another program makes it: all holes.
void make_by_hand(std::size_t size) {
  const descriptor made(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
  ASSERT_TRUE(made);
  ASSERT_EQ(ftruncate(made.number(), static_cast<off_t>(size)), 0);
}

// Leaves nothing of it, for objects opened from now on.
void use_up() {
  const descriptor rest(shm_open("/rest", O_CREAT | O_RDWR, 0600));
  ASSERT_TRUE(rest);
  off_t at = 0;
  while (posix_fallocate(rest.number(), at, 4096) == 0) at += 4096;
}

void write_all(const shared_memory& memory) {
  const auto bytes = memory.writable_bytes();
  ASSERT_TRUE(bytes) << bytes.error().message();
  std::ranges::fill(*bytes, std::byte{7});
}

TEST(FullShm, IsNoSpaceWhenAnObjectIsMadeAndLeavesNoName) {
  with_little_space([] {
    for (const auto mode : {create_write, create_read_write}) {
      EXPECT_EQ(open(mode, {.size = 2 * space}), "no_space");
      EXPECT_EQ(open(mode, {.size = 2 * space, .flags = O_EXCL}), "no_space");
      EXPECT_EQ(open(read), "not_found");
    }
    const auto fits = shared_open(name, create_read_write, {.size = space / 2});
    ASSERT_TRUE(fits) << fits.error().message();
    use_up();
    write_all(*fits);
  });
}

TEST(FullShm, IsNoSpaceWhenAnObjectIsLengthenedAndLeavesItAsItWas) {
  with_little_space([] {
    const auto made = shared_open(name, create_read_write, {.size = 4096});
    ASSERT_TRUE(made);
    write_all(*made);
    EXPECT_EQ(open(read_write, {.size = 2 * space}), "no_space");
    EXPECT_EQ(open(read_write, {.size = 2 * space, .offset = 5000}), "no_space");
    EXPECT_EQ(made->stat().value().size, 4096u);
    EXPECT_EQ(made->bytes().back(), std::byte{7});
    const auto longer = shared_open(name, read_write, {.size = space / 2, .offset = 100});
    ASSERT_TRUE(longer) << longer.error().message();
    use_up();
    write_all(*longer);
  });
}

TEST(FullShm, IsNoSpaceWhenAnObjectIsEmptiedAndLeavesWhatItHolds) {
  with_little_space([] {
    const auto made = shared_open(name, create_read_write, {.size = 4096});
    ASSERT_TRUE(made);
    write_all(*made);
    EXPECT_EQ(open(create_read_write, {.size = 2 * space}), "no_space");
    EXPECT_EQ(made->stat().value().size, 4096u) << "it was there before: it stays";
    EXPECT_EQ(open(read), "ok");
    EXPECT_EQ(made->bytes().back(), std::byte{7});
  });
}

TEST(FullShm, IsNoHindranceToEmptyWhatHasHolesBeforeWhatIsMapped) {
  with_little_space([] {
    make_by_hand(space / 2);
    const descriptor made(shm_open(name, O_RDWR, 0));
    constexpr off_t last = space / 2 - 4096;
    for (const off_t at : {off_t{0}, last}) ASSERT_EQ(pwrite(made.number(), "hello", 5, at), 5);
    use_up();
    const auto opened = open(create_read_write, {.size = 4096, .offset = last});
    EXPECT_EQ(opened, "ok");
    char first = '?';
    ASSERT_EQ(pread(made.number(), &first, 1, 0), 1);
    EXPECT_EQ(first, opened == "ok" ? '\0' : 'h') << "a refusal emptied it";
  });
}

TEST(FullShm, TakesNothingFromThoseWhoHaveMappedWhatIsEmptied) {
  with_little_space([] {
    const auto made = shared_open(name, create_read_write, {.size = space / 2});
    ASSERT_TRUE(made);
    use_up();
    EXPECT_EQ(open(create_read_write, {.size = space / 2}), "ok");
    write_all(*made);
  });
}

TEST(FullShm, IsNoSpaceWhereAnObjectThatIsToBeWrittenHasHoles) {
  with_little_space([] {
    make_by_hand(space / 2);
    const auto filled = shared_open(name, read_write);
    ASSERT_TRUE(filled) << filled.error().message();
    use_up();
    write_all(*filled);
    ASSERT_EQ(outcome(shared_unlink(name)), "ok");
    make_by_hand(space / 2);
    EXPECT_EQ(open(read_write), "no_space");
    EXPECT_EQ(open(read_write, {.size = 1, .offset = 5000}), "no_space");
  });
}

TEST(FullShm, IsNoSpaceWhereAnObjectThatIsToBeReadHasHoles) {
  with_little_space([] {
    make_by_hand(space / 2);
    const auto filled = shared_open(name);
    ASSERT_TRUE(filled) << filled.error().message();
    use_up();
    EXPECT_TRUE(is_clear(filled->bytes()));
    ASSERT_EQ(outcome(shared_unlink(name)), "ok");
    make_by_hand(space / 2);
    EXPECT_EQ(open(read), "no_space");
    EXPECT_EQ(open(read, {.size = 1, .offset = 5000}), "no_space");
  });
}

}  // namespace
}  // namespace shmark

// What every kind of segment promises (see lib/segment/segment.h); first creation has a file of its
// own, segment_creation_test.cc.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/descriptor.h"
#include "lib/segment/segment.h"
#include "tests/lib/segment/segments.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"
#include "tests/support/unique_space.h"

namespace shmark {
namespace {

using support::child;
using support::exited;
using support::steps;

constexpr mode_t owner_only = 0600;

bool is_mapped(const void* address) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(address) / page * page;
  return msync(reinterpret_cast<void*>(begin), page, MS_ASYNC) == 0;
}

// --- All kinds.

template <class S>
class SegmentConformance : public ::testing::Test {
 protected:
  // A segment whose name, if it has one, is gone already.
  static std::expected<S, error> make(std::size_t size) {
    if constexpr (S::can.named) {
      const own_key<S> key;
      return S::create(key, size, owner_only);
    } else {
      return S::create(size);
    }
  }
};
TYPED_TEST_SUITE(SegmentConformance, all_segments, name_of_segment);

TYPED_TEST(SegmentConformance, IsZeroFilledPageAlignedAndAsLargeAsAsked) {
  for (const std::size_t size : {1u, 4096u, 5000u, 1u << 20}) {
    const auto made = this->make(size);
    ASSERT_TRUE(made) << made.error().message();
    const auto bytes = made->bytes();
    EXPECT_GE(bytes.size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 4096, 0u);
    EXPECT_TRUE(std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; }));
  }
}

TYPED_TEST(SegmentConformance, OfSizeZeroIsInvalid) {
  EXPECT_EQ(outcome(this->make(0)), "invalid");
}

TYPED_TEST(SegmentConformance, ThatDoesNotFitIsNoSpace) {
  struct statvfs shm;
  ASSERT_EQ(statvfs("/dev/shm", &shm), 0);
  // A file system without a limit would try, and take the machine down with it.
  if (TypeParam::kind == "posix" && shm.f_blocks == 0) return;
  EXPECT_EQ(outcome(this->make(std::size_t{1} << 62)), "no_space");
}

TYPED_TEST(SegmentConformance, IsSharedWithChildrenOfFork) {
  auto made = this->make(sizeof(std::uint32_t));
  ASSERT_TRUE(made);
  numbers(*made)[0] = 7;
  EXPECT_EQ(child::start([&] {
              EXPECT_EQ(numbers(*made)[0], 7u);
              numbers(*made)[0] = 8;
            }).wait(),
            exited(0));
  EXPECT_EQ(numbers(*made)[0], 8u);
}

TYPED_TEST(SegmentConformance, StaysWhereItIsWhenItsHandleMoves) {
  auto made = this->make(4096);
  ASSERT_TRUE(made);
  numbers(*made)[0] = 7;
  const auto* const address = made->bytes().data();
  std::optional<TypeParam> moved(*std::move(made));
  EXPECT_EQ(moved->bytes().data(), address);
  EXPECT_EQ(numbers(*moved)[0], 7u);
  auto other = this->make(4096);
  ASSERT_TRUE(other);
  *other = *std::move(moved);
  moved.reset();
  EXPECT_EQ(other->bytes().data(), address);
  EXPECT_EQ(numbers(*other)[0], 7u);
}

TYPED_TEST(SegmentConformance, IsUnmappedWithItsHandle) {
  const void* address = nullptr;
  {
    const auto made = this->make(4096);
    ASSERT_TRUE(made);
    address = made->bytes().data();
    EXPECT_TRUE(is_mapped(address));
  }
  EXPECT_FALSE(is_mapped(address));
}

// --- Those with names.

template <class S>
class NamedSegment : public ::testing::Test {};
TYPED_TEST_SUITE(NamedSegment, named_segments, name_of_segment);

TYPED_TEST(NamedSegment, ShowsAnUnrelatedProcessWhatIsWritten) {
  const own_key<TypeParam> key;
  steps step;
  auto other = child::start([&] {  // started before, so that it inherits no mapping
    step.await(1);
    const auto attached = TypeParam::attach(key);
    ASSERT_TRUE(attached) << attached.error().message();
    EXPECT_EQ(numbers(*attached)[1000], 7u);
    numbers(*attached)[1001] = 8;
  });
  const auto made = TypeParam::create(key, 5000, owner_only);
  ASSERT_TRUE(made) << made.error().message();
  numbers(*made)[1000] = 7;
  step.reach(1);
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(numbers(*made)[1001], 8u);
}

TYPED_TEST(NamedSegment, OutlivesTheProcessThatMadeIt) {
  const own_key<TypeParam> key;
  auto maker = child::start([&] {
    const auto made = TypeParam::create(key, 5000, owner_only);
    ASSERT_TRUE(made);
    numbers(*made)[1] = 7;
  });
  EXPECT_EQ(maker.wait(), exited(0));
  const auto attached = TypeParam::attach(key);
  ASSERT_TRUE(attached) << attached.error().message();
  EXPECT_GE(attached->bytes().size(), 5000u);
  EXPECT_EQ(numbers(*attached)[1], 7u);
}

TYPED_TEST(NamedSegment, IsMadeOnlyWhereThereIsNone) {
  const own_key<TypeParam> key;
  const auto made = TypeParam::create(key, 4096, owner_only);
  ASSERT_TRUE(made);
  numbers(*made)[0] = 7;
  EXPECT_EQ(outcome(TypeParam::create(key, 4096, owner_only)), "exists");
  EXPECT_EQ(outcome(TypeParam::create(key, 1 << 20, owner_only)), "exists");
  const auto attached = TypeParam::attach(key);
  ASSERT_TRUE(attached) << "a refused creation removed it";
  EXPECT_EQ(numbers(*attached)[0], 7u);
}

TYPED_TEST(NamedSegment, IsNotFoundWhereThereIsNone) {
  const own_key<TypeParam> key;
  EXPECT_EQ(outcome(TypeParam::attach(key)), "not_found");
  EXPECT_EQ(outcome(TypeParam::remove(key)), "not_found");
}

TYPED_TEST(NamedSegment, LosesItsNameWhenRemovedAndStaysMapped) {
  const own_key<TypeParam> key;
  const auto made = TypeParam::create(key, 4096, owner_only);
  const auto attached = TypeParam::attach(key);
  ASSERT_TRUE(made && attached);
  ASSERT_EQ(outcome(TypeParam::remove(key)), "ok");
  EXPECT_EQ(outcome(TypeParam::attach(key)), "not_found");
  EXPECT_EQ(outcome(TypeParam::remove(key)), "not_found");
  numbers(*made)[0] = 7;
  EXPECT_EQ(numbers(*attached)[0], 7u);
  const auto next = TypeParam::create(key, 4096, owner_only);
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_EQ(numbers(*next)[0], 0u);
  EXPECT_EQ(numbers(*attached)[0], 7u);
}

TYPED_TEST(NamedSegment, IsUnlinkedByItsHandleOnlyWhileTheNameIsStillItsOwn) {
  const own_key<TypeParam> key;
  const auto first = TypeParam::create(key, 4096, owner_only);
  ASSERT_TRUE(first);
  EXPECT_EQ(outcome(first->unlink()), "ok");
  EXPECT_EQ(outcome(TypeParam::attach(key)), "not_found");
  EXPECT_EQ(outcome(first->unlink()), "not_found");
  const auto second = TypeParam::create(key, 4096, owner_only);
  ASSERT_TRUE(second);
  EXPECT_EQ(outcome(first->unlink()), "not_found");
  EXPECT_EQ(outcome(TypeParam::attach(key)), "ok") << "took another's name away";
}

TYPED_TEST(NamedSegment, RefusesInvalidNamesAndMakesNothing) {
  const auto fill_nothing = [](std::span<std::byte>) -> std::expected<void, error> { return {}; };
  for (const std::string& space : {std::string(), std::string("a/b"), std::string("../a"),
                                   std::string("a b"), std::string("ä"), std::string(64, 'a')}) {
    const segment_key bad{space, 1};
    EXPECT_EQ(outcome(TypeParam::create(bad, 4096, owner_only)), "invalid") << space;
    EXPECT_EQ(outcome(TypeParam::attach(bad)), "invalid") << space;
    EXPECT_EQ(outcome(TypeParam::open_or_create(bad, 4096, owner_only, fill_nothing)), "invalid")
        << space;
    EXPECT_EQ(outcome(TypeParam::remove(bad)), "invalid") << space;
  }
}

TYPED_TEST(NamedSegment, MayHaveANameOf63Characters) {
  std::string space = support::unique_space();
  space.resize(63, 'x');
  const segment_key key = segment_key::random_in(space);
  ASSERT_EQ(outcome(TypeParam::create(key, 4096, owner_only)), "ok");
  EXPECT_EQ(outcome(TypeParam::attach(key)), "ok");
  EXPECT_EQ(outcome(TypeParam::remove(key)), "ok");
}

TYPED_TEST(NamedSegment, HasOneWellKnownPlaceInEverySpace) {
  const segment_key key{support::unique_space(), 0};
  const segment_key other{support::unique_space(), 0};
  ASSERT_EQ(outcome(TypeParam::create(key, 4096, owner_only)), "ok");
  EXPECT_EQ(outcome(TypeParam::create(other, 4096, owner_only)), "ok");
  EXPECT_EQ(outcome(TypeParam::remove(key)), "ok");
  EXPECT_EQ(outcome(TypeParam::remove(other)), "ok");
}

TYPED_TEST(NamedSegment, ThatFailsToBeMadeLeavesNoName) {
  const own_key<TypeParam> key;
  EXPECT_NE(outcome(TypeParam::create(key, 0, owner_only)), "ok");
  EXPECT_EQ(outcome(TypeParam::remove(key)), "not_found");
  struct statvfs shm;
  ASSERT_EQ(statvfs("/dev/shm", &shm), 0);
  if (TypeParam::kind == "posix" && shm.f_blocks == 0) return;  // see ThatDoesNotFitIsNoSpace
  EXPECT_EQ(outcome(TypeParam::create(key, std::size_t{1} << 62, owner_only)), "no_space");
  EXPECT_EQ(outcome(TypeParam::remove(key)), "not_found");
}

TYPED_TEST(NamedSegment, IsThereOrNotWhileAnotherMakesAndRemovesIt) {
  const own_key<TypeParam> key;
  steps step;
  auto other = child::start([&] {
    while (step.now() == 0) {
      EXPECT_EQ(outcome(TypeParam::create(key, 4096, owner_only)), "ok");
      EXPECT_EQ(outcome(TypeParam::remove(key)), "ok");
    }
  });
  for (int i = 0; i < 3000; ++i) {
    const auto got = outcome(TypeParam::attach(key));
    EXPECT_TRUE(got == "ok" || got == "not_found") << got;
  }
  step.reach(1);
  EXPECT_EQ(other.wait(), exited(0));
}

// --- Whether anybody has it mapped.

// "yes", "no", or the kind of error.
template <named_segment S>
std::string attached(const segment_key& key) {
  const auto answer = S::is_attached(key);
  if (!answer) return outcome(answer);
  return *answer ? "yes" : "no";
}

// A child that has the segment mapped, and waits. `from` is let go by the parent at once.
template <named_segment S>
child fork_holder(std::optional<S> from) {
  steps step;
  auto holder = child::start([&] {
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  from.reset();
  return holder;
}

TYPED_TEST(NamedSegment, IsAttachedWhileAnyOfItsHandlesLives) {
  const own_key<TypeParam> key;
  std::optional<TypeParam> made(TypeParam::create(key, 5000, owner_only).value());
  EXPECT_EQ(attached<TypeParam>(key), "yes");
  std::optional<TypeParam> second(TypeParam::attach(key).value());
  made.reset();
  EXPECT_EQ(attached<TypeParam>(key), "yes");
  std::optional<TypeParam> moved(*std::move(second));
  second.reset();
  EXPECT_EQ(attached<TypeParam>(key), "yes");
  moved.reset();
  EXPECT_EQ(attached<TypeParam>(key), "no");
  EXPECT_EQ(attached<TypeParam>(key), "no") << "asking has attached it";
  const auto again = TypeParam::attach(key);
  EXPECT_EQ(attached<TypeParam>(key), "yes");
}

TYPED_TEST(NamedSegment, IsAttachedWhileItIsBeingMadeAndByWhoOpensIt) {
  const own_key<TypeParam> key;
  const auto look = [&](auto) -> std::expected<void, error> {
    EXPECT_EQ(attached<TypeParam>(key), "yes");
    return {};
  };
  ASSERT_EQ(outcome(TypeParam::open_or_create(key, 4096, owner_only, look)), "ok");
  EXPECT_EQ(attached<TypeParam>(key), "no");
  const auto opened = TypeParam::open_or_create(key, 4096, owner_only, look);
  ASSERT_TRUE(opened);
  EXPECT_EQ(attached<TypeParam>(key), "yes");
}

TYPED_TEST(NamedSegment, IsAttachedToAForkedChildAlone) {
  const own_key<TypeParam> key;
  const auto holder =
      fork_holder(std::optional<TypeParam>(TypeParam::create(key, 4096, owner_only).value()));
  EXPECT_EQ(attached<TypeParam>(key), "yes");
}

TYPED_TEST(NamedSegment, IsAttachedToAnUnrelatedProcessUntilItEnds) {
  const own_key<TypeParam> key;
  steps step;
  auto other = child::start([&] {
    const auto made = TypeParam::create(key, 4096, owner_only);
    EXPECT_TRUE(made);
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(attached<TypeParam>(key), "yes");
  step.reach(2);
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(attached<TypeParam>(key), "no");
}

TYPED_TEST(NamedSegment, IsNotAttachedToTheKilled) {
  const own_key<TypeParam> key;
  auto holder =
      fork_holder(std::optional<TypeParam>(TypeParam::create(key, 4096, owner_only).value()));
  auto second = fork_holder(std::optional<TypeParam>(TypeParam::attach(key).value()));
  holder.kill();
  EXPECT_EQ(attached<TypeParam>(key), "yes");
  second.kill_without_reaping();
  EXPECT_EQ(attached<TypeParam>(key), "no") << "counts the dead until they are reaped";
}

TYPED_TEST(NamedSegment, IsNotAttachedToAChildThatHasCalledExec) {
  const own_key<TypeParam> key;
  std::optional<TypeParam> made(TypeParam::create(key, 4096, owner_only).value());
  int to_cat[2];
  int from_cat[2];
  ASSERT_EQ(pipe2(to_cat, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(from_cat, O_CLOEXEC), 0);
  auto cat = child::start([&] {
    dup2(to_cat[0], STDIN_FILENO);
    dup2(from_cat[1], STDOUT_FILENO);
    execlp("cat", "cat", nullptr);
    ADD_FAILURE() << "there is no cat";
  });
  for (const int unused : {to_cat[0], from_cat[1]}) close(unused);
  const descriptor in(to_cat[1]);
  const descriptor out(from_cat[0]);
  made.reset();
  char echo = 'x';
  ASSERT_EQ(write(in.number(), &echo, 1), 1);
  ASSERT_EQ(read(out.number(), &echo, 1), 1);  // it runs
  EXPECT_EQ(attached<TypeParam>(key), "no");
}

TYPED_TEST(NamedSegment, IsAttachedOrNotWhereThereIsOne) {
  const own_key<TypeParam> key;
  EXPECT_EQ(attached<TypeParam>(key), "not_found");
  const auto made = TypeParam::create(key, 4096, owner_only);
  ASSERT_EQ(outcome(made->unlink()), "ok");
  EXPECT_EQ(attached<TypeParam>(key), "not_found");
  EXPECT_EQ(attached<TypeParam>(segment_key{"a/b", 1}), "invalid");
}

// --- Particular to one kind.

TEST(PosixSegment, IsAnObjectOfThatNameWithThatModeAndTheUmask) {
  const own_key<posix_segment> key;
  const mode_t mask = umask(0077);
  ASSERT_EQ(outcome(posix_segment::create(key, 5000, 0644)), "ok");
  umask(mask);
  struct stat status;
  ASSERT_EQ(stat(("/dev/shm/" + std::string(key->text().view())).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(status.st_size, 5000);
}

TEST(PosixSegment, IsNeverThereWithoutBeingAttachedToItsMaker) {
  const own_key<posix_segment> key;
  steps step;
  auto maker = child::start([&] {
    while (step.now() == 0) {
      const auto made = posix_segment::create(key, 4096, owner_only);
      EXPECT_EQ(outcome(posix_segment::remove(key)), "ok");
    }
  });
  for (int i = 0; i < 10'000; ++i) {
    const auto answer = attached<posix_segment>(key);
    EXPECT_TRUE(answer == "yes" || answer == "not_found") << answer;
  }
  step.reach(1);
  EXPECT_EQ(maker.wait(), exited(0));
}

TEST(PosixSegment, HasItsMemoryFromTheBeginning) {
  const own_key<posix_segment> key;
  constexpr std::size_t size = 1 << 20;
  ASSERT_EQ(outcome(posix_segment::create(key, size, owner_only)), "ok");
  struct stat status;
  ASSERT_EQ(stat(("/dev/shm/" + std::string(key->text().view())).c_str(), &status), 0);
  EXPECT_GE(static_cast<std::size_t>(status.st_blocks) * 512, size)
      << "a full /dev/shm would show as SIGBUS at a later store";
}

TEST(PosixSegment, ListsTheNamesInASpace) {
  const std::string space = support::unique_space();
  const segment_key first{space, 0};
  const segment_key second = segment_key::random_in(space);
  ASSERT_EQ(outcome(posix_segment::create(first, 4096, owner_only)), "ok");
  ASSERT_EQ(outcome(posix_segment::create(second, 4096, owner_only)), "ok");
  auto names = posix_segment::names("shmark." + space);
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{std::string(first.text().view()),
                                             std::string(second.text().view())}));
  EXPECT_EQ(outcome(posix_segment::remove(first)), "ok");
  EXPECT_EQ(outcome(posix_segment::remove(second)), "ok");
  EXPECT_TRUE(posix_segment::names("shmark." + space).empty());
}

TEST(PosixSegment, NeedsADescriptorAndSaysSoWhenThereIsNone) {
  const own_key<posix_segment> key;
  auto poor = child::start([&] {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    setrlimit(RLIMIT_NOFILE, &none);
    EXPECT_EQ(outcome(posix_segment::create(key, 4096, owner_only)), "no_space");
  });
  EXPECT_EQ(poor.wait(), exited(0));
}

}  // namespace
}  // namespace shmark

// What is particular to raw POSIX objects (see lib/mapping/posix.h): names, lengths, the umask.
// That a full /dev/shm is an error has a file of its own, full_shm_test.cc.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "lib/base/descriptor.h"
#include "lib/mapping/posix.h"
#include "tests/lib/mapping/memories.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using enum open_mode;
using support::child;
using support::exited;
using support::steps;

using own = own_name<posix_kind>;

std::string open(const std::string& name, open_mode mode, const open_options& options = {}) {
  return outcome(shared_open(name, mode, options));
}

// An object as another program makes it: all holes.
void make_by_hand(const std::string& name, std::size_t size) {
  const descriptor made(shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600));
  ASSERT_TRUE(made);
  ASSERT_EQ(ftruncate(made.number(), static_cast<off_t>(size)), 0);
}

struct stat status_of(const std::string& name) {
  struct stat status{};
  EXPECT_EQ(stat(("/dev/shm" + name).c_str(), &status), 0);
  return status;
}

// --- Names.

TEST(PosixMemory, HasOneSlashInItsNameAndThatInFront) {
  const auto unique = support::unique_space();
  for (const auto& name :
       {std::string(), std::string("/"), unique, "//" + unique, "/" + unique + "/", "/a/" + unique,
        std::string("/."), std::string("/.."), "/../" + unique, "/" + std::string(254, 'x'),
        "/" + unique + std::string(1, '\0') + "x"}) {
    EXPECT_EQ(open(name, create_read_write, {.size = 4096}), "invalid") << name;
    EXPECT_EQ(open(name, read), "invalid") << name;
    EXPECT_EQ(outcome(shared_unlink(name)), "invalid") << name;
  }
  const auto refused = shared_open(unique);
  ASSERT_FALSE(refused);
  const auto message = refused.error().message();
  EXPECT_NE(
      message.find(unique + ": it is not a valid value: the name is not portable; use a slash"),
      std::string::npos)
      << message;
}

TEST(PosixMemory, MayHaveANameOf253Characters) {
  auto name = "/" + support::unique_space();
  name.resize(254, 'x');
  ASSERT_EQ(open(name, create_read_write, {.size = 4096}), "ok");
  EXPECT_EQ(open(name, read), "ok");
  EXPECT_EQ(outcome(shared_unlink(name)), "ok");
}

TEST(PosixMemory, IsTheObjectOfThatNameToAllPrograms) {
  const own name;
  ASSERT_EQ(open(name, create_read_write, {.size = 5000}), "ok");
  EXPECT_EQ(status_of(name).st_size, 5000);
  const own another;
  make_by_hand(another, 6000);
  const auto seen = shared_open(*another);
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(seen->size(), 6000u);
}

TEST(PosixMemory, IsNotAFifoAndDoesNotWaitForOne) {
  const own name;
  ASSERT_EQ(mkfifo(("/dev/shm" + *name).c_str(), 0600), 0);
  EXPECT_EQ(open(name, read), "invalid");
  EXPECT_EQ(open(name, read_write, {.size = 4096}), "invalid");
  EXPECT_EQ(open(name, create_read_write, {.size = 4096}), "invalid");
  EXPECT_EQ(outcome(shared_unlink(*name)), "ok") << "a refusal has removed it";
}

TEST(PosixMemory, IsNeitherAFolderNorALinkNorASocket) {
  const own folder;
  const own link;
  const own socket;
  ASSERT_EQ(mkdir(("/dev/shm" + *folder).c_str(), 0700), 0);
  ASSERT_EQ(symlink("/dev/null", ("/dev/shm" + *link).c_str()), 0);
  ASSERT_EQ(mknod(("/dev/shm" + *socket).c_str(), S_IFSOCK | 0600, 0), 0);
  for (const auto& name : {*folder, *link, *socket}) {
    for (const auto mode : {read, read_write, create_read_write}) {
      const auto refused = shared_open(name, mode, {.size = 4096});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, errc::invalid) << name;
      const auto message = refused.error().message();
      EXPECT_NE(message.find("it is no shared memory"), std::string::npos) << message;
    }
  }
  EXPECT_EQ(rmdir(("/dev/shm" + *folder).c_str()), 0);
}

// --- Permissions.

TEST(PosixMemory, IsMadeWithThePermissionsThatTheUmaskLeaves) {
  const own name;
  const mode_t mask = umask(0027);
  ASSERT_EQ(open(name, create_read_write, {.size = 4096, .perms = 0666}), "ok");
  umask(mask);
  EXPECT_EQ(status_of(name).st_mode & 07777, 0640u);
}

TEST(PosixMemory, KeepsItsPermissionsWhenEmptied) {
  const own name;
  ASSERT_EQ(open(name, create_read_write, {.size = 4096, .perms = 0600}), "ok");
  ASSERT_EQ(open(name, create_read_write, {.size = 4096, .perms = 0644}), "ok");
  EXPECT_EQ(status_of(name).st_mode & 07777, 0600u);
}

// --- Lengths.

TEST(PosixMemory, OfNoLengthIsInvalidWithoutASize) {
  const own name;
  make_by_hand(name, 0);
  for (const auto mode : {read, read_write}) {
    const auto refused = shared_open(*name, mode);
    ASSERT_FALSE(refused);
    const auto message = refused.error().message();
    EXPECT_NE(message.find("it is empty; give a size"), std::string::npos) << message;
  }
  EXPECT_EQ(open(name, read, {.size = 1}), "invalid");
  EXPECT_EQ(open(name, read_write, {.size = 4096}), "ok");
  EXPECT_EQ(status_of(name).st_size, 4096);
}

TEST(PosixMemory, IsLengthenedForWhoMayWriteAndKeepsWhatItHolds) {
  const own name;
  const auto old = shared_open(*name, create_read_write, {.size = 100});
  ASSERT_TRUE(old);
  ASSERT_EQ(outcome(old->write(0, bytes_of("hello"))), "ok");
  EXPECT_EQ(open(name, read, {.size = 10'000}), "invalid");
  EXPECT_EQ(status_of(name).st_size, 100);
  const auto longer = shared_open(*name, read_write, {.size = 10'000});
  ASSERT_TRUE(longer) << longer.error().message();
  EXPECT_EQ(longer->size(), 10'000u);
  EXPECT_EQ(text_at(*longer, 0, 5), "hello");
  EXPECT_EQ(status_of(name).st_size, 10'000);
  EXPECT_EQ(old->size(), 100u) << "the length of a mapping never changes";
  EXPECT_EQ(outcome(old->write(100, bytes_of("!"))), "invalid");
}

TEST(PosixMemory, IsNotShortenedByWhoNeedsLess) {
  const own name;
  ASSERT_EQ(open(name, create_read_write, {.size = 10'000}), "ok");
  const auto part = shared_open(*name, read_write, {.size = 100});
  ASSERT_TRUE(part);
  EXPECT_EQ(part->size(), 100u);
  EXPECT_EQ(status_of(name).st_size, 10'000);
}

TEST(PosixMemory, IsLengthenedToTheEndOfWhatBeginsAtAnOffset) {
  for (const std::size_t offset : {4096u, 5000u, 50'000u}) {
    const own name;
    ASSERT_EQ(open(name, create_read_write, {.size = 4096}), "ok");
    auto writer = child::start([&] {  // where the length is wrong, SIGBUS
      const auto part = shared_open(*name, read_write, {.size = 8192, .offset = offset});
      ASSERT_TRUE(part) << part.error().message();
      EXPECT_EQ(outcome(part->write(8192 - 5, bytes_of("hello"))), "ok");
    });
    EXPECT_EQ(writer.wait(), exited(0)) << offset;
    const auto whole = shared_open(*name);
    ASSERT_TRUE(whole);
    ASSERT_EQ(whole->size(), offset + 8192);
    EXPECT_EQ(text_at(*whole, offset + 8192 - 5, 5), "hello");
  }
}

TEST(PosixMemory, IsAsLongAsAskedAfterItWasEmptied) {
  for (const std::size_t size : {100u, 4096u, 20'000u}) {
    const own name;
    {
      const auto old = shared_open(*name, create_read_write, {.size = 10'000});
      ASSERT_TRUE(old);
      for (std::size_t at = 0; at < 10'000; at += 5) {
        ASSERT_EQ(outcome(old->write(at, bytes_of("hello"))), "ok");
      }
    }
    ASSERT_EQ(open(name, create_read_write, {.size = size - 1, .offset = 1}), "ok");
    const auto emptied = shared_open(*name);
    ASSERT_TRUE(emptied);
    EXPECT_EQ(emptied->size(), size);
    EXPECT_TRUE(is_clear(emptied->bytes()));
  }
}

TEST(PosixMemory, ThatCannotBeMappedHasLostNothing) {
  constexpr std::size_t size = 10'000;
  const own name;
  const auto old = shared_open(*name, create_read_write, {.size = size});
  ASSERT_TRUE(old);
  ASSERT_EQ(outcome(old->write(size - 5, bytes_of("hello"))), "ok");
  rlimit usual{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &usual), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = usual.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
  const auto refused = shared_open(*name, create_read_write, {.size = 5000});
  ASSERT_EQ(setrlimit(RLIMIT_AS, &usual), 0);
  EXPECT_EQ(outcome(refused), "no_space");
  ASSERT_EQ(status_of(name).st_size, static_cast<off_t>(size));
  EXPECT_EQ(text_at(*old, size - 5, 5), "hello");
}

TEST(PosixMemory, NeverGoesMissingUnderThoseWhoHaveItMappedWhileItIsEmptied) {
  constexpr std::size_t size = 65'536;
  const own name;
  const auto made = shared_open(*name, create_read_write, {.size = size});
  ASSERT_TRUE(made);
  steps step;
  auto reader = child::start([&] {
    const auto seen = shared_open(*name);
    ASSERT_TRUE(seen);
    step.reach(1);
    while (step.now() < 2) EXPECT_TRUE(is_clear(seen->bytes()));
  });
  step.await(1);
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(open(name, create_read_write, {.size = size}), "ok");
  }
  step.reach(2);
  EXPECT_EQ(reader.wait(), exited(0));
}

}  // namespace
}  // namespace shmark

// Who may use a segment, and how users share one (see owners in lib/segment/segment.h).

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/descriptor.h"
#include "lib/segment/segment.h"
#include "tests/lib/segment/segments.h"
#include "tests/support/another_user.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using support::another_user;
using support::become_another_user;
using support::child;
using support::exited;
using support::steps;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr mode_t owner_only = 0600;
constexpr mode_t everybody = 0666;

template <class T>
std::string message_of(const std::expected<T, error>& refused) {
  return refused ? "" : refused.error().message();
}

std::expected<void, error> fill_nothing(std::span<std::byte>) { return {}; }

// --- By one user.

template <class S>
class SharedSegment : public ::testing::Test {};
TYPED_TEST_SUITE(SharedSegment, named_segments, name_of_segment);

// Makes one without asking the library, with what it would refuse. Returns whether it belongs to
// `owner` now: in a sandbox there may be nobody else to give it to.
bool make_by_hand(const posix_segment*, const segment_key& key, mode_t mode, uid_t owner) {
  const std::string name = "/" + std::string(key.text().view());
  const descriptor object(shm_open(name.c_str(), O_CREAT | O_RDWR, mode));
  EXPECT_EQ(ftruncate(object.number(), 4096), 0);
  EXPECT_EQ(fchmod(object.number(), mode), 0);
  return fchown(object.number(), owner, gid_t(-1)) == 0;
}
bool make_by_hand(const sysv_segment*, const segment_key& key, mode_t mode, uid_t owner) {
  const int id = shmget(static_cast<key_t>(key.number & 0x7fffffff), 4096,
                        IPC_CREAT | IPC_EXCL | static_cast<int>(mode));
  shmid_ds status;
  EXPECT_EQ(shmctl(id, IPC_STAT, &status), 0);
  status.shm_perm.uid = owner;
  return shmctl(id, IPC_SET, &status) == 0;
}

TYPED_TEST(SharedSegment, IsRefusedWhenOtherUsersCanWriteToIt) {
  const TypeParam* const kind = nullptr;
  for (const mode_t mode : {0660u, 0606u, 0666u}) {
    const own_key<TypeParam> key;
    ASSERT_TRUE(make_by_hand(kind, key, mode, geteuid()));
    EXPECT_EQ(outcome(TypeParam::attach(key)), "denied") << std::oct << mode;
    const auto opened =
        TypeParam::open_or_create(key, 4096, owner_only, [](auto) -> std::expected<void, error> {
          ADD_FAILURE() << "made anew";
          return {};
        });
    EXPECT_EQ(outcome(opened), "denied") << std::oct << mode;
    EXPECT_EQ(outcome(TypeParam::attach(key, owners::any)), "ok") << std::oct << mode;
    EXPECT_EQ(outcome(TypeParam::remove(key)), "ok") << "a refusal has removed it";
  }
}

TYPED_TEST(SharedSegment, MayBeReadableForOthers) {
  const own_key<TypeParam> key;
  EXPECT_EQ(outcome(TypeParam::create(key, 4096, 0644)), "ok");
  EXPECT_EQ(outcome(TypeParam::attach(key)), "ok");
}

TYPED_TEST(SharedSegment, IsNotMadeWithAModeThatLetsOthersWrite) {
  const mode_t mask = umask(0);
  const own_key<TypeParam> key;
  const auto made = TypeParam::create(key, 4096, 0666);
  EXPECT_EQ(outcome(made), "invalid");
  EXPECT_THAT(message_of(made), AllOf(HasSubstr("mode 0666"), HasSubstr("owners::any")));
  EXPECT_EQ(outcome(TypeParam::remove(key)), "not_found");
  const auto opened = TypeParam::open_or_create(
      key, 4096, 0660, [](auto) -> std::expected<void, error> { return {}; });
  EXPECT_EQ(outcome(opened), "invalid");
  EXPECT_EQ(outcome(TypeParam::remove(key)), "not_found");
  umask(mask);
}

TYPED_TEST(SharedSegment, IsRefusedWhenItBelongsToAnotherUser) {
  const uid_t another = geteuid() + 1;
  const TypeParam* const kind = nullptr;
  const own_key<TypeParam> key;
  if (make_by_hand(kind, key, owner_only, another)) {
    EXPECT_EQ(outcome(TypeParam::attach(key)), "denied");
    const auto opened = TypeParam::open_or_create(
        key, 4096, owner_only, [](auto) -> std::expected<void, error> { return {}; });
    EXPECT_EQ(outcome(opened), "denied");
  }
}

// Of what is there by that name.
mode_t mode_of(const posix_segment*, const segment_key& key) {
  struct stat status = {};
  EXPECT_EQ(stat(("/dev/shm/" + std::string(key.text().view())).c_str(), &status), 0);
  return status.st_mode & 0777;
}
mode_t mode_of(const sysv_segment*, const segment_key& key) {
  const int id = shmget(static_cast<key_t>(key.number & 0x7fffffff), 0, 0);
  shmid_ds status = {};
  EXPECT_EQ(shmctl(id, IPC_STAT, &status), 0);
  return status.shm_perm.mode & 0777;
}

TYPED_TEST(SharedSegment, OfAnyOwnersHasTheModeThatWasAskedForWhateverTheUmask) {
  const TypeParam* const kind = nullptr;
  const mode_t mask = umask(0077);
  for (const mode_t mode : {0600u, 0640u, 0660u, 0666u}) {
    const own_key<TypeParam> created;
    EXPECT_EQ(outcome(TypeParam::create(created, 4096, mode, owners::any)), "ok");
    EXPECT_EQ(mode_of(kind, created), mode) << std::oct << mode;
    const own_key<TypeParam> opened;
    EXPECT_EQ(outcome(TypeParam::open_or_create(opened, 4096, mode, fill_nothing, owners::any)),
              "ok");
    EXPECT_EQ(mode_of(kind, opened), mode) << std::oct << mode;
  }
  umask(mask);
}

TYPED_TEST(SharedSegment, OfAnyOwnersThatWasLeftUnfinishedGetsTheModeThatIsAskedForNow) {
  const own_key<TypeParam> key;
  auto dead = child::start([&] {
    static_cast<void>(TypeParam::open_or_create(
        key, 4096, owner_only, [](auto) -> std::expected<void, error> { _exit(7); }));
  });
  EXPECT_EQ(dead.wait(), exited(7));
  EXPECT_EQ(outcome(TypeParam::open_or_create(key, 4096, everybody, fill_nothing, owners::any)),
            "ok");
  const TypeParam* const kind = nullptr;
  EXPECT_EQ(mode_of(kind, key), everybody);
}

// --- By two users.

template <class S>
class SegmentOfTwoUsers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!support::can_become_another_user()) GTEST_SKIP() << "cannot become another user";
    umask(0077);
  }
  void TearDown() override { umask(mask_); }

  // What the other user makes of it.
  static void as_another(const std::function<void()>& body) {
    auto other = child::start([&] {
      become_another_user();
      body();
    });
    EXPECT_EQ(other.wait(), exited(0));
  }
  S make(mode_t mode) { return S::create(key_, 4096, mode, owners::any).value(); }

  const own_key<S> key_;

 private:
  mode_t mask_ = umask(0077);
};
TYPED_TEST_SUITE(SegmentOfTwoUsers, named_segments, name_of_segment);

TYPED_TEST(SegmentOfTwoUsers, IsSharedIfItsModeAndTheOtherAllowIt) {
  const auto made = this->make(everybody);
  numbers(made)[0] = 7;
  this->as_another([&] {
    const auto attached = TypeParam::attach(this->key_, owners::any);
    ASSERT_TRUE(attached) << attached.error().message();
    EXPECT_EQ(numbers(*attached)[0]++, 7u);
    const auto opened =
        TypeParam::open_or_create(this->key_, 4096, everybody, fill_nothing, owners::any);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(numbers(*opened)[0]++, 8u);
  });
  EXPECT_EQ(numbers(made)[0], 9u);
}

TYPED_TEST(SegmentOfTwoUsers, IsRefusedByDefaultWithItsOwnerAndARemedy) {
  const auto made = this->make(everybody);
  const auto whose = "it belongs to user " + std::to_string(geteuid()) + " (mode 0666)";
  this->as_another([&] {
    const auto attached = TypeParam::attach(this->key_);
    EXPECT_EQ(outcome(attached), "denied");
    EXPECT_THAT(message_of(attached), AllOf(HasSubstr(whose), HasSubstr("owners::any")));
    const auto opened = TypeParam::open_or_create(this->key_, 4096, owner_only, fill_nothing);
    EXPECT_EQ(outcome(opened), "denied");
    EXPECT_THAT(message_of(opened), AllOf(HasSubstr(whose), HasSubstr("owners::any")));
  });
}

TYPED_TEST(SegmentOfTwoUsers, IsRefusedWhateverOneWishesIfItsModeDoesNotAllowIt) {
  for (const mode_t mode : {0600u, 0644u}) {
    const auto made = this->make(mode);
    this->as_another([&] {
      const auto attached = TypeParam::attach(this->key_, owners::any);
      EXPECT_EQ(outcome(attached), "denied") << std::oct << mode;
      EXPECT_THAT(message_of(attached), HasSubstr("run as its owner"));
      if (TypeParam::kind == "posix") {  // of a System V segment, the system does not say whose
        EXPECT_THAT(message_of(attached), HasSubstr("it belongs to user"));
      }
      EXPECT_EQ(outcome(TypeParam::open_or_create(this->key_, 4096, everybody, fill_nothing,
                                                  owners::any)),
                "denied");
    });
    ASSERT_EQ(outcome(TypeParam::remove(this->key_)), "ok");
  }
}

TYPED_TEST(SegmentOfTwoUsers, IsRefusedByRootToo) {
  this->as_another([&] {
    EXPECT_EQ(outcome(TypeParam::create(this->key_, 4096, everybody, owners::any)), "ok");
  });
  const auto attached = TypeParam::attach(this->key_);
  EXPECT_EQ(outcome(attached), "denied");
  EXPECT_THAT(message_of(attached), HasSubstr(std::to_string(another_user)));
  EXPECT_EQ(outcome(TypeParam::attach(this->key_, owners::any)), "ok");
}

TYPED_TEST(SegmentOfTwoUsers, IsRemovedByItsOwnerOnly) {
  const auto made = this->make(everybody);
  this->as_another([&] {
    const auto attached = TypeParam::attach(this->key_, owners::any);
    ASSERT_TRUE(attached);
    EXPECT_EQ(outcome(attached->unlink()), "denied");
    EXPECT_EQ(outcome(TypeParam::remove(this->key_)), "denied");
  });
  EXPECT_EQ(outcome(made.unlink()), "ok");
}

TYPED_TEST(SegmentOfTwoUsers, IsUnlinkedByTheHandleOfAnotherUsersIfHeMay) {
  this->as_another([&] {
    EXPECT_EQ(outcome(TypeParam::create(this->key_, 4096, everybody, owners::any)), "ok");
  });
  const auto attached = TypeParam::attach(this->key_, owners::any);
  ASSERT_TRUE(attached);
  EXPECT_EQ(outcome(attached->unlink()), "ok");
}

TYPED_TEST(SegmentOfTwoUsers, TellsWhoMayReadItWhetherItIsAttached) {
  for (const mode_t mode : {0600u, 0604u}) {
    const auto made = this->make(mode);
    this->as_another([&] {
      const auto answer = TypeParam::is_attached(this->key_);
      EXPECT_EQ(outcome(answer), mode == 0604 ? "ok" : "denied") << std::oct << mode;
      EXPECT_TRUE(answer.value_or(true));
    });
    ASSERT_EQ(outcome(TypeParam::remove(this->key_)), "ok");
  }
}

TYPED_TEST(SegmentOfTwoUsers, OfOneUserIsUsedByOthersIfItsModeAllowsIt) {
  const owners whose = owners::of(geteuid());
  const auto made = TypeParam::create(this->key_, 4096, everybody, whose);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->access().owner, geteuid());
  EXPECT_EQ(made->access().mode, everybody);
  EXPECT_EQ(outcome(TypeParam::attach(this->key_, whose)), "ok");
  this->as_another([&] {
    const auto attached = TypeParam::attach(this->key_, whose);
    ASSERT_TRUE(attached) << attached.error().message();
    EXPECT_EQ(attached->access().owner, made->access().owner);
    EXPECT_EQ(attached->access().mode, everybody);
    EXPECT_EQ(outcome(TypeParam::open_or_create(this->key_, 4096, everybody, fill_nothing, whose)),
              "ok");
  });
}

TYPED_TEST(SegmentOfTwoUsers, OfOneUserIsRefusedIfAThirdHasPutItThere) {
  this->as_another([&] {
    EXPECT_EQ(outcome(TypeParam::create(this->key_, 4096, everybody, owners::any)), "ok");
  });
  const auto attached = TypeParam::attach(this->key_, owners::of(geteuid()));
  EXPECT_EQ(outcome(attached), "denied");
  EXPECT_THAT(message_of(attached), HasSubstr("it belongs to user 65534 (mode 0666)"));
  EXPECT_EQ(outcome(TypeParam::open_or_create(this->key_, 4096, everybody, fill_nothing,
                                              owners::of(geteuid()))),
            "denied");
  EXPECT_EQ(outcome(TypeParam::attach(this->key_, owners::of(another_user))), "ok");
}

TYPED_TEST(SegmentOfTwoUsers, OfOneUserIsMadeByHimOnly) {
  const owners whose = owners::of(geteuid());
  this->as_another([&] {
    EXPECT_EQ(outcome(TypeParam::create(this->key_, 4096, everybody, whose)), "denied");
    EXPECT_EQ(outcome(TypeParam::open_or_create(this->key_, 4096, everybody, fill_nothing, whose)),
              "not_found");
  });
  EXPECT_EQ(outcome(TypeParam::remove(this->key_)), "not_found");
}

// One user's maker must not find what the other's is making closed to him.
TYPED_TEST(SegmentOfTwoUsers, IsMadeOnceWhoeverBegins) {
  constexpr std::uint32_t processes = 4;
  for (int round = 0; round < 50; ++round) {
    const own_key<TypeParam> key;
    steps start;
    steps made;
    std::vector<child> all;
    for (std::uint32_t i = 0; i < processes; ++i) {
      all.push_back(child::start([&, i] {
        if (i % 2 == 0) become_another_user();
        start.meet(processes);
        const auto opened = TypeParam::open_or_create(
            key, 4096, everybody,
            [&](auto) -> std::expected<void, error> {
              made.add();
              return {};
            },
            owners::any);
        EXPECT_TRUE(opened) << opened.error().message();
      }));
    }
    for (auto& one : all) ASSERT_EQ(one.wait(), exited(0)) << "round " << round;
    ASSERT_EQ(made.now(), 1u);
  }
}

TYPED_TEST(SegmentOfTwoUsers, IsClearedAwayByItsMakersUserOrRootWhenHeHasDiedMakingIt) {
  const auto die_making = [&] {
    static_cast<void>(TypeParam::open_or_create(
        this->key_, 4096, everybody, [](auto) -> std::expected<void, error> { _exit(7); },
        owners::any));
  };
  const auto open = [&] {
    return TypeParam::open_or_create(this->key_, 4096, everybody, fill_nothing, owners::any);
  };
  EXPECT_EQ(child::start(die_making).wait(), exited(7));
  this->as_another([&] {
    const auto opened = open();
    EXPECT_EQ(outcome(opened), "denied");
    EXPECT_THAT(message_of(opened), HasSubstr("has begun to make it"));
  });
  EXPECT_EQ(outcome(open()), "ok");
  ASSERT_EQ(outcome(TypeParam::remove(this->key_)), "ok");
  EXPECT_EQ(child::start([&] {
              become_another_user();
              die_making();
            }).wait(),
            exited(7));
  EXPECT_EQ(outcome(open()), "ok");
}

}  // namespace
}  // namespace shmark

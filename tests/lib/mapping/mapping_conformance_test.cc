// What every kind of raw shared memory promises (see lib/mapping/shared_memory.h).

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/mapping/shared_memory.h"
#include "tests/lib/mapping/memories.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using enum open_mode;
using support::child;
using support::exited;
using support::steps;

bool is_mapped(const void* address) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(address) / page * page;
  return msync(reinterpret_cast<void*>(begin), page, MS_ASYNC) == 0;
}

// --- All kinds.

template <class K>
class MappingConformance : public ::testing::Test {
 protected:
  using memory = typename K::memory;

  // Memory whose name, if it has one, is gone already.
  static std::expected<memory, error> make(std::size_t size) {
    if constexpr (memory::can.named) {
      const own_name<K> name;
      return shared_open(*name, create_read_write, {.size = size});
    } else {
      return shared_anonymous(size);
    }
  }
};
TYPED_TEST_SUITE(MappingConformance, all_kinds, name_of_kind);

TYPED_TEST(MappingConformance, IsZeroFilledWritableAndExactlyAsLongAsAsked) {
  for (const std::size_t size : {1u, 4096u, 5000u, 1u << 20}) {
    const auto made = this->make(size);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->size(), size);
    EXPECT_EQ(made->bytes().size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(made->bytes().data()) % 4096, 0u);
    EXPECT_TRUE(is_clear(made->bytes()));
    const auto writable = made->writable_bytes();
    ASSERT_TRUE(writable) << writable.error().message();
    EXPECT_EQ(writable->data(), made->bytes().data());
    writable->back() = std::byte{7};
    EXPECT_EQ(made->bytes().back(), std::byte{7});
  }
}

TYPED_TEST(MappingConformance, OfSizeZeroIsInvalid) {
  EXPECT_EQ(outcome(this->make(0)), "invalid");
}

TYPED_TEST(MappingConformance, IsSharedWithChildrenOfFork) {
  const auto made = this->make(100);
  ASSERT_TRUE(made);
  ASSERT_EQ(outcome(made->write(0, bytes_of("parent"))), "ok");
  auto other = child::start([&] {
    EXPECT_EQ(text_at(*made, 0, 6), "parent");
    EXPECT_EQ(outcome(made->write(0, bytes_of("child!"))), "ok");
  });
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(text_at(*made, 0, 6), "child!");
}

TYPED_TEST(MappingConformance, RefusesToWritePastItsEndAndThenChangesNothing) {
  constexpr std::size_t size = 4096;
  const auto made = this->make(size);
  ASSERT_TRUE(made);
  EXPECT_EQ(outcome(made->write(size - 3, bytes_of("four"))), "invalid");
  EXPECT_EQ(outcome(made->write(size, bytes_of("1"))), "invalid");
  EXPECT_EQ(outcome(made->write(size + 1, {})), "invalid");
  EXPECT_EQ(outcome(made->write(std::numeric_limits<std::size_t>::max(), bytes_of("12"))),
            "invalid");
  EXPECT_TRUE(is_clear(made->bytes()));
  EXPECT_EQ(outcome(made->write(size, {})), "ok");
  EXPECT_EQ(outcome(made->write(size - 4, bytes_of("four"))), "ok");
  EXPECT_EQ(text_at(*made, size - 4, 4), "four");
  EXPECT_EQ(made->size(), size);
}

TYPED_TEST(MappingConformance, SaysWhatWentPastTheEnd) {
  const auto made = this->make(4096);
  ASSERT_TRUE(made);
  const auto refused = made->write(4095, bytes_of("12"));
  ASSERT_FALSE(refused);
  const auto message = refused.error().message();
  EXPECT_NE(message.find("2 bytes at 4095 go past the end at 4096; write less"), std::string::npos)
      << message;
}

TYPED_TEST(MappingConformance, StaysWhereItIsWhenItsHandleMoves) {
  auto made = this->make(4096);
  ASSERT_TRUE(made);
  const auto* const address = made->bytes().data();
  std::optional<typename TypeParam::memory> moved(*std::move(made));
  EXPECT_EQ(moved->bytes().data(), address);
  EXPECT_TRUE(made->bytes().empty());  // NOLINT: a handle that was moved from maps nothing
  auto other = this->make(4096);
  ASSERT_TRUE(other);
  *other = *std::move(moved);
  moved.reset();
  EXPECT_EQ(other->bytes().data(), address);
  EXPECT_TRUE(is_mapped(address));
}

TYPED_TEST(MappingConformance, IsUnmappedWithItsHandle) {
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

template <class K>
class NamedMapping : public ::testing::Test {
 protected:
  using key = typename K::key;

  // Makes one that begins with `text`.
  static void make(const key& name, std::size_t size, std::string_view text) {
    const auto made = shared_open(name, create_read_write, {.size = size});
    ASSERT_TRUE(made) << made.error().message();
    ASSERT_EQ(outcome(made->write(0, bytes_of(text))), "ok");
  }
  static std::string open(const key& name, open_mode mode, const open_options& options = {}) {
    return outcome(shared_open(name, mode, options));
  }
};
TYPED_TEST_SUITE(NamedMapping, named_kinds, name_of_kind);

TYPED_TEST(NamedMapping, ShowsAnUnrelatedProcessWhatIsWritten) {
  const own_name<TypeParam> name;
  steps step;
  auto other = child::start([&] {  // started before, so that it inherits no mapping
    step.await(1);
    const auto seen = shared_open(*name, read_write);
    ASSERT_TRUE(seen) << seen.error().message();
    EXPECT_EQ(seen->size(), 5000u);
    EXPECT_EQ(text_at(*seen, 4000, 5), "hello");
    EXPECT_EQ(outcome(seen->write(4000, bytes_of("world"))), "ok");
  });
  const auto made = shared_open(*name, create_read_write, {.size = 5000});
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_EQ(outcome(made->write(4000, bytes_of("hello"))), "ok");
  step.reach(1);
  EXPECT_EQ(other.wait(), exited(0));
  EXPECT_EQ(text_at(*made, 4000, 5), "world");
}

TYPED_TEST(NamedMapping, IsReadUnlessAskedOtherwiseAndThenCannotBeWritten) {
  static_assert(
      !std::assignable_from<decltype(std::declval<typename TypeParam::memory&>().bytes()[0]),
                            std::byte>,
      "writing through bytes() must not compile");
  const own_name<TypeParam> name;
  this->make(name, 4096, "hello");
  const auto seen = shared_open(*name);
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(text_at(*seen, 0, 5), "hello");
  EXPECT_EQ(outcome(seen->writable_bytes()), "denied");
  EXPECT_EQ(outcome(seen->write(0, bytes_of("J"))), "denied");
  EXPECT_EQ(text_at(*seen, 0, 5), "hello");
}

TYPED_TEST(NamedMapping, IsNotFoundWhereThereIsNoneAndTheModeMakesNone) {
  const own_name<TypeParam> name;
  EXPECT_EQ(this->open(name, read), "not_found");
  EXPECT_EQ(this->open(name, read, {.size = 4096}), "not_found");
  EXPECT_EQ(this->open(name, read_write, {.size = 4096}), "not_found");
}

TYPED_TEST(NamedMapping, IsMadeByWriteOnlyModeToo) {
  const own_name<TypeParam> name;
  const auto made = shared_open(*name, create_write, {.size = 4096});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(outcome(made->write(0, bytes_of("hello"))), "ok");
  EXPECT_EQ(text_at(*made, 0, 5), "hello");  // as its documentation says
  const auto seen = shared_open(*name);
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(text_at(*seen, 0, 5), "hello");
}

TYPED_TEST(NamedMapping, IsEmptiedByModesThatCreate) {
  for (const auto mode : {create_write, create_read_write}) {
    const own_name<TypeParam> name;
    this->make(name, 4096, "hello");
    const auto before = shared_open(*name);
    ASSERT_TRUE(before);
    const auto emptied = shared_open(*name, mode, {.size = 4096});
    ASSERT_TRUE(emptied) << emptied.error().message();
    EXPECT_TRUE(is_clear(emptied->bytes()));
    EXPECT_TRUE(is_clear(before->bytes())) << "it was replaced, not emptied";
  }
}

TYPED_TEST(NamedMapping, IsNotMadeWithoutASize) {
  for (const auto mode : {create_write, create_read_write}) {
    const own_name<TypeParam> name;
    EXPECT_EQ(this->open(name, mode), "invalid");
    EXPECT_EQ(this->open(name, mode, {.offset = 4096}), "invalid");
    EXPECT_EQ(this->open(name, read), "not_found") << "a refusal made it";
  }
}

TYPED_TEST(NamedMapping, IsMappedFromAnyOffset) {
  const own_name<TypeParam> name;
  this->make(name, 10'000, "hello");
  for (const std::size_t offset : {0u, 1u, 4095u, 4096u, 5000u, 9999u}) {
    const auto rest = shared_open(*name, read_write, {.offset = offset});
    ASSERT_TRUE(rest) << offset << ": " << rest.error().message();
    EXPECT_EQ(rest->size(), 10'000 - offset);
    EXPECT_EQ(outcome(rest->write(rest->size() - 1, bytes_of("!"))), "ok");
    const auto part = shared_open(*name, read_write, {.size = 1, .offset = offset});
    ASSERT_TRUE(part) << offset << ": " << part.error().message();
    EXPECT_EQ(part->size(), 1u);
    EXPECT_EQ(outcome(part->write(0, bytes_of("x"))), "ok");
    const auto whole = shared_open(*name);
    ASSERT_TRUE(whole);
    EXPECT_EQ(text_at(*whole, offset, 1), "x") << offset;
    EXPECT_EQ(text_at(*whole, 9999, 1), offset == 9999 ? "x" : "!") << offset;
  }
}

TYPED_TEST(NamedMapping, IsMadeLongEnoughForItsOffset) {
  const own_name<TypeParam> name;
  const auto made = shared_open(*name, create_read_write, {.size = 100, .offset = 5000});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->size(), 100u);
  ASSERT_EQ(outcome(made->write(95, bytes_of("hello"))), "ok");
  const auto whole = shared_open(*name);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->size(), 5100u);
  EXPECT_EQ(text_at(*whole, 5095, 5), "hello");
}

TYPED_TEST(NamedMapping, IsInvalidWhereNothingIsLeftToMap) {
  const own_name<TypeParam> name;
  this->make(name, 5000, "hello");
  EXPECT_EQ(this->open(name, read, {.offset = 5000}), "invalid");
  EXPECT_EQ(this->open(name, read_write, {.offset = 8192}), "invalid");
  EXPECT_EQ(this->open(name, read, {.size = 5001}), "invalid");
  EXPECT_EQ(this->open(name, read, {.size = 2, .offset = 4999}), "invalid");
  constexpr auto huge = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(this->open(name, read, {.size = huge}), "invalid");
  EXPECT_EQ(this->open(name, read_write, {.size = 2, .offset = huge}), "invalid");
  EXPECT_EQ(this->open(name, create_read_write, {.size = huge, .offset = 2}), "invalid");
  const auto seen = shared_open(*name);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->size(), 5000u);
  EXPECT_EQ(text_at(*seen, 0, 5), "hello") << "a refusal emptied it";
}

TYPED_TEST(NamedMapping, ExistsIfItWasNotToBeThere) {
  const own_name<TypeParam> name;
  ASSERT_EQ(this->open(name, create_read_write, {.size = 4096, .flags = O_EXCL}), "ok");
  this->make(name, 4096, "hello");
  EXPECT_EQ(this->open(name, create_read_write, {.size = 4096, .flags = O_EXCL}), "exists");
  EXPECT_EQ(this->open(name, create_write, {.size = 4096, .flags = O_EXCL}), "exists");
  const auto seen = shared_open(*name);
  ASSERT_TRUE(seen) << "a refusal removed it";
  EXPECT_EQ(text_at(*seen, 0, 5), "hello") << "a refusal emptied it";
}

TYPED_TEST(NamedMapping, IsMadeOrKeptWithTheFlagThatCreates) {
  const own_name<TypeParam> name;
  ASSERT_EQ(this->open(name, read_write, {.size = 4096, .flags = O_CREAT}), "ok");
  this->make(name, 4096, "hello");
  const auto kept = shared_open(*name, read_write, {.size = 4096, .flags = O_CREAT});
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_EQ(text_at(*kept, 0, 5), "hello");
}

TYPED_TEST(NamedMapping, IsEmptiedWithTheFlagThatTruncates) {
  const own_name<TypeParam> name;
  this->make(name, 4096, "hello");
  const auto emptied = shared_open(*name, read_write, {.size = 4096, .flags = O_TRUNC});
  ASSERT_TRUE(emptied) << emptied.error().message();
  EXPECT_TRUE(is_clear(emptied->bytes()));
}

TYPED_TEST(NamedMapping, RefusesFlagsThatItCannotFollow) {
  const own_name<TypeParam> name;
  this->make(name, 4096, "hello");
  EXPECT_EQ(this->open(name, read, {.flags = O_EXCL}), "invalid");
  EXPECT_EQ(this->open(name, read_write, {.flags = O_EXCL}), "invalid");
  EXPECT_EQ(this->open(name, read, {.size = 4096, .flags = O_CREAT}), "invalid");
  EXPECT_EQ(this->open(name, read, {.size = 4096, .flags = O_TRUNC}), "invalid");
  EXPECT_EQ(this->open(name, read, {.flags = O_RDWR}), "invalid");
  EXPECT_EQ(this->open(name, read_write, {.flags = O_APPEND}), "invalid");
  const auto seen = shared_open(*name);
  ASSERT_TRUE(seen);
  EXPECT_EQ(text_at(*seen, 0, 5), "hello");
}

TYPED_TEST(NamedMapping, IsForItsOwnerOnlyUnlessAskedOtherwise) {
  const own_name<TypeParam> usual;
  const auto made = shared_open(*usual, create_read_write, {.size = 4096});
  ASSERT_TRUE(made);
  const auto status = made->stat();
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(status->perms, 0600u);
  EXPECT_EQ(status->size, 4096u);
  EXPECT_EQ(status->owner, geteuid());
  EXPECT_EQ(status->group, getegid());
  const own_name<TypeParam> open;
  const auto readable = shared_open(*open, create_read_write, {.size = 4096, .perms = 0644});
  ASSERT_TRUE(readable);
  EXPECT_EQ(readable->stat().value().perms, 0644u);
}

TYPED_TEST(NamedMapping, RefusesPermissionsThatThereAreNot) {
  const own_name<TypeParam> name;
  constexpr mode_t decimal_by_mistake = 600;
  EXPECT_EQ(this->open(name, create_read_write, {.size = 4096, .perms = decimal_by_mistake}),
            "invalid");
  EXPECT_EQ(this->open(name, read), "not_found") << "a refusal made it";
  const auto made = shared_open(*name, create_read_write, {.size = 4096});
  ASSERT_TRUE(made);
  EXPECT_EQ(outcome(made->chmod(decimal_by_mistake)), "invalid");
  EXPECT_EQ(made->stat().value().perms, 0600u);
}

TYPED_TEST(NamedMapping, ShowsNewPermissionsInItsStatus) {
  const own_name<TypeParam> name;
  this->make(name, 4096, "hello");
  const auto handle = shared_open(*name, read_write);
  const auto other = shared_open(*name);
  ASSERT_TRUE(handle && other);
  EXPECT_EQ(outcome(handle->chmod(0640)), "ok");
  EXPECT_EQ(handle->stat().value().perms, 0640u);
  EXPECT_EQ(other->stat().value().perms, 0640u);
}

TYPED_TEST(NamedMapping, ChangesItsOwnerOrIsDenied) {
  const own_name<TypeParam> name;
  const auto made = shared_open(*name, create_read_write, {.size = 4096});
  ASSERT_TRUE(made);
  EXPECT_EQ(outcome(made->chown({}, {})), "ok");
  EXPECT_EQ(outcome(made->chown(geteuid(), getegid())), "ok");
  EXPECT_EQ(made->stat().value().owner, geteuid());
  // In a sandbox there may be nobody else to give it to, and only root may.
  const auto given = made->chown({}, getegid() + 1);
  EXPECT_EQ(made->stat().value().owner, geteuid());
  EXPECT_EQ(made->stat().value().group, given ? getegid() + 1 : getegid());
}

TYPED_TEST(NamedMapping, LosesItsNameWhenRemovedAndStaysMapped) {
  const own_name<TypeParam> name;
  const auto made = shared_open(*name, create_read_write, {.size = 4096});
  const auto seen = shared_open(*name);
  ASSERT_TRUE(made && seen);
  ASSERT_EQ(outcome(TypeParam::remove(name)), "ok");
  EXPECT_EQ(this->open(name, read), "not_found");
  EXPECT_EQ(this->open(name, read_write, {.size = 4096}), "not_found");
  EXPECT_EQ(outcome(made->write(0, bytes_of("hello"))), "ok");
  EXPECT_EQ(text_at(*seen, 0, 5), "hello");
  EXPECT_EQ(outcome(made->chmod(0640)), "ok");
  EXPECT_EQ(seen->stat().value().perms, 0640u);
  const auto next = shared_open(*name, create_read_write, {.size = 4096, .flags = O_EXCL});
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_TRUE(is_clear(next->bytes()));
  EXPECT_EQ(text_at(*seen, 0, 5), "hello");
}

TYPED_TEST(NamedMapping, IsNotFoundByTheSecondWhoRemovesIt) {
  const own_name<TypeParam> name;
  EXPECT_EQ(outcome(TypeParam::remove(name)), "not_found");
  this->make(name, 4096, "hello");
  EXPECT_EQ(outcome(TypeParam::remove(name)), "ok");
  EXPECT_EQ(outcome(TypeParam::remove(name)), "not_found");
}

TYPED_TEST(NamedMapping, OutlivesTheProcessThatMadeIt) {
  const own_name<TypeParam> name;
  auto maker = child::start([&] { this->make(name, 5000, "hello"); });
  EXPECT_EQ(maker.wait(), exited(0));
  const auto seen = shared_open(*name);
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(seen->size(), 5000u);
  EXPECT_EQ(text_at(*seen, 0, 5), "hello");
}

TYPED_TEST(NamedMapping, IsMadeOnceHoweverManyStartAtOnce) {
  constexpr int starters = 4;
  const own_name<TypeParam> name;
  steps met;
  steps makers;
  std::vector<child> all;
  all.reserve(starters);
  for (int i = 0; i < starters; ++i) {
    all.push_back(child::start([&] {
      met.meet(starters);
      const auto got = this->open(name, create_read_write, {.size = 4096, .flags = O_EXCL});
      if (got == "ok") {
        makers.add();
      } else {
        EXPECT_EQ(got, "exists");
      }
    }));
  }
  for (auto& each : all) EXPECT_EQ(each.wait(), exited(0));
  EXPECT_EQ(makers.now(), 1u);
}

TYPED_TEST(NamedMapping, IsOpenedOrMadeWhileAnotherRemovesIt) {
  const own_name<TypeParam> name;
  steps step;
  auto other = child::start([&] {
    while (step.now() == 0) {
      const auto got = outcome(TypeParam::remove(name));
      EXPECT_TRUE(got == "ok" || got == "not_found") << got;
    }
  });
  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(this->open(name, read_write, {.size = 4096, .flags = O_CREAT}), "ok");
  }
  step.reach(1);
  EXPECT_EQ(other.wait(), exited(0));
}

// --- Particular to one kind.

TEST(SysvMemory, KeepsTheLengthThatItWasMadeWith) {
  const own_name<sysv_kind> name;
  ASSERT_EQ(outcome(shared_open(*name, create_read_write, {.size = 4096})), "ok");
  EXPECT_EQ(outcome(shared_open(*name, read_write, {.size = 4097})), "invalid");
  EXPECT_EQ(outcome(shared_open(*name, create_read_write, {.size = 4097})), "invalid");
  const auto shorter = shared_open(*name, create_read_write, {.size = 100});
  ASSERT_TRUE(shorter);
  EXPECT_EQ(shorter->size(), 100u);
  EXPECT_EQ(shorter->stat().value().size, 4096u);
}

TEST(SysvMemory, HasNoPrivateKey) {
  const sysv_key none{0};
  EXPECT_EQ(outcome(shared_open(none, create_read_write, {.size = 4096})), "invalid");
  EXPECT_EQ(outcome(shared_open(none)), "invalid");
  EXPECT_EQ(outcome(shared_remove(none)), "invalid");
}

TEST(SysvMemory, ThatDoesNotFitIsNoSpace) {
  const own_name<sysv_kind> name;
  EXPECT_EQ(outcome(shared_open(*name, create_read_write, {.size = std::size_t{1} << 62})),
            "no_space");
  EXPECT_EQ(outcome(shared_remove(*name)), "not_found");
}

// --- Modes as Perl spells them.

TEST(OpenMode, IsParsedFromItsSpelling) {
  EXPECT_EQ(parse_open_mode("<"), read);
  EXPECT_EQ(parse_open_mode("+<"), read_write);
  EXPECT_EQ(parse_open_mode(">"), create_write);
  EXPECT_EQ(parse_open_mode("+>"), create_read_write);
  for (const auto* wrong : {"", "+", "<+", ">>", "r", "< "}) {
    const auto parsed = parse_open_mode(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_EQ(parsed.error().code, errc::invalid);
    EXPECT_NE(parsed.error().message().find("use <, +<, > or +>"), std::string::npos);
  }
}

}  // namespace
}  // namespace shmark

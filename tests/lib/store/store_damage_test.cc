// Contents that other programs, older versions and broken memory leave: an error each, and no
// crash.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/deadline.h"
#include "lib/base/descriptor.h"
#include "lib/segment/posix.h"
#include "lib/segment/sysv.h"
#include "lib/store/layout.h"
#include "lib/store/store.h"
#include "tests/lib/store/stores.h"

namespace shmark {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

// One of each segment and of each kind of lock.
using few_stores =
    ::testing::Types<store_of<posix_segment, robust_rw>, store_of<sysv_segment, sysv_semaphore>>;

template <class Kind>
class DamagedStore : public store_test<Kind> {
 public:
  using segment = typename Kind::segment;

  // The bytes as they lie in memory, beside any handle.
  [[nodiscard]] segment raw(std::uint64_t number) const {
    return segment::attach({this->key().space, number}).value();
  }
  [[nodiscard]] segment raw() const { return raw(this->key().number); }
  static detail::control& control_of(const segment& of) {
    return *reinterpret_cast<detail::control*>(of.bytes().data());
  }
  // The number of the current value's data segment. Requires: the serial is `serial`.
  [[nodiscard]] std::uint64_t data_number(std::uint64_t serial) const {
    return control_of(raw()).sides[serial % 2].segment;
  }
};
TYPED_TEST_SUITE(DamagedStore, few_stores, name_of_store);

TYPED_TEST(DamagedStore, AnotherKindOfLockIsAMismatch) {
  auto made = this->create();
  using other = store<typename TypeParam::segment, pthread_robust>;
  const auto attached = other::attach(this->key());
  ASSERT_EQ(outcome(attached), "mismatch");
  EXPECT_THAT(
      attached.error().message(),
      AllOf(HasSubstr("its lock is " + std::string(TypeParam::lock::name)),
            HasSubstr("program's pthread_robust"), EndsWith("; use the program that made it")));
  EXPECT_EQ(outcome(other::open_or_create(this->key(), {})), "mismatch");
  EXPECT_EQ(outcome(other::remove(this->key(), deadline::never())), "mismatch");
  EXPECT_EQ(outcome(made.read()), "ok");
}

TYPED_TEST(DamagedStore, AnotherVersionIsAMismatch) {
  auto made = this->create();
  const auto raw = this->raw();
  const auto version = ++this->control_of(raw).version;
  const auto attached = TypeParam::store::attach(this->key());
  ASSERT_EQ(outcome(attached), "mismatch");
  EXPECT_THAT(attached.error().message(), HasSubstr("version " + std::to_string(version)));
  EXPECT_THAT(attached.error().message(), EndsWith("; use the program that made it"));
  EXPECT_EQ(outcome(TypeParam::store::open_or_create(this->key(), {})), "mismatch");
  --this->control_of(raw).version;
}

TYPED_TEST(DamagedStore, AnotherMagicIsAMismatch) {
  auto made = this->create();
  const auto raw = this->raw();
  for (char& letter : this->control_of(raw).magic) {
    ++letter;
    EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "mismatch");
    --letter;
  }
  EXPECT_TRUE(TypeParam::store::attach(this->key()));
}

TYPED_TEST(DamagedStore, WhatIsNoStoreIsAMismatch) {
  using raw_segment = typename TypeParam::segment;
  for (const std::size_t size : {std::size_t{1}, std::size_t{511}, std::size_t{100'000}}) {
    ASSERT_TRUE(raw_segment::create(this->key(), size, 0600));
    EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "mismatch") << size << " bytes";
    EXPECT_EQ(outcome(TypeParam::store::open_or_create(this->key(), {})), "mismatch");
    ASSERT_TRUE(raw_segment::remove(this->key()));
  }
}

TYPED_TEST(DamagedStore, OneThatIsShorterThanItSaysIsCorrupt) {
  using raw_segment = typename TypeParam::segment;
  bytes whole;
  {
    auto made = this->create();
    const auto raw = this->raw();
    whole.assign(raw.bytes().begin(), raw.bytes().end());
    ASSERT_TRUE(raw_segment::remove(this->key()));
  }
  for (const std::size_t size : {std::size_t{512}, std::size_t{4096}, whole.size() - 1}) {
    {
      const auto part = raw_segment::create(this->key(), size, 0600);
      ASSERT_TRUE(part);
      std::memcpy(part->bytes().data(), whole.data(), size);
    }
    EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "corrupt") << size << " bytes";
    ASSERT_TRUE(raw_segment::remove(this->key()));
  }
  // With the lock's semaphores, if any.
  const auto again = raw_segment::create(this->key(), whole.size(), 0600);
  std::memcpy(again->bytes().data(), whole.data(), whole.size());
}

TYPED_TEST(DamagedStore, ACapacityOutsideItsRangeIsCorrupt) {
  auto made = this->create();
  const auto raw = this->raw();
  auto& block = this->control_of(raw);
  const auto whole = block.capacity;
  for (const std::uint64_t capacity : {0U, 7U, 255U}) {
    block.capacity = capacity;
    block.segment_size = sizeof block + 2 * capacity;
    EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "corrupt") << capacity;
  }
  block.capacity = whole;
  block.segment_size = sizeof block + 2 * whole;
}

TYPED_TEST(DamagedStore, AValueThatDoesNotMatchItsChecksumIsCorrupt) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, std::size_t{10'000}}) {
    auto made = this->create();
    must_write(made, value_of(1, size));
    // Wherever it is flipped, and wherever the value lies.
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      const auto seen = made.read().value().bytes();
      auto* byte = const_cast<std::byte*>(&seen[at]);
      *byte ^= std::byte{0x10};
      EXPECT_EQ(outcome(made.read()), "corrupt") << "byte " << at << " of " << size;
      auto fresh = this->open();
      EXPECT_EQ(outcome(fresh.read()), "corrupt");
      EXPECT_EQ(outcome(fresh.write().value().verify()), "corrupt");
      *byte ^= std::byte{0x10};
      EXPECT_EQ(outcome(made.read()), "ok");
      EXPECT_EQ(outcome(made.write().value().verify()), "ok");
    }
    // A damaged value can be replaced.
    auto* byte = const_cast<std::byte*>(made.read().value().bytes().data());
    *byte ^= std::byte{0x10};
    must_write(made, value_of(2, size));
    EXPECT_EQ(read_all(made), value_of(2, size));
    ASSERT_TRUE(TypeParam::store::remove(this->key(), deadline::never()));
  }
}

// A regression: no bytes were taken for a value that nobody has written.
TYPED_TEST(DamagedStore, ALengthOfZeroDoesNotMatchTheChecksumOfAValue) {
  auto made = this->create();
  EXPECT_EQ(read_all(made), bytes()) << "nobody has written";
  must_write(made, value_of(1, 100));
  const auto raw = this->raw();
  this->control_of(raw).sides[0].length = 0;
  EXPECT_EQ(outcome(made.read()), "corrupt");
  EXPECT_EQ(outcome(made.write().value().verify()), "corrupt");
  must_write(made, {});
  EXPECT_EQ(read_all(made), bytes()) << "somebody has written nothing";
  EXPECT_EQ(outcome(made.write().value().verify()), "ok");
}

TYPED_TEST(DamagedStore, WithoutChecksumsItIsReadAsItIs) {
  auto made = this->create({.has_checksum = false});
  must_write(made, value_of(1, 1000));
  auto* byte = const_cast<std::byte*>(made.read().value().bytes().data());
  *byte ^= std::byte{0x10};
  EXPECT_EQ(outcome(made.read()), "ok");
}

TYPED_TEST(DamagedStore, ADataSegmentThatHasGoneIsCorruptAndTheStoreCanBeRemoved) {
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  ASSERT_TRUE(TypeParam::segment::remove({this->key().space, this->data_number(2)}));
  auto fresh = this->open();
  EXPECT_EQ(outcome(fresh.read()), "corrupt");
  EXPECT_EQ(outcome(fresh.write()), "corrupt");
  EXPECT_EQ(outcome(TypeParam::store::remove(this->key(), deadline::never())), "ok");
}

TYPED_TEST(DamagedStore, ASpareSegmentThatHasGoneIsNoLoss) {
  auto made = this->create();
  for (std::uint64_t seed = 1; seed < 3; ++seed) must_write(made, value_of(seed, 10'000));
  ASSERT_TRUE(TypeParam::segment::remove({this->key().space, this->data_number(2)}));
  auto fresh = this->open();
  EXPECT_EQ(read_all(fresh), value_of(2, 10'000));
  EXPECT_EQ(stats_of(fresh).length, 10'000U);
  must_write(fresh, value_of(3, 10'000));
  EXPECT_EQ(read_all(fresh), value_of(3, 10'000));
}

TYPED_TEST(DamagedStore, AnotherProgramsSegmentUnderARecordedNumberIsLeftAlone) {
  using raw_segment = typename TypeParam::segment;
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  must_write(made, value_of(2, 10'000));
  const segment_key spare{this->key().space, this->data_number(2)};
  ASSERT_TRUE(raw_segment::remove(spare));
  const auto strangers = raw_segment::create(spare, 100, 0600);
  ASSERT_TRUE(strangers);
  std::memset(strangers->bytes().data(), 'x', 100);
  auto fresh = this->open();
  must_write(fresh, value_of(3, 100));
  must_write(fresh, value_of(4, 100));
  EXPECT_EQ(read_all(fresh), value_of(4, 100));
  if constexpr (raw_segment::kind == "sysv") {
    EXPECT_TRUE(raw_segment::attach(spare)) << "its owner wants it";
  }
  static_cast<void>(raw_segment::remove(spare));
}

// As another program makes one, for everybody to write to and empty as yet: what lies in it looks
// like the beginning of one of ours.
void make_strangers(const posix_segment*, const segment_key& key) {
  const std::string name = "/" + std::string(key.text().view());
  const descriptor object(shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600));
  ASSERT_TRUE(object);
  ASSERT_EQ(ftruncate(object.number(), 4096), 0);
  ASSERT_EQ(fchmod(object.number(), 0666), 0);
}
void make_strangers(const sysv_segment*, const segment_key& key) {
  const auto number = static_cast<key_t>(key.number & 0x7fffffff);
  ASSERT_GE(shmget(number, 4096, IPC_CREAT | IPC_EXCL | 0777), 0);
}

TYPED_TEST(DamagedStore, AnotherProgramsSegmentThatAllCanWriteToIsLeftAlone) {
  using raw_segment = typename TypeParam::segment;
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  must_write(made, value_of(2, 10'000));
  const segment_key spare{this->key().space, this->data_number(2)};
  ASSERT_TRUE(raw_segment::remove(spare));
  make_strangers(static_cast<raw_segment*>(nullptr), spare);
  {
    auto fresh = this->open();
    must_write(fresh, value_of(3, 10'000));  // gives up the spare's number
    EXPECT_EQ(read_all(fresh), value_of(3, 10'000));
  }
  EXPECT_EQ(outcome(raw_segment::attach(spare)), "denied") << "its owner wants it";
  EXPECT_EQ(outcome(TypeParam::store::remove(this->key(), deadline::never())), "ok");
  EXPECT_EQ(outcome(raw_segment::remove(spare)), "ok");
}

TYPED_TEST(DamagedStore, AnotherProgramsSegmentIsLeftAloneByTheStoresRemoval) {
  using raw_segment = typename TypeParam::segment;
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  must_write(made, value_of(2, 10'000));
  const segment_key current{this->key().space, this->data_number(3)};
  ASSERT_TRUE(raw_segment::remove(current));
  make_strangers(static_cast<raw_segment*>(nullptr), current);
  EXPECT_EQ(outcome(TypeParam::store::remove(this->key(), deadline::never())), "ok");
  EXPECT_EQ(outcome(raw_segment::attach(current)), "denied") << "its owner wants it";
  EXPECT_EQ(outcome(raw_segment::remove(current)), "ok");
}

TYPED_TEST(DamagedStore, AnotherProgramsSegmentIsNoUnfinishedStore) {
  using raw_segment = typename TypeParam::segment;
  make_strangers(static_cast<raw_segment*>(nullptr), this->key());
  TypeParam::store::remove_unfinished(this->key());
  EXPECT_EQ(outcome(raw_segment::attach(this->key())), "denied") << "its owner wants it";
  EXPECT_EQ(outcome(raw_segment::remove(this->key())), "ok");

  for (const std::size_t size : {std::size_t{8}, sizeof(detail::control), std::size_t{100'000}}) {
    const auto private_one = raw_segment::create(this->key(), size, 0600);
    ASSERT_TRUE(private_one);
    std::memset(private_one->bytes().data(), 'x', size);
    TypeParam::store::remove_unfinished(this->key());
    EXPECT_EQ(outcome(raw_segment::remove(this->key())), "ok") << size << " bytes";
  }
}

TYPED_TEST(DamagedStore, ADamagedDataSegmentsHeaderIsCorrupt) {
  auto made = this->create();
  must_write(made, value_of(1, 10'000));
  const auto data = this->raw(this->data_number(2));
  for (std::size_t at = 0; at < 24; ++at) {
    data.bytes()[at] ^= std::byte{4};
    auto fresh = this->open();
    EXPECT_EQ(outcome(fresh.read()), "corrupt") << "byte " << at;
    data.bytes()[at] ^= std::byte{4};
  }
  EXPECT_EQ(read_all(made), value_of(1, 10'000));
}

// What a reader may be shown after one bit has changed in the header: a value that somebody has
// written. Nothing guards the word, which says which of the two that are there is current.
bool was_written(const bytes& value) {
  return value == value_of(1, 600) || value == value_of(2, 300) || value == value_of(2, 600) ||
         value == value_of(3, 700);
}

TYPED_TEST(DamagedStore, NoFlippedBitOfTheHeaderMakesUpAValueOrEndsTheProcess) {
  using raw_segment = typename TypeParam::segment;
  constexpr std::size_t header = offsetof(detail::control, lock_area);
  std::size_t errors = 0;
  for (std::size_t bit = 0; bit < 8 * header; ++bit) {
    SCOPED_TRACE("bit " + std::to_string(bit % 8) + " of byte " + std::to_string(bit / 8));
    const std::size_t large = bit % 2 == 0 ? 300 : 600;
    auto made = this->create({.capacity = 512});
    must_write(made, value_of(1, 600));
    must_write(made, value_of(2, large));
    const auto raw = this->raw();
    auto& block = this->control_of(raw);
    const std::array<std::uint64_t, 2> numbers{block.sides[0].segment, block.sides[1].segment};
    raw.bytes()[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);

    // One that has it open, and one that opens it.
    const auto use = [&](auto& handle) {
      if (const auto seen = handle.read(deadline::none()); seen) {
        const bytes value(seen->bytes().begin(), seen->bytes().end());
        EXPECT_TRUE(was_written(value)) << "made up: " << value.size() << " bytes";
      } else {
        ++errors;
      }
      static_cast<void>(handle.stats(deadline::none()));
      if (auto change = handle.write(deadline::none()); change) {
        const auto value = value_of(3, 700);
        change->output().write(value.data(), value.size());
        static_cast<void>(change->commit());
      }
    };
    if (auto fresh = TypeParam::store::attach(this->key()); fresh) {
      use(*fresh);
    } else {
      ++errors;
    }
    use(made);

    // All that it consists of, whatever it says now.
    if (!TypeParam::store::remove(this->key(), deadline::none())) {
      TypeParam::lock::destroy(
          *reinterpret_cast<typename TypeParam::lock::state*>(block.lock_area.data()));
      static_cast<void>(raw_segment::remove(this->key()));
    }
    for (const auto number :
         {numbers[0], numbers[1], block.sides[0].segment.load(), block.sides[1].segment.load()}) {
      if (number != 0) static_cast<void>(raw_segment::remove({this->key().space, number}));
    }
  }
  EXPECT_GT(errors, header) << "hardly anything was noticed";
}

// A regression: the buffers' place was computed from what lies in the segment, at each use.
TYPED_TEST(DamagedStore, ACapacityThatChangesLaterMovesNothing) {
  auto made = this->create();
  must_write(made, value_of(1, 100));
  const auto raw = this->raw();
  const auto capacity = this->control_of(raw).capacity;
  this->control_of(raw).capacity = std::uint64_t{1} << 40;
  must_write(made, value_of(2, 3000));
  EXPECT_EQ(read_all(made), value_of(2, 3000));
  EXPECT_EQ(outcome(TypeParam::store::attach(this->key())), "corrupt");
  this->control_of(raw).capacity = capacity;
}

// --- What LAYOUT.md says.

TYPED_TEST(DamagedStore, TheBytesAreWhereTheDocumentSaysTheyAre) {
  auto made = this->create({.capacity = 256, .limit = 99999, .tag = 77, .is_unnamed = true});
  {
    const std::array<std::uint64_t, 2> references{5, 6};
    auto change = made.write().value();
    change.output().write(value_of(1, 10).data(), 10);
    ASSERT_TRUE(change.commit(references));
  }
  must_write(made, value_of(2, 1000));
  made.add_referrer();
  const auto raw = this->raw();
  const auto number = [](const auto& of, std::size_t at) {
    std::uint64_t got = 0;
    std::memcpy(&got, of.bytes().data() + at, sizeof got);
    return got;
  };
  EXPECT_EQ(std::memcmp(raw.bytes().data(), "shmarkS\n", 8), 0);
  EXPECT_EQ(number(raw, 8), 6U | std::uint64_t{1} << 32) << "version, has_checksum";
  EXPECT_STREQ(reinterpret_cast<const char*>(raw.bytes().data() + 16),
               std::string(TypeParam::lock::name).c_str());
  EXPECT_EQ(number(raw, 40), sizeof(typename TypeParam::lock::state));
  EXPECT_EQ(number(raw, 48), 512U + 2 * 256) << "segment_size";
  EXPECT_EQ(number(raw, 56), 256U) << "capacity";
  EXPECT_EQ(number(raw, 64), 3U << 1) << "word";
  EXPECT_EQ(number(raw, 72), 0U) << "removed, has_advisory";
  EXPECT_EQ(number(raw, 80), 99999U) << "limit";
  EXPECT_EQ(number(raw, 128), 0U) << "side 0: in its buffer";
  EXPECT_EQ(number(raw, 128 + 16), 10U) << "length";
  EXPECT_EQ(number(raw, 128 + 24), detail::checksum(raw.bytes().subspan(512, 10 + 16)))
      << "checksum";
  EXPECT_EQ(number(raw, 128 + 32), 2U) << "references";
  EXPECT_EQ(std::memcmp(raw.bytes().data() + 512, value_of(1, 10).data(), 10), 0);
  EXPECT_EQ(number(raw, 512 + 10), 5U);
  EXPECT_EQ(number(raw, 512 + 18), 6U);
  const auto data = this->raw(number(raw, 168));
  EXPECT_EQ(number(raw, 168 + 8), 1U) << "side 1: generation";
  EXPECT_EQ(number(raw, 168 + 16), 1000U);
  EXPECT_EQ(number(raw, 208), 1U) << "generations";
  EXPECT_EQ(number(raw, 216), 0U) << "recoveries";
  EXPECT_EQ(number(raw, 224), 1U) << "referrers";
  EXPECT_EQ(number(raw, 232), 77U) << "tag";
  EXPECT_EQ(number(raw, 240), 1U) << "unnamed, opened";
  EXPECT_TRUE(TypeParam::store::attach(this->key()));
  EXPECT_EQ(number(raw, 240), 1U | std::uint64_t{1} << 32) << "unnamed, opened";
  EXPECT_EQ(std::memcmp(data.bytes().data(), "shmarkD\n", 8), 0);
  EXPECT_EQ(number(data, 8), this->key().number);
  EXPECT_EQ(number(data, 16), 1U);
  EXPECT_EQ(std::memcmp(data.bytes().data() + 64, value_of(2, 1000).data(), 1000), 0);
}

TYPED_TEST(DamagedStore, TheBytesWithAnAdvisoryLockAreWhereTheDocumentSaysTheyAre) {
  auto made = this->create({.capacity = 256, .has_advisory_lock = true});
  must_write(made, value_of(1, 10));
  const auto raw = this->raw();
  const auto& block = this->control_of(raw);
  EXPECT_EQ(block.has_advisory, 1U);
  EXPECT_EQ(block.segment_size, 768U + 2 * 256);
  EXPECT_EQ(std::memcmp(raw.bytes().data() + 768, value_of(1, 10).data(), 10), 0);
}

TEST(StoreLayout, TheChecksumIsTheDocumentedOne) {
  const auto of = [](std::string_view text) {
    return detail::checksum(std::as_bytes(std::span(text)));
  };
  std::string numbers;
  for (char i = 0; i < 100; ++i) numbers += i;
  EXPECT_EQ(of(""), 0xe8762870b5f4a9a7U);
  EXPECT_EQ(of("shmark"), 0x5306ba4bc6bec8dfU);
  EXPECT_EQ(of(numbers), 0x82aa60b8d1546be3U);
}

}  // namespace
}  // namespace shmark

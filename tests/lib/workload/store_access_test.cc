#include "lib/workload/store_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/segment/anonymous.h"
#include "lib/subject/stores.h"
#include "lib/subject/type_list.h"
#include "tests/lib/workload/fixture.h"

namespace shmark {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ThreadSanitizer does not see what orders LMDB's accesses.
#ifdef SHMARK_TSAN
template <byte_store S>
constexpr bool is_run = !S::name.starts_with("lmdb");
#else
template <byte_store S>
constexpr bool is_run = true;
#endif

constexpr std::array<std::size_t, 6> sizes{8, 63, 64, 73, 4096, 65536};

class StoreAccess : public ::testing::TestWithParam<workers_are> {
 protected:
  template <byte_store S>
  static void expect_concludes(const store_load& how, int workers) {
    SCOPED_TRACE(std::string(S::name) + ' ' + std::to_string(how.reads_percent) + "% of " +
                 std::to_string(how.payload_bytes) + " by " + std::to_string(workers));
    const run own = begun();
    {
      small_bench bench(store_access<S>::make(own, how), {.size = workers, .kind = GetParam()});
      for (int i = 0; i < 2; ++i) {
        const auto counters = bench.window();
        ASSERT_TRUE(counters) << counters.error().message();
        EXPECT_GE(bench.last().operations, static_cast<std::uint64_t>(workers));
      }
    }
    EXPECT_THAT(own.objects(), IsEmpty());
  }

  // Calls `visit` with each store that can be had here.
  template <class F>
  static void for_each_store(F&& visit) {
    for_each_type(all_stores{}, [&]<class S> {
      if constexpr (is_run<S>) {
        if (!missing_reason<S>()) visit.template operator()<S>();
      }
    });
  }
};
INSTANTIATE_TEST_SUITE_P(, StoreAccess,
                         ::testing::Values(workers_are::processes, workers_are::threads),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(StoreAccess, TrustsEveryStore) {
  for_each_store([]<class S> {
    for (const int reads_percent : {100, 0, 50}) {
      for (const int workers : {1, 3}) {
        expect_concludes<S>({.reads_percent = reads_percent}, workers);
      }
    }
  });
}

TEST_P(StoreAccess, TrustsEveryStoreWithValuesOfAnySize) {
  for_each_store([]<class S> {
    for (const std::size_t bytes : sizes) {
      expect_concludes<S>({.payload_bytes = bytes, .reads_percent = 50}, 2);
    }
  });
}

// --- Planted bugs: stores in memory that the workers share, each with one.

template <class Handle>
class shared_bytes {
 public:
  static constexpr byte_store_traits can{};
  using handle = Handle;

  template <class Store>
  static std::expected<Store, error> create_one(std::size_t payload_bytes) {
    SHMARK_ASSIGN_OR_RETURN(auto memory, anonymous_segment::create(payload_bytes));
    Store made;
    made.memory_ = std::make_unique<anonymous_segment>(std::move(memory));
    made.payload_bytes_ = payload_bytes;
    return made;
  }
  [[nodiscard]] std::expected<handle, error> attach() const {
    return handle(memory_->bytes().first(payload_bytes_));
  }

 private:
  std::unique_ptr<anonymous_segment> memory_;
  std::size_t payload_bytes_ = 0;
};

class shared_bytes_handle {
 public:
  explicit shared_bytes_handle(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}
  template <class F>
  std::expected<void, error> read(F&& visit) {
    visit(std::span<const std::byte>(bytes_));
    return {};
  }

 protected:
  std::span<std::byte> bytes_;
};

// Writes one half of a value, and later the other.
struct tearing_handle : shared_bytes_handle {
  using shared_bytes_handle::shared_bytes_handle;
  std::expected<void, error> write(std::span<const std::byte> value) {
    const auto half = value.size() / 2;
    std::ranges::copy(value.first(half), bytes_.begin());
    sched_yield();
    std::ranges::copy(value.subspan(half), bytes_.subspan(half).begin());
    return {};
  }
};
struct tearing_store : shared_bytes<tearing_handle> {
  static constexpr std::string_view name = "tearing_store";
  static std::expected<tearing_store, error> create(const run&, std::size_t payload_bytes) {
    return create_one<tearing_store>(payload_bytes);
  }
};
static_assert(byte_store<tearing_store>);

// Never writes the middle: the first and the last line are always of one write.
struct hollow_handle : shared_bytes_handle {
  using shared_bytes_handle::shared_bytes_handle;
  std::expected<void, error> write(std::span<const std::byte> value) {
    constexpr std::size_t line = 64;
    std::ranges::copy(value.first(line), bytes_.begin());
    std::ranges::copy(value.last(line), bytes_.last(line).begin());
    return {};
  }
};
struct hollow_store : shared_bytes<hollow_handle> {
  static constexpr std::string_view name = "hollow_store";
  static std::expected<hollow_store, error> create(const run&, std::size_t payload_bytes) {
    return create_one<hollow_store>(payload_bytes);
  }
};

// Has the first value that was written, for good.
struct forgetful_handle : shared_bytes_handle {
  using shared_bytes_handle::shared_bytes_handle;
  std::expected<void, error> write(std::span<const std::byte> value) {
    if (bytes_.front() == std::byte{0}) std::ranges::copy(value, bytes_.begin());
    return {};
  }
};
struct forgetful_store : shared_bytes<forgetful_handle> {
  static constexpr std::string_view name = "forgetful_store";
  static std::expected<forgetful_store, error> create(const run&, std::size_t payload_bytes) {
    return create_one<forgetful_store>(payload_bytes);
  }
};

// Gives a reader something else now and then.
struct inventive_handle : shared_bytes_handle {
  using shared_bytes_handle::shared_bytes_handle;
  template <class F>
  std::expected<void, error> read(F&& visit) {
    const bool is_true = ++reads % 100 != 0;
    visit(is_true ? std::span<const std::byte>(bytes_) : std::span<const std::byte>(foreign));
    return {};
  }
  std::expected<void, error> write(std::span<const std::byte> value) {
    foreign.assign(value.size(), std::byte{7});
    std::ranges::copy(value, bytes_.begin());
    return {};
  }
  int reads = 0;
  std::vector<std::byte> foreign = std::vector(256, std::byte{7});
};
struct inventive_store : shared_bytes<inventive_handle> {
  static constexpr std::string_view name = "inventive_store";
  static std::expected<inventive_store, error> create(const run&, std::size_t payload_bytes) {
    return create_one<inventive_store>(payload_bytes);
  }
};

// Its writes fail now and then.
struct refusing_handle : tearing_handle {
  using tearing_handle::tearing_handle;
  std::expected<void, error> write(std::span<const std::byte> value) {
    if (++writes == 100) return failure(errc::no_space, "write to", "refusing_store");
    return tearing_handle::write(value);
  }
  int writes = 0;
};
struct refusing_store : shared_bytes<refusing_handle> {
  static constexpr std::string_view name = "refusing_store";
  static std::expected<refusing_store, error> create(const run&, std::size_t payload_bytes) {
    return create_one<refusing_store>(payload_bytes);
  }
};

// What windows end with, until one ends with an error; or the watchdog does.
template <byte_store S>
error error_of(const store_load& how, const crew_options& workers) {
  const run own = begun();
  small_bench bench(store_access<S>::make(own, how), workers);
  auto counters = bench.window();
  while (counters) counters = bench.window();
  return counters.error();
}

void expect_distrusted(const error& found, std::string_view store, std::string_view why) {
  EXPECT_EQ(found.code, errc::corrupt);
  EXPECT_THAT(found.message(), HasSubstr(std::string(store)));
  EXPECT_THAT(found.message(), HasSubstr(std::string(why)));
}

#ifndef SHMARK_TSAN  // which reports the race itself
TEST_P(StoreAccess, FindsAStoreThatTearsValues) {
  expect_distrusted(error_of<tearing_store>({.reads_percent = 50}, {.size = 3, .kind = GetParam()}),
                    "tearing_store", "not whole");
}
#endif

TEST_P(StoreAccess, FindsAValueThatIsNotWholeInTheMiddle) {
  expect_distrusted(error_of<hollow_store>({.reads_percent = 50}, {.size = 1, .kind = GetParam()}),
                    "hollow_store", "not whole");
}

TEST_P(StoreAccess, FindsAStoreThatLosesWrites) {
  expect_distrusted(
      error_of<forgetful_store>({.reads_percent = 0}, {.size = 1, .kind = GetParam()}),
      "forgetful_store", "written last is not there");
}

TEST_P(StoreAccess, FindsAValueThatNobodyHasWritten) {
  expect_distrusted(
      error_of<inventive_store>({.reads_percent = 100}, {.size = 1, .kind = GetParam()}),
      "inventive_store", "nobody had written");
}

TEST_P(StoreAccess, EndsWithTheErrorOfAStoreThatFails) {
  const auto found =
      error_of<refusing_store>({.reads_percent = 0}, {.size = 1, .kind = GetParam()});
  EXPECT_EQ(found.code, errc::no_space);
  EXPECT_THAT(found.message(), HasSubstr("refusing_store"));
}

// --- Stamps.

TEST(Stamp, SaysWhoWroteAndHowOften) {
  for (const std::uint16_t writer : std::initializer_list<std::uint16_t>{0, 1, 1023, 65535}) {
    for (const std::uint32_t count : {0U, 1U, 4'294'967'295U}) {
      const stamp made(writer, count);
      EXPECT_EQ(made.writer(), writer);
      EXPECT_EQ(made.count(), count);
      EXPECT_TRUE(made.is_genuine());
      EXPECT_FALSE(stamp(made.bits() ^ 1).is_genuine());
    }
  }
  EXPECT_FALSE(stamp(0).is_genuine()) << "what nobody has written";
}

TEST(Stamp, IsFoundMissingAnywhere) {
  for (const std::size_t bytes : sizes) {
    stamped_value value(bytes);
    const auto whole = value.with(stamp(3, 5));
    stamp_checker fine(bytes);
    fine.look_at_all(whole);
    EXPECT_EQ(fine.wrong(), 0u);
    EXPECT_EQ(fine.last().writer(), 3);
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes; at += 64) {
      std::vector<std::byte> torn(whole.begin(), whole.end());
      torn[at] ^= std::byte{1};
      stamp_checker check(bytes);
      check.look_at_all(torn);
      EXPECT_EQ(check.wrong(), 1u) << at << " of " << bytes;
    }
    stamp_checker shorter(bytes);
    shorter.look(whole.first(bytes - 1));
    EXPECT_EQ(shorter.wrong(), 1u);
  }
}

TEST(Stamp, IsLookedForEverywhereNowAndThen) {
  stamped_value value(256);
  const auto whole = value.with(stamp(3, 5));
  std::vector<std::byte> torn(whole.begin(), whole.end());
  torn[128] ^= std::byte{1};
  stamp_checker check(256);
  for (int i = 0; i < 63; ++i) check.look(torn);
  EXPECT_EQ(check.wrong(), 0u);
  check.look(torn);
  EXPECT_EQ(check.wrong(), 1u);
}

TEST(Stamp, OfACopyIsLookedAtWhenItIsNew) {
  stamped_value value(256);
  stamp_checker check(256);
  for (std::uint32_t i = 0; i < 64; ++i) {
    const auto whole = value.with(stamp(3, i));
    std::vector<std::byte> torn(whole.begin(), whole.end());
    torn[i == 63 ? 128 : 192] ^= std::byte{1};
    check.look_if_new(torn);
    check.look_if_new(torn);
    EXPECT_EQ(check.wrong(), i + 1) << "once for each, in the last line, and of the 64th anywhere";
  }
}

}  // namespace
}  // namespace shmark

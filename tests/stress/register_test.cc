// The scenario on stores that keep their promises, and on some that do not.

#include "stress/scenario/register.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <expected>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/subject/plain_store.h"
#include "lib/subject/stores.h"
#include "lib/subject/type_list.h"
#include "stress/checker/linearizability.h"
#include "stress/history/file.h"
#include "stress/stress.h"
#include "tests/stress/fixture.h"

namespace shmark {
namespace {

using result::verdict_kind;
using stress::options;
using stress::outcome;

constexpr stress::register_options small{.payload_bytes = 200, .operations_per_round = 20'000};

template <class S>
outcome run_on(const options& chosen, const stress::register_options& how = small) {
  return outcome_of([&](const run& in) { return stress::run_register<S>(chosen, {}, in, how); });
}

template <class S>
class Register : public ::testing::Test {};
template <class List>
struct as_types;
template <class... S>
struct as_types<type_list<S...>> {
  using type = ::testing::Types<S...>;
};
struct by_name {
  template <class S>
  static std::string GetName(int /*index*/) {
    return std::string(S::name);
  }
};
TYPED_TEST_SUITE(Register, as_types<all_stores>::type, by_name);

TYPED_TEST(Register, PassesWhileWorkersAreKilled) {
  if (const auto missing = missing_reason<TypeParam>()) GTEST_SKIP() << *missing;
  const auto done = run_on<TypeParam>(
      {.workers = 4, .seconds = long_s, .seed = 1, .kill_gap_ms = 2, .enough_kills = 150});
  // The peer's own: see lmdb_store.h. What it did until then must have an order all the same.
  if (TypeParam::name != std::string_view("lmdb") || !is_only_stuck(done)) {
    EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
    EXPECT_GE(done.seen.kills_in_operation, 150U);
  }
  EXPECT_GT(done.seen.changes, 0U);
  EXPECT_GT(done.seen.reads, 0U);
  // All that was done was judged, and what was done last was looked at once more.
  EXPECT_GT(done.checked.operations, done.seen.operations());
  EXPECT_GT(done.checked.overlapped, 0U);
  EXPECT_GT(done.checked.pending, 0U);
  EXPECT_LE(done.checked.pending, done.seen.kills);
}

TYPED_TEST(Register, IsVacuousWhenNobodyIsKilled) {
  if (const auto missing = missing_reason<TypeParam>()) GTEST_SKIP() << *missing;
  const auto done = run_on<TypeParam>({.workers = 2, .seconds = 0.2, .seed = 3, .kill_gap_ms = 0});
  EXPECT_EQ(done.verdict(), verdict_kind::vacuous) << told(done);
  EXPECT_EQ(done.checked.pending, 0U);
  EXPECT_GT(done.checked.operations, 0U);
}

TEST(RegisterRounds, GoOnWithAnotherStoreWhenThereAreRecordsEnough) {
  const auto done = run_on<plain_store<>>({.workers = 2, .seconds = 2, .seed = 1, .kill_gap_ms = 5},
                                          {.operations_per_round = 1'000});
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GT(done.checked.operations, 3'000U);
}

// Each of these has a planted bug.

enum class bug {
  forgets_writes,    // some, of which it says that they are done
  shows_old_values,  // sometimes the one that was read last
  numbers_first,     // what is read has the number of what comes after it
  numbers_twice,     // now and then a write has the number of the one before
  tears_values,      // now and then, into the halves of two
};

// A store that, without the bug, is one of ours; with it, every hundredth operation is wrong.
template <bug Has, bool IsNumbered>
class spoiled_store {
  using whole_store = plain_store<>;
  using bytes = std::span<const std::byte>;

 public:
  static constexpr std::string_view name = "spoiled";
  static constexpr byte_store_traits can = whole_store::can;

  class handle {
   public:
    template <std::invocable<bytes> F>
    std::expected<void, error> read(F&& visit) {
      if (Has == bug::shows_old_values && is_time() && !last_.empty()) {
        serial_ = serial_read_;
        visit(bytes(last_));
        return {};
      }
      const auto before = last_;
      SHMARK_RETURN_IF_ERROR(fetch());
      if (Has == bug::numbers_first) return read_number_of_later(visit);
      if (Has == bug::tears_values && is_time() && !before.empty()) {
        std::copy_n(before.begin(), before.size() / 2, last_.begin());
      }
      visit(bytes(last_));
      return {};
    }
    std::expected<void, error> write(bytes value) {
      if (Has == bug::forgets_writes && is_time()) {
        ++serial_;
        return {};
      }
      SHMARK_RETURN_IF_ERROR(whole_.write(value));
      serial_ = whole_.serial();
      if (Has == bug::numbers_twice && is_time()) --serial_;
      return {};
    }
    [[nodiscard]] std::uint64_t serial() const noexcept
      requires IsNumbered
    {
      return serial_;
    }

   private:
    friend spoiled_store;
    explicit handle(whole_store::handle whole) noexcept : whole_(std::move(whole)) {}

    bool is_time() noexcept { return ++count_ % 100 == 0; }
    std::expected<void, error> fetch() {
      SHMARK_RETURN_IF_ERROR(
          whole_.read([this](bytes value) { last_.assign(value.begin(), value.end()); }));
      serial_ = serial_read_ = whole_.serial();
      return {};
    }
    template <class F>
    std::expected<void, error> read_number_of_later(F&& visit) {
      const auto value = last_;
      SHMARK_RETURN_IF_ERROR(fetch());
      visit(bytes(value));
      return {};
    }

    whole_store::handle whole_;
    std::vector<std::byte> last_;    // that was read
    std::uint64_t serial_read_ = 0;  // its number
    std::uint64_t serial_ = 0;       // that is told
    unsigned count_ = 0;
  };

  static std::expected<spoiled_store, error> create(const run& owner, std::size_t payload_bytes) {
    SHMARK_ASSIGN_OR_RETURN(auto whole, whole_store::create(owner, payload_bytes));
    return spoiled_store(std::move(whole));
  }
  [[nodiscard]] std::expected<handle, error> attach() const {
    SHMARK_ASSIGN_OR_RETURN(auto whole, whole_.attach());
    return handle(std::move(whole));
  }

 private:
  explicit spoiled_store(whole_store whole) noexcept : whole_(std::move(whole)) {}
  whole_store whole_;
};

template <bug Has, bool IsNumbered>
outcome run_spoiled() {
  static_assert(byte_store<spoiled_store<Has, IsNumbered>>);
  const auto done = run_on<spoiled_store<Has, IsNumbered>>(
      {.scenario = "register", .workers = 3, .seconds = long_s, .seed = 1, .kill_gap_ms = 2});
  EXPECT_EQ(done.verdict(), verdict_kind::failed) << told(done);
  return done;
}
template <bug Has>
void expect_broken() {
  EXPECT_EQ((run_spoiled<Has, true>().seen.broken), 1U);
  EXPECT_EQ((run_spoiled<Has, false>().seen.broken), 1U);
}

TEST(RegisterChecker, FindsWritesThatAreNotThere) { expect_broken<bug::forgets_writes>(); }
TEST(RegisterChecker, FindsOldValues) { expect_broken<bug::shows_old_values>(); }
TEST(RegisterChecker, FindsNumbersOfOtherValues) {
  EXPECT_EQ((run_spoiled<bug::numbers_first, true>().seen.broken), 1U);
}
TEST(RegisterChecker, FindsNumbersThatTwoWritesHave) {
  EXPECT_EQ((run_spoiled<bug::numbers_twice, true>().seen.broken), 1U);
}
TEST(RegisterChecker, FindsTornValues) {
  const auto done = run_spoiled<bug::tears_values, true>();
  EXPECT_GT(done.seen.torn, 0U);
  EXPECT_EQ(done.seen.broken, 0U);
}

// What a finding says of where the history is.
std::filesystem::path saved_by(const outcome& done) {
  constexpr std::string_view begin = "its history: ";
  for (const auto& finding : done.findings) {
    if (finding.starts_with(begin)) return finding.substr(begin.size());
  }
  return {};
}

TEST(RegisterChecker, LeavesAHistoryThatIsFoundWrongAgain) {
  const auto done = run_spoiled<bug::shows_old_values, true>();
  const auto all = stress::load(saved_by(done));
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_LT(all->operations.size(), 100U) << "not the part that shows it";
  const auto again = stress::check_linearizability(*all);
  EXPECT_EQ(again.found, stress::order::none);
  EXPECT_EQ(again.why, done.findings.front());
}

}  // namespace
}  // namespace shmark

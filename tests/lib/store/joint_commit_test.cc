// What commits of several stores at once promise (see (8), (9) and S6 in lib/store/store.h).

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/store/store.h"
#include "tests/lib/store/deadly_memory.h"
#include "tests/lib/store/stores.h"
#include "tests/support/child.h"

namespace shmark {
namespace {

using support::child;
using support::killed_by;

template <class Kind>
class JointCommit : public store_test<Kind> {
 public:
  using store = typename Kind::store;
  using transaction = typename store::transaction;
  using part = typename transaction::part;
  static constexpr std::size_t count = 3;

  JointCommit() {
    for (auto& key : keys_) {
      key = segment_key::random_in(this->key().space);
    }
    for (std::size_t i = 0; i < count; ++i) make(i);
  }
  ~JointCommit() override {
    for (const auto& key : keys_) EXPECT_TRUE(store::remove(key, deadline::never()));
  }

  void make(std::size_t index) const {
    EXPECT_TRUE(
        store::create(keys_[index], {.capacity = 256, .limit = 5000, .has_checksum = false}));
  }
  [[nodiscard]] const segment_key& key_of(std::size_t index) const { return keys_[index]; }
  [[nodiscard]] store open(std::size_t index) const { return store::attach(keys_[index]).value(); }
  void write_all_of(std::uint64_t seed, std::size_t size) const {
    for (std::size_t i = 0; i < count; ++i) {
      auto own = open(i);
      must_write(own, value_of(seed, size));
    }
  }
  // A segment to which others can write is refused.
  void let_others_write_to(std::size_t index) const { set_mode(index, 0666); }
  void let_nobody_write_to(std::size_t index) const { set_mode(index, 0600); }
  // Of each, by one that opens it.
  [[nodiscard]] std::uint64_t seed_in(std::size_t index) const {
    auto own = open(index);
    return seed_of(read_all(own)).value_or(0);
  }

  // Writes sizes[i] bytes to each, and commits; and then once more, nothing at all.
  static std::expected<void, error> write_together(std::array<store, count>& to, std::uint64_t seed,
                                                   const std::array<std::size_t, count>& sizes,
                                                   bool empties_after = false) {
    std::vector<transaction> changes;
    std::vector<part> parts;
    for (std::size_t i = 0; i < count; ++i) {
      changes.push_back(to[i].write().value());
      const auto value = value_of(seed, sizes[i]);
      changes[i].output().write(value.data(), value.size());
    }
    for (auto& change : changes) parts.push_back({&change, {}});
    if (!empties_after) deadly_memory::begin();
    auto done = transaction::commit_together(parts);
    if (empties_after) {
      deadly_memory::begin();
      done = transaction::commit_together(parts);
    }
    deadly_memory::end();
    return done;
  }
  [[nodiscard]] std::array<store, count> open_all() const { return {open(0), open(1), open(2)}; }

 private:
  void set_mode(std::size_t index, mode_t how) const {
    const auto path = "/dev/shm/" + std::string(keys_[index].text().view());
    EXPECT_EQ(chmod(path.c_str(), how), 0) << path;
  }

  std::array<segment_key, count> keys_;
};
using some_stores =
    ::testing::Types<store_of<posix_segment, robust_rw>, store_of<posix_segment, sysv_semaphore>,
                     store_of<sysv_segment, pthread_robust>,
                     store_of<sysv_segment, sysv_semaphore>>;
TYPED_TEST_SUITE(JointCommit, some_stores, name_of_store);

TYPED_TEST(JointCommit, PublishesAll) {
  auto all = this->open_all();
  for (std::uint64_t seed = 1; seed < 6; ++seed) {
    ASSERT_TRUE(this->write_together(all, seed, {100, 1000 * (seed % 3), 50}));
    EXPECT_EQ(this->seed_in(0), seed);
    EXPECT_EQ(this->seed_in(2), seed);
    EXPECT_EQ(read_all(all[1]), value_of(seed, 1000 * (seed % 3)));
    for (auto& one : all) EXPECT_EQ(stats_of(one).serial, seed + 1);
  }
}

TYPED_TEST(JointCommit, PublishesNothingIfOneOfThemCannotBe) {
  auto all = this->open_all();
  ASSERT_TRUE(this->write_together(all, 1, {100, 100, 100}));
  for (std::size_t too_long = 0; too_long < this->count; ++too_long) {
    std::array<std::size_t, 3> sizes{200, 700, 300};
    sizes[too_long] = 6000;
    EXPECT_EQ(outcome(this->write_together(all, 2, sizes)), "no_space");
    for (std::size_t i = 0; i < this->count; ++i) EXPECT_EQ(this->seed_in(i), 1U);
  }
  ASSERT_TRUE(this->write_together(all, 3, {100, 100, 100}));
  for (std::size_t i = 0; i < this->count; ++i) EXPECT_EQ(this->seed_in(i), 3U);
}

TYPED_TEST(JointCommit, TakesValuesUpToTheLimitWhoeverLeads) {
  using store_type = typename TypeParam::store;
  std::array<segment_key, 2> keys{this->key(), segment_key::random_in(this->key().space)};
  const auto value = value_of(7, 256);
  std::vector<store_type> all;
  for (const auto& key : keys) {
    all.push_back(store_type::create(key, {.capacity = 256, .limit = 256}).value());
  }
  {
    std::vector<typename store_type::transaction> changes;
    for (auto& one : all) changes.push_back(one.write().value());
    for (auto& change : changes) change.output().write(value.data(), value.size());
    EXPECT_EQ(outcome(store_type::transaction::commit_together(
                  std::vector<typename TestFixture::part>{{&changes[0], {}}, {&changes[1], {}}})),
              "ok");
  }
  for (auto& one : all) EXPECT_EQ(read_all(one), value);
  EXPECT_TRUE(store_type::remove(keys[1], deadline::never()));
}

// How the first to come after a death goes about it.
enum class comes {
  reading_the_leader,
  reading_a_follower,
  writing_the_leader,
  removing_the_leader,
  removing_the_leader_while_a_follower_cannot_be_opened,
  dying_with_half_a_value_in_a_follower
};

TYPED_TEST(JointCommit, AtWhicheverStoreToMemoryItsWriterDiesAllIsOldOrAllIsNew) {
  if (!deadly_memory::is_supported) GTEST_SKIP() << "not on this processor";
  using store_type = typename TypeParam::store;
  for (const auto way :
       {comes::reading_the_leader, comes::reading_a_follower, comes::writing_the_leader,
        comes::removing_the_leader, comes::removing_the_leader_while_a_follower_cannot_be_opened,
        comes::dying_with_half_a_value_in_a_follower}) {
    const bool is_denied = way == comes::removing_the_leader_while_a_follower_cannot_be_opened;
    if (is_denied && TypeParam::segment::kind != posix_segment::kind) continue;
    std::array<int, 3> seen{};
    const auto prepare = [&] { this->write_all_of(1, (seen[1] + seen[2]) % 2 == 0 ? 100 : 700); };
    prepare();
    deadly_memory::dies_at_each_store(
        [&] {
          auto all = this->open_all();
          EXPECT_TRUE(this->write_together(all, 2, {80, 600, 90}));
        },
        [&] {
          {
            auto leader = this->open(0);
            if (way == comes::reading_the_leader) static_cast<void>(leader.read());
            if (way == comes::reading_a_follower) static_cast<void>(this->seed_in(2));
            if (way == comes::writing_the_leader) must_write(leader, value_of(3, 200));
            if (way == comes::dying_with_half_a_value_in_a_follower) {
              auto second = child::start([&] {
                auto own = this->open(1);
                auto change = own.write();
                change->output().write("half", 4);
                kill(getpid(), SIGKILL);
              });
              EXPECT_EQ(second.wait(), killed_by(SIGKILL));
            }
          }
          if (is_denied) {
            this->let_others_write_to(1);
            if (const auto done = store_type::remove(this->key_of(0), deadline::never()); !done) {
              EXPECT_EQ(outcome(done), "denied");
            } else {
              this->make(0);
            }
            this->let_nobody_write_to(1);
          }
          if (way == comes::removing_the_leader || is_denied) {
            ASSERT_TRUE(store_type::remove(this->key_of(0), deadline::never()));
            this->make(0);
          } else if (way != comes::writing_the_leader) {
            EXPECT_EQ(this->seed_in(0), this->seed_in(1));
          }
          const auto seed = this->seed_in(1);
          EXPECT_EQ(seed, this->seed_in(2));
          ASSERT_TRUE(seed == 1 || seed == 2);
          ++seen[seed];
          prepare();
        });
    EXPECT_GT(seen[1], 10) << "hardly any death came early";
    EXPECT_GT(seen[2], 5) << "hardly any death came late";
  }
}

TYPED_TEST(JointCommit, ASecondOneOfTheSameTransactionsIsAsGoodAsTheFirst) {
  if (!deadly_memory::is_supported) GTEST_SKIP() << "not on this processor";
  int old = 0;
  int empty = 0;
  deadly_memory::dies_at_each_store(
      [&] {
        auto all = this->open_all();
        EXPECT_TRUE(this->write_together(all, 2, {80, 90, 100}, true));
      },
      [&] {
        std::array<std::size_t, 3> sizes;
        for (std::size_t i = 0; i < this->count; ++i) {
          auto own = this->open(i);
          sizes[i] = read_all(own).size();
        }
        const bool is_empty = sizes[0] == 0;
        EXPECT_EQ(sizes[1], is_empty ? 0U : 90U);
        EXPECT_EQ(sizes[2], is_empty ? 0U : 100U);
        ++(is_empty ? empty : old);
      });
  EXPECT_GT(old, 5);
  EXPECT_GT(empty, 5);
}

}  // namespace
}  // namespace shmark

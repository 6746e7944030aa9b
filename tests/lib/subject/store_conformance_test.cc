// What byte_store.h demands, of each store that is compared; with SHMARK_TEST_CONTROL, of the one
// that bugs are planted in (stress/mutants).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/crew/run.h"
#include "lib/segment/posix.h"
#include "lib/subject/byte_store.h"
#include "lib/subject/stores.h"
#include "lib/subject/type_list.h"
#include "lib/workload/stamp.h"
#include "tests/lib/workload/fixture.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"

#if defined(SHMARK_TEST_CONTROL)
#include "stress/mutants/mutant_store.h"
#endif

namespace shmark {
namespace {

#if defined(SHMARK_TEST_CONTROL)
using tested_stores = type_list<mutants::mutant_store<mutants::store_bug::none>>;
#else
using tested_stores = all_stores;
#endif

using support::child;
using support::children_of;
using support::exited;
using support::killed_by;
using support::shared;
using support::steps;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class T>
T value_of(std::expected<T, error> made) {
  if (!made) throw std::runtime_error(made.error().message());
  return *std::move(made);
}

template <class List>
struct as_types;
template <class... Types>
struct as_types<type_list<Types...>> {
  using type = ::testing::Types<Types...>;
};
struct by_name {
  template <byte_store S>
  static std::string GetName(int) {
    return std::string(S::name);
  }
};

constexpr std::size_t largest = 64 << 10;

template <byte_store S>
class StoreConformance : public ::testing::Test {
 protected:
  using handle = typename S::handle;

  void SetUp() override {
    if (const auto why = missing_reason<S>()) GTEST_SKIP() << *why;
    store_ = std::make_unique<S>(value_of(S::create(run_, largest)));
  }
  void TearDown() override {
    store_.reset();
    EXPECT_THAT(run_.objects(), IsEmpty());
    EXPECT_THAT(children_of(getpid()), IsEmpty());
  }

  handle attach() const { return value_of(store_->attach()); }
  static void write(handle& to, std::size_t bytes, stamp which) {
    stamped_value value(bytes);
    const auto done = to.write(value.with(which));
    EXPECT_TRUE(done) << done.error().message();
  }
  // A value is to be whole, and is that of this stamp.
  static void expect_value(handle& from, std::size_t bytes, stamp which) {
    EXPECT_EQ(last_stamp_of(from, bytes).bits(), which.bits());
  }
  static stamp last_stamp_of(handle& from, std::size_t bytes) {
    stamp_checker check(bytes);
    const auto done = from.read([&](auto value) { check.look_at_all(value); });
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_EQ(check.wrong(), 0u);
    return check.last();
  }

  run run_ = begun();
  std::unique_ptr<S> store_;
};
TYPED_TEST_SUITE(StoreConformance, as_types<tested_stores>::type, by_name);

TYPED_TEST(StoreConformance, ShowsOneProcessWhatAnotherWrites) {
  const std::array<std::size_t, 7> sizes{8, 100, 256, 4096, 5000, largest, 64};
  steps turn;
  auto reader = child::start([&] {
    auto own = this->attach();
    for (std::uint32_t i = 0; i < sizes.size(); ++i) {
      turn.await(2 * i + 1);
      this->expect_value(own, sizes[i], stamp(0, i));
      this->expect_value(own, sizes[i], stamp(0, i));
      turn.reach(2 * i + 2);
    }
  });
  auto writer = child::start([&] {
    auto own = this->attach();
    for (std::uint32_t i = 0; i < sizes.size(); ++i) {
      this->write(own, sizes[i], stamp(0, i));
      turn.reach(2 * i + 1);
      turn.await(2 * i + 2);
    }
  });
  EXPECT_EQ(writer.wait(), exited(0));
  EXPECT_EQ(reader.wait(), exited(0));
}

TYPED_TEST(StoreConformance, NumbersTheWritesThatTookEffect) {
  if constexpr (numbered_store_handle<typename TypeParam::handle>) {
    auto one = this->attach();
    auto other = this->attach();
    this->write(one, 256, stamp(0, 1));
    const auto first = one.serial();
    EXPECT_GT(first, 0U);
    for (std::uint32_t i = 1; i <= 10; ++i) {
      auto& writer = i % 2 == 0 ? one : other;
      auto& reader = i % 2 == 0 ? other : one;
      this->write(writer, 256, stamp(0, 1 + i));
      EXPECT_EQ(writer.serial(), first + i);
      this->expect_value(reader, 256, stamp(0, 1 + i));
      EXPECT_EQ(reader.serial(), first + i);
      this->expect_value(writer, 256, stamp(0, 1 + i));
      EXPECT_EQ(writer.serial(), first + i);
    }
  } else {
    GTEST_SKIP() << "it has no numbers";
  }
}

TYPED_TEST(StoreConformance, KeepsAValueThatNobodyHasOpen) {
  auto writer = child::start([&] {
    auto own = this->attach();
    this->write(own, 256, stamp(7, 9));
  });
  EXPECT_EQ(writer.wait(), exited(0));
  auto own = this->attach();
  this->expect_value(own, 256, stamp(7, 9));
}

TYPED_TEST(StoreConformance, NeverShowsAMixtureOfTwoWrites) {
  constexpr std::uint16_t processes = 4;
  constexpr std::uint32_t writes = 300;
  for (const std::size_t bytes : {std::size_t{256}, std::size_t{8192}}) {
    steps start;
    std::vector<child> all;
    for (std::uint16_t index = 0; index < processes; ++index) {
      all.push_back(child::start([&, index] {
        auto own = this->attach();
        this->write(own, bytes, stamp(index, 0));
        start.meet(processes);
        for (std::uint32_t i = 1; i <= writes; ++i) {
          this->write(own, bytes, stamp(index, i));
          EXPECT_LT(this->last_stamp_of(own, bytes).writer(), processes);
        }
      }));
    }
    for (auto& each : all) EXPECT_EQ(each.wait(), exited(0));
    auto own = this->attach();
    EXPECT_EQ(this->last_stamp_of(own, bytes).count(), writes);
  }
}

TYPED_TEST(StoreConformance, IsNotTakenAwayByAForkedChild) {
  auto own = this->attach();
  this->write(own, 256, stamp(1, 1));
  auto forked = child::start([&] { this->store_.reset(); });
  EXPECT_EQ(forked.wait(), exited(0));
  auto other = this->attach();
  this->write(other, 256, stamp(1, 2));
  this->expect_value(own, 256, stamp(1, 2));
}

// Wherever it happens to be by then: tests of each store go through its instructions.
TYPED_TEST(StoreConformance, GetsOnWhenAWorkerIsKilled) {
  if (!TypeParam::can.crash_safe) GTEST_SKIP() << "it does not promise to";
  constexpr std::size_t bytes = 4096;
  auto own = this->attach();
  for (std::uint32_t round = 0; round < 30; ++round) {
    const shared<std::atomic<std::uint32_t>> written;
    steps step;
    auto victim = child::start([&] {
      auto its = this->attach();
      for (std::uint32_t i = 1;; ++i) {
        this->write(its, bytes, stamp(1, i));
        *written = i;
        this->last_stamp_of(its, bytes);
        step.reach(1);
      }
    });
    step.await(1);
    for (std::uint32_t i = 0; i < round; ++i) this->last_stamp_of(own, bytes);
    EXPECT_EQ(victim.kill(), killed_by(SIGKILL));
    const auto last = this->last_stamp_of(own, bytes);
    EXPECT_EQ(last.writer(), 1);
    EXPECT_GE(last.count(), *written) << "a write that had returned is lost";
    EXPECT_LE(last.count(), *written + 1);
    this->write(own, bytes, stamp(0, round));
    this->expect_value(own, bytes, stamp(0, round));
  }
}

// What a run has in the system, and its child processes.
struct traces {
  std::array<char, 96> space;
  std::array<pid_t, 8> processes;
  std::size_t object_count;  // as of then: a server may clear some away itself

  void note(const run& of) {
    std::snprintf(space.data(), space.size(), "%s", std::string(of.space().view()).c_str());
    const auto all = children_of(getpid());
    std::copy_n(all.begin(), std::min(all.size(), processes.size()), processes.begin());
    object_count = objects().size();
  }
  [[nodiscard]] std::vector<std::string> objects() const {
    return posix_segment::names(std::string("shmark.") + space.data());
  }
};

TYPED_TEST(StoreConformance, IsClearedAwayWhenItsMakerWasKilled) {
  const shared<traces> left;
  auto maker = child::start([&] {
    const run own = begun();
    const auto store = value_of(TypeParam::create(own, largest));
    auto first = value_of(store.attach());
    this->write(first, 256, stamp(0, 1));
    left->note(own);
    raise(SIGKILL);
  });
  EXPECT_EQ(maker.wait(), killed_by(SIGKILL));
  EXPECT_GT(left->object_count, 1u);
  // They are our children now (tests/support/main.cc): until they have ended, or the watchdog does.
  for (const pid_t process : left->processes) {
    if (process == 0) continue;
    while (waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
    }
    EXPECT_TRUE(has_ended(process));
  }
  while (!left->objects().empty()) static_cast<void>(run::begin());
}

#if defined(SHMARK_PEERS) && !defined(SHMARK_TEST_CONTROL)

// --- LMDB: its table of readers.

TEST(LmdbStore, HasRoomForReadersWhereOthersWereKilled) {
  const run own = begun();
  const auto store = value_of(lmdb_store::create(own, 8));
  {
    auto writer = value_of(store.attach());
    const std::array<std::byte, 8> value{};
    ASSERT_TRUE(writer.write(value));
  }
  steps step;
  auto crowd = child::start([&] {
    std::vector<lmdb_store::handle> all;
    for (;;) {
      auto next = store.attach();
      if (!next) break;
      all.push_back(*std::move(next));
    }
    step.reach(1);
    pause();
  });
  step.await(1);
  EXPECT_FALSE(store.attach()) << "the table is not full";
  EXPECT_EQ(crowd.kill(), killed_by(SIGKILL));
  auto reader = value_of(store.attach());
  EXPECT_TRUE(reader.read([](auto) {}));
}

// --- Redis: its server.

// A folder with a program of that name, and nothing else, as the PATH.
class poor_path {
 public:
  explicit poor_path(const std::string& script) : path_(getenv("PATH")) {
    auto pattern = ::testing::TempDir() + "/path-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    folder_ = pattern;
    if (!script.empty()) {
      const auto file = folder_ / "redis-server";
      std::ofstream(file) << "#!/bin/sh\n" << script << '\n';
      std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    }
    setenv("PATH", folder_.c_str(), 1);
  }
  poor_path(const poor_path&) = delete;
  poor_path& operator=(const poor_path&) = delete;
  ~poor_path() {
    setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }

 private:
  std::string path_;
  std::filesystem::path folder_;
};

TEST(RedisStore, IsMissingWhereThereIsNoServer) {
  const poor_path nothing("");
  EXPECT_THAT(missing_reason<redis_store>().value_or(""),
              AllOf(HasSubstr("no redis-server"), HasSubstr("tools/setup --peers")));
}

TEST(RedisStore, SaysWhyItsServerEnded) {
  const poor_path failing("echo starting; echo no luck today; exit 1");
  EXPECT_EQ(missing_reason<redis_store>(), std::nullopt);
  const run own = begun();
  const auto made = redis_store::create(own, 8);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::worker_died);
  EXPECT_THAT(made.error().message(), HasSubstr("no luck today"));
}

TEST(RedisStore, FailsWhenItsServerHasGone) {
  if (const auto why = missing_reason<redis_store>()) GTEST_SKIP() << *why;
  const run own = begun();
  const auto store = value_of(redis_store::create(own, 8));
  auto handle = value_of(store.attach());
  const auto servers = children_of(getpid());
  ASSERT_EQ(servers.size(), 1u);
  signal(SIGPIPE, SIG_IGN);  // as workers of a crew do
  kill(servers.front(), SIGKILL);
  const std::array<std::byte, 8> value{};
  auto done = handle.write(value);
  while (done) done = handle.write(value);  // until it is dead
  EXPECT_THAT(done.error().message(), HasSubstr("redis"));
  EXPECT_FALSE(handle.read([](auto) {}));
}

#endif

}  // namespace
}  // namespace shmark

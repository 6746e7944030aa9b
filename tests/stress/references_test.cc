// The scenario on backends that keep their promises, and on some that do not.

#include "stress/scenario/references.h"

#include <gtest/gtest.h>

#include <expected>
#include <string>

#include "lib/segment/posix.h"
#include "lib/shm/backend.h"
#include "tests/stress/fixture.h"

namespace shmark {
namespace {

using result::verdict_kind;
using stress::options;
using stress::outcome;

template <class Backend>
outcome run_on(const options& chosen) {
  return outcome_of([&](const run& in) { return stress::run_references<Backend>(chosen, {}, in); });
}

template <class Backend>
class References : public ::testing::Test {};
using good_backends = ::testing::Types<default_backend, posix_semaphore_backend, sysv_backend,
                                       sysv_semaphore_backend>;
TYPED_TEST_SUITE(References, good_backends, );

TYPED_TEST(References, PassWhileWorkersAreKilled) {
  const auto done = run_on<TypeParam>(
      {.workers = 4, .seconds = long_s, .seed = 1, .kill_gap_ms = 10, .enough_kills = 100});
  EXPECT_EQ(done.verdict(), verdict_kind::passed) << told(done);
  EXPECT_GE(done.seen.kills_in_operation, 100U);
  EXPECT_GT(done.seen.changes, 0U);
  EXPECT_GT(done.seen.reads, 0U);
}

// Each of these has a planted bug.

// Says of all segments that somebody, or that nobody, has them open.
template <bool Answer>
class seen_as : public posix_segment {
 public:
  static std::expected<seen_as, error> create(const segment_key& key, std::size_t size, mode_t mode,
                                              owners whose = owners::own) {
    return wrap(posix_segment::create(key, size, mode, whose));
  }
  static std::expected<seen_as, error> attach(const segment_key& key, owners whose = owners::own) {
    return wrap(posix_segment::attach(key, whose));
  }
  static std::expected<seen_as, error> open_or_create(const segment_key& key, std::size_t size,
                                                      mode_t mode, const segment_initializer& init,
                                                      owners whose = owners::own) {
    return wrap(posix_segment::open_or_create(key, size, mode, init, whose));
  }
  static std::expected<bool, error> is_attached(const segment_key&) { return Answer; }

 private:
  explicit seen_as(posix_segment whole) : posix_segment(std::move(whole)) {}
  static std::expected<seen_as, error> wrap(std::expected<posix_segment, error> whole) {
    if (!whole) return std::unexpected(whole.error());
    return seen_as(*std::move(whole));
  }
};

template <class Segment>
struct on : default_backend {
  using segment = Segment;
};

TEST(ReferencesChecker, FindsThatWhatSomebodyHasOpenIsRemoved) {
  const auto done =
      run_on<on<seen_as<false>>>({.workers = 4, .seconds = long_s, .seed = 1, .kill_gap_ms = 10});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.lost, 0U) << told(done);
}

TEST(ReferencesChecker, FindsThatNothingIsEverCollected) {
  const auto done = run_on<on<seen_as<true>>>(
      {.workers = 4, .seconds = long_s, .seed = 1, .kill_gap_ms = 10, .enough_kills = 50});
  EXPECT_EQ(done.verdict(), verdict_kind::failed);
  EXPECT_GT(done.seen.leaked, 0U) << told(done);
}

}  // namespace
}  // namespace shmark

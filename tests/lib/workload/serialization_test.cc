#include "lib/workload/serialization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "lib/codec/codec.h"
#include "lib/subject/codecs.h"
#include "lib/subject/shapes.h"
#include "lib/subject/type_list.h"
#include "lib/workload/limit.h"
#include "tests/lib/workload/fixture.h"

namespace shmark {
namespace {

using ::testing::HasSubstr;

constexpr std::array both_ops{codec_op::encode, codec_op::decode};

class Serialization : public ::testing::TestWithParam<workers_are> {
 protected:
  template <class Codec, class Shape>
  static small_bench bench_of(codec_op op, int workers) {
    return {std::make_unique<serialization<Codec, Shape>>(op),
            {.size = workers, .kind = GetParam()}};
  }
  template <class Codec, class Shape>
  static void expect_concludes() {
    for (const auto op : both_ops) {
      for (const int workers : {1, 3}) {
        SCOPED_TRACE(std::string(Codec::name) + ' ' + std::string(Shape::name));
        auto bench = bench_of<Codec, Shape>(op, workers);
        for (int i = 0; i < 2; ++i) {
          const auto counters = bench.window();
          ASSERT_TRUE(counters) << counters.error().message();
          EXPECT_GE(counters->at("bytes"), static_cast<double>(sizeof(std::uint64_t)));
          EXPECT_GE(bench.last().operations, static_cast<std::uint64_t>(workers));
        }
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(, Serialization,
                         ::testing::Values(workers_are::processes, workers_are::threads),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(Serialization, TrustsEveryCodecWithEveryShape) {
  for_each_type(all_codecs{}, []<class Codec> {
    expect_concludes<Codec, shapes::flat>();
    expect_concludes<Codec, shapes::map100>();
    expect_concludes<Codec, shapes::tree>();
    expect_concludes<Codec, shapes::bytes<(64 << 10)>>();
    // Text of these takes long, unoptimized.
    if constexpr (!std::same_as<Codec, boost_xml> && !std::same_as<Codec, boost_text>) {
      expect_concludes<Codec, shapes::doubles64k>();
      expect_concludes<Codec, shapes::doubles1m>();
      expect_concludes<Codec, shapes::strings>();
    }
  });
}

// --- Planted bugs.

// Writes all bytes of a number but the highest.
struct forgetful_codec {
  static constexpr std::string_view name = "forgetful_codec";
  static constexpr codec_traits can{};
  static constexpr std::size_t kept = 7;
  static std::expected<void, error> encode(const std::uint64_t& value, sink& to) {
    to.write(&value, kept);
    return {};
  }
  static std::expected<void, error> decode(std::span<const std::byte> from, std::uint64_t& into) {
    into = 0;
    std::memcpy(&into, from.data(), kept);
    return {};
  }
};
// Needs the highest byte.
struct large_number {
  using type = std::uint64_t;
  static type make() { return 0xFEDC'BA98'7654'3210; }
};

TEST_P(Serialization, FindsACodecThatDropsAByte) {
  for (const auto op : both_ops) {
    auto bench = bench_of<forgetful_codec, large_number>(op, 2);
    const auto counters = bench.window();
    ASSERT_FALSE(counters);
    EXPECT_EQ(counters.error().code, errc::corrupt);
    EXPECT_THAT(counters.error().message(), HasSubstr("forgetful_codec"));
    EXPECT_THAT(counters.error().message(), HasSubstr("not what it encoded"));
  }
}

// Cannot read what it wrote.
struct write_only_codec : forgetful_codec {
  static std::expected<void, error> decode(std::span<const std::byte>, std::uint64_t&) {
    return failure(errc::corrupt, "decode a value", "write_only_codec");
  }
};

TEST_P(Serialization, EndsWithTheErrorOfACodecThatFails) {
  for (const auto op : both_ops) {
    auto bench = bench_of<write_only_codec, large_number>(op, 2);
    const auto counters = bench.window();
    ASSERT_FALSE(counters);
    EXPECT_THAT(counters.error().message(), HasSubstr("write_only_codec"));
  }
}

// --- What hardware allows: nothing to check but that it runs.

class Limit : public Serialization {
 protected:
  template <limit_op Op>
  static void expect_concludes() {
    for (const int workers : {1, 2}) {
      small_bench bench(limit<Op>::make(), {.size = workers, .kind = GetParam()});
      EXPECT_TRUE(bench.window()) << name_of(Op);
      EXPECT_GT(bench.last().ops_per_s, 0) << name_of(Op);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(, Limit, ::testing::Values(workers_are::processes, workers_are::threads),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST_P(Limit, RunsEveryOperation) {
  expect_concludes<limit_op::nothing>();
  expect_concludes<limit_op::acquire_load>();
  expect_concludes<limit_op::clock>();
  expect_concludes<limit_op::exchange_pair>();
}

}  // namespace
}  // namespace shmark

// A process that runs out of memory, at any allocation of any call: an error each time, nothing
// thrown, and nothing lost.

#include <gtest/gtest.h>

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/shm/domain.h"
#include "lib/store/layout.h"
#include "tests/lib/shm/backends.h"
#include "tests/support/allocations.h"

namespace shmark {
namespace {

using support::allocations_left;

// Makes each allocation of `call` fail in turn, until none is left to. Returns how many there were.
template <class Call>
int fail_each_allocation_of(const Call& call) {
  for (int failing = 0;; ++failing) {
    SCOPED_TRACE("allocation " + std::to_string(failing));
    allocations_left = failing;
    const std::expected<void, error> done = call();
    const bool has_failed = allocations_left < 0;
    allocations_left = -1;
    EXPECT_EQ(outcome(done), has_failed && !done ? "no_space" : "ok");
    if (!has_failed) return failing;
  }
}

std::expected<void, error> nothing_of(const auto& got) {
  if (!got) return std::unexpected(got.error());
  return {};
}

template <class Backend>
class OutOfMemory : public domain_test<Backend> {};
TYPED_TEST_SUITE(OutOfMemory, all_backends, name_of_backend);

TYPED_TEST(OutOfMemory, EveryCallOfADomainSaysSo) {
  using shared = domain<TypeParam>;
  const std::string long_name(100, 'x');
  EXPECT_GT(fail_each_allocation_of([&] { return nothing_of(shared::open(this->name())); }), 0);
  auto own = this->open();
  EXPECT_GT(fail_each_allocation_of(
                [&] { return nothing_of(own.template variable<std::string>(long_name)); }),
            0);
  EXPECT_GT(fail_each_allocation_of([&] { return nothing_of(own.list()); }), 0);
  EXPECT_EQ(own.list()->size(), 1U);
  EXPECT_GT(fail_each_allocation_of([&] {
              auto there = shared::open_existing(this->name());
              return there ? nothing_of(there->list()) : nothing_of(there);
            }),
            0);
  EXPECT_GT(fail_each_allocation_of([&]() -> std::expected<void, error> {
              const auto done = own.remove(long_name);
              if (!done && done.error().code == errc::not_found) return {};  // by the one before
              return done;
            }),
            0);
  ASSERT_TRUE(own.template variable<std::string>(long_name));
  static_cast<void>(fail_each_allocation_of([&] { return own.cleanup(); }));
  EXPECT_EQ(outcome(shared::open_existing(this->name())), "not_found");
}

TYPED_TEST(OutOfMemory, EveryCallOfAVariableSaysSo) {
  auto here = this->template make<std::string>();
  auto there = this->template make<std::string>();
  const std::string large(50'000, 'x');
  ASSERT_TRUE(here.write("small"));
  EXPECT_GT(fail_each_allocation_of([&] { return here.write(large); }), 0);
  EXPECT_GT(fail_each_allocation_of([&] { return nothing_of(there.read()); }), 0);
  EXPECT_EQ(value_of(there), large);
  static_cast<void>(fail_each_allocation_of([&] { return nothing_of(there.copy()); }));
  EXPECT_TRUE(here.write("small"));
  EXPECT_EQ(value_of(there), "small");
}

template <class Backend>
using refs = std::map<std::string, ref<int, Backend>>;

TYPED_TEST(OutOfMemory, NoReferenceIsLostByIt) {
  using table_of = refs<TypeParam>;
  auto own = this->open();
  auto table = own.template variable<table_of>("table").value();
  auto other = own.template variable<table_of>("other").value();
  const table_of nothing;
  EXPECT_GT(fail_each_allocation_of([&] {
              // What could not be given up before; the more there is, the more memory is asked for.
              const int left = std::exchange(allocations_left, -1);
              EXPECT_TRUE(own.collect());
              allocations_left = left;
              return nothing_of(own.make_ref(1));
            }),
            0);
  table_of all{{"kept", own.make_ref(5).value()}, {"named", {}}};
  {
    auto named = own.template variable<int>("named").value();
    EXPECT_GT(fail_each_allocation_of([&] { return nothing_of(named.reference()); }), 0);
    all["named"] = named.reference().value();
  }
  EXPECT_GT(fail_each_allocation_of([&] { return table.write(all); }), 0);
  EXPECT_GT(fail_each_allocation_of([&] { return other.write(all); }), 0);
  EXPECT_GT(fail_each_allocation_of([&] { return other.write(nothing); }), 0);
  static_cast<void>(fail_each_allocation_of([&] {
    all.clear();
    return nothing_of(table.read());
  }));
  EXPECT_GT(fail_each_allocation_of([&]() -> std::expected<void, error> {
              const auto done = own.remove("named");
              if (!done && done.error().code == errc::not_found) return {};  // by the one before
              return done;
            }),
            0);
  EXPECT_GT(fail_each_allocation_of([&] { return nothing_of(own.collect()); }), 0);
  const auto done = own.collect().value();
  EXPECT_EQ(done.removed + done.dangling + done.unreadable, 0U);
  EXPECT_EQ(own.count().value(), 4U);
  EXPECT_EQ(value_of(*value_of(table).at("kept")), 5);
  EXPECT_EQ(value_of(*value_of(table).at("named")), 0);
}

// A regression: its entry stayed as one that is being removed, in the registry's next commit.
TYPED_TEST(OutOfMemory, WhatCannotBeCollectedStaysAsItWas) {
  using registry = variable<detail::registry_contents, TypeParam>;
  using store_type = store_on<TypeParam>;
  const short_text space = detail::space_of(this->name());
  auto own = this->open();
  const std::string long_name(9000, 'x');  // the registry has data segments, then
  ASSERT_TRUE(own.template variable<int>(long_name));
  registry all(store_type::attach({space, 0}).value());
  const auto raw = TypeParam::segment::attach({space, 0}).value();
  const auto take_spare_memory_away = [&] {  // so that publishing needs some
    const auto& block = *reinterpret_cast<const detail::control*>(raw.bytes().data());
    const auto& spare = block.sides[(detail::serial_of(block.word) + 1) % 2];
    if (spare.segment != 0) static_cast<void>(TypeParam::segment::remove({space, spare.segment}));
  };
  int failures = 0;
  for (int failing = 0;; ++failing) {
    for (int i = 0; i < 3; ++i) {
      const auto leaked = own.make_ref(i).value();
      store_type::attach({space, leaked->number()})->add_referrer();
    }
    take_spare_memory_away();
    auto next = this->open();
    allocations_left = failing;
    const auto found = next.collect();
    const bool has_failed = allocations_left < 0;
    allocations_left = -1;
    failures += found && found->unreadable != 0 ? 1 : 0;
    for (const auto& [number, entry] : value_of(all).variables) {
      EXPECT_EQ(entry.state, detail::entry_state::ready) << "allocation " << failing;
    }
    EXPECT_TRUE(own.collect());
    EXPECT_EQ(own.count().value(), 1U);
    if (!has_failed) break;
  }
  EXPECT_GT(failures, 0) << "no attempt to remove one has failed";
}

TYPED_TEST(OutOfMemory, WhatCannotBeGivenUpIsCollected) {
  auto own = this->open();
  for (int failing = 0; failing < 20; ++failing) {
    auto last = std::make_optional(own.make_ref(own.make_ref(5).value()).value());
    allocations_left = failing;
    last.reset();
    allocations_left = -1;
  }
  EXPECT_TRUE(own.collect());
  EXPECT_EQ(own.count().value(), 0U);
}

}  // namespace
}  // namespace shmark

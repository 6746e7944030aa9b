// What variables, references and domains are to have in common with IPC::Shm, or to do better: the
// rows of docs/seeds.md that no other test here proves.

#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/segment/segment.h"
#include "lib/shm/domain.h"
#include "lib/store/layout.h"
#include "tests/lib/shm/backends.h"
#include "tests/support/another_user.h"
#include "tests/support/child.h"
#include "tests/support/steps.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::steps;

// A value that refers to others of its kind, in a sequence and in a map.
template <class Backend>
struct tree {
  std::string text;
  std::vector<ref<tree, Backend>> items;
  std::map<std::string, ref<tree, Backend>> fields;

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & text & items & fields;
  }
};

// A value that can be saved, but not be loaded if it is 13.
struct unlucky {
  int number = 0;

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & number;
    if (Archive::is_loading::value && number == 13) throw std::runtime_error("bad luck");
  }
};

template <class Backend>
class Conformance : public domain_test<Backend> {
 public:
  using segment = typename Backend::segment;

  [[nodiscard]] segment_key key_of(std::uint64_t number) const {
    return {short_text(detail::space_of(this->name())), number};
  }
};
TYPED_TEST_SUITE(Conformance, all_backends, name_of_backend);

// --- Row 3, case 3: what references share, and how they end.

template <class Tree>
int referrers_of(Tree& of) {
  return static_cast<int>(of.stats().value().referrers);
}

TYPED_TEST(Conformance, AReferenceAndItsTargetAreOneThroughAnyDepth) {
  using tree_type = tree<TypeParam>;
  auto own = this->open();
  auto leaf = own.template unnamed<tree_type>().value();
  ASSERT_TRUE(leaf.write({.text = "leaf", .items = {}, .fields = {}}));
  const auto inner = own.make_ref(tree_type{"inner", {leaf.reference().value()}, {}}).value();
  const auto outer = own.make_ref(tree_type{"outer", {}, {{"x", inner}}}).value();
  auto root = own.template variable<tree_type>("root").value();
  ASSERT_TRUE(root.write({"root", {outer, outer}, {{"leaf", leaf.reference().value()}}}));
  ASSERT_TRUE(leaf.update([](tree_type& its) { its.text = "changed through the original"; }));
  auto peer = child::start([&] {
    auto its = this->open().template variable<tree_type>("root").value();
    const auto top = value_of(its);
    EXPECT_EQ(top.items[0], top.items[1]);
    const auto second = value_of(*top.items[1]);
    const auto third = value_of(*second.fields.at("x"));
    EXPECT_EQ(third.text, "inner");
    EXPECT_EQ(third.items[0], top.fields.at("leaf")) << "by two ways to the same";
    EXPECT_EQ(value_of(*third.items[0]).text, "changed through the original");
    EXPECT_TRUE(third.items[0]->update([](tree_type& leafs) { leafs.text = "and back"; }));
    EXPECT_EQ(value_of(*top.fields.at("leaf")).text, "and back");
  });
  EXPECT_EQ(peer.wait(), exited(0));
  EXPECT_EQ(value_of(leaf).text, "and back");
  EXPECT_EQ(own.count().value(), 4U);
}

TYPED_TEST(Conformance, OverwritingErasingAndClearingLetGoOfWhatWasReferredTo) {
  using tree_type = tree<TypeParam>;
  auto own = this->open();
  auto root = own.template variable<tree_type>("root").value();
  auto kept = own.template unnamed<tree_type>().value();
  const auto refill = [&] {
    tree_type full{"root", {kept.reference().value()}, {{"kept", kept.reference().value()}}};
    for (int i = 0; i < 3; ++i) {
      full.items.push_back(own.make_ref(tree_type{}).value());
      full.fields["f" + std::to_string(i)] = own.make_ref(tree_type{}).value();
    }
    ASSERT_TRUE(root.write(full));
  };
  refill();
  EXPECT_EQ(own.count().value(), 8U);
  EXPECT_EQ(referrers_of(kept), 1) << "by one value, however often";
  ASSERT_TRUE(root.update([](tree_type& all) { all.fields.erase("f1"); }));
  EXPECT_EQ(own.count().value(), 7U);
  ASSERT_TRUE(root.update([](tree_type& all) { all.items[2] = all.items[1]; }));
  EXPECT_EQ(own.count().value(), 6U);
  ASSERT_TRUE(root.update([](tree_type& all) { all.items.clear(); }));
  EXPECT_EQ(own.count().value(), 4U);
  EXPECT_EQ(referrers_of(kept), 1);
  ASSERT_TRUE(root.update([](tree_type& all) { all.fields.clear(); }));
  EXPECT_EQ(own.count().value(), 2U);
  EXPECT_EQ(referrers_of(kept), 0);
  refill();
  ASSERT_TRUE(root.write({}));
  EXPECT_EQ(own.count().value(), 2U);
  ASSERT_TRUE(kept.update([](tree_type& its) { its.text = "still there"; }));
  EXPECT_EQ(value_of(kept).text, "still there");
}

TYPED_TEST(Conformance, WhatADroppedTargetReferredToGoesWithItToAnyDepth) {
  using tree_type = tree<TypeParam>;
  auto own = this->open();
  auto root = own.template variable<tree_type>("root").value();
  {
    auto at = own.make_ref(tree_type{}).value();
    for (int i = 0; i < 5; ++i) {
      at = i % 2 == 0 ? own.make_ref(tree_type{"", {at}, {}}).value()
                      : own.make_ref(tree_type{"", {}, {{"x", at}}}).value();
    }
    ASSERT_TRUE(root.write({"root", {at}, {}}));
  }
  EXPECT_EQ(own.count().value(), 7U);
  ASSERT_TRUE(root.write({}));
  EXPECT_EQ(own.count().value(), 1U);
}

// Case 4.
TYPED_TEST(Conformance, ALexicalThatANamedOneRefersToIsThereForTheNextProgram) {
  using table_type = std::map<std::string, ref<int, TypeParam>>;
  auto first = child::start([&] {
    auto own = this->open();
    auto number = own.template unnamed<int>().value();
    ASSERT_TRUE(number.write(43));
    auto table = own.template variable<table_type>("table").value();
    ASSERT_TRUE(table.write({{"it", number.reference().value()}}));
  });
  EXPECT_EQ(first.wait(), exited(0));
  auto own = this->open();
  EXPECT_EQ(own.collect().value().removed, 0U);
  EXPECT_EQ(own.list()->size(), 1U) << "it has no name";
  auto table = own.template variable<table_type>("table").value();
  auto it = value_of(table).at("it");
  EXPECT_EQ(value_of(*it), 43);
  ASSERT_TRUE(table.write({}));
  EXPECT_EQ(value_of(*it), 43) << "whoever holds it keeps it";
  EXPECT_TRUE(it->write(44));
  EXPECT_EQ(own.count().value(), 2U);
  it = {};
  EXPECT_EQ(own.count().value(), 1U);
}

// --- Row 4: whose a domain is.

TYPED_TEST(Conformance, AUserHasDomainsOfHisOwn) {
  if (!support::can_become_another_user()) GTEST_SKIP() << "cannot become another user";
  auto own = this->open();
  ASSERT_TRUE(own.template variable<int>("it").value().write(1));
  auto other = child::start([&] {
    support::become_another_user();
    EXPECT_EQ(outcome(TestFixture::domain_type::open_existing(this->name())), "not_found");
    auto theirs = this->open();
    EXPECT_TRUE(theirs.list()->empty());
    EXPECT_TRUE(theirs.template variable<int>("it").value().write(2));
    EXPECT_EQ(outcome(theirs.cleanup()), "ok");
  });
  EXPECT_EQ(other.wait(), exited(0));
  auto it = own.template variable<int>("it").value();
  EXPECT_EQ(value_of(it), 1);
}

TYPED_TEST(Conformance, ARegistryThatBelongsToSomebodyElseIsRefused) {
  if (!support::can_become_another_user()) GTEST_SKIP() << "cannot become another user";
  const auto key = this->key_of(0);
  steps step;
  auto squatter = child::start([&] {
    support::become_another_user();
    {
      const auto fake = TestFixture::segment::create(key, 65536, 0600);
      EXPECT_EQ(outcome(fake), "ok");
    }
    step.reach(1);
    step.await(2);
    EXPECT_EQ(outcome(TestFixture::segment::remove(key)), "ok");
  });
  step.await(1);
  EXPECT_EQ(outcome(TestFixture::domain_type::open(this->name())), "denied");
  EXPECT_EQ(outcome(TestFixture::domain_type::open_existing(this->name())), "denied");
  step.reach(2);
  EXPECT_EQ(squatter.wait(), exited(0));
}

// --- Row 6: serial numbers.

TYPED_TEST(Conformance, ItsSerialNumberGoesOnWhere32BitsEnd) {
  auto here = this->template make<int>();
  auto there = this->template make<int>();
  const auto raw = TestFixture::segment::attach(this->key_of(here.number())).value();
  auto& word = reinterpret_cast<detail::control*>(raw.bytes().data())->word;
  for (const std::uint64_t last : {std::uint64_t{std::numeric_limits<std::int32_t>::max()},
                                   std::uint64_t{std::numeric_limits<std::uint32_t>::max()}}) {
    while (here.serial() % 2 != last % 2) ASSERT_TRUE(here.write(-1));
    word.store(detail::word_of(last));  // as after so many writes: of the same value
    EXPECT_EQ(value_of(there), -1);
    EXPECT_EQ(there.serial(), last);
    for (int n = 1; n <= 4; ++n) {
      ASSERT_TRUE(here.write(n));
      EXPECT_EQ(here.serial(), last + static_cast<std::uint64_t>(n));
      EXPECT_EQ(value_of(there), n) << "its copy is old";
      EXPECT_EQ(there.serial(), here.serial());
    }
    ASSERT_TRUE(here.write(-1));
  }
}

// --- Row 9: sizes and modes.

// Case 1.
TYPED_TEST(Conformance, GrowsForALargeValueAndShrinksForASmallOne) {
  auto here = this->template make<std::string>();
  ASSERT_TRUE(here.write("x"));
  const auto small = here.stats().value();
  ASSERT_TRUE(here.write(std::string(10'000, 'x')));
  const auto large = here.stats().value();
  EXPECT_LT(small.length, 100U);
  EXPECT_GE(large.length, 10'000U);
  EXPECT_GE(large.allocated, small.allocated + 10'000);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(here.write("x"));
  const auto again = here.stats().value();
  EXPECT_EQ(again.length, small.length);
  EXPECT_EQ(again.allocated, small.allocated);
  auto there = this->template make<std::string>();
  EXPECT_EQ(value_of(there), "x");
}

TYPED_TEST(Conformance, TakesWhatAVariableIsMadeWithFrom256Bytes) {
  auto own = this->open();
  EXPECT_EQ(outcome(own.template variable<int>("it", {.capacity = 255})), "invalid");
  auto small = own.template variable<std::string>("small", {.capacity = 256}).value();
  auto large = own.template variable<std::string>("large", {.capacity = 100'000}).value();
  auto usual = own.template variable<std::string>("usual").value();
  EXPECT_LE(small.stats()->allocated, usual.stats()->allocated);
  EXPECT_GE(usual.stats()->allocated, 2U * 4096);
  EXPECT_GE(large.stats()->allocated, 2U * 100'000);
  for (auto* one : {&small, &large, &usual}) {
    ASSERT_TRUE(one->write(std::string(50'000, 'x')));
    EXPECT_EQ(value_of(*one).size(), 50'000U);
  }
}

TYPED_TEST(Conformance, AValueBeyondItsLimitLeavesTheOldOne) {
  auto own = this->open();
  auto here = own.template variable<std::string>("it", {.limit = 10'000}).value();
  ASSERT_TRUE(here.write(std::string(9000, 'x')));
  EXPECT_EQ(outcome(here.write(std::string(11'000, 'y'))), "no_space");
  EXPECT_EQ(value_of(here), std::string(9000, 'x'));
  auto there = this->template make<std::string>();
  EXPECT_EQ(outcome(there.update([](std::string& text) { text += text; })), "no_space");
  EXPECT_EQ(value_of(there), std::string(9000, 'x'));
  EXPECT_TRUE(there.write("z"));
}

// The permissions of the shared memory that this process has mapped, by proc_pid_maps(5): of a
// System V segment it shows the id where files have their inode.
std::set<mode_t> modes_of_mapped() {
  std::set<mode_t> modes;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::string skipped;
    long inode = 0;
    std::string path;
    fields >> skipped >> skipped >> skipped >> skipped >> inode >> path;
    if (path.starts_with("/SYSV")) {
      shmid_ds status;
      if (shmctl(static_cast<int>(inode), IPC_STAT, &status) != 0) continue;
      modes.insert(status.shm_perm.mode & 0777);
    } else if (path.starts_with("/dev/shm/")) {
      struct stat status;
      if (stat(path.c_str(), &status) != 0) continue;
      modes.insert(status.st_mode & 0777);
    }
  }
  return modes;
}

TYPED_TEST(Conformance, IsForItsOwnersProcessesOnly) {
  auto own = this->open();
  auto here = own.template variable<std::string>("it").value();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(here.write(std::string(50'000, 'x')));
  auto peer = child::start([&] {  // which opens it by its name: its maker has it from before that
    auto its = this->template make<std::string>();
    EXPECT_EQ(value_of(its).size(), 50'000U);
    EXPECT_EQ(modes_of_mapped(), std::set<mode_t>{0600});
  });
  EXPECT_EQ(peer.wait(), exited(0));
}

// --- Row 12: iteration.

TYPED_TEST(Conformance, EachVisitsTheKeysOfTheBeginningWithTheValuesOfTheMoment) {
  using table_type = std::map<std::string, int>;
  auto here = this->template make<table_type>();
  auto there = this->template make<table_type>();
  ASSERT_TRUE(here.write({{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}}));
  table_type visited;
  ASSERT_TRUE(here.each([&](const std::string& key, const int& value) {
    visited[key] = value;
    if (key != "a") return;
    ASSERT_TRUE(there.update([](table_type& all) {
      all["bb"] = 20;  // was not there
      all["c"] = 30;
      all.erase("d");
    }));
  }));
  EXPECT_EQ(visited, (table_type{{"a", 1}, {"b", 2}, {"c", 30}}));
}

TYPED_TEST(Conformance, EachUnderAReadLockVisitsOneValue) {
  using table_type = std::map<std::string, int>;
  auto here = this->template make<table_type>();
  auto there = this->template make<table_type>();
  ASSERT_TRUE(here.write({{"a", 1}, {"b", 2}}));
  const auto seen = here.readlock();
  std::vector<std::string> keys;
  ASSERT_TRUE(here.each([&](const std::string& key, int) {
    keys.push_back(key);
    auto peer = child::start([&] {
      auto own = this->template make<table_type>();
      EXPECT_EQ(outcome(own.write({}, deadline::none())), "would_block");
    });
    EXPECT_EQ(peer.wait(), exited(0));
  }));
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b"}));
}

// --- Row 13: cleaning up.

TYPED_TEST(Conformance, CleaningUpGoesOnPastAnEntryOfNothing) {
  auto own = this->open();
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(own.template variable<int>(name));
  const auto number = own.template variable<int>("a")->number();
  using store_type = typename variable<int, TypeParam>::store_type;
  ASSERT_EQ(outcome(store_type::remove(this->key_of(number), deadline::never())), "ok");
  EXPECT_EQ(outcome(this->open().cleanup()), "ok");
  EXPECT_EQ(outcome(TestFixture::domain_type::open_existing(this->name())), "not_found");
}

// --- Row 17: options.

TYPED_TEST(Conformance, WhatIsVerifiedIsReadBackAtEachCommit) {
  auto here = this->template make<unlucky>();
  auto there = this->template make<unlucky>();
  EXPECT_EQ(outcome(here.write({.number = 13})), "ok") << "nobody has looked";
  EXPECT_EQ(outcome(there.read()), "corrupt");
  here.set_verify(true);
  EXPECT_EQ(outcome(here.write({.number = 12})), "ok");
  EXPECT_EQ(outcome(here.write({.number = 13})), "corrupt");
  EXPECT_EQ(outcome(here.update([](unlucky& now) { now.number = 14; })), "ok");
  EXPECT_EQ(value_of(there).number, 14);
  here.set_verify(false);
  EXPECT_EQ(outcome(here.write({.number = 13})), "ok");
}

TYPED_TEST(Conformance, WithinItsDwellACopyIsReadWhateverOthersWrite) {
  auto here = this->template make<int>();
  auto there = this->template make<int>();
  here.set_dwell(1h);
  EXPECT_EQ(value_of(here), 0);
  ASSERT_TRUE(there.write(1));
  EXPECT_EQ(value_of(here), 0);
  EXPECT_EQ(here.misses(), 1U);
  EXPECT_EQ(here.hits(), 1U);
  EXPECT_EQ(**here.readlock(), 1) << "a lock looks";
  ASSERT_TRUE(there.write(2));
  EXPECT_EQ(value_of(here), 1);
  ASSERT_TRUE(here.update([](int& n) { n += 10; }));
  EXPECT_EQ(value_of(here), 12);
  ASSERT_TRUE(there.write(3));
  here.set_dwell(0ns);
  EXPECT_EQ(value_of(here), 3);
}

TYPED_TEST(Conformance, AfterItsDwellAValueIsReadAnew) {
  auto here = this->template make<int>();
  auto there = this->template make<int>();
  here.set_dwell(1ns);
  EXPECT_EQ(value_of(here), 0);
  const auto then_ns = monotonic_ns();
  while (monotonic_ns() <= then_ns + 1) continue;
  ASSERT_TRUE(there.write(1));
  EXPECT_EQ(value_of(here), 1);
}

}  // namespace
}  // namespace shmark

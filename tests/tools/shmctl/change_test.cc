// What shmctl changes: collect, remove, cleanup.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/sem.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "lib/segment/segment.h"
#include "tests/support/child.h"
#include "tests/support/shared.h"
#include "tests/support/steps.h"
#include "tests/tools/shmctl/fixture.h"

namespace shmark {
namespace {

using support::child;
using support::killed_by;
using support::steps;

template <class Backend>
class ShmctlChanges : public shmctl_test<Backend> {
 public:
  [[nodiscard]] std::size_t count() const { return expect(this->open().count()); }

  // A process that holds `it` exclusively from now on.
  [[nodiscard]] child hold() const {
    steps step;
    auto holder = child::start([&] {
      auto it = this->template make<int>("it");
      const auto change = expect(it.transact());
      step.reach(1);
      step.await(2);
    });
    step.await(1);
    return holder;
  }
  // Two unnamed variables that refer to each other, of a process that was killed.
  void leak_a_circle() const {
    auto dead = child::start([this] {
      using node = linked<Backend>;
      auto one = expect(this->open().template make_ref<node>({}));
      auto other = expect(this->open().template make_ref<node>({.to = {one}}));
      expect(one->write({.to = {other}}));
      raise(SIGKILL);
    });
    EXPECT_EQ(dead.wait(), killed_by(SIGKILL));
  }
};
TYPED_TEST_SUITE(ShmctlChanges, both_extremes, name_of_backend);

TYPED_TEST(ShmctlChanges, NothingButTheVariableThatItRemoves) {
  this->write("it", 1);
  this->write("that", 2);
  EXPECT_EQ(this->output({"remove", "it"}), "removed it\n");
  this->expect_complaint({"remove", "it"}, {"no variable it"});
  EXPECT_EQ(this->output({"get", "that"}), "2\n");
  EXPECT_EQ(this->count(), 1U);
}

TYPED_TEST(ShmctlChanges, OnlyTheNameOfWhatOthersReferTo) {
  auto note = this->template make<std::string>("note");
  this->write("notes", std::vector{expect(note.reference())});
  EXPECT_THAT(this->output({"remove", "note"}),
              AllOf(HasSubstr("note has lost its name"), HasSubstr("keep it as :")));
  EXPECT_EQ(this->count(), 2U);
  const auto variables = this->json_output({"list"})["domains"][0]["variables"];
  EXPECT_EQ(variables[1]["name"], json());
}

TYPED_TEST(ShmctlChanges, NoUnnamedVariableByItsNumber) {
  const auto open = expect(this->open().template unnamed<int>());
  char number[32];
  std::snprintf(number, sizeof number, ":%016llx", static_cast<unsigned long long>(open.number()));
  this->expect_complaint({"remove", number}, {"has no name", "collect"});
  EXPECT_EQ(this->count(), 1U);
}

TYPED_TEST(ShmctlChanges, NothingThatSomebodyHolds) {
  this->write("it", 1);
  auto holder = this->hold();
  for (const std::string command : {"remove", "cleanup"}) {
    const auto done = this->run({command, command == "remove" ? "it" : "--yes", "--timeout=0"});
    EXPECT_EQ(done.how, exited(1)) << done.err;
    EXPECT_EQ(done.out, "");
    EXPECT_THAT(done.err, AllOf(HasSubstr("deadline"), HasSubstr("//tools:shmctl -- locks")));
  }
  EXPECT_EQ(this->output({"get", "it"}), "1\n");
}

// Whether the process would be told of Ctrl-C.
bool catches_interrupts(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("SigCgt:")) continue;
    return (std::strtoull(line.c_str() + 7, nullptr, 16) & (1U << (SIGINT - 1))) != 0;
  }
  return false;
}

TYPED_TEST(ShmctlChanges, NothingMoreOnceItIsInterrupted) {
  this->write("it", 1);
  auto holder = this->hold();
  for (const std::string command : {"remove", "cleanup"}) {
    support::program running(this->folder(), this->path,
                             {command, command == "remove" ? "it" : "--yes", "--timeout=3600",
                              "--domain=" + this->name()});
    while (!catches_interrupts(running.process().pid())) sched_yield();
    running.process().send(SIGINT);
    const auto done = running.finish();
    EXPECT_EQ(done.how, exited(130)) << done.err;
    EXPECT_THAT(done.err, HasSubstr("interrupted"));
  }
  holder.kill();
  EXPECT_EQ(this->output({"get", "it"}), "1\n");
  this->write("it", 2);
}

TYPED_TEST(ShmctlChanges, WhatTheDeadHaveLeftWhenItCollects) {
  this->write("it", 1);
  this->leak_a_circle();
  EXPECT_EQ(this->count(), 3U);
  EXPECT_THAT(this->output({"collect"}), HasSubstr("2 variables removed, 0 counts corrected"));
  EXPECT_EQ(this->count(), 1U);
  this->change(this->template make<int>("it").number(),
               [](detail::control& block) { block.referrers = 7; });
  EXPECT_THAT(this->output({"collect"}), HasSubstr("0 variables removed, 1 count corrected"));
  EXPECT_EQ(this->output({"get", "it"}), "1\n");
}

TYPED_TEST(ShmctlChanges, ADomainOnlyWhenItIsToldTwice) {
  this->write("it", 1);
  this->expect_complaint({"cleanup"}, {"1 variable", "--yes", "--dry_run"});
  const auto shown = this->output({"cleanup", "--dry_run"});
  EXPECT_THAT(shown, AllOf(HasSubstr("1 variable would go"), HasSubstr("it"),
                           HasSubstr("Nothing was removed.")));
  EXPECT_EQ(this->output({"get", "it"}), "1\n");
  EXPECT_THAT(this->output({"cleanup", "--yes"}), HasSubstr("removed domain " + this->name()));
  EXPECT_FALSE(domain<TypeParam>::open_existing(this->name()));
  this->expect_complaint({"cleanup", "--yes"}, {"no domain " + this->name()});
}

TYPED_TEST(ShmctlChanges, NothingWhileItShowsAllThatWouldGo) {
  auto it = expect(this->open().template variable<int>("it", {.has_advisory_lock = true}));
  expect(it.write(1));
  const auto shown = this->output({"cleanup", "--dry_run"});
  const auto its = this->json_output({"show", "it"})["variable"];
  for (const auto& each : its["segments"]) {
    EXPECT_THAT(shown, HasSubstr(each["name"].template get<std::string>())) << each;
  }
  for (const auto& each : its["semaphores"]) {
    char key[16];
    std::snprintf(key, sizeof key, "0x%08x", each.template get<unsigned>());
    EXPECT_THAT(shown, HasSubstr(key));
  }
}

// --- What other users may write, too.

template <class Backend>
class ShmctlOfShared : public shmctl_test<Backend> {
 public:
  using domain_type = domain<Backend>;

  ~ShmctlOfShared() override {
    auto left = domain_type::open_existing(this->name(), {.owner = geteuid()});
    if (left) static_cast<void>(left->cleanup());
  }
};
using shared_backends = ::testing::Types<posix_semaphore_backend, sysv_semaphore_backend>;
TYPED_TEST_SUITE(ShmctlOfShared, shared_backends, name_of_backend);

TYPED_TEST(ShmctlOfShared, IsShownAndChangedLikeAnyOther) {
  // By a process that ends: the doctor does not ask whose semaphores are that somebody alive used.
  const support::shared<std::uint64_t> number;
  auto maker = child::start([&] {
    auto own = expect(domain<TypeParam>::open(this->name(), {.mode = 0666}));
    auto it = expect(own.template variable<int>("it"));
    expect(it.write(5));
    *number = it.number();
  });
  ASSERT_EQ(maker.wait(), exited(0));
  EXPECT_EQ(this->output({"get", "it"}), "5\n");
  EXPECT_EQ(this->json_output({"list"})["domains"][0]["variables"][0]["name"], "it");
  EXPECT_EQ(this->json_output({"show", "it"})["variable"]["mode"], "0666");
  EXPECT_THAT(this->output({"doctor"}), Not(HasSubstr("mend")));
  const auto there = expect(TypeParam::segment::attach(this->key(*number), owners::any));
  std::int32_t lock = 0;
  std::memcpy(&lock, there.bytes().data() + offsetof(detail::control, lock_area), sizeof lock);
  EXPECT_THAT(this->run_as_it_is({"doctor"}).out,
              Not(HasSubstr("ipcrm -s " + std::to_string(semget(lock, 0, 0)) + ",")));
  EXPECT_THAT(this->output({"collect"}), HasSubstr("0 variables removed"));
  EXPECT_EQ(this->output({"remove", "it"}), "removed it\n");
  EXPECT_THAT(this->output({"cleanup", "--yes"}), HasSubstr("removed "));
  const auto gone = domain<TypeParam>::open_existing(this->name(), {.owner = geteuid()});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, errc::not_found);
}

}  // namespace
}  // namespace shmark

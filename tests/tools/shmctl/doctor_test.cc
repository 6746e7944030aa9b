// What the doctor finds, each planted as a dead program would leave it, and whether what it says
// mends it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "lib/lock/sysv_semaphore.h"
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
class ShmctlDoctor : public shmctl_test<Backend> {
 public:
  // What it finds: "kind object".
  [[nodiscard]] std::vector<std::string> found() const {
    const auto done = this->run({"doctor", "--json"});
    const auto all = json::parse(done.out);
    EXPECT_EQ(done.err, "");
    EXPECT_EQ(done.how, exited(all["found"].empty() ? 0 : 1));
    std::vector<std::string> lines;
    for (const auto& each : all["found"]) {
      lines.push_back(each["kind"].template get<std::string>() + " " +
                      each["object"].template get<std::string>());
      mends_.push_back(each["mend"]);
    }
    std::ranges::sort(lines);
    return lines;
  }
  // Does what the finding says that mends it: the command behind `bazel run //tools:shmctl -- `.
  void mend() const {
    constexpr std::string_view beginning = "bazel run //tools:shmctl -- ";
    ASSERT_FALSE(mends_.empty());
    const auto command = mends_.back();
    ASSERT_TRUE(command.starts_with(beginning)) << command;
    std::vector<std::string> words;
    std::istringstream text(command.substr(beginning.size()));
    for (std::string word; text >> word;) words.push_back(word);
    const auto done = this->run_as_it_is(words);
    EXPECT_EQ(done.how, exited(0)) << command << ": " << done.err;
  }
  // Finds this, mends it as it says, and finds no more.
  void expect_mended(const std::vector<std::string>& lines) const {
    EXPECT_EQ(found(), lines);
    mend();
    EXPECT_EQ(found(), std::vector<std::string>{});
  }

  [[nodiscard]] static std::string number(std::uint64_t of) {
    char text[32];
    std::snprintf(text, sizeof text, ":%016llx", static_cast<unsigned long long>(of));
    return text;
  }
  // Runs in a process that is killed at its end.
  static void die_after(const std::function<void()>& body) {
    auto dead = child::start([&] {
      body();
      raise(SIGKILL);
    });
    EXPECT_EQ(dead.wait(), killed_by(SIGKILL));
  }

 private:
  mutable std::vector<std::string> mends_;
};
TYPED_TEST_SUITE(ShmctlDoctor, both_extremes, name_of_backend);

using strings = std::vector<std::string>;

TYPED_TEST(ShmctlDoctor, FindsNothingInADomainThatIsWell) {
  this->write("it", 1);
  this->write("table", std::map<std::string, std::vector<double>>{{"a", {0.5}}});
  const auto note = expect(this->open().template make_ref<std::string>("x"));
  this->write("notes", std::vector{note});
  const auto open = expect(this->open().template unnamed<int>());
  EXPECT_EQ(this->output({"doctor"}), "nothing found\n");
}

TYPED_TEST(ShmctlDoctor, FindsEntriesWhoseMakingOrRemovalWasCutShort) {
  this->write("it", 1);
  this->change_registry([](detail::registry_contents& all) {
    all.variables[77] = {"i", detail::entry_state::making};
    all.variables[all.names.at("it")].state = detail::entry_state::removing;
  });
  this->expect_mended({"cut_short :000000000000004d", "cut_short it"});
  EXPECT_EQ(this->output({"get", "it"}), "1\n") << "its removal had not begun";
}

TYPED_TEST(ShmctlDoctor, DoesNotJudgeEntriesWhileTheRegistryIsHeld) {
  this->write("it", 1);
  this->change_registry([](detail::registry_contents& all) {
    all.variables[77] = {"i", detail::entry_state::making};
  });
  auto registry = expect(store_on<TypeParam>::attach(this->key()));
  {
    const auto change = expect(registry.write());
    const auto all = json::parse(this->output({"doctor", "--json"}));
    EXPECT_EQ(all["found"], json::array());
    ASSERT_EQ(all["not_judged"].size(), 1U);
    EXPECT_THAT(all["not_judged"][0].template get<std::string>(),
                AllOf(HasSubstr("holds its registry"), HasSubstr(std::to_string(getpid())),
                      HasSubstr("doctor_test")));
  }
  this->expect_mended({"cut_short :000000000000004d"});
}

TYPED_TEST(ShmctlDoctor, FindsUnnamedVariablesThatNobodyUses) {
  const support::shared<std::uint64_t> its;
  this->die_after([&] { *its = expect(this->open().template unnamed<int>()).number(); });
  // Its handle was given up before the death, and the variable went with it.
  EXPECT_EQ(this->found(), strings{});
  this->die_after([&] {
    const auto open = expect(this->open().template unnamed<int>());
    *its = open.number();
    raise(SIGKILL);
  });
  this->expect_mended({"unused " + this->number(*its)});
}

TYPED_TEST(ShmctlDoctor, FindsVariablesThatOnlyKeepThemselves) {
  using node = linked<TypeParam>;
  const support::shared<std::array<std::uint64_t, 2>> its;
  this->die_after([&] {
    auto one = expect(this->open().template make_ref<node>({}));
    auto other = expect(this->open().template make_ref<node>({.to = {one}}));
    expect(one->write({.to = {other}}));
    *its = {one->number(), other->number()};
    std::ranges::sort(*its);
    raise(SIGKILL);
  });
  this->expect_mended({"unused " + this->number((*its)[0]), "unused " + this->number((*its)[1])});
}

TYPED_TEST(ShmctlDoctor, FindsCountsThatDisagree) {
  this->write("it", 1);
  this->change(this->template make<int>("it").number(),
               [](detail::control& block) { block.referrers = 2; });
  this->expect_mended({"count it"});
}

TYPED_TEST(ShmctlDoctor, FindsANameThatItsStoreDoesNotKnowOf) {
  this->write("it", 1);
  const auto number = this->template make<int>("it").number();
  this->change(number, [](detail::control& block) { block.unnamed = 1; });
  this->expect_mended({"unnamed it"});
}

TYPED_TEST(ShmctlDoctor, FindsVariablesWhoseSegmentHasGone) {
  this->write("it is gone", 1);
  this->write("that", 1);
  const auto key = this->key(this->template make<int>("that").number());
  // With its lock, lest that be left.
  this->change(key.number, [](detail::control& block) {
    using state = typename TypeParam::lock::state;
    TypeParam::lock::destroy(*std::launder(reinterpret_cast<state*>(block.lock_area.data())));
  });
  expect(TypeParam::segment::remove(key));
  this->expect_mended({"gone that"});
}

TYPED_TEST(ShmctlDoctor, FindsDamage) {
  this->write("it", 1);
  this->change(this->template make<int>("it").number(),
               [](detail::control& block) { block.sides[0].checksum ^= 1; });
  this->expect_mended({"damaged it"});
}

TYPED_TEST(ShmctlDoctor, FindsStoresOfAnotherVersion) {
  this->write("it", 1);
  const auto number = this->template make<int>("it").number();
  this->change(number, [](detail::control& block) { block.version = 3; });
  EXPECT_EQ(this->found(), strings{"version it"});
  EXPECT_THAT(this->output({"doctor"}, 1),
              AllOf(HasSubstr("version 3"), HasSubstr("use the program that made it"),
                    HasSubstr("remove --domain=" + this->name() + " it")));
  this->change(number, [](detail::control& block) { block.version = detail::layout_version; });
  this->change(0, [](detail::control& block) { block.version = 3; });
  EXPECT_EQ(this->found(), strings{"version (the registry)"}) << "its variables are no strays";
  this->change(0, [](detail::control& block) { block.version = detail::layout_version; });
  EXPECT_EQ(this->found(), strings{});
}

TYPED_TEST(ShmctlDoctor, FindsADomainWhoseRemovalWasCutShort) {
  this->write("it", 1);
  this->change(0, [](detail::control& block) { block.removed = 1; });
  EXPECT_THAT(this->found(), Contains("cut_short (the registry)"));
  this->change(0, [](detail::control& block) { block.removed = 0; });
  EXPECT_EQ(this->found(), strings{});
}

TYPED_TEST(ShmctlDoctor, MendsWhatHasANameThatLooksLikeAFlag) {
  this->write("--yes", 1);
  this->change(this->template make<int>("--yes").number(),
               [](detail::control& block) { block.sides[0].checksum ^= 1; });
  this->expect_mended({"damaged --yes"});
}

TYPED_TEST(ShmctlDoctor, FindsReferencesToNothing) {
  auto note = expect(this->open().template make_ref<std::string>("x"));
  this->write("notes", std::vector{note});
  this->change_registry(
      [&](detail::registry_contents& all) { all.variables.erase(note->number()); });
  EXPECT_THAT(this->found(), Contains("dangling notes"));
  EXPECT_EQ(this->run({"collect"}).how, exited(1)) << "it cannot mend that";
  this->change_registry([&](detail::registry_contents& all) {
    all.variables[note->number()] = {typeid(std::string).name(), detail::entry_state::ready};
  });
  EXPECT_EQ(this->found(), strings{});
}

TYPED_TEST(ShmctlDoctor, FindsNothingWrongWithASecondLock) {
  auto it = expect(this->open().template variable<int>("it", {.has_advisory_lock = true}));
  expect(it.write(1));
  EXPECT_EQ(this->found(), strings{});
}

// --- Locks that have lost what they stand on.

using ShmctlDoctorOfSemaphores = ShmctlDoctor<sysv_semaphore_backend>;

TEST_F(ShmctlDoctorOfSemaphores, FindsLocksWithoutTheirSemaphores) {
  write("it", 1);
  std::int32_t its = 0;
  change(make<int>("it").number(),
         [&](detail::control& block) { std::memcpy(&its, block.lock_area.data(), sizeof its); });
  ASSERT_EQ(semctl(semget(its, 0, 0), 0, IPC_RMID), 0);
  expect_mended({"no_lock it"});
}

// --- What is in no domain.

using ShmctlDoctorOfObjects = ShmctlDoctor<default_backend>;

TEST_F(ShmctlDoctorOfObjects, FindsSegmentsThatNoRegistryNamesAndNobodyHasOpen) {
  write("it", 1);
  const auto stray = segment_key::random_in(key().space);
  {
    const auto open = expect(posix_segment::create(stray, 100, 0600));
    EXPECT_EQ(found(), strings{}) << "somebody uses it";
  }
  const std::string name(stray.text().view());
  EXPECT_EQ(found(), strings{"stray " + name});
  EXPECT_THAT(output({"doctor"}, 1), HasSubstr("mend: rm /dev/shm/" + name));
  expect(posix_segment::remove(stray));
  EXPECT_EQ(found(), strings{});
}

TEST_F(ShmctlDoctorOfObjects, FindsWhatIsLeftWhereTheRegistryIsNot) {
  write("it", 1);
  const auto number = make<int>("it").number();
  segment_key roster;
  change(0, [&](detail::control& block) {
    roster = robust_rw::roster_key(
        *std::launder(reinterpret_cast<robust_rw::state*>(block.lock_area.data())));
  });
  expect(posix_segment::remove(key()));
  const auto all = found();
  EXPECT_THAT(all, Contains("stray " + std::string(key(number).text().view())));
  expect(posix_segment::remove(key(number)));
  expect(posix_segment::remove(roster));
  EXPECT_EQ(found(), strings{});
}

TEST_F(ShmctlDoctorOfObjects, LeavesAloneStoresThatAreInNoDomain) {
  const segment_key own{support::unique_space(), 7};
  static_cast<void>(expect(store_on<default_backend>::create(own, {})));
  EXPECT_THAT(run_as_it_is({"doctor", "--json"}).out,
              Not(HasSubstr(std::string(own.space.view()))));
  expect(store_on<default_backend>::remove(own, deadline::none()));
}

TEST_F(ShmctlDoctorOfObjects, LeavesAloneWhatHasANameThatIsNoSegments) {
  const auto object = std::string(key().text().view()) + " of others";
  std::ofstream("/dev/shm/" + object) << "theirs";
  EXPECT_THAT(run_as_it_is({"doctor", "--json"}).out, Not(HasSubstr(object)));
  EXPECT_EQ(::remove(("/dev/shm/" + object).c_str()), 0);
}

TEST_F(ShmctlDoctorOfObjects, SaysThatThereIsNoDomainOfThatName) {
  EXPECT_THAT(output({"doctor"}), AllOf(HasSubstr("not judged: there is no domain " + name()),
                                        HasSubstr("nothing found\n")));
  EXPECT_EQ(json_output({"doctor"})["not_judged"].size(), 1U);
}

TEST_F(ShmctlDoctorOfObjects, SaysNoMoreThanAScreenCanTake) {
  die_after([this] {
    std::vector<variable<int, default_backend>> open;
    for (int i = 0; i < 12; ++i) open.push_back(expect(this->open().template unnamed<int>()));
    raise(SIGKILL);
  });
  const auto lines = support::lines(output({"doctor"}, 1));
  ASSERT_EQ(lines.size(), 10U + 3U);
  EXPECT_EQ(lines[10], "and 2 more; --json has all");
  EXPECT_EQ(lines[12], "12 found");
  EXPECT_EQ(found().size(), 12U);
}

// These look at all that the user has, among which other tests' things may be.
TEST_F(ShmctlDoctorOfObjects, FindsSystemVSegmentsAndSemaphoresThatNobodyNames) {
  const auto stray = segment_key::random_in(key().space);
  const support::shared<sysv_semaphore::state> lock;
  die_after([&] {
    expect(sysv_semaphore::create(*lock, {.space = key().space}));
    auto handle = expect(sysv_semaphore::attach(*lock));
    static_cast<void>(expect(handle.acquire(mode::exclusive, deadline::never())));
    auto made = expect(sysv_segment::create(stray, 100, 0600));
    std::memcpy(made.bytes().data(), "shmarkD\n", 8);
  });
  const auto text = run_as_it_is({"doctor"}).out;
  const int segment_id = shmget(sysv_segment::system_key(stray), 0, 0);
  const int semaphores = semget(lock->key, 0, 0);
  // Another test may just have stores that cannot be read.
  const bool is_judged = !support::contains(text, "not judged: some stores");
  if (is_judged) {
    EXPECT_THAT(text, AllOf(HasSubstr("mend: ipcrm -m " + std::to_string(segment_id) + "\n"),
                            HasSubstr("mend: ipcrm -s " + std::to_string(semaphores) + ",")));
  }
  expect(sysv_segment::remove(stray));
  sysv_semaphore::destroy(*lock);
  EXPECT_THAT(run_as_it_is({"doctor"}).out,
              Not(HasSubstr("ipcrm -s " + std::to_string(semaphores) + ",")));
  if (!is_judged) GTEST_SKIP() << "stores of another test cannot be read";
}

TEST_F(ShmctlDoctorOfObjects, LeavesAloneWhatProgramsThatRunHaveInUse) {
  const support::shared<sysv_semaphore::state> lock;
  expect(sysv_semaphore::create(*lock, {.space = key().space}));
  auto handle = expect(sysv_semaphore::attach(*lock));
  static_cast<void>(expect(handle.acquire(mode::exclusive, deadline::never())));
  EXPECT_THAT(run_as_it_is({"doctor"}).out,
              Not(HasSubstr("ipcrm -s " + std::to_string(semget(lock->key, 0, 0)) + ",")));
  handle.release(mode::exclusive);
  sysv_semaphore::destroy(*lock);
}

}  // namespace
}  // namespace shmark

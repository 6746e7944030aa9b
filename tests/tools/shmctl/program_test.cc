// What shmctl shows: list, show, get.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/steps.h"
#include "tests/tools/shmctl/fixture.h"

namespace shmark {
namespace {

using support::child;
using support::steps;
using table = std::map<std::string, std::vector<double>>;

struct unknown_to_shmctl {
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

// --- The command line, for which the backend does not matter.

using ShmctlProgram = shmctl_test<default_backend>;

TEST_F(ShmctlProgram, EndsWith2AndAMessageOnBadInput) {
  write("it", 1);
  support::expect_complaint(run_as_it_is({}), {"no command", "--help"});
  support::expect_complaint(run_as_it_is({"frobnicate"}), {"frobnicate"});
  support::expect_complaint(run_as_it_is({"get", "it", "--domain=a b"}), {"'a b'", "1 to 40"});
  support::expect_complaint(run_as_it_is({"get", "it", "--domain="}), {"--domain"});
  support::expect_complaint(run_as_it_is({"list", "--domain=no-such"}),
                            {"no domain no-such", "list"});
  expect_complaint({"frobnicate"}, {"--help"});
  expect_complaint({"get"}, {"NAME"});
  expect_complaint({"get", ""}, {"NAME", "not empty"});
  expect_complaint({"get", "it", "that"}, {"that"});
  expect_complaint({"get", "nothing"}, {"no variable nothing", "list"});
  expect_complaint({"show", ":0123456789abcdef"}, {"no variable :0123456789abcdef"});
  expect_complaint({"remove", "nothing"}, {"no variable nothing"});
  expect_complaint({"list", "--backend=mine"}, {"mine", "sysv_semaphore"});
  expect_complaint({"list", "--backend=sysv"}, {"no domain", "with the backend sysv"});
  expect_complaint({"remove", "it", "--timeout=soon"}, {"soon"});
  expect_complaint({"remove", "it", "--timeout=-1"}, {"-1"});
  expect_complaint({"collect", "--json"}, {"--json"});
  expect_complaint({"cleanup", "--yes", "--dry_run"}, {"--yes"});
  EXPECT_EQ(output({"get", "it"}), "1\n") << "none of this has removed it";
}

TEST_F(ShmctlProgram, ExplainsItselfOnDemand) {
  const auto help = run_as_it_is({"--help"});
  EXPECT_EQ(help.how, exited(0));
  for (const auto* command :
       {"list", "show", "get", "locks", "doctor", "collect", "remove", "cleanup"}) {
    EXPECT_THAT(help.out, HasSubstr(std::string("\n  ") + command + " "));
    const auto its = run_as_it_is({command, "--help"});
    EXPECT_EQ(its.how, exited(0));
    EXPECT_THAT(its.out, AllOf(HasSubstr("--domain"), HasSubstr("--backend")));
  }
  EXPECT_THAT(help.out, AllOf(HasSubstr("Exit status"), HasSubstr("1 the doctor found something"),
                              HasSubstr("collect could not")));
}

TEST_F(ShmctlProgram, EndsWith2WhenItsOutputIsLost) {
  write("it", 1);
  const auto done =
      support::run_program(folder(), path, {"list", "--domain=" + name()}, "/dev/full");
  EXPECT_EQ(done.how, exited(2));
  EXPECT_THAT(done.err, HasSubstr("standard output"));
}

TEST_F(ShmctlProgram, AsksForTheBackendWhereThereAreTwoDomainsOfAName) {
  write("it", 1);
  {
    auto other = expect(domain<sysv_backend>::open(name()));
    auto its = expect(other.variable<int>("it"));
    expect(its.write(2));
    expect_complaint({"get", "it"}, {"two domains", "--backend"});
    EXPECT_EQ(output({"get", "it", "--backend=posix"}), "1\n");
    EXPECT_EQ(output({"get", "it", "--backend=sysv"}), "2\n");
    EXPECT_THAT(output({"list"}), AllOf(HasSubstr("(posix, "), HasSubstr("(sysv, ")));
    EXPECT_THAT(output({"list", "--backend=sysv"}), Not(HasSubstr("(posix, ")));
  }
  expect(expect(domain<sysv_backend>::open(name())).cleanup());
}

TEST_F(ShmctlProgram, DoesNotSayOfAllDomainsWhatHoldsForABackend) {
  write("it", 1);
  for (const std::string command : {"list", "locks"}) {
    const auto done = run_as_it_is({command, "--backend=sysv_semaphore"});
    EXPECT_EQ(done.how, exited(0)) << done.err;
    EXPECT_THAT(done.out, Not(HasSubstr("There are no domains of user " +
                                        std::to_string(geteuid()) + ".\n")));
  }
}

TEST_F(ShmctlProgram, ShowsNamesThatATerminalWouldObey) {
  write("\x1b[31m\xff", 1);
  EXPECT_THAT(output({"list"}), AllOf(HasSubstr(R"(\x1b[31m\xff)"), Not(HasSubstr("\x1b"))));
  EXPECT_EQ(json_output({"list"})["domains"][0]["variables"][0]["name"]["bytes"], "1b5b33316dff");
  EXPECT_EQ(output({"get", "\x1b[31m\xff"}), "1\n");
}

TEST_F(ShmctlProgram, IgnoresWhatOnlyLooksLikeADomain) {
  const auto object = "/dev/shm/" + std::string(key().text().view());
  std::ofstream(object) << "not a store";
  support::expect_complaint(run({"list"}), {"no domain " + name()});
  remove(object.c_str());
  ASSERT_EQ(mkfifo(object.c_str(), 0600), 0);
  support::expect_complaint(run({"list"}), {"no domain " + name()});
  remove(object.c_str());
}

// --- With every backend.

template <class Backend>
class ShmctlShows : public shmctl_test<Backend> {};
TYPED_TEST_SUITE(ShmctlShows, all_backends, name_of_backend);

TYPED_TEST(ShmctlShows, AllVariablesOfADomain) {
  auto open = this->template make<int>("visits");
  expect(open.write(3));
  this->write("table", table{{"a", std::vector<double>(2000, 0.5)}});
  auto note = expect(this->open().template make_ref<std::string>("x"));
  this->write("notes", std::vector{note, note});
  const auto domains = this->json_output({"list"})["domains"];
  ASSERT_EQ(domains.size(), 1U);
  const auto& its = domains[0];
  EXPECT_EQ(its["domain"], this->name());
  EXPECT_EQ(its["backend"], backend_name<TypeParam>());
  ASSERT_EQ(its["variables"].size(), 4U);
  const auto& notes = its["variables"][0];
  EXPECT_EQ(notes["name"], "notes");
  EXPECT_EQ(notes["references"], 1);
  EXPECT_EQ(notes["referrers"], 0);
  EXPECT_EQ(notes["open"], false);
  const auto& big = its["variables"][1];
  EXPECT_EQ(big["type"], "std::map<std::string, std::vector<double>>");
  EXPECT_GT(big["bytes"], 16000);
  EXPECT_EQ(big["allocated"], expect(this->template make<table>("table").stats()).allocated);
  const auto& visits = its["variables"][2];
  EXPECT_EQ(visits["type"], "int");
  EXPECT_EQ(visits["bytes"], 6);
  EXPECT_EQ(visits["serial"], 2);
  EXPECT_EQ(visits["state"], "ready");
  EXPECT_EQ(visits["open"], true);
  EXPECT_EQ(visits["number"], open.number());
  const auto& unnamed = its["variables"][3];
  EXPECT_EQ(unnamed["name"], json());
  EXPECT_EQ(unnamed["referrers"], 1);
  EXPECT_EQ(unnamed["number"], note->number());
}

TYPED_TEST(ShmctlShows, AllVariablesInColumnsForPeople) {
  const auto open = this->template make<int>("visits");
  this->write("a longer name", std::string("x"));
  const auto lines = support::lines(this->output({"list"}));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], "domain " + this->name() + " (" + std::string(TypeParam::segment::kind) +
                          ", " + std::string(TypeParam::lock::name) + "): 2 variables");
  EXPECT_EQ(lines[1],
            "  NAME           BYTES  ALLOCATED  SERIAL  REFERRERS  REFERENCES  OPEN  TYPE");
  EXPECT_EQ(lines[2],
            "  a longer name      4       8704       2          0           0  no    std::string");
  EXPECT_EQ(lines[3],
            "  visits             0       8704       1          0           0  yes   int");
}

TYPED_TEST(ShmctlShows, OneVariableInDetail) {
  this->write("table", table{{"a", std::vector<double>(2000, 0.5)}});
  const auto its = this->json_output({"show", "table"})["variable"];
  EXPECT_EQ(its["checksum"], "right");
  EXPECT_EQ(its["capacity"], 4096);
  EXPECT_EQ(its["limit"], json());
  EXPECT_EQ(its["advisory_lock"], false);
  EXPECT_EQ(its["mode"], "0600");
  EXPECT_EQ(its["lock"], TypeParam::lock::name);
  EXPECT_EQ(its["generations"], 1);
  EXPECT_EQ(its["segments"][0]["what"], "control");
  EXPECT_EQ(its["segments"][0]["bytes"], 8704);
  EXPECT_EQ(its["segments"][1]["what"], "current value");
  EXPECT_EQ(its["unnamed"], false);
  EXPECT_THAT(this->output({"show", "table"}),
              AllOf(HasSubstr("table\n  type         std::map<std::string, std::vector<double>>\n"),
                    HasSubstr("checksum right\n"), HasSubstr(", mode 0600\n"),
                    HasSubstr("current value, ")));
}

TYPED_TEST(ShmctlShows, WhatAVariableWasMadeWith) {
  const auto made = expect(this->open().template variable<int>(
      "it", {.capacity = 512, .limit = 1000, .has_checksum = false, .has_advisory_lock = true}));
  const auto its = this->json_output({"show", "it"})["variable"];
  EXPECT_EQ(its["capacity"], 512);
  EXPECT_EQ(its["limit"], 1000);
  EXPECT_EQ(its["checksum"], "none");
  EXPECT_EQ(its["advisory_lock"], true);
  EXPECT_EQ(its["segments"][0]["bytes"], 512 + 256 + 2 * 512);
  EXPECT_THAT(this->output({"show", "it"}),
              AllOf(HasSubstr("limit        1000 bytes"), HasSubstr("an advisory one")));
}

TYPED_TEST(ShmctlShows, AValueAsJson) {
  this->write("table", table{{"a", {1, 2.5}}, {"b", {}}});
  EXPECT_EQ(this->output({"get", "table", "--json"}), "{\"a\":[1.0,2.5],\"b\":[]}\n");
  EXPECT_EQ(this->output({"get", "table"}),
            "{\n  \"a\": [\n    1.0,\n    2.5\n  ],\n  \"b\": []\n}\n");
  this->write("table", table{{"large", std::vector<double>(2000, 0.5)}});
  EXPECT_EQ(this->json_output({"get", "table"})["large"].size(), 2000U);
}

TYPED_TEST(ShmctlShows, AValueThatReferencesLeadTo) {
  auto note = expect(this->open().template make_ref<std::string>("here"));
  this->write("notes", std::vector{note});
  const auto value = this->json_output({"get", "notes"});
  char number[32];
  std::snprintf(number, sizeof number, ":%016llx", static_cast<unsigned long long>(note->number()));
  EXPECT_EQ(value[0]["ref"], number);
  EXPECT_EQ(this->output({"get", number}), "\"here\"\n");
}

TYPED_TEST(ShmctlShows, WhatNobodyHasWrittenAsItReads) {
  const auto number = this->template make<int>("number");
  const auto empty = this->template make<table>("table");
  EXPECT_EQ(this->output({"get", "number"}), "0\n");
  EXPECT_EQ(this->output({"get", "table"}), "{}\n");
}

TYPED_TEST(ShmctlShows, WhichPartOfATypeItDoesNotKnow) {
  this->write("strange", std::vector<unknown_to_shmctl>(1));
  this->expect_complaint({"get", "strange"},
                         {"cannot show strange",
                          "std::vector<shmark::(anonymous namespace)::"
                          "unknown_to_shmctl>",
                          "does not know shmark::(anonymous namespace)::unknown_to_shmctl"});
}

TYPED_TEST(ShmctlShows, DamageAsSuch) {
  this->write("text", std::string("intact"));
  this->change(this->template make<std::string>("text").number(), [](detail::control& block) {
    block.sides[0].checksum ^= 1;  // the serial is 2
  });
  this->expect_complaint({"get", "text"}, {"checksum", "remove"});
  EXPECT_EQ(this->json_output({"show", "text"})["variable"]["checksum"], "wrong");
  this->change(this->template make<std::string>("text").number(),
               [](detail::control& block) { block.sides[0].length = 1U << 30; });
  this->expect_complaint({"get", "text"}, {"not in its segments"});
}

// No lock is taken, so none that is held is waited for.
TYPED_TEST(ShmctlShows, EverythingWhileOthersHoldAllLocks) {
  this->write("it", 1);
  steps step;
  const auto holder = child::start([&] {
    auto it = this->template make<int>("it");
    auto change = expect(it.transact());
    change.value() = 2;
    variable<detail::registry_contents, TypeParam> all(
        expect(store_on<TypeParam>::attach(this->key())));
    const auto registry = expect(all.transact());
    step.reach(1);
    step.await(2);
  });
  step.await(1);
  EXPECT_EQ(this->output({"get", "it"}), "1\n");
  EXPECT_EQ(this->json_output({"show", "it"})["variable"]["writing"], true);
  EXPECT_EQ(this->json_output({"list"})["domains"][0]["variables"][0]["serial"], 2);
}

// Bytes of all that the domain has in /dev/shm.
template <class Test>
std::map<std::string, std::string> objects_of(const Test& test) {
  std::map<std::string, std::string> all;
  for (const auto& name : posix_segment::names(std::string(test.key().text().view()))) {
    all[name] = support::contents("/dev/shm/" + name);
  }
  return all;
}

TYPED_TEST(ShmctlShows, EverythingWithoutChangingAByte) {
  this->write("it", 1);
  this->write("table", table{{"large", std::vector<double>(2000, 0.5)}});
  const auto block = [&] {
    const auto there = expect(TypeParam::segment::attach(this->key()));
    return std::vector<std::byte>(there.bytes().begin(), there.bytes().end());
  };
  const auto before = objects_of(*this);
  const auto registry = block();
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"list"}, {"show", "it"}, {"get", "table"}, {"locks"}, {"doctor"}}) {
    static_cast<void>(this->output(command));
  }
  EXPECT_EQ(objects_of(*this), before);
  EXPECT_EQ(block(), registry);
}

TYPED_TEST(ShmctlShows, WholeValuesWhileAWriterIsBusy) {
  steps step;
  const auto large = std::vector<int>(5000, 7);
  const auto writer = child::start([&] {
    auto it = this->template make<std::vector<int>>("it");
    for (int i = 0;; ++i) {
      expect(it.write(std::vector<int>(i % 2 == 0 ? 5000 : 10, i % 2 == 0 ? 7 : 8)));
      step.reach(1);
    }
  });
  step.await(1);
  for (int round = 0; round < 20; ++round) {
    const auto done = this->run({"get", "it", "--json"});
    if (done.how != exited(0)) {
      EXPECT_THAT(done.err, HasSubstr("try again"));
      continue;
    }
    const auto value = json::parse(done.out);
    EXPECT_EQ(value.size(), value[0] == 7 ? 5000U : 10U);
    EXPECT_EQ(value.front(), value.back());
  }
}

// A System V key does not tell the name that it is made of.
TEST(ShmctlList, ShowsASystemVDomainWhoseNameItCannotKnow) {
  const support::folder at;
  const auto name = support::unique_space();
  auto domain = expect(shmark::domain<sysv_semaphore_backend>::open(name));
  const auto its = expect(domain.variable<int>("only in this test " + name));
  const auto done =
      support::run_program(at, "tools/shmctl/shmctl", {"list", "--backend=sysv_semaphore"});
  EXPECT_THAT(done.out, AllOf(HasSubstr("domain of unknown name, segment "),
                              HasSubstr("only in this test " + name)));
  expect(domain.cleanup());
}

}  // namespace
}  // namespace shmark

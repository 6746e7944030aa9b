// The protocol of workers in other languages, with shell scripts for workers.
#include "lib/crew/external_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/interrupt.h"
#include "lib/base/process.h"
#include "tests/support/child.h"
#include "tests/support/program.h"
#include "tests/support/shared.h"

namespace shmark {
namespace {

using namespace std::chrono_literals;
using support::child;
using support::exited;
using support::folder;
using support::shared;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Longer than any test may take (see tests/support/main.cc).
constexpr auto very_long = 1h;
constexpr auto* silence = "while read told; do :; done";  // until its input ends
constexpr auto* deafness = "exec sleep 3600";             // that does not look at it

external_worker started(const std::string& script, std::chrono::nanoseconds patience = very_long) {
  auto made = external_worker::start({.words = {"sh", "-c", script}, .patience = patience});
  if (!made) throw std::runtime_error(made.error().message());
  return *std::move(made);
}

// A worker that says these lines, each when it is told something.
std::string saying(const std::string& ready, const std::string& done = "exit") {
  return "echo hello shmark-worker 1 count\nread told\n" + ready + "\nread told\n" + done;
}
std::string print(const std::string& line) { return "echo '" + line + "'"; }

std::expected<readiness, error> prepared(external_worker& worker, const preparation& what = {}) {
  SHMARK_RETURN_IF_ERROR(worker.greet());
  return worker.prepare(what);
}

// Greets, prepares and runs, for no time at all.
std::expected<external_worker::counter_names, error> ran(external_worker& worker,
                                                         worker_result& into,
                                                         std::chrono::nanoseconds length = 0ns) {
  SHMARK_RETURN_IF_ERROR(prepared(worker));
  return worker.run(monotonic_ns(), length, into);
}

error error_of(const std::string& script, std::chrono::nanoseconds patience = very_long,
               std::chrono::nanoseconds length = 0ns) {
  auto worker = started(script, patience);
  worker_result into{};
  const auto done = ran(worker, into, length);
  return done ? error{} : done.error();
}

TEST(ExternalWorker, SaysWhichOperationsItOffers) {
  auto worker = started("echo hello shmark-worker 1 read write");
  const auto operations = worker.greet();
  ASSERT_TRUE(operations) << operations.error().message();
  EXPECT_THAT(*operations, ElementsAre("read", "write"));
}

TEST(ExternalWorker, HandsOverWhatItHasPrepared) {
  auto worker = started(saying(print(R"(ready {"bytes":8,"segments":[0,7],"semaphores":[9]})")));
  const auto ready = prepared(worker);
  ASSERT_TRUE(ready) << ready.error().message();
  EXPECT_EQ(ready->bytes, 8u);
  EXPECT_THAT(ready->segments, ElementsAre(0, 7));
  EXPECT_THAT(ready->semaphores, ElementsAre(9));
}

TEST(ExternalWorker, HandsOverWhatItHasMeasured) {
  auto worker = started(
      saying(print("ready {}"),
             print(R"(done {"operations":9,"elapsed_ns":1,"cpu_ns":2,"durations_ns":[30,[40,3]],)"
                   R"("counters":{"hits":5,"a_b":6}})")));
  worker_result into{};
  const auto names = ran(worker, into);
  ASSERT_TRUE(names) << names.error().message();
  EXPECT_EQ(into.operations, 9u);
  EXPECT_GE(into.elapsed_ns, 1);
  EXPECT_EQ(into.cpu_ns, 2);
  EXPECT_EQ(into.latency.total(), 4u);
  EXPECT_EQ(into.latency.max(), 40u);
  EXPECT_EQ(into.latency.quantile(0.25), 30u);
  EXPECT_THAT(*names, ElementsAre("a_b", "hits", "", ""));
  EXPECT_EQ(into.counters[0], 6u);
  EXPECT_EQ(into.counters[1], 5u);
}

TEST(ExternalWorker, IsToldWhatToPrepareFor) {
  auto worker = started("echo hello shmark-worker 1 count\nread word rest\necho \"missing $rest\"");
  const auto ready = prepared(worker, {.index = 1,
                                       .workers = 2,
                                       .prefix = "p",
                                       .op = "count",
                                       .payload_bytes = 64,
                                       .shape = "map100",
                                       .read_percent = 90,
                                       .seed = 7,
                                       .time_every = 3});
  ASSERT_FALSE(ready);
  EXPECT_EQ(worker.missing(),
            R"({"index":1,"op":"count","payload_bytes":64,"prefix":"p","read_percent":90,)"
            R"("seed":7,"shape":"map100","time_every":3,"workers":2})");
}

TEST(ExternalWorker, IsNotToldWhatABenchmarkDoesNotHave) {
  auto worker = started("echo hello shmark-worker 1 count\nread word rest\necho \"missing $rest\"");
  ASSERT_FALSE(prepared(worker));
  EXPECT_EQ(worker.missing(),
            R"({"index":0,"op":"","prefix":"","seed":0,"time_every":64,"workers":1})");
}

TEST(ExternalWorker, RunsForWhatIsLeftOfTheWindowAndIsChargedForAllOfIt) {
  auto worker = started(
      "echo hello shmark-worker 1 count\nwhile read word rest; do case $word in\n"
      "prepare) echo 'ready {}' ;;\n"
      "go) echo \"done {\\\"operations\\\":1,\\\"elapsed_ns\\\":$rest,\\\"cpu_ns\\\":$rest}\" ;;\n"
      "esac; done");
  ASSERT_TRUE(worker.greet());
  worker_result into{};
  ASSERT_TRUE(worker.prepare({}));
  // Of a window that has nearly passed, or has: the script works for no time.
  const auto done = worker.run(monotonic_ns() - 1'000'000'000, 1s, into);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(into.cpu_ns, 0);
  EXPECT_GE(into.elapsed_ns, 1'000'000'000);
}

TEST(ExternalWorker, TakesPartInOneWindowAfterTheOther) {
  auto worker = started(
      "echo hello shmark-worker 1 count\nwhile read word rest; do case $word in\n"
      "prepare) n=$((n + 1)); echo 'ready {}' ;;\n"
      "go) echo \"done {\\\"operations\\\":$n,\\\"elapsed_ns\\\":1,\\\"cpu_ns\\\":1}\" ;;\n"
      "esac; done");
  ASSERT_TRUE(worker.greet());
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(worker.prepare({}));
    worker_result into{};
    ASSERT_TRUE(worker.run(monotonic_ns(), 0ns, into));
    EXPECT_EQ(into.operations, i);
  }
}

// --- What goes wrong.

TEST(ExternalWorker, IsRefusedIfItSpeaksAnotherVersionOrOffersNothing) {
  const auto other = error_of("echo hello shmark-worker 2 count");
  EXPECT_EQ(other.code, errc::mismatch);
  EXPECT_THAT(other.message(), AllOf(HasSubstr("echo hello shmark-worker 2 count"),
                                     HasSubstr("it speaks version 2 of the protocol, and we 1"),
                                     HasSubstr("use one for our version")));
  EXPECT_THAT(error_of("echo hello shmark-worker 1").message(), HasSubstr("offers no operations"));
}

TEST(ExternalWorker, IsNamedWithWhatItSaidIfThatIsNonsense) {
  struct nonsense {
    std::string script;
    std::string flaw;
    std::string said;
  };
  const auto done = [](const std::string& text) {
    return saying(print("ready {}"), print("done " + text));
  };
  for (const auto& [script, flaw, said] : std::vector<nonsense>{
           {"echo good day", "\"hello shmark-worker 1 ...\" is due", "good day"},
           {"echo", "\"hello shmark-worker 1 ...\" is due", ""},
           {"printf '\\001\\n'", "is due", "?"},
           {saying("echo well"), "ready, missing or failed is due", "well"},
           {saying("echo ready"), "a JSON object is due", "ready"},
           {saying("echo ready [1]"), "a JSON object is due", "ready [1]"},
           {saying(print("ready {\"byte\":1}")), "\"byte\" is no key", "ready {"},
           {saying(print("ready {\"bytes\":-1}")), "bytes is no whole number", "ready {"},
           {saying(print("ready {\"segments\":1}")), "segments is no list", "ready {"},
           {saying(print("ready {\"segments\":[3000000000]}")), "segments is no whole", "ready {"},
           {saying(print("ready {}"), "echo ready {}"), "done or failed is due", "ready {}"},
           {done("{}"), "operations is no whole number", "done {}"},
           {done(R"({"operations":1.5,"elapsed_ns":1,"cpu_ns":1})"), "operations is no", "done {"},
           {done(R"({"operations":1,"elapsed_ns":1,"cpu_ns":1,"x":1})"), "\"x\" is no key", "done"},
           {done(R"({"operations":1,"elapsed_ns":1,"cpu_ns":1,"durations_ns":[1,2]})"),
            "more durations than operations", "done"},
           {done(R"({"operations":1,"elapsed_ns":1,"cpu_ns":1,"durations_ns":["1"]})"),
            "durations_ns is no whole number", "done"},
           {done(R"({"operations":1,"elapsed_ns":1,"cpu_ns":1,"counters":{"A":1}})"),
            "a counter's name is", "done"},
           {done(R"({"operations":1,"elapsed_ns":1,"cpu_ns":1,"counters":)"
                 R"({"a":1,"b":1,"c":1,"d":1,"e":1}})"),
            "more than 4 counters", "done"},
           {done(R"({"operations":1,"elapsed_ns":3600000000000,"cpu_ns":1})"),
            "it claims more time than passed", "done"},
       }) {
    const auto found = error_of(script);
    EXPECT_EQ(found.code, errc::invalid) << script;
    EXPECT_THAT(found.message(),
                AllOf(HasSubstr(flaw + ""), HasSubstr("it said \"" + said), HasSubstr("WORKER.md")))
        << script;
  }
}

TEST(ExternalWorker, IsRefusedIfItHasStoppedBeforeTheWindowWasOver) {
  const auto early = error_of(
      saying(print("ready {}"), print(R"(done {"operations":1,"elapsed_ns":1,"cpu_ns":1})")),
      very_long, 1h);
  EXPECT_EQ(early.code, errc::invalid);
  EXPECT_THAT(early.message(), HasSubstr("it stopped too early"));
}

TEST(ExternalWorker, CanSayItselfWhyItFailed) {
  for (const auto& script : {saying("echo failed no luck today"),
                             saying(print("ready {}"), "echo failed no luck today")}) {
    const auto found = error_of(script);
    EXPECT_EQ(found.code, errc::invalid);
    EXPECT_THAT(found.message(), HasSubstr("it says: no luck today"));
  }
}

TEST(ExternalWorker, CanSayWhatIsMissing) {
  auto worker = started(saying("echo missing a quantum computer"));
  const auto ready = prepared(worker);
  ASSERT_FALSE(ready);
  EXPECT_EQ(ready.error().code, errc::not_found);
  EXPECT_EQ(worker.missing(), "a quantum computer");
}

TEST(ExternalWorker, IsSaidToHaveEndedHoweverItDid) {
  for (const auto& script :
       {std::string("exit 3"), saying("exit 3"), saying(print("ready {}"), "exit 3"),
        saying(print("ready {}"), "printf 'done {'; exit 3")}) {
    const auto found = error_of(script);
    EXPECT_EQ(found.code, errc::worker_died) << script;
    EXPECT_THAT(found.message(), HasSubstr("it ended with status 3"));
  }
  const auto killed = error_of(saying("kill -9 $$"));
  EXPECT_EQ(killed.code, errc::worker_died);
  EXPECT_THAT(killed.message(), HasSubstr("it was killed by signal 9 (Killed)"));
}

TEST(ExternalWorker, IsSaidToHaveEndedByItsProxyToo) {
  auto worker = started(saying("kill -9 $$"));
  ASSERT_TRUE(worker.greet());
  auto proxy = child::start([&] {
    const auto ready = worker.prepare({});
    ASSERT_FALSE(ready);
    EXPECT_THAT(ready.error().message(), HasSubstr("it was killed by signal 9"));
  });
  EXPECT_EQ(proxy.wait(), exited(0));
}

TEST(ExternalWorker, IsNotFoundIfThereIsNoSuchCommand) {
  for (const external_command& how :
       {external_command{.words = {"no-such-command-anywhere", "1"}, .patience = very_long},
        external_command{.words = {"/etc/passwd"}, .patience = very_long},
        external_command{.words = {"sh", "-c", "no-such-command 2>/dev/null"},
                         .patience = very_long},
        external_command{.words = {"true"}, .folder = "/no/such/folder", .patience = very_long}}) {
    auto worker = external_worker::start(how);
    ASSERT_TRUE(worker);
    const auto operations = worker->greet();
    ASSERT_FALSE(operations);
    EXPECT_EQ(operations.error().code, errc::not_found);
    EXPECT_THAT(operations.error().message(),
                AllOf(HasSubstr(text_of(how)), HasSubstr("spelt right and installed")));
  }
}

TEST(ExternalWorker, IsWaitedForNoLongerThanPatienceAllows) {
  for (const auto& script :
       {std::string(silence), saying(silence), saying(print("ready {}"), silence)}) {
    const auto found = error_of(script, 300ms);
    EXPECT_EQ(found.code, errc::timed_out) << found.message();
    EXPECT_THAT(found.message(),
                AllOf(HasSubstr("it has said nothing for 0.3 s"), HasSubstr("whether it flushes")));
  }
}

TEST(ExternalWorker, IsWaitedForAsLongAsTheWindowLastsBesides) {
  auto worker = started(
      saying(print("ready {}"),
             "sleep 0.4\n" + print(R"(done {"operations":1,"elapsed_ns":400000000,"cpu_ns":1})")),
      300ms);
  worker_result into{};
  const auto done = ran(worker, into, 400ms);
  EXPECT_TRUE(done) << done.error().message();
}

TEST(ExternalWorker, IsRefusedIfItClosesItsOutputAndGoesOn) {
  const auto found = error_of("exec >&-; " + std::string(silence), 100ms);
  EXPECT_EQ(found.code, errc::invalid);
  EXPECT_THAT(found.message(), HasSubstr("it has closed its standard output"));
}

TEST(ExternalWorker, IsRefusedIfALineHasNoEnd) {
  const auto found = error_of("exec cat /dev/zero");
  EXPECT_EQ(found.code, errc::invalid);
  EXPECT_THAT(found.message(), HasSubstr("its line has no end"));
}

// --- Its end.

TEST(ExternalWorker, IsTheFirstToHearOfItsEndAndCleansUp) {
  const folder at;
  const auto file = at.file("made").string();
  {
    auto worker =
        started("echo > " + file + "; echo hello shmark-worker 1 count\nread told; rm " + file);
    ASSERT_TRUE(worker.greet());
    EXPECT_EQ(access(file.c_str(), F_OK), 0);
  }
  EXPECT_NE(access(file.c_str(), F_OK), 0) << "it was not given the time";
}

// One that does not look at its input is sent SIGTERM, and one that does not care SIGKILL; it takes
// with it what it has started.
TEST(ExternalWorker, IsEndedWithAllThatItHasStarted) {
  const folder at;
  const auto file = at.file("signal").string();
  pid_t leader = 0;
  {
    auto worker = started("trap 'echo TERM > " + file +
                          "' TERM; (trap '' TERM; exec sleep 3600) & "
                          "echo hello shmark-worker 1 count; while :; do wait; done");
    ASSERT_TRUE(worker.greet());
    leader = worker.partner().process();
    ASSERT_EQ(kill(-leader, 0), 0);
  }
  EXPECT_EQ(support::contents(file), "TERM\n");
  while (waitpid(-leader, nullptr, 0) > 0) {  // orphans: ours to reap
  }
  EXPECT_NE(kill(-leader, 0), 0) << "some of its group are left";
}

TEST(ExternalWorker, DiesWithItsParent) {
  const shared<std::atomic<pid_t>> orphan;
  auto parent = child::start([&] {
    auto worker = started("echo hello shmark-worker 1 count; " + std::string(deafness));
    if (!worker.greet()) return;  // it runs, and has asked to be told
    *orphan = worker.partner().process();
    raise(SIGKILL);
  });
  EXPECT_EQ(parent.wait(), support::killed_by(SIGKILL));
  int status = 0;
  ASSERT_EQ(waitpid(*orphan, &status, 0), *orphan);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST(ExternalWorker, LeavesCtrlCToItsParentWhoWaitsNoMore) {
  auto parent = child::start([] {
    catch_interrupts();
    auto worker = started("echo hello shmark-worker 1 count; " + std::string(deafness));
    ASSERT_TRUE(worker.greet());
    EXPECT_EQ(getpgid(worker.partner().process()), worker.partner().process())
        << "a terminal's Ctrl-C would reach it";
    raise(SIGINT);
    const auto ready = worker.prepare({});
    ASSERT_FALSE(ready);
    EXPECT_EQ(ready.error().code, errc::interrupted);
  });
  EXPECT_EQ(parent.wait(), exited(0));
}

TEST(ExternalWorker, DoesNotTakeItsParentWithItWhenItIsGone) {
  auto parent = child::start([] {
    signal(SIGPIPE, SIG_DFL);
    auto worker = started("echo hello shmark-worker 1 count");
    ASSERT_TRUE(worker.greet());
    EXPECT_TRUE(worker.partner().status(deadline::never()));
    const auto ready = worker.prepare({});
    ASSERT_FALSE(ready);
    EXPECT_EQ(ready.error().code, errc::worker_died);
  });
  EXPECT_EQ(parent.wait(), exited(0));
}

TEST(ExternalWorker, RunsInTheFolderOfItsUser) {
  const folder at;
  std::ofstream(at.file("script")) << "echo hello shmark-worker 1 count\n";
  setenv("BUILD_WORKING_DIRECTORY", at.file("").c_str(), 1);
  const auto how = users_command("sh ./script 'one  argument' \"$BUILD_WORKING_DIRECTORY\"");
  unsetenv("BUILD_WORKING_DIRECTORY");
  ASSERT_TRUE(how) << how.error().message();
  EXPECT_THAT(how->words, ElementsAre("sh", "./script", "one  argument", at.file("").string()));
  auto worker = external_worker::start(*how);
  ASSERT_TRUE(worker);
  const auto operations = worker->greet();
  EXPECT_TRUE(operations) << operations.error().message();
}

TEST(ExternalWorker, IsOneProgramWithItsArguments) {
  for (const auto* text : {"", "a | b", "a; b", "a & b", "a 'b", "$(a)", "a > b", "$(echo a)"}) {
    const auto how = users_command(text);
    ASSERT_FALSE(how) << text;
    EXPECT_THAT(how.error().message(), AllOf(HasSubstr(text), HasSubstr("sh -c")));
  }
}

}  // namespace
}  // namespace shmark

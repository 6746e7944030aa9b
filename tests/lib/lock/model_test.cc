// The model of robust_rw's protocol, lib/lock/model/robust_rw.pml, in Spin: every state of several
// configurations is looked at, and each bug that is planted must be found.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <regex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tests/support/child.h"

namespace shmark {
namespace {

namespace fs = std::filesystem;

// What is asked of Spin.
enum class question {
  safety,    // assertions, and that no state is a dead end
  shortest,  // the same, breadth first: the first error found is one with the fewest steps
  liveness,  // that no cycle, fair to all processes, goes without an acquisition
};

struct configuration {
  std::string name;
  std::string macros;
  question asked = question::safety;
};

struct planted_bug {
  std::string name;
  configuration in;
  std::string found_as;  // what Spin calls it
};

// With the model in it.
class folder {
 public:
  folder() {
    auto pattern = ::testing::TempDir() + "/model-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    path_ = pattern;
    fs::copy_file("lib/lock/model/robust_rw.pml", path_ / "robust_rw.pml");
  }
  ~folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  // What a shell command that runs in it says; throws if it does not end by itself.
  [[nodiscard]] std::string run(const std::string& command) const {
    const auto said = path_ / "said";
    auto shell = support::child::start([&] {
      const int file = open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (file < 0 || dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0 ||
          chdir(path_.c_str()) != 0) {
        _exit(127);
      }
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    });
    const auto how = shell.wait();
    std::ifstream in(said);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (how != support::exited(0)) {
      throw std::runtime_error(command + "\n" + text + "(spin is installed by tools/setup)");
    }
    return text;
  }

 private:
  fs::path path_;
};

std::string first_match(const std::string& text, const char* pattern) {
  std::smatch found;
  return std::regex_search(text, found, std::regex(pattern)) ? found[1].str() : "?";
}

std::string compiler_options(const configuration& of) {
  // With a crash, the reduction of orders is not to be trusted (a rendezvous in an `unless`).
  const std::string all = "-O1 -w -DNOREDUCE -DMEMLIM=4000";
  switch (of.asked) {
    case question::safety:
      return all + " -DSAFETY";
    case question::shortest:
      return all + " -DSAFETY -DBFS";
    case question::liveness:
      return all + " -DNP -DNFAIR=3";
  }
  return all;
}

struct verdict {
  std::string said;
  std::string error;  // the first one, as Spin says it; empty if there is none
  std::string trace;  // its last steps
};

verdict ask(const configuration& of) {
  const folder at;
  const std::string spin = "spin " + of.macros;
  static_cast<void>(at.run(spin + " -a robust_rw.pml"));
  static_cast<void>(at.run("gcc " + compiler_options(of) + " -o pan pan.c"));
  verdict found;
  found.said =
      at.run("./pan -w24 -m4000000" + std::string(of.asked == question::liveness ? " -l -f" : ""));
  std::cout << of.name << "  [" << of.macros << "]\n  "
            << first_match(found.said, "([0-9.e+]+) states, stored") << " states, "
            << first_match(found.said, "([0-9.e+]+) transitions") << " transitions, depth "
            << first_match(found.said, "depth reached ([0-9]+)") << ", "
            << first_match(found.said, "([0-9.]+)\ttotal actual memory") << " MB, "
            << first_match(found.said, "elapsed time ([0-9.e+]+)") << " s\n";
  if (found.said.find("errors: 0\n") != std::string::npos) return found;
  found.error = first_match(found.said, "pan:1: ([^\n]*)");
  found.trace = at.run(spin + " -t -p -g robust_rw.pml | tail -n 150");
  std::cout << "  " << found.error << '\n';
  return found;
}

void PrintTo(const configuration& of, std::ostream* out) { *out << of.macros; }
void PrintTo(const planted_bug& bug, std::ostream* out) { *out << bug.name; }

// --- The protocol as it is.

class RobustRwModel : public ::testing::TestWithParam<configuration> {};

TEST_P(RobustRwModel, HasNoError) {
  const auto found = ask(GetParam());
  EXPECT_EQ(found.error, "") << found.trace;
  EXPECT_EQ(found.said.find("max search depth too small"), std::string::npos) << found.said;
  EXPECT_EQ(found.said.find("Search not completed"), std::string::npos) << found.said;
}

INSTANTIATE_TEST_SUITE_P(
    Of, RobustRwModel,
    ::testing::Values(
        configuration{"TwoThreadsDoAnythingAndDie", "-DTHREADS=2 -DCRASHES=1 -DREUSES=1"},
        configuration{"TwoThreadsDoAnythingAndNobodyWakesThem",
                      "-DTHREADS=2 -DCRASHES=1 -DREUSES=1 -DSLEEPS=UNTIL_QUIET"},
        configuration{"TwoThreadsGiveUpAndLeave", "-DTHREADS=2 -DREUSES=1 -DLEAVES=1 -DGIVES_UP=3"},
        configuration{"TwoThreadsWhoseDeathTheKernelDoesNotMark",
                      "-DTHREADS=2 -DDOES_0=WRITES+READS -DDOES_1=WRITES+READS -DCRASHES=1 "
                      "-DREUSES=1 -DUNMARKED=1 -DSLEEPS=UNTIL_QUIET"},
        configuration{"ThreeWritersWithoutTimeOuts",
                      "-DDOES_0=WRITES -DDOES_1=WRITES -DDOES_2=WRITES -DSLEEPS=UNTIL_WOKEN"},
        configuration{"ThreeThreadsWithoutTimeOuts",
                      "-DDOES_0=WRITES+READS+DOWNGRADES -DDOES_1=WRITES+READS+DOWNGRADES "
                      "-DDOES_2=WRITES+READS+DOWNGRADES -DTIMES=1 -DSLEEPS=UNTIL_WOKEN"},
        configuration{"TwoThreadsWithoutTimeOuts", "-DTHREADS=2 -DSLEEPS=UNTIL_WOKEN"},
        configuration{"TwoThreadsWhoGiveUpWithoutTimeOuts",
                      "-DTHREADS=2 -DGIVES_UP=3 -DSLEEPS=UNTIL_WOKEN"},
        configuration{"ThreeThreadsOfWhomOneHasADeadlineWithoutTimeOuts",
                      "-DDOES_0=WRITES+READS+DOWNGRADES -DDOES_1=WRITES+READS+DOWNGRADES "
                      "-DDOES_2=WRITES+READS+DOWNGRADES -DTIMES=1 -DGIVES_UP=1 "
                      "-DSLEEPS=UNTIL_WOKEN"},
        configuration{"ThreeWritersOfWhomOneHasADeadlineTwice",
                      "-DDOES_0=WRITES -DDOES_1=WRITES -DDOES_2=WRITES -DTIMES=2 -DONCE=6 "
                      "-DTICKETS=2 -DGIVES_UP=1 -DSLEEPS=UNTIL_WOKEN"},
        configuration{"TwoWhoUpgradeWithoutTimeOutsOfWhomOneHasADeadline",
                      "-DDOES_0=READS+UPGRADES -DDOES_1=READS+UPGRADES "
                      "-DDOES_2=WRITES+DOWNGRADES -DTIMES=1 -DGIVES_UP=1 -DSLEEPS=UNTIL_WOKEN"},
        configuration{"ThreeThreadsOfWhomOneHasADeadlineAndOneDies",
                      "-DDOES_0=WRITES -DDOES_1=WRITES+READS -DDOES_2=WRITES -DTIMES=1 "
                      "-DGIVES_UP=1 -DCRASHES=1 -DSLEEPS=UNTIL_QUIET"},
        configuration{"ThreeWritersOfWhomTwoDie",
                      "-DDOES_0=WRITES -DDOES_1=WRITES -DDOES_2=WRITES -DTIMES=1 -DCRASHES=2 "
                      "-DSLEEPS=UNTIL_QUIET"},
        configuration{"ThreeWritersOfWhomOneIsReplaced",
                      "-DDOES_0=WRITES -DDOES_1=WRITES -DDOES_2=WRITES -DTIMES=1 -DCRASHES=1 "
                      "-DVICTIMS=1 -DREUSES=1 -DSLEEPS=UNTIL_QUIET"},
        configuration{"WriterAndReadersOfWhomOneDies",
                      "-DDOES_0=WRITES -DDOES_1=READS -DDOES_2=READS -DTIMES=1 -DCRASHES=1"},
        configuration{"TwoWhoUpgradeAndOneWhoDowngrades",
                      "-DDOES_0=READS+UPGRADES -DDOES_1=READS+UPGRADES "
                      "-DDOES_2=WRITES+DOWNGRADES -DTIMES=1 -DSLEEPS=UNTIL_WOKEN"},
        configuration{"UpgradeAndDowngradeWhereOneDies",
                      "-DDOES_0=READS+UPGRADES -DDOES_1=WRITES+DOWNGRADES -DDOES_2=READS "
                      "-DTIMES=1 -DCRASHES=1 -DSLEEPS=UNTIL_QUIET"},
        configuration{"SomebodyAlwaysGetsTheLock", "-DTHREADS=2 -DCRASHES=1", question::liveness}),
    [](const auto& one) { return one.param.name; });

// --- The protocol with a bug.

class RobustRwModelFinds : public ::testing::TestWithParam<planted_bug> {};

TEST_P(RobustRwModelFinds, ThePlantedBug) {
  auto in = GetParam().in;
  in.name = GetParam().name;
  in.macros += " -DBUG_" + GetParam().name;
  const auto found = ask(in);
  EXPECT_TRUE(found.error.starts_with(GetParam().found_as)) << found.said;
}

const configuration two_threads{"", "-DTHREADS=2", question::shortest};
const configuration two_threads_that_die{"", "-DTHREADS=2 -DCRASHES=1 -DREUSES=1",
                                         question::shortest};
const configuration three_writers{
    "", "-DDOES_0=WRITES -DDOES_1=WRITES -DDOES_2=WRITES -DSLEEPS=UNTIL_WOKEN"};

// One of them gives up, while it is chosen.
const std::string one_gives_up =
    "-DDOES_0=WRITES -DDOES_1=WRITES -DDOES_2=WRITES -DGIVES_UP=1 -DSLEEPS=UNTIL_WOKEN ";
const configuration gives_up_once{"", one_gives_up + "-DTIMES=1"};
const configuration gives_up_often{"", one_gives_up};
const std::string twice = one_gives_up + "-DTIMES=2 -DTICKETS=2 ";

INSTANTIATE_TEST_SUITE_P(
    Of, RobustRwModelFinds,
    ::testing::Values(
        planted_bug{"MARK_AFTER_LOOK", two_threads, "assertion violated"},
        planted_bug{"WRITER_IGNORES_MARKS", two_threads, "assertion violated"},
        planted_bug{"DOWNGRADE_MARKS_LATE", two_threads, "assertion violated"},
        planted_bug{"NO_INCARNATION", two_threads_that_die, "assertion violated"},
        planted_bug{"STEAL_WITHOUT_DAMAGED", two_threads_that_die, "assertion violated"},
        planted_bug{"DEATH_WHILE_PENDING_DAMAGES",
                    {"", "-DTHREADS=2 -DCRASHES=1", question::safety},
                    "assertion violated"},
        planted_bug{"RELEASE_KEEPS_NOTHING", three_writers, "invalid end state"},
        planted_bug{"NO_SECOND_LOOK", three_writers, "invalid end state"},
        planted_bug{"WAKE_SWALLOWED", three_writers, "invalid end state"},
        planted_bug{"NO_LOOK_AT_THE_WOKEN", gives_up_once, "invalid end state"},
        planted_bug{"NO_LOOK_AT_THE_CHOSEN", gives_up_once, "invalid end state"},
        planted_bug{
            "OFFER_TAKEN_BACK_ONLY_UNCHANGED", {"", twice + "-DONCE=3"}, "invalid end state"},
        planted_bug{"REFUSED_OFFER_STAYS_WOKEN", gives_up_often, "invalid end state"},
        planted_bug{"TICKET_IGNORED", {"", twice + "-DONCE=2"}, "invalid end state"},
        planted_bug{"UPGRADE_IS_LEFT_ASLEEP",
                    {"", "-DTHREADS=2 -DSLEEPS=UNTIL_WOKEN"},
                    "invalid end state"},
        planted_bug{"OFFER_STANDS_FOR_EVER",
                    {"",
                     "-DDOES_0=WRITES -DDOES_1=WRITES -DDOES_2=WRITES -DTIMES=1 -DGIVES_UP=1 "
                     "-DCRASHES=1 -DSLEEPS=UNTIL_QUIET"},
                    "invalid end state"},
        planted_bug{"UPGRADES_WAIT_FOR_EACH_OTHER",
                    {"", "-DTHREADS=2", question::liveness},
                    "non-progress cycle"}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace shmark

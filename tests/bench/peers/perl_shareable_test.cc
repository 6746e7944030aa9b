// The comparison with IPC::Shareable, with a stand-in for Perl: what it does with what that says.
// And with the real one, where it is installed.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/program.h"

namespace shmark::bench {
namespace {

using support::contents;
using support::exited;
using support::folder;
using support::lines;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr const char* path = "bench/peers/perl_shareable";
const std::vector<std::string> briefly{"--repetitions=1", "--reads=1", "--writes=1"};

// While it lives, programs are looked for here first, or here only.
class search_path {
 public:
  explicit search_path(const std::string& folders) { setenv("PATH", folders.c_str(), 1); }
  ~search_path() { setenv("PATH", before_.c_str(), 1); }
  search_path(const search_path&) = delete;
  search_path& operator=(const search_path&) = delete;

  [[nodiscard]] static std::string now() { return std::getenv("PATH"); }

 private:
  std::string before_ = now();
};

// Runs the program with a shell script as `perl`, whose arguments are the real one's.
support::outcome run_with_perl(const folder& at, const std::string& script,
                               const std::vector<std::string>& arguments = briefly) {
  std::ofstream(at.file("perl")) << "#!/bin/sh\n" << script;
  std::filesystem::permissions(at.file("perl"), std::filesystem::perms::owner_all);
  const search_path first(at.file("").string() + ":" + search_path::now());
  return run_program(at, path, arguments);
}

TEST(PerlShareable, SaysWhatIsMissingAndHowToGetItWithoutTheModule) {
  const folder at;
  const auto done = run_with_perl(at, "exit 3\n");
  EXPECT_EQ(done.how, exited(1));
  EXPECT_EQ(done.out, "");
  EXPECT_THAT(done.err, AllOf(HasSubstr("IPC::Shareable"), HasSubstr("tools/setup --peers"),
                              HasSubstr("libipc-shareable-perl")));
}

TEST(PerlShareable, SaysWhatIsMissingAndHowToGetItWithoutPerl) {
  const folder at;
  const search_path nowhere(at.file("").string());
  const auto done = run_program(at, path, briefly);
  EXPECT_EQ(done.how, exited(1));
  EXPECT_THAT(done.err, AllOf(HasSubstr("run perl"), HasSubstr("tools/setup --peers")));
}

TEST(PerlShareable, PrintsMediansAndRatios) {
  const folder at;
  const auto done = run_with_perl(at,
                                  "case $2 in version) echo 1.13;; read) echo 3600 -1 -1;;\n"
                                  "write) echo 7200 -1 -1;; locked_write) echo 9 -1 -1;; esac\n");
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_THAT(done.out, ContainsRegex("IPC::Shareable 1.13 +ratio"));
  EXPECT_THAT(done.out, ContainsRegex("read, cached; unlocked +[0-9.]+ [nu]s +3600 s +[0-9,]+\n"));
  EXPECT_THAT(done.out, ContainsRegex("write of the map +[0-9.]+ [num]s +7200 s +[0-9,]+\n"));
  EXPECT_THAT(done.out, ContainsRegex("under a lock +[0-9.]+ [num]s +9.00 s +[0-9,]+\n"));
}

TEST(PerlShareable, SaysSoWhenTheVersionIsAnother) {
  const folder at;
  const auto done = run_with_perl(at, "case $2 in version) echo 1.14;; *) echo 1 -1 -1;; esac\n");
  EXPECT_EQ(done.how, exited(0));
  EXPECT_THAT(done.err, HasSubstr("IPC::Shareable is 1.14 here"));
}

TEST(PerlShareable, EndsWith2WhenTheScriptFailsOrSaysSomethingElse) {
  for (const auto* script : {"case $2 in version) echo 1.13;; *) exit 9;; esac\n",
                             "case $2 in version) echo 1.13;; *) echo hello;; esac\n"}) {
    const folder at;
    support::expect_complaint(run_with_perl(at, script), {"ipc_shareable.pl"});
  }
}

TEST(PerlShareable, RemovesTheSegmentThatTheScriptHasLeftAndSaysSo) {
  const folder at;
  const int left = shmget(IPC_PRIVATE, 1, 0600);
  ASSERT_GE(left, 0);
  const auto done = run_with_perl(
      at, "case $2 in version) echo 1.13;; *) echo 1 " + std::to_string(left) + " -1;; esac\n");
  EXPECT_EQ(done.how, exited(0));
  EXPECT_THAT(done.err, HasSubstr("left its segment or semaphores; now removed"));
  EXPECT_NE(shmctl(left, IPC_RMID, nullptr), 0) << "still there";
}

TEST(PerlShareable, EndsWith2AndAMessageOnBadInput) {
  const folder at;
  support::expect_complaint(run_program(at, path, {"--reads=0"}), {"--reads"});
  support::expect_complaint(run_program(at, path, {"--frobnicate"}), {"--frobnicate"});
}

TEST(PerlShareable, MeasuresTheRealOneWhichLeavesNothing) {
  const folder at;
  const auto done = run_program(at, path, briefly);
  if (done.how == exited(1)) GTEST_SKIP() << done.err;
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_EQ(lines(done.out).size(), 7u) << done.out;
  EXPECT_THAT(done.err, ::testing::Not(HasSubstr("left its segment")));
}

}  // namespace
}  // namespace shmark::bench

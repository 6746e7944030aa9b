#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "lib/result/result.h"

namespace shmark::result {
namespace {

namespace fs = std::filesystem;

// A checkout of its own, whose name a shell would obey.
class Commit : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("git --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no git here";
    fs::remove_all(root_);
    fs::create_directories(folder_);
    ::setenv("BUILD_WORKSPACE_DIRECTORY", folder_.c_str(), 1);
    // Nothing above the test's own folder, and nobody's settings, take part.
    ::setenv("GIT_CEILING_DIRECTORIES", root_.c_str(), 1);
    ::setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    ::setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    for (const char* who : {"GIT_AUTHOR", "GIT_COMMITTER"}) {
      ::setenv((std::string(who) + "_NAME").c_str(), "Somebody", 1);
      ::setenv((std::string(who) + "_EMAIL").c_str(), "somebody@example.org", 1);
    }
  }
  void TearDown() override {
    ::unsetenv("BUILD_WORKSPACE_DIRECTORY");
    fs::remove_all(root_);
  }

  void git(const std::string& arguments) const {
    const std::string command = "cd '" + folder_.string() + "' && git " + arguments;
    ASSERT_EQ(std::system((command + " > /dev/null 2>&1").c_str()), 0) << command;
  }

  void make_commit() const {
    git("init");
    std::ofstream(folder_ / "tracked") << "1";
    git("add tracked");
    git("commit -m one");
  }

  [[nodiscard]] static std::string commit() { return this_context(run_kind::bench, "").commit; }

  fs::path root_ = fs::path(testing::TempDir()) / "commit_test";
  fs::path folder_ = root_ / "-a b; $(touch obeyed) `touch obeyed`";
};

TEST_F(Commit, IsUnknownOutsideACheckout) { EXPECT_EQ(commit(), "unknown"); }

TEST_F(Commit, IsUnknownBeforeTheFirst) {
  git("init");
  EXPECT_EQ(commit(), "unknown");
}

TEST_F(Commit, IsUnknownWithoutGit) {
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", root_.c_str(), 1);
  EXPECT_EQ(commit(), "unknown");
  ::setenv("PATH", path.c_str(), 1);
}

TEST_F(Commit, IsThatOfTheCheckout) {
  make_commit();
  const std::string clean = commit();
  EXPECT_EQ(clean.size(), 40u) << clean;
  EXPECT_EQ(clean.find_first_not_of("0123456789abcdef"), std::string::npos) << clean;

  std::ofstream(folder_ / "untracked") << "a result";
  EXPECT_EQ(commit(), clean);
  std::ofstream(folder_ / "tracked") << "2";
  EXPECT_EQ(commit(), clean + "+dirty");
}

TEST_F(Commit, ObeysNothingInTheFoldersName) {
  make_commit();
  EXPECT_EQ(commit().size(), 40u);
  for (const auto& each : fs::recursive_directory_iterator(root_)) {
    EXPECT_NE(each.path().filename(), "obeyed");
  }
}

TEST(Context, DescribesThisMachineAndBuild) {
  const context about = this_context(run_kind::stress, "stress --list");
  EXPECT_EQ(about.schema, schema_version);
  EXPECT_EQ(about.kind, run_kind::stress);
  EXPECT_EQ(about.command, "stress --list");
  EXPECT_GE(about.num_cpus, 1);
  EXPECT_GE(about.machine.cores, 1);
  EXPECT_FALSE(about.machine.cpu.empty());
  EXPECT_FALSE(about.commit.empty());
  utsname system{};
  ASSERT_EQ(::uname(&system), 0);
  EXPECT_EQ(about.machine.kernel, system.release);
  // "2030-01-02T03:04:05+00:00"
  ASSERT_EQ(about.date.size(), 25u) << about.date;
  EXPECT_EQ(about.date[10], 'T');
  EXPECT_EQ(about.date[22], ':');
}

TEST(Context, HasTheSameFingerprintEveryTime) {
  const std::string once = this_context(run_kind::bench, "one").machine.fingerprint;
  EXPECT_EQ(once.size(), 16u);
  EXPECT_EQ(this_context(run_kind::stress, "another").machine.fingerprint, once);
}

TEST(Context, TellsASanitizerBuild) {
  const build_info build = this_context(run_kind::bench, "").build;
#if defined(SHMARK_ASAN)
  EXPECT_EQ(build.sanitizer, sanitizer_kind::address);
#elif defined(SHMARK_TSAN)
  EXPECT_EQ(build.sanitizer, sanitizer_kind::thread);
#else
  EXPECT_EQ(build.sanitizer, sanitizer_kind::none);
#endif
#if defined(NDEBUG)
  EXPECT_EQ(build.mode, build_mode::opt);
#else
  EXPECT_EQ(build.mode, build_mode::debug);
#endif
  EXPECT_NE(build.compiler.find('.'), std::string::npos) << build.compiler;
}

}  // namespace
}  // namespace shmark::result

// The main program of tests. Around every test it puts a watchdog, and a check that nothing is left
// behind (see watchdog.h and leftovers.h).

#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <optional>
#include <string>

#include "tests/support/leftovers.h"
#include "tests/support/watchdog.h"

namespace shmark::support {
namespace {

class around_every_test final : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo& test) override {
    guard_.emplace(std::string(test.test_suite_name()) + "." + test.name());
    before_.emplace();
  }
  void OnTestEnd(const ::testing::TestInfo&) override {
    for (const auto& line : before_->find()) ADD_FAILURE() << "left behind: " << line;
    before_->remove();
    guard_.reset();
  }

  std::optional<leftovers> before_;
  std::optional<watchdog> guard_;
};

}  // namespace
}  // namespace shmark::support

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  // Children of a child that died become ours, so that they are found and reaped here.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::testing::UnitTest::GetInstance()->listeners().Append(
      new shmark::support::around_every_test);  // GoogleTest owns it
  return RUN_ALL_TESTS();
}

#include "lib/base/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <string>

#include "tests/support/child.h"

namespace shmark {
namespace {

using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

constexpr program self("example");

TEST(Program, ComplainsUnderItsNameAndEndsWithStatusTwo) {
  CaptureStderr();
  EXPECT_EQ(self.complain("no such file"), 2);
  EXPECT_EQ(GetCapturedStderr(), "example: no such file\n");
  const error what{errc::not_found, 0, "open", "x", "make it"};
  CaptureStderr();
  EXPECT_EQ(self.complain(what), 2);
  EXPECT_EQ(GetCapturedStderr(), "example: " + what.message() + '\n');
}

TEST(Program, EndsAsItsBodyDoes) {
  EXPECT_EQ(self.main([](int count, char**) { return count; }, 7, nullptr), 7);
}

TEST(Program, ComplainsOfWhatItsBodyThrows) {
  const auto body = [](int, char**) -> int { throw std::runtime_error("out of luck"); };
  CaptureStderr();
  EXPECT_EQ(self.main(body, 0, nullptr), 2);
  EXPECT_EQ(GetCapturedStderr(), "example: out of luck\n");
}

int print_and_end(int status, char**) {
  std::puts("what somebody waits for");
  return status;
}

// Its end when its body ends with this, and nothing can be printed.
support::ending end_without_output(int status) {
  return support::child::start([&] {
           dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
           _exit(self.main(print_and_end, status, nullptr));
         })
      .wait();
}

TEST(Program, DoesNotEndWithSuccessIfItsOutputIsLost) {
  EXPECT_EQ(end_without_output(0), support::exited(2));
  EXPECT_EQ(end_without_output(1), support::exited(1)) << "a finding stays one";
}

}  // namespace
}  // namespace shmark

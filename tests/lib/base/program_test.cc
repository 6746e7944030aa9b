#include "lib/base/program.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

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

}  // namespace
}  // namespace shmark

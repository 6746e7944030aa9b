// The examples do what they show, and leave nothing behind (of names with this program's space in
// them, :main sees to that).

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "tests/support/program.h"
#include "tests/support/unique_space.h"

namespace shmark {
namespace {

using support::exited;
using support::folder;

TEST(Examples, SharedOpenShowsWhatAnotherHandleWroteAndLeavesNothing) {
  const folder at;
  const std::string name = "/" + support::unique_space();
  const auto done = run_program(at, "examples/shared_open", {name});
  EXPECT_EQ(done.how, exited(0)) << done.err;
  EXPECT_EQ(done.out,
            "4096 bytes: hello\n"
            "cannot write to shared memory " +
                name +
                ": it is not a valid value: 6 bytes at 4093 go past the end at 4096; "
                "write less, or open it anew with a larger size\n");
  EXPECT_EQ(done.err, "");
  EXPECT_NE(access(("/dev/shm" + name).c_str(), F_OK), 0) << "left behind";
}

TEST(Examples, SharedOpenEndsWith2AndAMessageOnABadName) {
  const folder at;
  support::expect_complaint(run_program(at, "examples/shared_open", {"no-slash"}),
                            {"no-slash", "the name is not portable; use a slash"});
}

}  // namespace
}  // namespace shmark

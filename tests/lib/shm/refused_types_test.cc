// What the compiler says of types that cannot be the value of a variable: first of all, and in one
// line, what is wrong and what to do about it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/program.h"

namespace shmark {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string said_of(const std::string& program) {
  return support::contents("tests/lib/shm/" + program + ".said");
}

std::vector<std::string> errors_in(const std::string& said) {
  std::vector<std::string> found;
  for (const auto& line : support::lines(said)) {
    if (support::contains(line, "error: ")) found.push_back(line);
  }
  return found;
}

const auto says_what_to_do =
    AllOf(HasSubstr("this type cannot be the value of a variable, or a part of it"),
          HasSubstr("give it a serialize()"), HasSubstr("include Boost's header for it"));

// Nor is anything else told, which would push it off the screen.
TEST(RefusedTypes, AreToldInOneLineThatTheyHaveNoSerialize) {
  const auto said = said_of("no_serialize");
  EXPECT_THAT(errors_in(said), ElementsAre(says_what_to_do)) << said;
  EXPECT_THAT(said, HasSubstr("serialize_of<point, false>"));
}

TEST(RefusedTypes, AreToldInOneLineThatABoostHeaderIsMissingHoweverDeep) {
  const auto said = said_of("no_boost_header");
  EXPECT_THAT(errors_in(said), ElementsAre(says_what_to_do)) << said;
  EXPECT_THAT(said, HasSubstr("list<int"));
}

}  // namespace
}  // namespace shmark

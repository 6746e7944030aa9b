#include "lib/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <expected>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace shmark {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr errc first_code = errc::would_block;
constexpr errc last_code = errc::system;

TEST(Error, SaysWhatWasAttemptedOnWhatAndWhatToDo) {
  const error failed{errc::invalid, 0, "set the number of workers to", "1000",
                     "give at most 64 workers"};
  EXPECT_THAT(failed.message(), StartsWith("cannot set the number of workers to 1000: "));
  EXPECT_THAT(failed.message(), EndsWith("; give at most 64 workers"));
}

TEST(Error, AddsWhatTheSystemSaid) {
  const auto failed = system_error(ENOSPC, "create segment", "shmark.1000.user");
  EXPECT_EQ(failed.code, errc::no_space);
  EXPECT_EQ(failed.sys_errno, ENOSPC);
  EXPECT_THAT(failed.message(), StartsWith("cannot create segment shmark.1000.user: "));
  EXPECT_THAT(failed.message(), HasSubstr("(No space left on device)"));
  EXPECT_THAT(failed.message(), HasSubstr("; free "));
}

// A kind has one advice, and the reasons that the system has for it may need others.
TEST(Error, AdvisesByWhatTheSystemSaid) {
  const auto message = [](int sys_errno) { return system_error(sys_errno, "test", "x").message(); };
  for (const int of_descriptors : {EMFILE, ENFILE}) {
    EXPECT_THAT(message(of_descriptors), HasSubstr("ulimit -n"));
    EXPECT_THAT(message(of_descriptors), Not(HasSubstr("/dev/shm")));
  }
  EXPECT_THAT(message(EROFS), HasSubstr("read-write"));
  EXPECT_THAT(message(ENAMETOOLONG), EndsWith("; choose a shorter name"));
  EXPECT_THAT(message(EIO), Not(HasSubstr("above"))) << "this is the only line that there is";
}

TEST(Error, KeepsAnAdviceOfItsOwn) {
  auto failed = system_error(EMFILE, "test", "x");
  failed.remedy = "close the window";
  EXPECT_THAT(failed.message(), EndsWith("; close the window"));
}

TEST(Error, SaysWhatWasFoundAndStillWhatToDo) {
  const auto refused = failure(errc::mismatch, "use store", "it", because{"it has version 7"});
  EXPECT_EQ(refused.error().message(),
            "cannot use store it: it is of another version, layout or type: it has version 7; use "
            "the program that made it");
  const auto advised = failure(errc::mismatch, "use store", "it", because{"why"}, "do this");
  EXPECT_THAT(advised.error().message(), EndsWith(": why; do this"));
}

TEST(Error, NeedsNoObject) {
  EXPECT_THAT(system_error(ENOMEM, "fork", "").message(), StartsWith("cannot fork: "));
}

TEST(Error, IsOneLineWithAnAdviceOfEveryKind) {
  std::set<std::string_view> names;
  for (int code = int(first_code); code <= int(last_code); ++code) {
    const error failed{.code = errc(code), .attempted = "test", .object = "x"};
    const std::string line = failed.message();
    const auto advice = line.find("; ");
    ASSERT_NE(advice, std::string::npos) << line;
    EXPECT_GT(line.size(), advice + 5) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    EXPECT_FALSE(name_of(errc(code)).empty());
    names.insert(name_of(errc(code)));
  }
  EXPECT_EQ(names.size(), std::size_t(last_code) + 1) << "two kinds have one name";
}

TEST(Error, IsOneLineWhateverItIsAbout) {
  const auto failed = failure(errc::invalid, "open", "a\nb", because{"it\x1b[2J is not"});
  EXPECT_THAT(failed.error().message(), StartsWith("cannot open a\\x0ab: "));
  EXPECT_THAT(failed.error().message(), HasSubstr("it\\x1b[2J is not"));
  const auto letters = failure(errc::invalid, "open", "K\u00e4se\\");
  EXPECT_THAT(letters.error().message(), StartsWith("cannot open K\u00e4se\\: "));
}

TEST(Error, HasTheNameOfItsKind) {
  EXPECT_EQ(name_of(errc::would_block), "would_block");
  EXPECT_EQ(name_of(errc::not_found), "not_found");
  EXPECT_EQ(name_of(errc::corrupt), "corrupt");
  EXPECT_EQ(name_of(errc::worker_died), "worker_died");
  EXPECT_EQ(name_of(errc::system), "system");
}

TEST(Error, MapsWhatTheSystemAnswersToKinds) {
  const std::pair<int, errc> expected[] = {
      {EAGAIN, errc::would_block},
      {ETIMEDOUT, errc::timed_out},
      {EDEADLK, errc::would_deadlock},
      {ENOTRECOVERABLE, errc::not_recoverable},
      {ENOENT, errc::not_found},
      {EIDRM, errc::not_found},
      {EEXIST, errc::exists},
      {EACCES, errc::denied},
      {EPERM, errc::denied},
      {ENOMEM, errc::no_space},
      {ENOSPC, errc::no_space},
      {EMFILE, errc::no_space},
      {ENFILE, errc::no_space},
      {EROFS, errc::denied},
      {EINVAL, errc::invalid},
      {ENAMETOOLONG, errc::invalid},
      {EIO, errc::system},
  };
  for (const auto& [number, code] : expected) {
    EXPECT_EQ(name_of(system_error(number, "test", "").code), name_of(code)) << number;
  }
}

TEST(ShortText, HoldsAShortTextAsItIs) {
  EXPECT_EQ(short_text("").view(), "");
  EXPECT_EQ(short_text("name").view(), "name");
  const std::string longest(short_text::capacity, 'x');
  EXPECT_EQ(short_text(longest).view(), longest);
}

TEST(ShortText, KeepsTheEndOfALongOne) {
  const std::string path = "/" + std::string(200, 'd') + "/the.file";
  const auto cut = short_text(path);
  EXPECT_EQ(cut.view().size(), short_text::capacity);
  EXPECT_THAT(std::string(cut.view()), StartsWith("...ddd"));
  EXPECT_THAT(std::string(cut.view()), EndsWith("d/the.file"));
  EXPECT_THAT(system_error(ENOENT, "open", path).message(), HasSubstr("d/the.file: "));
}

std::expected<void, error> fail_if(bool fails) {
  if (fails) return failure(errc::corrupt, "test", "on purpose");
  return {};
}
std::expected<std::unique_ptr<int>, error> seven_unless(bool fails) {
  if (fails) return system_failure(EEXIST, "test", "on purpose");
  return std::make_unique<int>(7);
}
std::expected<int, error> sum(bool first_fails, bool second_fails, bool third_fails) {
  SHMARK_RETURN_IF_ERROR(fail_if(first_fails));
  SHMARK_ASSIGN_OR_RETURN(const auto one, seven_unless(second_fails));
  SHMARK_ASSIGN_OR_RETURN(const auto other, seven_unless(third_fails));
  return *one + *other;
}

TEST(ErrorMacros, ReturnTheErrorOrGoOnWithTheValue) {
  EXPECT_EQ(sum(false, false, false).value(), 14);
  EXPECT_EQ(sum(true, false, false).error().code, errc::corrupt);
  EXPECT_EQ(sum(false, true, false).error().code, errc::exists);
  EXPECT_EQ(sum(false, false, true).error().code, errc::exists);
}

}  // namespace
}  // namespace shmark
